#' Leiden clusters
#'
#' Communities of the graph made by [neighbors()]; as `scanpy.tl.leiden` with `flavor = "igraph"`, iterated until nothing
#' improves. Every cluster is connected.
#'
#' @param adata An [AnnDataOOM-class] after [neighbors()].
#' @param resolution Higher gives more clusters.
#' @param random_state Seed.
#' @param key_added Column of `obs` for the clusters; the default gets `_R` after it with `restrict_to`.
#' @param n_iterations Iterations; -1 until nothing improves.
#' @param use_weights Whether the connectivities weigh the edges.
#' @param neighbors_key Name given to [neighbors()] as `key_added`.
#' @param obsp Name of an element of `obsp` to use as the graph.
#' @param restrict_to `list(column, levels)`: only the cells of these levels of a column of `obs` are clustered; the
#'   others keep theirs.
#' @param objective_function `"modularity"` (with the resolution) or `"CPM"` (constant Potts model).
#' @return `adata` with the factor `obs$leiden`, clusters `"0"`, `"1"`, ... from the largest, and `uns$leiden`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |>
#'   neighbors() |> leiden()
#' table(adata$obs$leiden)
#' finer <- leiden(adata, restrict_to = list("leiden", "0"))
#' table(finer$obs$leiden_R)
leiden <- function(
  adata, resolution = 1, random_state = 0, key_added = "leiden", n_iterations = -1, use_weights = TRUE,
  neighbors_key = NULL, obsp = NULL, restrict_to = NULL, objective_function = "modularity"
) {
  args <- arguments()
  args$restrict_to <- flat_restriction(restrict_to)
  verb("leiden", adata, args)
}

# list(column, levels) as one vector; NULL stays.
flat_restriction <- function(restrict_to) {
  if (is.null(restrict_to)) return(NULL)
  if (!is.list(restrict_to) || length(restrict_to) != 2 || !all(vapply(restrict_to, is.character, NA)) ||
    length(restrict_to[[1]]) != 1) {
    abort("parameter", "restrict_to: expected list(column, levels), found ", describe(restrict_to))
  }
  unlist(restrict_to, use.names = FALSE)
}
