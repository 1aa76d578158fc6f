#' Analytic Pearson residuals
#'
#' Replaces counts by their residuals under a negative binomial model of cell totals and gene means
#' (Lause, Berens & Kobak 2021). It takes one pass for the sums, none if an earlier verb left them.
#' The residuals, which are dense, are computed whenever values are read. As
#' `scanpy.experimental.pp.normalize_pearson_residuals`.
#'
#' @param adata An [AnnDataOOM-class] with counts.
#' @param theta Overdispersion of the negative binomial; `Inf` is a Poisson model.
#' @param clip Bound of residuals, which are clipped to `[-clip, clip]`; `NULL` is the square root
#'   of the number of cells, `Inf` turns clipping off.
#' @param check_values Whether to warn if values are not whole numbers.
#' @param layer Name of the layer to use instead of `X`.
#' @return `adata` with the operation queued, and `uns$pearson_residuals_normalization` (`theta`, `clip`, `computed_on`).
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata <- highly_variable_genes(adata, n_top_genes = 200, flavor = "pearson_residuals", subset = TRUE)
#' adata <- normalize_pearson_residuals(adata) |> pca(n_comps = 10)
#' adata$X
normalize_pearson_residuals <- function(adata, theta = 100, clip = NULL, check_values = TRUE, layer = NULL) {
  verb("normalize_pearson_residuals", adata, arguments())
}
