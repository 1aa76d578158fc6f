#' Scores of gene sets
#'
#' Computes the mean of a set's genes in every cell, less the mean of control genes of similar
#' expression (Tirosh et al. 2016), as `scanpy.tl.score_genes`, with the control genes that scanpy
#' samples with the same seed. It takes two passes. The first, for the means of all genes, is left
#' out if earlier scores or `colSums(adata$X)` have left them; the second reads the genes of the
#' sets and their controls. Values that are not finite are refused.
#'
#' @param adata An [AnnDataOOM-class] of logarithmised values.
#' @param gene_list Names of genes, or a named list of such vectors, whose names become columns of
#'   `obs`. All sets share the two passes.
#' @param ctrl_as_ref Whether genes of the set can be among the sampled control genes, from which
#'   they are then dropped.
#' @param ctrl_size Number of control genes sampled from each bin.
#' @param gene_pool Genes to sample control genes from; `NULL` for all.
#' @param n_bins Number of bins of mean expression.
#' @param score_name Name of the column of `obs` for the score of a single set.
#' @param random_state Seed of the sample, as for numpy.
#' @param use_raw Whether `adata$raw` is used; by default `TRUE` where there is a `raw` and no
#'   `layer` is named.
#' @param layer Layer to use instead of X.
#' @return `adata` with a column of scores in `obs` for each set.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
#' adata <- score_genes(adata, list(t_cell = c("CD3D", "IL7R"), myeloid = c("LYZ", "CST3")))
#' head(adata$obs[, c("t_cell", "myeloid")])
score_genes <- function(
  adata, gene_list, ctrl_as_ref = TRUE, ctrl_size = 50, gene_pool = NULL, n_bins = 25, score_name = "score",
  random_state = 0, use_raw = NULL, layer = NULL
) {
  check_adata(adata)
  args <- arguments()
  rs_call(rs_verb_check, name = "score_genes", args = args)
  args$use_raw <- raw_is_used(adata, use_raw, layer)
  verb("score_genes", adata, args)
}

#' @rdname score_genes
#' @details `score_genes_cell_cycle()` adds `S_score`, `G2M_score` and `phase`: "G1" where both
#'   scores are below 0, else "G2M" where that score is higher, else "S". Its `ctrl_size` is the
#'   length of the shorter list.
#' @param s_genes,g2m_genes Genes of the S phase, and of the phases G2 and M.
#' @export
score_genes_cell_cycle <- function(
  adata, s_genes, g2m_genes, ctrl_as_ref = TRUE, gene_pool = NULL, n_bins = 25, random_state = 0, use_raw = NULL,
  layer = NULL
) {
  check_adata(adata)
  check_arguments(
    "score_genes_cell_cycle", s_genes = s_genes, g2m_genes = g2m_genes, ctrl_as_ref = ctrl_as_ref, gene_pool = gene_pool,
    n_bins = n_bins, random_state = random_state, use_raw = use_raw, layer = layer
  )
  raw <- !is.null(adata@raw) && (isTRUE(use_raw) || is.null(use_raw) && is.null(layer))
  genes <- genes_of(adata, raw)
  for (name in c("s_genes", "g2m_genes")) {
    given <- get(name)
    if (!length(given)) abort("parameter", name, ": expected at least one gene, found none")
    if (!any(given %in% genes)) {
      abort("parameter", name, ": expected genes of the matrix, at least one, found '", given[[1]], "'")
    }
  }
  adata <- score_genes(
    adata, list(S_score = s_genes, G2M_score = g2m_genes), ctrl_as_ref = ctrl_as_ref,
    ctrl_size = min(length(s_genes), length(g2m_genes)), gene_pool = gene_pool, n_bins = n_bins,
    random_state = random_state, use_raw = use_raw, layer = layer
  )
  s <- adata@obs$S_score
  g2m <- adata@obs$G2M_score
  phase <- ifelse(s < 0 & g2m < 0, "G1", ifelse(g2m > s, "G2M", "S"))
  adata@obs$phase <- factor(phase, levels = c("G1", "G2M", "S"))
  adata
}

#' Scores of gene sets by rank
#'
#' Computes how high the genes of a set rank among all genes of a cell (AUCell, Aibar et al. 2017):
#' the area under their recovery curve over the first ranks, divided by its largest possible value,
#' in one pass. Scores are from 0 to 1. The score of a cell does not depend on other cells or on
#' normalisation. Genes of equal value have no order: each counts with the mean over their ranks,
#' which is the average over the random orders of AUCell, so that there is no seed. Values that are
#' not finite are refused.
#'
#' @inheritParams score_genes
#' @param adata An [AnnDataOOM-class].
#' @param gene_list Names of genes, or a named list of such vectors, whose names become columns of
#'   `obs`. All sets share the pass.
#' @param auc_threshold Share of all genes whose ranks count, rounded up to whole ranks.
#' @return `adata` with a column of scores in `obs` for each set.
#' @export
#' @examples
#' adata <- score_aucell(read_h5ad(example_h5ad()), list(t_cell = c("CD3D", "IL7R"), myeloid = c("LYZ", "CST3")))
#' head(adata$obs[, c("t_cell", "myeloid")])
score_aucell <- function(
  adata, gene_list, auc_threshold = 0.05, score_name = "aucell", use_raw = NULL, layer = NULL
) {
  check_adata(adata)
  args <- arguments()
  rs_call(rs_verb_check, name = "score_aucell", args = args)
  args$use_raw <- raw_is_used(adata, use_raw, layer)
  verb("score_aucell", adata, args)
}
