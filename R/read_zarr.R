#' Open a Zarr store
#'
#' Reads `obs` and `var` of a store that anndata wrote, version 2 or 3; matrices stay in it and the elements of `obsm`, `uns`
#' and so on are read when they are touched. The store is never changed.
#'
#' Stores with and without shards and consolidated metadata are read, with the codecs zstd, blosc, gzip, zlib, lz4, shuffle
#' and crc32c.
#'
#' @param path The folder, or a zip archive of it; or a URL of one (`https://`, `s3://`, `gs://`, `az://`). A server that does not say
#'   which files there are (`https://`) serves stores with consolidated metadata.
#' @param external Which symbolic links that leave the folder are followed: `"refuse"` none, `"same-folder"` those to where
#'   the store is, `"follow"` any, which shows what lies at whatever path they name.
#' @param storage_options As in [read_h5ad()], for a URL.
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
