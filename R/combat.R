#' Remove batch effects with ComBat
#'
#' Estimates location and scale of every batch, gene by gene, shrinks the estimates towards those of
#' all genes, and removes the differences (Johnson, Li and Rabinovic 2007), as `scanpy.pp.combat`.
#' One pass finds the estimates. The correction is recorded and applied whenever values are read.
#'
#' Genes without variation count in the estimates, as in scanpy; filter them first.
#'
#' @param adata An [AnnDataOOM-class] of logarithmised values.
#' @param key Column of `obs` with the batches, each of at least two cells.
#' @param covariates Columns of `obs`, numbers or groups, that explain values too. Their effects
#'   stay in the values.
#' @return `adata` with the operation queued. The result is dense when it is read.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> filter_genes(min_cells = 3) |> normalize_total() |> log1p()
#' adata <- combat(adata, "batch", covariates = "cell_type")
#' adata$X
combat <- function(adata, key = "batch", covariates = NULL) {
  verb("combat", adata, arguments())
}
