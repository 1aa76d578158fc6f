#' Write a Zarr store
#'
#' Writes everything as [write_h5ad()] does, into a folder that anndata reads. Matrices are streamed
#' with their queued operations applied; elements that did not change are copied from a store of the
#' same version. The store is written beside its target and renamed when it is complete: an older
#' store survives any failure, and no half-written one is ever at its place.
#'
#' @param adata An [AnnDataOOM-class].
#' @param path The folder to write. A Zarr store there is replaced; anything else is refused.
#' @param zarr_format Version of the format, 3 or 2.
#' @param shards Number of chunks of a matrix that share a file, in version 3; 0 for a file for each
#'   chunk.
#' @param chunks Number of values of a chunk: stored values of a sparse matrix (65,536 by default),
#'   or about as many values in whole rows of a dense one.
#' @param compression `"zstd"`, `"gzip"` or `"none"`, for elements that are not copied.
#' @param compression_opts Level of zstd, 1 to 22 (default 3), or of gzip, 0 to 9 (default 4).
#' @param as_dense,as_csc,as_csr,recompress See [write_h5ad()].
#' @return `adata`, invisibly. An object that reads from the store that was replaced has to be
#'   opened again.
#' @seealso [read_zarr()], [convert()]
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' path <- tempfile(fileext = ".zarr")
#' write_zarr(adata[1:50, ], path)
#' read_zarr(path)
write_zarr <- function(adata, path, zarr_format = 3, shards = 1024, chunks = NULL, compression = "zstd",
                       compression_opts = NULL, as_dense = NULL, as_csc = NULL, as_csr = NULL,
                       recompress = FALSE) {
  check_adata(adata)
  check_arguments(
    "write_zarr", path = path, zarr_format = zarr_format, shards = shards, chunks = chunks, compression = compression,
    compression_opts = compression_opts, as_dense = as_dense, as_csc = as_csc, as_csr = as_csr,
    recompress = recompress
  )
  rs_work(
    "writing", rs_write_zarr, plan = write_plan(adata), path = path.expand(path), zarr_format = zarr_format,
    shards = shards, chunks = chunks, compression = compression, compression_opts = compression_opts,
    as_dense = as_dense, as_csc = as_csc, as_csr = as_csr, recompress = recompress
  )
  invisible(adata)
}

#' Convert between h5ad and Zarr
#'
#' Writes everything in a file or store into another, element by element, without loading a whole
#' matrix. The new file or store is renamed to its target when it is complete.
#'
#' @param path An h5ad file or Zarr store, recognised by its content.
#' @param to The target: a path that ends in `.h5ad` or `.zarr`.
#' @param zarr_format,shards See [write_zarr()]; for a Zarr store only.
#' @param chunks Number of values of a chunk of a matrix.
#' @param compression `"zstd"` (a Zarr store's default), `"gzip"` (an h5ad file's default), `"lzf"` (h5ad only) or `"none"`.
#' @param compression_opts Level of zstd, 1 to 22, or of gzip, 0 to 9.
#' @param external See [read_h5ad()] and [read_zarr()].
#' @return `to`, invisibly.
#' @export
#' @examples
#' path <- tempfile(fileext = ".zarr")
#' convert(example_h5ad(), path)
#' read(path)
convert <- function(path, to, zarr_format = 3, shards = 1024, chunks = NULL, compression = NULL, compression_opts = NULL,
                    external = "refuse") {
  check_arguments(
    "convert", path = path, to = to, zarr_format = zarr_format, shards = shards, chunks = chunks,
    compression = compression, compression_opts = compression_opts, external = external
  )
  rs_work(
    "converting", rs_convert, store = store_of(file_ref(path, external = external)), to = path.expand(to),
    zarr_format = zarr_format, shards = shards, chunks = chunks, compression = compression,
    compression_opts = compression_opts
  )
  invisible(to)
}
