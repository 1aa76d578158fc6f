#' Nearest neighbours and their graph
#'
#' Finds the nearest neighbours in an embedding and computes distances and connectivities, as
#' `scanpy.pp.neighbors`; with `batch_key` as BBKNN (`scanpy.external.pp.bbknn`).
#'
#' @param adata An [AnnDataOOM-class].
#' @param n_neighbors Number of neighbours, including the cell itself.
#' @param n_pcs Number of columns of the embedding to use.
#' @param use_rep Name of the element of `obsm` to use; by default `X_pca`.
#' @param method Method that turns distances into weights: `"umap"` (fuzzy simplicial set) or
#'   `"gauss"` (adaptive Gaussian kernels). A value of `search` is accepted too and means `"umap"`
#'   with that search.
#' @param metric `"euclidean"`, `"cosine"`, `"correlation"` or `"inner_product"`; or, compared pair by pair at any number
#'   of cells, another of scikit-learn's: `"manhattan"`, `"chebyshev"`, `"minkowski"`, `"sqeuclidean"`, `"seuclidean"`,
#'   `"mahalanobis"`, `"canberra"`, `"braycurtis"`, `"hamming"`, `"jaccard"`, `"dice"`, `"rogerstanimoto"`, `"russellrao"`,
#'   `"sokalsneath"` or `"yule"`.
#' @param metric_kwds For `"minkowski"`, its power: `list(p = 3)`.
#' @param knn Whether only the `n_neighbors` nearest cells are linked; `FALSE`, with `method = "gauss"`, links all pairs
#'   with kernels of that width, for up to 20,000 cells.
#' @param random_state Seed of the approximate searches.
#' @param key_added Name of the results: `uns[[key_added]]`, `obsp$<key_added>_distances` and `_connectivities`.
#' @param search Method that finds neighbours: `"auto"` (exact up to 20,000 cells, then `"ivf"`),
#'   `"exact"`, `"ivf"` (an inverted file whose recall is measured) or `"hnsw"` (not reproducible
#'   with several threads, and slower than both on 20,000 and on 100,000 cells).
#' @param recall Share of the true neighbours that `"ivf"` has to find. It is measured on a sample;
#'   the recall reached is noted in `uns$neighbors$params$recall`.
#' @param batch_key Column of `obs`: every cell gets `neighbors_within_batch` neighbours from each
#'   batch instead of the `n_neighbors` nearest of all cells.
#' @param neighbors_within_batch Number of neighbours in each batch.
#' @param trim With `batch_key`, the number of strongest links of a cell that stay; `NULL` is ten
#'   times its neighbours, 0 keeps all.
#' @return `adata` with `uns$neighbors`, `obsp$distances` and `obsp$connectivities`, both sparse,
#'   cells x cells.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
#' adata <- neighbors(adata, n_neighbors = 10)
#' adata$obsp$connectivities[1:3, 1:3]
#' balanced <- neighbors(adata, batch_key = "batch")
neighbors <- function(
  adata, n_neighbors = 15, n_pcs = NULL, use_rep = NULL, method = "umap", metric = "euclidean", random_state = 0,
  key_added = NULL, search = "auto", recall = 0.99, batch_key = NULL, neighbors_within_batch = 3, trim = NULL,
  knn = TRUE, metric_kwds = NULL
) {
  if (is.atomic(metric_kwds)) metric_kwds <- as.list(metric_kwds)
  other <- setdiff(names(metric_kwds), "p")
  if (length(other) || length(metric_kwds) != length(names(metric_kwds))) {
    abort("parameter", "metric_kwds: expected list(p = ) for minkowski, found ", paste(c(other, "no name")[1], collapse = ""))
  }
  args <- arguments()
  args["metric_kwds"] <- list(metric_kwds$p)
  verb("neighbors", adata, args)
}

# Returns the first n_pcs columns of an element of obsm, without names; as float32 where it is kept
# so.
embedding_of <- function(adata, use_rep, n_pcs, name = "use_rep") {
  if (!is.null(use_rep)) check_name(use_rep, name)
  named <- paste0(", which ", name, " names")
  hint <- if (is.null(use_rep)) "; run pca() first, or name another with use_rep = " else named
  key <- if (is.null(use_rep)) "X_pca" else use_rep
  x <- adata@obsm[[key]]
  if (!is_float32(x)) x <- element_of(adata, "obsm", key, hint)
  if (is.data.frame(x) || is_Matrix(x)) x <- as.matrix(x)
  if (!is.numeric(x) || length(dim(x)) != 2) {
    abort("shape", name, ": expected a numeric matrix in obsm$", key, ", found ", typeof(x), " ", describe(x))
  }
  if (!is.null(n_pcs)) {
    if (n_pcs < 1 || n_pcs > ncol(x)) {
      abort(
        "parameter", "n_pcs: expected a number from 1 to ", ncol(x), ", the columns there are, found ", format(n_pcs)
      )
    }
    x <- if (is_float32(x)) select_float32(x, NULL, seq_len(n_pcs)) else x[, seq_len(n_pcs), drop = FALSE]
  }
  if (is_float32(x)) x else unname(x)
}

# Returns the settings that neighbors() noted under a key.
settings_of <- function(adata, neighbors_key) {
  if (!is.null(neighbors_key)) check_name(neighbors_key, "neighbors_key")
  key <- if (is.null(neighbors_key)) "neighbors" else neighbors_key
  element_of(adata, "uns", key, "; run neighbors() first, or name another with neighbors_key = ")
}

# Returns a graph as a sparse matrix: the element of obsp with that name, or the connectivities (or
# distances) that neighbors() noted.
graph_of <- function(adata, neighbors_key = NULL, obsp = NULL, what = "connectivities") {
  if (is.null(obsp)) obsp <- settings_of(adata, neighbors_key)[[paste0(what, "_key")]]
  if (is.null(obsp)) obsp <- what
  graph <- if (is.character(obsp) && length(obsp) == 1 && !is.na(obsp)) unclass(adata@obsp)[[obsp]]
  if (is_graph(graph)) return(graph)
  graph <- element_of(adata, "obsp", obsp, "; run neighbors() first", "obsp")
  plain_matrix(if (is_Matrix(graph)) graph else as_dgCMatrix(graph), what)
}

# Returns a column of obs as a factor without NA.
groups_of <- function(adata, name, what) {
  column <- column_of(adata, "obs", name, what)
  if (anyNA(column)) abort("values", what, ": obs$", name, " holds NA")
  if (is.factor(column)) column else factor(column)
}
