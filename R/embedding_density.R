#' Density of cells in an embedding
#'
#' How close together the cells lie, at each of them, from 0 to 1: a Gaussian kernel estimate in two dimensions as
#' `scipy.stats.gaussian_kde` makes it, of which less than 1e-11 is left out; as `scanpy.tl.embedding_density`. Time grows with
#' the square of the number of cells.
#'
#' @param adata An [AnnDataOOM-class].
#' @param basis Name of an element of `obsm`, with or without `X_`.
#' @param groupby Column of `obs`: densities of each of its groups by itself, which do not compare between groups. Groups have at
#'   least three cells, not on one line.
#' @param key_added Column of `obs` for the result, instead of `<basis>_density` or `<basis>_density_<groupby>`.
#' @param components Two components, from 1, as numbers or as `"1,2"`; of a diffusion map the stationary state is none.
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
