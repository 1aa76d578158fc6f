#' Diffusion map
#'
#' Computes the leading eigenvectors of the random walk on the graph made by [neighbors()],
#' corrected for the density of cells (Coifman and Lafon 2006, Haghverdi et al. 2016), as
#' `scanpy.tl.diffmap`.
#'
#' @param adata An [AnnDataOOM-class] after [neighbors()].
#' @param n_comps Number of components, at least 3. The first is the stationary state, which carries
#'   no information.
#' @param neighbors_key Name given to [neighbors()] as `key_added`.
#' @param random_state Seed of the start vector of the eigensolver.
#' @return `adata` with `obsm$X_diffmap` (cells x `n_comps`) and `uns$diffmap_evals`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |>
#'   neighbors() |> diffmap()
#' adata$uns$diffmap_evals
diffmap <- function(adata, n_comps = 15, neighbors_key = NULL, random_state = 0) {
  verb("diffmap", adata, arguments())
}
