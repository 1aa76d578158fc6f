gene_patterns <- list(mt = "^MT-", ribo = "^RP[SL]", hb = "^HB[^P]")

#' Quality control metrics
#'
#' Computes metrics of cells and genes in one pass over the counts, as
#' `scanpy.pp.calculate_qc_metrics`.
#'
#' @param adata An [AnnDataOOM-class].
#' @param qc_vars Names of logical columns of `var`: gene sets whose share of each cell's counts is
#'   measured. Without such a column, `"mt"`, `"ribo"` and `"hb"` are made from gene names
#'   (mitochondrial: names that start with `MT-`; ribosomal: `RPS`, `RPL`; haemoglobin: `HB`, not
#'   `HBP`; upper or lower case).
#' @param percent_top Numbers of top genes whose share of each cell's counts is measured; `NULL` for
#'   none. By default those of 50, 100, 200 and 500 that do not exceed the number of genes.
#' @param log1p Whether to add `log(1 + x)` of each count as a column.
#' @param layer Name of the layer to use instead of `X`.
#' @return `adata` with, in `obs`, `n_genes_by_counts`, `total_counts`, `pct_counts_in_top_<n>_genes`,
#'   `total_counts_<set>`, `pct_counts_<set>`; in `var`, `n_cells_by_counts`, `mean_counts`, `pct_dropout_by_counts`,
#'   `total_counts`; and `log1p_` columns.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> calculate_qc_metrics(qc_vars = "mt")
#' summary(adata$obs[, c("n_genes_by_counts", "total_counts", "pct_counts_mt")])
calculate_qc_metrics <- function(adata, qc_vars = NULL, percent_top = c(50, 100, 200, 500), log1p = TRUE,
                                 layer = NULL) {
  check_adata(adata)
  if (missing(percent_top)) percent_top <- percent_top[percent_top <= n_vars(adata)]
  args <- arguments()
  rs_call(rs_verb_check, name = "calculate_qc_metrics", args = args)
  for (set in qc_vars) adata <- with_gene_set(adata, set)
  verb("calculate_qc_metrics", adata, args)
}

#' @description `qc_metrics()` is the former name of `calculate_qc_metrics()`.
#' @rdname calculate_qc_metrics
#' @export
qc_metrics <- calculate_qc_metrics

# Adds a logical column of var, made from gene names, for a set that has a usual pattern.
with_gene_set <- function(adata, set) {
  if (!set %in% names(adata@var)) {
    pattern <- gene_patterns[[set]]
    if (is.null(pattern)) column_of(adata, "var", set, "qc_vars")
    adata@var[[set]] <- grepl(pattern, row.names(adata@var), ignore.case = TRUE)
    inform("gene_set", "var$", set, " made from gene names (", pattern, "): ", sum(adata@var[[set]]), " genes")
  }
  adata
}
