#' Dendrogram of groups
#'
#' Clusters groups of cells hierarchically by the correlation of their mean coordinates, as
#' `scanpy.tl.dendrogram`.
#'
#' @param adata An [AnnDataOOM-class].
#' @param groupby Column of `obs` with the groups, or several whose combinations are the groups.
#' @param n_pcs,use_rep Number of columns, and name, of the element of `obsm` to use; by default all
#'   columns of `X_pca`.
#' @param var_names Genes whose means to use instead of an embedding.
#' @param use_raw Whether `var_names` are taken from `adata$raw`; by default `TRUE` where there is a
#'   `raw`.
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
  verb("dendrogram", adata, arguments())
}
