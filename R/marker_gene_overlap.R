#' Overlap of ranked genes and known markers
#'
#' Compares the genes of [rank_genes_groups()] with sets of known markers, as
#' `scanpy.tl.marker_gene_overlap`.
#'
#' @inheritParams rank_genes_groups_df
#' @param reference_markers A named list of names of genes.
#' @param method The number of genes in both sets (`"overlap_count"`), that number over the size of
#'   the smaller set (`"overlap_coef"`), or over the number of genes in either set (`"jaccard"`).
#' @param normalize Divisor of the counts: the size of the known set (`"reference"`) or of the
#'   group's set (`"data"`).
#' @param top_n_markers,adj_pval_threshold Size of a group's set: the number of its first genes, 100
#'   by default, or the number of genes with a smaller `pvals_adj` than the threshold.
#' @return A data frame, known sets x groups. Genes that a filter left out do not count; a set
#'   without genes gives 0.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p() |> rank_genes_groups("cell_type")
#' marker_gene_overlap(adata, list(T = c("CD3D", "IL7R"), B = c("MS4A1", "CD79A")), top_n_markers = 20)
marker_gene_overlap <- function(
  adata, reference_markers, key = "rank_genes_groups", method = "overlap_count", normalize = NULL, top_n_markers = NULL,
  adj_pval_threshold = NULL
) {
  args <- arguments()
  do.call(check_arguments, c("marker_gene_overlap", args))
  if (!is.null(normalize) && method != "overlap_count") {
    abort("parameter", "normalize: expected NULL with method = \"", method, "\", found \"", normalize, "\"")
  }
  if (is.character(reference_markers)) {
    abort("parameter", "reference_markers: expected a named list of names of genes, found ", describe(reference_markers))
  }
  known <- lapply(verb_inputs$sets(adata, "reference_markers", args), unique)
  noted <- ranked_genes(adata, key)
  if (!is.null(adj_pval_threshold)) {
    if (is.null(noted$pvals_adj)) {
      abort("values", "adj_pval_threshold: uns$", key, " has no pvals_adj, as of method = \"logreg\"")
    }
    if (!is.null(top_n_markers)) {
      warn("values", "marker_gene_overlap: adj_pval_threshold has no effect beside top_n_markers")
    }
  }
  by_p <- !is.null(adj_pval_threshold) && is.null(top_n_markers)
  counts <- vapply(names(noted$names), function(group) {
    if (by_p) sum(noted$pvals_adj[[group]] < adj_pval_threshold) else if (is.null(top_n_markers)) 100 else top_n_markers
  }, 0)
  if (any(counts == 0)) {
    none <- paste0("'", names(counts)[counts == 0], "'", collapse = ", ")
    warn("values", "marker_gene_overlap: no gene has pvals_adj < ", adj_pval_threshold, " in ", none)
  }
  found <- Map(function(genes, n) unique(genes[!is.na(genes) & seq_along(genes) <= n]), noted$names, counts)
  shared <- vapply(found, function(b) vapply(known, function(a) as.double(sum(a %in% b)), 0), numeric(length(known)))
  shared <- matrix(shared, length(known), length(found), dimnames = list(names(known), names(found)))
  of_known <- matrix(lengths(known), length(known), length(found))
  of_group <- matrix(lengths(found), length(known), length(found), byrow = TRUE)
  over <- switch(
    method,
    overlap_coef = pmin(of_known, of_group), jaccard = of_known + of_group - shared,
    if (is.null(normalize)) 1 else if (normalize == "reference") of_known else of_group
  )
  as.data.frame(shared / pmax(over, 1), check.names = FALSE)
}
