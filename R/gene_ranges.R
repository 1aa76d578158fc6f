#' Ranges of the genes
#'
#' Finds the least and largest value of every gene, and the number of cells above a threshold, in
#' one pass. Zeros count like any other value. `NaN` propagates, and is above no threshold.
#'
#' @param adata An [AnnDataOOM-class].
#' @param threshold Value that a cell has to exceed to be counted in `n_cells_above`.
#' @param layer Name of the layer to use instead of `X`.
#' @return `adata` with, in `var`, `min_expression`, `max_expression` and `n_cells_above`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> gene_ranges(threshold = 2)
#' head(adata$var[, c("min_expression", "max_expression", "n_cells_above")])
gene_ranges <- function(adata, threshold = 0, layer = NULL) {
  verb("gene_ranges", adata, arguments())
}
