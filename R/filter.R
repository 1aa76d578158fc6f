#' Filter cells or genes
#'
#' Keeps the cells (genes) within a limit, which takes one pass over the counts, as
#' `scanpy.pp.filter_cells` and `filter_genes`. A call has exactly one limit.
#'
#' @param adata An [AnnDataOOM-class].
#' @param min_counts,max_counts Least and largest total count of a cell (gene) that stays.
#' @param min_genes,max_genes Least and largest number of genes detected in a cell that stays.
#' @param min_cells,max_cells Least and largest number of cells in which a gene that stays is detected.
#' @return `adata` with the cells (genes) that stay, and their numbers in `obs$n_genes` or
#'   `obs$n_counts` (`var$n_cells` or `var$n_counts`).
#' @name filter
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata |> filter_cells(min_genes = 100) |> filter_genes(min_cells = 3) |> dim()
NULL

#' @rdname filter
#' @export
filter_cells <- function(adata, min_counts = NULL, min_genes = NULL, max_counts = NULL, max_genes = NULL) {
  verb("filter_cells", adata, arguments())
}

#' @rdname filter
#' @export
filter_genes <- function(adata, min_counts = NULL, min_cells = NULL, max_counts = NULL, max_cells = NULL) {
  verb("filter_genes", adata, arguments())
}
