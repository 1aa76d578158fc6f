#' Regress out covariates
#'
#' Subtracts from every gene its least-squares fit on columns of `obs`. One pass finds the coefficients; the subtraction
#' is recorded and done whenever values are read. As `scanpy.pp.regress_out`.
#'
#' The result is dense when it is read; [pca()] and [scale()] stream over it without making it
#' whole.
#'
#' @param adata An [AnnDataOOM-class].
#' @param keys Names of columns of `obs`: numbers or logicals, to which an intercept is added, or a
#'   single factor, whose group means are subtracted. Columns may depend on others: residuals are
#'   the same for every least-squares fit.
#' @param layer Name of the layer to use instead of `X`.
#' @return `adata` with the operation queued. Residuals of each gene have mean 0.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> calculate_qc_metrics(qc_vars = "mt") |> normalize_total() |> log1p()
#' adata <- regress_out(adata, c("total_counts", "pct_counts_mt"))
#' adata$X
#' cor(obs_vector(adata, adata$var_names[1]), adata$obs$total_counts)
regress_out <- function(adata, keys, layer = NULL) {
  verb("regress_out", adata, arguments())
}
