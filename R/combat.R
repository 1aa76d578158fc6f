#' Take out location and scale of batches
#'
#' ComBat (Johnson, Li and Rabinovic 2007): gene by gene, the location and the scale of every batch are estimated, shrunk
#' towards those of all genes, and taken out. One pass finds them; the correction is recorded and done whenever values are
#' read. As `scanpy.pp.combat`.
#'
#' Genes without variation count in the estimates, as in scanpy: filter them first.
#'
#' @param adata An [AnnDataOOM-class] of logarithmised values.
#' @param key Column of `obs` with the batches, of two cells or more.
#' @param covariates Columns of `obs`, numbers or groups, that explain values too and stay in them.
#' @return `adata` with the operation queued. The result is dense when it is read.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> filter_genes(min_cells = 3) |> normalize_total() |> log1p()
#' adata <- combat(adata, "batch", covariates = "cell_type")
#' adata$X
combat <- function(adata, key = "batch", covariates = NULL) {
  verb("combat", adata, arguments())
}
