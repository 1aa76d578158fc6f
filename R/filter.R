#' Keep cells or genes with enough counts
#'
#' One pass over the counts; as `scanpy.pp.filter_cells` and `filter_genes`. Exactly one limit is given in a call.
#'
#' @param adata An [AnnDataOOM-class].
#' @param min_counts,max_counts Least and largest total count of a cell (gene) that stays.
#' @param min_genes,max_genes Least and largest number of genes detected in a cell that stays.
#' @param min_cells,max_cells Least and largest number of cells in which a gene that stays is detected.
#' @return `adata` with what stays, and the numbers in `obs$n_genes` or `obs$n_counts` (`var$n_cells` or
#'   `var$n_counts`).
#' @name filter
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata |> filter_cells(min_genes = 100) |> filter_genes(min_cells = 3) |> dim()
NULL

#' @rdname filter
#' @export
filter_cells <- function(adata, min_counts = NULL, min_genes = NULL, max_counts = NULL, max_genes = NULL) {
  limits <- list(min_counts = min_counts, min_genes = min_genes, max_counts = max_counts, max_genes = max_genes)
  filtered <- filter_by(adata, limits, rs_filter_cells, "filter cells")
  subset_anndata(merge_patch(adata, filtered$patch), kept(filtered), NULL)
}

#' @rdname filter
#' @export
filter_genes <- function(adata, min_counts = NULL, min_cells = NULL, max_counts = NULL, max_cells = NULL) {
  limits <- list(min_counts = min_counts, min_cells = min_cells, max_counts = max_counts, max_cells = max_cells)
  filtered <- filter_by(adata, limits, rs_filter_genes, "filter genes")
  subset_anndata(merge_patch(adata, filtered$patch), NULL, kept(filtered))
}

filter_by <- function(adata, limits, fun, label) {
  x <- matrix_for(adata)
  given <- limits[!vapply(limits, is.null, TRUE)]
  if (length(given) != 1) {
    abort(
      "parameter", "expected exactly one of ", some_of(names(limits)), ", found ",
      if (length(given)) some_of(names(given)) else "none"
    )
  }
  bound <- given[[1]]
  if (!is.numeric(bound) || length(bound) != 1 || is.na(bound)) {
    abort("parameter", names(given), ": expected one number, found ", describe(bound))
  }
  rs_work(label, fun, matrix = pointer_of(x), criterion = names(given), bound = bound)
}

# Positions that stay; NULL when all do, so that nothing is queued.
kept <- function(filtered) if (!all(filtered$keep)) which(filtered$keep)
