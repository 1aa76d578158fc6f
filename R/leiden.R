#' Leiden clusters
#'
#' Communities of the graph made by [neighbors()], by modularity with a resolution; as `scanpy.tl.leiden` with
#' `flavor = "igraph"`, iterated until nothing improves.
#'
#' @param adata An [AnnDataOOM-class] after [neighbors()].
#' @param resolution Higher gives more clusters.
#' @param random_state Seed.
#' @param key_added Column of `obs` for the clusters.
#' @param n_iterations Iterations; -1 until nothing improves.
#' @param use_weights Whether the connectivities weigh the edges.
#' @param neighbors_key Name given to [neighbors()] as `key_added`.
#' @param obsp Name of an element of `obsp` to use as the graph.
#' @return `adata` with the factor `obs$leiden`, clusters `"0"`, `"1"`, ... from the largest, and `uns$leiden`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |> neighbors() |> leiden()
#' table(adata$obs$leiden)
leiden <- function(
  adata, resolution = 1, random_state = 0, key_added = "leiden", n_iterations = -1, use_weights = TRUE,
  neighbors_key = NULL,
  obsp = NULL
) {
  check_adata(adata)
  patch <- rs_work(
    "Leiden", rs_leiden, graph = graph_of(adata, neighbors_key, obsp), resolution = resolution,
    random_state = random_state,
    key_added = key_added, n_iterations = if (n_iterations < 0) NULL else n_iterations, use_weights = use_weights
  )
  merge_patch(adata, patch)
}
