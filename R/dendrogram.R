#' Tree of groups
#'
#' Hierarchical clustering of groups of cells by the correlation of their mean coordinates; as `scanpy.tl.dendrogram`.
#'
#' @param adata An [AnnDataOOM-class].
#' @param groupby Column of `obs` with the groups, or several whose combinations are the groups.
#' @param n_pcs,use_rep Columns, and name, of the element of `obsm` to use; by default all of `X_pca`.
#' @param var_names Genes whose means to use instead of an embedding.
#' @param use_raw Whether `var_names` are looked up in `adata$raw`; by default where there is one.
#' @param cor_method `"pearson"`, `"spearman"` or `"kendall"`.
#' @param linkage_method `"complete"`, `"average"`, `"single"`, `"weighted"`, `"centroid"`, `"median"` or `"ward"`.
#' @param key_added Name of the result in `uns`, instead of `dendrogram_<groupby>`.
#' @return `adata` with `uns$dendrogram_<groupby>`: `linkage` (merges in scipy's form, numbered from 0),
#'   `categories_ordered`, `categories_idx_ordered` (from 0), `correlation_matrix`, `dendrogram_info` and the settings.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
#' adata <- dendrogram(adata, "cell_type")
#' adata$uns$dendrogram_cell_type$categories_ordered
dendrogram <- function(
  adata, groupby, n_pcs = NULL, use_rep = NULL, var_names = NULL, use_raw = NULL, cor_method = "pearson",
  linkage_method = "complete", key_added = NULL
) {
  check_adata(adata)
  if (!is.character(groupby) || length(groupby) == 0) {
    abort("parameter", "groupby: expected the name of a column of obs or several, found ", describe(groupby))
  }
  if (!is.null(use_raw)) check_flag(use_raw, "use_raw")
  columns <- lapply(groupby, function(name) groups_of(adata, name, "groupby"))
  groups <- columns[[1]]
  for (other in columns[-1]) groups <- factor(paste(groups, other, sep = "_"))
  embedding <- if (is.null(var_names)) embedding_of(adata, use_rep, n_pcs) else {
    if (is.null(use_raw)) use_raw <- !is.null(adata$raw)
    matrix_for(adata, use_raw = use_raw) # says so when there is none
    x <- if (use_raw) adata$raw$X else adata$X
    unname(as.matrix(x[, var_names, drop = FALSE]))
  }
  patch <- rs_work(
    "dendrogram", rs_dendrogram, embedding = embedding, groups = as.integer(groups), categories = levels(groups),
    groupby = groupby, cor_method = cor_method, linkage_method = linkage_method, use_rep = use_rep,
    key_added = key_added
  )
  merge_patch(adata, patch)
}
