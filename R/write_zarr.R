#' Write a Zarr store
#'
#' Writes everything as [write_h5ad()] does, into a folder that anndata reads: matrices are streamed with their queued
#' operations done, and what nobody changed is copied as it is from a store of the same version. The store is written beside its
#' target and renamed when it is complete: whatever fails, an older one survives, and a half-written one is never found
#' there.
#'
#' @param adata An [AnnDataOOM-class].
#' @param path The folder to write; a Zarr store that is there is replaced, anything else refused.
#' @param zarr_format Version of the format, 3 or 2.
#' @param shards Chunks of a matrix that share a file, in version 3; 0 for a file each.
#' @param chunks Values of a chunk: stored ones of a sparse matrix (65,536 by default), whole rows of about as many of a dense
#'   one.
#' @param compression `"zstd"`, `"gzip"` or `"none"`, for what is written anew.
#' @param compression_opts Level of zstd, 1 to 22 (default 3), or of gzip, 0 to 9 (default 4).
#' @param as_dense,as_csc,as_csr,recompress As in [write_h5ad()].
#' @return `adata`, invisibly. One that reads from the very store that was replaced has to be opened again.
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
#' Writes all that a file or store holds into another, element by element: no matrix comes to memory whole. The new one is put in
#' place when it is complete.
#'
#' @param path An h5ad file or Zarr store, told by its content.
#' @param to The new one: a name that ends in `.h5ad` or `.zarr`.
#' @param zarr_format,shards As in [write_zarr()], for a Zarr store.
#' @param chunks Values of a chunk of a matrix.
#' @param compression `"zstd"` (a Zarr store's default), `"gzip"` (an h5ad file's default), `"lzf"` (h5ad only) or `"none"`.
#' @param compression_opts Level of zstd, 1 to 22, or of gzip, 0 to 9.
#' @param external As in [read_h5ad()] and [read_zarr()].
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
