#' Highly variable genes
#'
#' Chooses the genes that vary most, as `scanpy.pp.highly_variable_genes` and, for
#' `"pearson_residuals"`, `scanpy.experimental.pp.highly_variable_genes`.
#'
#' @param adata An [AnnDataOOM-class]. `"pearson_residuals"` and `"seurat_v3"` need counts, the others logarithms (after
#'   [normalize_total()] and `log1p()`).
#' @param n_top_genes Number of genes to choose. Without it, `"seurat"` and `"cell_ranger"` choose by the cut-offs.
#' @param flavor `"seurat"`, `"cell_ranger"`, `"seurat_v3"`, `"seurat_v3_paper"` (the same, with
#'   batches merged by how many of them choose a gene) or `"pearson_residuals"`.
#' @param layer Name of the layer to use instead of `X`.
#' @param batch_key Column of `obs`: genes are chosen within each batch, then merged. In a batch of
#'   one cell no gene varies: it takes no part, with a warning.
#' @param min_mean,max_mean,min_disp,max_disp Cut-offs of mean and normalised dispersion, ignored with `n_top_genes`.
#' @param n_bins Number of bins of mean expression in which dispersions are normalised.
#' @param span Share of the genes used for each point of the loess fit of `"seurat_v3"`.
#' @param theta Overdispersion of `"pearson_residuals"`.
#' @param clip Bound of residuals, which are clipped to `[-clip, clip]`; `NULL` is the square root
#'   of the number of cells.
#' @param subset Whether to keep the chosen genes only.
#' @param check_values Whether to warn when a flavour for counts finds values that are not whole numbers.
#' @return `adata` with `var$highly_variable` and the columns of the flavour (`means`, `variances`,
#'   `residual_variances`, `highly_variable_rank`, `dispersions`, `dispersions_norm`, ...), and `uns$hvg`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |>
#'   highly_variable_genes(n_top_genes = 100, flavor = "pearson_residuals")
#' head(adata$var[adata$var$highly_variable, ])
highly_variable_genes <- function(
  adata, n_top_genes = NULL, flavor = "seurat", layer = NULL, batch_key = NULL, min_mean = 0.0125, max_mean = 3,
  min_disp = 0.5,
  max_disp = Inf, n_bins = 20, span = 0.3, theta = 100, clip = NULL, subset = FALSE, check_values = TRUE
) {
  verb("highly_variable_genes", adata, arguments())
}

# Returns the base of the logarithm that uns$log1p notes; NULL for the natural one.
log_base <- function(adata) {
  if (!"log1p" %in% names(adata@uns)) return(NULL)
  noted <- resolve(adata@uns[["log1p"]])
  if (is.list(noted)) noted$base
}
