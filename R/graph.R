# Graphs the core made, as it made them: compressed rows of float32, half the memory of a dgCMatrix and ready for UMAP and
# clusters, which read them where they lie. Elements of obsp only; `$` and `[[` give a dgCMatrix. A list of `n` (cells),
# `starts` (of each row, from 0), `columns` and `bits` (of the weights).

is_graph <- function(x) inherits(x, "anndataoom_graph")

#' @export
dim.anndataoom_graph <- function(x) rep(unclass(x)$n, 2)

# The graph as a dgCMatrix.
collect_graph <- function(x) rs_call(rs_graph, x = x)
