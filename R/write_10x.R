#' Write counts in the formats of Cell Ranger
#'
#' `write_10x_mtx()` streams a matrix into a folder as text: `matrix.mtx.gz` (genes x cells sorted
#' by cell, without zeros), `features.tsv.gz` (`var$gene_ids`, else the names; the names;
#' `var$feature_types`, else "Gene Expression") and `barcodes.tsv.gz`. `write_10x_h5()` streams
#' counts into an HDF5 file (`filtered_feature_bc_matrix.h5`), with `var$genome` if there is such a
#' column.
#'
#' @param adata An [AnnDataOOM-class].
#' @param path The folder, which is made if it does not exist, or the file.
#' @param layer The layer to write instead of `X`.
#' @return `adata`, invisibly.
#' @seealso [read_10x_mtx()], [read_10x_h5()]
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' folder <- tempfile("counts")
#' write_10x_mtx(adata, folder)
#' list.files(folder)
#' read_10x_mtx(folder)
write_10x_mtx <- function(adata, path, layer = NULL) {
  check_adata(adata)
  check_arguments("write_10x_mtx", path = path, layer = layer)
  rs_work("writing", rs_write_10x_mtx, plan = matrix_plan(adata, layer), path = path.expand(path))
  invisible(adata)
}

#' @rdname write_10x_mtx
#' @export
write_10x_h5 <- function(adata, path, layer = NULL) {
  check_adata(adata)
  check_arguments("write_10x_h5", path = path, layer = layer)
  rs_work("writing", rs_write_10x_h5, plan = matrix_plan(adata, layer), path = path.expand(path))
  invisible(adata)
}

# Makes the plan of a matrix and its tables alone, in the form of write_plan().
matrix_plan <- function(adata, layer) {
  x <- matrix_for(adata, layer, FALSE)
  tables <- if (!isTRUE(adata@origin$foreign)) adata@file
  list(
    X = matrix_part(x),
    obs = frame_part(adata@obs, tables, "obs", adata@origin$rows, adata@origin$failed$obs),
    var = frame_part(adata@var, tables, "var", adata@origin$columns, adata@origin$failed$var),
    layers = list(), obsm = list(), varm = list(), obsp = list(), varp = list(), uns = list()
  )
}
