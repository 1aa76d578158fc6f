#' Open a Zarr store
#'
#' Reads `obs` and `var` of a store that anndata wrote, version 2 or 3. Matrices stay in it, and the
#' elements of `obsm`, `uns` and other slots are read on first use. The store never changes.
#'
#' Stores with and without shards and consolidated metadata are read, with the codecs zstd, blosc, gzip, zlib, lz4, shuffle
#' and crc32c.
#'
#' @param path The folder, or a zip archive of it, or a URL of one (`https://`, `s3://`, `gs://`,
#'   `az://`). Over `https://`, which lists no files, a store needs consolidated metadata.
#' @param external Symbolic links out of the folder that are followed: `"refuse"` none,
#'   `"same-folder"` those into the folder of the store, `"follow"` any. With `"follow"`, a store
#'   can show the contents of any path that its links name.
#' @param storage_options Options of a URL. See [read_h5ad()].
#' @return An [AnnDataOOM-class].
#' @seealso [read_h5ad()]
#' @export
#' @examples
#' \dontrun{
#' adata <- read_zarr("pbmc.zarr")
#' }
read_zarr <- function(path, external = "refuse", storage_options = NULL) {
  check_arguments("read_zarr", path = path, external = external)
  object_of(file_ref(path, external = external, format = "zarr", storage_options = storage_options))
}
