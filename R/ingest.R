#' Map cells into a reference
#'
#' Projects the cells of a query on the principal components of a reference, with genes matched by
#' name. Their exact neighbours among the cells of the reference vote for labels. Both objects stay
#' on disk. As `scanpy.tl.ingest`. If the reference is scaled and the query is not, the query is
#' scaled by the means and deviations of the reference.
#'
#' @param adata An [AnnDataOOM-class], the query, processed as the reference was before [pca()].
#' @param adata_ref An [AnnDataOOM-class] after [pca()], [neighbors()] and, for that embedding, [umap()].
#' @param obs Columns of the reference's `obs` to vote for.
#' @param embedding_method `"umap"`, `"pca"` or both. In the UMAP, cells start between their
#'   neighbours and are drawn towards them; the cells of the reference do not move.
#' @param labeling_method Only `"knn"`: the nearest neighbours vote.
#' @param neighbors_key Name given to [neighbors()] of the reference as `key_added`.
#' @param random_state Seed of the placement in the UMAP.
#' @return `adata` with `obsm$X_pca` and `obsm$X_umap`, and for each label two columns of `obs`: the
#'   label, and `<label>_confidence`, the share of the votes for it.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p()
#' reference <- adata[1:300, ] |> pca(n_comps = 10) |> neighbors() |> umap()
#' query <- ingest(adata[301:400, ], reference, obs = "cell_type")
#' head(query$obs[, c("cell_type", "cell_type_confidence")])
ingest <- function(
  adata, adata_ref, obs = NULL, embedding_method = c("umap", "pca"), labeling_method = "knn", neighbors_key = NULL,
  random_state = 0
) {
  verb("ingest", adata, arguments())
}

#' @rdname ingest
#' @details `transfer_labels()` transfers labels without embeddings.
#' @param weights `"distance"` weighs a vote by exp(-(d / D)^2), with D the distance of the farthest
#'   neighbour; `"uniform"` counts all votes alike, as `ingest()` does.
#' @export
transfer_labels <- function(adata, adata_ref, obs, weights = "distance", neighbors_key = NULL) {
  verb("transfer_labels", adata, arguments())
}

# Returns a part of the reference, or the matching part of the query.
reference_part <- function(adata, name, args) {
  ref <- args[["adata_ref"]]
  if (!methods::is(ref, "AnnDataOOM")) abort("parameter", "adata_ref: expected an AnnDataOOM, found ", describe(ref))
  embeddings <- args[["embedding_method"]]
  key <- if (is.null(args[["neighbors_key"]])) "neighbors" else args[["neighbors_key"]]
  neighbors <- noted_of(ref, key, "run neighbors() on the reference first, or name it with neighbors_key = ")
  own <- neighbors[["use_rep"]]
  if (identical(own, "X_pca")) own <- NULL
  if (identical(own, "X")) {
    abort("parameter", "adata_ref: its neighbours were found by X; expected principal components or an element of obsm")
  }
  by_pca <- "pca" %in% embeddings || is.null(own)
  pca <- function() noted_of(ref, "pca", "run pca() on the reference first")
  switch(name,
    matrix = if (by_pca) {
      genes <- row.names(ref@var)[components_of(ref)$keep]
      at <- match(genes, row.names(adata@var))
      if (anyNA(at)) {
        abort(
          "name", "adata: ", sum(is.na(at)), " of the ", length(genes), " genes of the reference's components are not in it, '",
          genes[is.na(at)][1], "' the first"
        )
      }
      pointer_of(matrix_for(adata, pca()[["layer"]])[, at, drop = FALSE])
    },
    reference = if (by_pca) pointer_of(matrix_for(ref, pca()[["layer"]])[, components_of(ref)$keep, drop = FALSE]),
    loadings = if (by_pca) components_of(ref)$loadings,
    rep = embedding_of(ref, if (is.null(own)) "X_pca" else own, neighbors[["n_pcs"]], "adata_ref"),
    own = if (!is.null(own)) embedding_of(adata, own, NULL, "adata"),
    layout = if ("umap" %in% embeddings) {
      if (is.null(ref@obsm[["X_umap"]])) {
        abort("name", "embedding_method: obsm of adata_ref has no element 'X_umap': run umap(), or take \"pca\"")
      }
      embedding_of(ref, "X_umap", NULL, "adata_ref")
    },
    labels = lapply(setNames(nm = args[["obs"]]), function(label) as.factor(column_of(ref, "obs", label, "obs"))),
    numbers = {
      curve <- if ("umap" %in% embeddings) noted_of(ref, "umap", "run umap() on the reference first") else list(a = 1, b = 1)
      centred <- if (by_pca) !isFALSE(as.vector(pca()[["zero_center"]])) else TRUE
      as.double(c(neighbors[["n_neighbors"]], centred, curve[["a"]], curve[["b"]]))
    },
    metric = if (is.null(neighbors[["metric"]])) "euclidean" else as.character(neighbors[["metric"]])
  )
}

# Returns the parameters that a verb noted in uns.
noted_of <- function(ref, key, hint) {
  found <- resolve(ref@uns[[key]])
  params <- if (is.list(found)) found[["params"]]
  if (!is.list(params)) abort("name", "adata_ref: uns has no element '", key, "' with parameters: ", hint)
  params
}

# Returns the loadings that are not 0, and the positions of their genes.
components_of <- function(ref) {
  loadings <- resolve(ref@varm[["PCs"]])
  if (is.null(loadings)) abort("name", "adata_ref: varm has no element 'PCs': run pca() on the reference first")
  loadings <- unname(as.matrix(loadings))
  keep <- which(rowSums(loadings != 0) > 0)
  list(loadings = loadings[keep, , drop = FALSE], keep = keep)
}
