#' UMAP embedding
#'
#' Computes coordinates of the cells from the graph made by [neighbors()], as `scanpy.tl.umap`.
#'
#' @param adata An [AnnDataOOM-class] after [neighbors()].
#' @param min_dist,spread Least distance between points, and scale of the embedding; together they
#'   determine `a` and `b`.
#' @param n_components Number of dimensions of the embedding.
#' @param maxiter Number of epochs; `NULL` is 500 up to 10,000 cells and 200 above.
#' @param alpha,gamma Initial learning rate, and weight of negative samples.
#' @param negative_sample_rate Negative samples per positive one.
#' @param init_pos Initial positions: `"spectral"`, `"pca"` (the first columns of `obsm$X_pca`),
#'   `"random"`, the name of an element of `obsm`, or a matrix of positions.
#' @param random_state Seed.
#' @param a,b Parameters of the curve; `NULL` computes them from `min_dist` and `spread`.
#' @param key_added Name of the result in `obsm` and of its parameters in `uns`, instead of `X_umap` and `umap`.
#' @param neighbors_key Name given to [neighbors()] as `key_added`.
#' @param parallel Whether all points move at once, on all threads and with the same result for any
#'   number of them. With `FALSE` edges move one after the other on a single thread, as in
#'   umap-learn.
#' @return `adata` with `obsm$X_umap` (cells x `n_components`) and `uns$umap`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |>
#'   neighbors() |> umap()
#' head(adata$obsm$X_umap)
umap <- function(
  adata, min_dist = 0.5, spread = 1, n_components = 2, maxiter = NULL, alpha = 1, gamma = 1, negative_sample_rate = 5,
  init_pos = "spectral", random_state = 0, a = NULL, b = NULL, key_added = NULL, neighbors_key = NULL, parallel = TRUE
) {
  verb("umap", adata, arguments())
}
