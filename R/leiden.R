#' Leiden clusters
#'
#' Finds communities of the graph made by [neighbors()], as `scanpy.tl.leiden` with `flavor =
#' "igraph"`, iterated until nothing improves. Every cluster is connected.
#'
#' @param adata An [AnnDataOOM-class] after [neighbors()].
#' @param resolution Resolution; a higher value gives more clusters.
#' @param random_state Seed.
#' @param key_added Name of the column of `obs` for the clusters; with `restrict_to` the default
#'   gets the suffix `_R`.
#' @param n_iterations Number of iterations; with -1 it runs until nothing improves.
#' @param use_weights Whether edges are weighted by the connectivities.
#' @param neighbors_key Name given to [neighbors()] as `key_added`.
#' @param obsp Name of an element of `obsp` to use as the graph.
#' @param restrict_to `list(column, levels)`: only the cells with these levels of a column of `obs`
#'   are clustered; other cells keep their level.
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

# Turns list(column, levels) into one vector; NULL stays.
flat_restriction <- function(restrict_to) {
  if (is.null(restrict_to)) return(NULL)
  if (!is.list(restrict_to) || length(restrict_to) != 2 || !all(vapply(restrict_to, is.character, NA)) ||
    length(restrict_to[[1]]) != 1) {
    abort("parameter", "restrict_to: expected list(column, levels), found ", describe(restrict_to))
  }
  unlist(restrict_to, use.names = FALSE)
}
