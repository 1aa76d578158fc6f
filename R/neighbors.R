#' Nearest neighbours and their graph
#'
#' Distances in an embedding, and UMAP's fuzzy connectivities; as `scanpy.pp.neighbors`.
#'
#' @param adata An [AnnDataOOM-class].
#' @param n_neighbors Number of neighbours, each cell itself counted.
#' @param n_pcs Number of columns of the embedding to use.
#' @param use_rep Name of the element of `obsm` to use; by default `X_pca`.
#' @param method `"auto"` (exact for small data, otherwise approximate), `"exact"`, `"hnsw"` or `"ivf"`.
#' @param metric `"euclidean"` or `"cosine"`.
#' @param random_state Seed of the approximate methods.
#' @param key_added Name of the results: `uns[[key_added]]`, `obsp$<key_added>_distances` and `_connectivities`.
#' @return `adata` with `uns$neighbors`, `obsp$distances` and `obsp$connectivities`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
#' adata <- neighbors(adata, n_neighbors = 10)
#' adata$obsp$connectivities[1:3, 1:3]
neighbors <- function(
  adata, n_neighbors = 15, n_pcs = NULL, use_rep = NULL, method = "auto", metric = "euclidean", random_state = 0,
  key_added = NULL
) {
  check_adata(adata)
  embedding <- embedding_of(adata, use_rep, n_pcs)
  patch <- rs_work(
    "neighbours", rs_neighbors, embedding = embedding, n_neighbors = n_neighbors, n_pcs = n_pcs, use_rep = use_rep,
    method = method, metric = metric, random_state = random_state, key_added = key_added
  )
  merge_patch(adata, patch)
}

# The first n_pcs columns of an element of obsm, without names.
embedding_of <- function(adata, use_rep, n_pcs) {
  hint <- if (is.null(use_rep)) "; run pca() first, or name another with use_rep = " else ""
  x <- element_of(adata, "obsm", if (is.null(use_rep)) "X_pca" else use_rep, hint)
  if (is.data.frame(x) || is(x, "Matrix")) x <- as.matrix(x)
  if (!is.numeric(x) || length(dim(x)) != 2) abort("shape", "use_rep: expected a numeric matrix, found ", describe(x))
  if (!is.null(n_pcs)) {
    if (!is.numeric(n_pcs) || length(n_pcs) != 1 || is.na(n_pcs) || n_pcs < 1 || n_pcs > ncol(x)) {
      abort(
        "parameter", "n_pcs: expected a number from 1 to ", ncol(x), ", the columns there are, found ", format(n_pcs)
      )
    }
    x <- x[, seq_len(n_pcs), drop = FALSE]
  }
  unname(x)
}

# The connectivities that umap() and leiden() work on.
graph_of <- function(adata, neighbors_key = NULL, obsp = NULL) {
  if (is.null(obsp)) {
    key <- if (is.null(neighbors_key)) "neighbors" else neighbors_key
    settings <- element_of(adata, "uns", key, "; run neighbors() first")
    obsp <- settings$connectivities_key
    if (is.null(obsp)) obsp <- "connectivities"
  }
  graph <- element_of(adata, "obsp", obsp, "; run neighbors() first")
  plain_matrix(if (is(graph, "Matrix")) graph else as(graph, "CsparseMatrix"), "connectivities")
}
