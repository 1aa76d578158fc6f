#' Ranges of the genes
#'
#' Least and largest value of every gene, and how many cells are above a threshold, in one pass. Zeros count as any other
#' value. `NaN` propagates, and is above nothing.
#'
#' @param adata An [AnnDataOOM-class].
#' @param threshold What the value of a cell has to be above to be counted.
#' @param layer Name of the layer to use instead of `X`.
#' @return `adata` with, in `var`, `min_expression`, `max_expression` and `n_cells_above`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> gene_ranges(threshold = 2)
#' head(adata$var[, c("min_expression", "max_expression", "n_cells_above")])
gene_ranges <- function(adata, threshold = 0, layer = NULL) {
  verb("gene_ranges", adata, arguments())
}
