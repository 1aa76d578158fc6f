#' Density of cells in an embedding
#'
#' Estimates the density of cells at each cell, scaled to 0 to 1, by a Gaussian kernel in two
#' dimensions as `scipy.stats.gaussian_kde`, as `scanpy.tl.embedding_density`. Terms that add up to
#' less than 1e-11 are left out. Time grows with the square of the number of cells.
#'
#' @param adata An [AnnDataOOM-class].
#' @param basis Name of an element of `obsm`, with or without `X_`.
#' @param groupby Column of `obs` with groups: the density of each group is estimated by itself, so
#'   that densities do not compare between groups. A group needs at least three cells that are not
#'   on one line.
#' @param key_added Name of the column of `obs` for the result, instead of `<basis>_density` or
#'   `<basis>_density_<groupby>`.
#' @param components Two components, counted from 1, as numbers or as `"1,2"`. The stationary state
#'   of a diffusion map is not counted.
#' @return `adata` with the column in `obs`, and `covariate` and `components` in `uns$<column>_params`.
#' @seealso [plot_embedding()] with the column as `color`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
#' adata <- embedding_density(adata, "pca", groupby = "batch")
#' range(adata$obs$pca_density_batch)
embedding_density <- function(adata, basis = "umap", groupby = NULL, key_added = NULL, components = NULL) {
  verb("embedding_density", adata, arguments())
}
