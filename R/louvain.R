#' Louvain clusters
#'
#' Finds communities of the graph made by [neighbors()] by the Louvain algorithm, as
#' `scanpy.tl.louvain`. [leiden()] finds better communities, which are always connected.
#'
#' @inheritParams leiden
#' @return `adata` with the factor `obs$louvain`, clusters `"0"`, `"1"`, ... from the largest, and `uns$louvain`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |>
#'   neighbors() |> louvain()
#' table(adata$obs$louvain)
louvain <- function(
  adata, resolution = 1, random_state = 0, key_added = "louvain", n_iterations = -1, use_weights = TRUE,
  neighbors_key = NULL, obsp = NULL, restrict_to = NULL
) {
  args <- arguments()
  args$restrict_to <- flat_restriction(restrict_to)
  verb("louvain", adata, args)
}
