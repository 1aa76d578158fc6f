#' Open an h5Seurat file
#'
#' Opens an assay of a file of SeuratDisk in place. Its matrices, features x cells by columns, are
#' read as cells x features by rows when values are needed. `meta.data` becomes `obs`,
#' `meta.features` becomes `var` (with `highly_variable` for the variable features), reductions go
#' to `obsm` and `varm` (`X_pca`, `PCs`), graphs to `obsp`.
#'
#' @param path The file.
#' @param assay The assay; `NULL` for the active one.
#' @param slot The matrix for `X`: `"counts"`, `"data"` or `"scale.data"`; `NULL` for the first of
#'   them in the file. The others become layers, `"scale.data"` only if it has all features.
#' @param external Other files that this one may take parts from; see [read_h5ad()].
#' @return An [AnnDataOOM-class].
#' @seealso [read()], [as_AnnDataOOM()] for Seurat objects in memory
#' @export
#' @examples
#' \dontrun{
#' adata <- read_h5seurat("pbmc.h5Seurat", slot = "data")
#' }
read_h5seurat <- function(path, assay = NULL, slot = NULL, external = "refuse") {
  check_arguments("read_h5seurat", path = path, assay = assay, slot = slot, external = external)
  file <- file_ref(path, external = external)
  parts <- rs_work("reading", rs_read_h5seurat, store = store_of(file), assay = assay, slot = slot)
  of_slots(file, parts)
}
