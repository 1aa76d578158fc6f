#' Open an h5Seurat file
#'
#' Opens an assay of a file of SeuratDisk in place: its matrices of features x cells by columns are cells x features by rows
#' and are read when values are asked for. `meta.data` is `obs`, `meta.features` `var` (with `highly_variable` for the
#' variable features), reductions are in `obsm` and `varm` (`X_pca`, `PCs`), graphs in `obsp`.
#'
#' @param path The file.
#' @param assay The assay; the active one when `NULL`.
#' @param slot The matrix that is `X`: `"counts"`, `"data"` or `"scale.data"`; the first of them that is there when `NULL`.
#'   The others are layers, `"scale.data"` where it has all features.
#' @param external Which other files this one may take parts from; see [read_h5ad()].
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
