#' Diffusion map
#'
#' Leading eigenvectors of the random walk on the graph made by [neighbors()], with the density of cells taken out
#' (Coifman and Lafon 2006, Haghverdi et al. 2016); as `scanpy.tl.diffmap`.
#'
#' @param adata An [AnnDataOOM-class] after [neighbors()].
#' @param n_comps Number of components, above 2. The first is the stationary state and says nothing.
#' @param neighbors_key Name given to [neighbors()] as `key_added`.
#' @param random_state Seed of the eigensolver's start.
#' @return `adata` with `obsm$X_diffmap` and `uns$diffmap_evals`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |>
#'   neighbors() |> diffmap()
#' adata$uns$diffmap_evals
diffmap <- function(adata, n_comps = 15, neighbors_key = NULL, random_state = 0) {
  verb("diffmap", adata, arguments())
}
