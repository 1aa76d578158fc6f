#' Principal components
#'
#' Sums the covariance of the genes in double precision while the matrix streams, then decomposes
#' it. A scaled matrix stays implicit. The result is exact up to 5,000 genes; for more genes it is
#' approximated to a small residual. As `scanpy.pp.pca`; signs as scikit-learn's `svd_flip`.
#'
#' @param adata An [AnnDataOOM-class].
#' @param n_comps Number of components; by default 50, or one less than the smaller dimension.
#' @param layer Name of the layer to use instead of `X`.
#' @param zero_center Whether to centre the genes.
#' @param mask_var Genes to use: `TRUE` and `FALSE` for each, or the name of a logical column of `var`. By default
#'   `"highly_variable"` where `var` has it; `NULL` for all genes.
#' @param use_highly_variable `TRUE` or `FALSE`: the older form of `mask_var` in scanpy.
#' @param random_state Not used, as nothing is random; accepted for code written for scanpy.
#' @param key_added Name of the results instead of `X_pca`, `PCs` and `pca`.
#' @return `adata` with `obsm$X_pca` (cells x components), `varm$PCs` (genes x components, 0 for
#'   genes not used) and `uns$pca` (`variance`, `variance_ratio`, `params`).
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
#' adata$uns$pca$variance_ratio
pca <- function(
  adata, n_comps = NULL, layer = NULL, zero_center = TRUE, mask_var = "highly_variable", use_highly_variable = NULL,
  random_state = 0, key_added = NULL
) {
  check_adata(adata)
  if (missing(mask_var) && !"highly_variable" %in% names(adata@var)) mask_var <- NULL
  if (!is.null(use_highly_variable)) {
    check_flag(use_highly_variable, "use_highly_variable")
    mask_var <- if (use_highly_variable) "highly_variable"
  }
  verb("pca", adata, arguments())
}
