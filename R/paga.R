#' Partition-based graph abstraction
#'
#' Compares how often the cells of two groups are neighbours with what is expected by chance (Wolf
#' et al. 2019), as `scanpy.tl.paga` with its model v1.2.
#'
#' @param adata An [AnnDataOOM-class] after [neighbors()].
#' @param groups Column of `obs` with the groups; by default `leiden`, else `louvain`.
#' @param neighbors_key Name given to [neighbors()] as `key_added`.
#' @return `adata` with `uns$paga` (`connectivities`, `connectivities_tree`, `groups`) and `uns$<groups>_sizes`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |>
#'   neighbors() |> leiden() |>
#'   paga()
#' round(adata$uns$paga$connectivities, 2)
paga <- function(adata, groups = NULL, neighbors_key = NULL) {
  check_adata(adata)
  if (is.null(groups)) groups <- intersect(c("leiden", "louvain"), names(adata@obs))[1]
  if (is.atomic(groups) && anyNA(groups)) {
    abort("name", "groups: obs has no column 'leiden' or 'louvain'; run leiden() first, or name another")
  }
  verb("paga", adata, arguments())
}
