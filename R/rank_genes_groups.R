#' Rank the genes that mark groups of cells
#'
#' Ranks the genes of each group by a test against the other cells, or against one group, as
#' `scanpy.tl.rank_genes_groups`. Expects logarithms. t-tests take one pass over the cells. `method
#' = "wilcoxon"` reads them once and sorts every gene's values, in memory or in a scratch file,
#' within `options(anndataoom.memory = )`. Genes of equal score are in the order of the matrix.
#'
#' @param adata An [AnnDataOOM-class].
#' @param groupby Column of `obs` with the groups. Each has at least two cells, and every cell has a
#'   group.
#' @param mask_var Genes to test and to adjust p-values for: a column of `var`, or `TRUE` and
#'   `FALSE` for each gene.
#' @param use_raw Whether `adata$raw` is used; by default `TRUE` where there is a `raw` and no
#'   `layer` is named.
#' @param groups Groups to compare, in this order.
#' @param reference `"rest"` for all other cells, or the group to compare with.
#' @param n_genes Number of genes to keep for each group; `NULL` for all.
#' @param rankby_abs Whether genes are ordered by the absolute value of their scores.
#' @param pts Whether the shares of cells that express each gene are added.
#' @param key_added Name of the results in `uns` instead of `rank_genes_groups`.
#' @param method `"t-test"` (Welch's; also for `NULL`), `"t-test_overestim_var"`, `"wilcoxon"` or
#'   `"logreg"`. The last is a multinomial logistic regression on all genes together, as
#'   scikit-learn's with its defaults but at its minimum. It holds the values of the genes in
#'   memory, within half of `options(anndataoom.memory = )`, so that it suits a selection of genes.
#'   Scores are its coefficients. With two groups only the first is ranked, by its own coefficients
#'   (scanpy shows those of the category that sorts last).
#' @param corr_method Adjustment of p-values: `"benjamini-hochberg"` or `"bonferroni"`.
#' @param tie_correct Whether ties reduce the variance of `"wilcoxon"`.
#' @param layer Layer to use instead of X.
#' @return `adata` with `uns$rank_genes_groups`: the data frames `names`, `scores`, `logfoldchanges`
#'   (log2), `pvals` and `pvals_adj` (genes x groups), `params`, and with `pts` the data frames
#'   `pts` and `pts_rest`. `"logreg"` gives only `names`, `scores` and `params`.
#' @seealso [rank_genes_groups_df()], [filter_rank_genes_groups()], [plot_markers()], [plot_volcano()].
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
#' adata <- rank_genes_groups(adata, "cell_type", method = "wilcoxon")
#' head(adata$uns$rank_genes_groups$names)
rank_genes_groups <- function(
  adata, groupby, mask_var = NULL, use_raw = NULL, groups = "all", reference = "rest", n_genes = NULL,
  rankby_abs = FALSE, pts = FALSE, key_added = NULL, method = NULL, corr_method = "benjamini-hochberg",
  tie_correct = FALSE, layer = NULL
) {
  check_adata(adata)
  args <- arguments()
  rs_call(rs_verb_check, name = "rank_genes_groups", args = args)
  args$use_raw <- raw_is_used(adata, use_raw, layer)
  adata <- verb("rank_genes_groups", adata, args)
  key <- if (is.null(key_added)) "rank_genes_groups" else key_added
  genes <- genes_of(adata, args$use_raw)
  if (!is.null(mask_var)) genes <- genes[verb_inputs$mask(adata, "mask_var", args)]
  # Positions, from 0, which become names.
  adata@uns[[key]]$names[] <- lapply(adata@uns[[key]]$names, function(at) genes[at + 1])
  adata
}

# Returns the results of rank_genes_groups() under `key`.
ranked_genes <- function(adata, key) {
  check_adata(adata)
  check_name(key, "key")
  if (!key %in% names(adata@uns)) {
    there <- if (length(adata@uns)) paste0("there are ", some_of(names(adata@uns), 20)) else "it is empty"
    abort("name", "key: uns has no element '", key, "'; ", there, "; run rank_genes_groups() first")
  }
  found <- resolve(adata@uns[[key]])
  if (!is.list(found) || !all(c("names", "scores", "params") %in% names(found))) {
    abort("values", "key: uns$", key, " is not what rank_genes_groups() leaves")
  }
  lapply(found, resolve)
}

# Checks the names of groups in `group`; NULL for all groups.
ranked_groups <- function(found, group, key) {
  if (is.null(group)) return(names(found$names))
  if (!is.character(group) || !length(group) || anyNA(group)) {
    abort("parameter", "group: expected names of groups, found ", describe(group))
  }
  missing <- setdiff(group, names(found$names))
  if (length(missing)) {
    abort(
      "name", "group: uns$", key, " has no group '", missing[1], "'; there are ", some_of(names(found$names), 20)
    )
  }
  group
}

#' Ranked genes as a data frame
#'
#' Returns the results of [rank_genes_groups()] as one table, group after group, as
#' `scanpy.get.rank_genes_groups_df`.
#'
#' @param adata An [AnnDataOOM-class] after [rank_genes_groups()].
#' @param group A group, or several; `NULL` for all. With a single group the column `group` is left
#'   out.
#' @param key Name of the results in `uns`.
#' @param pval_cutoff,log2fc_min,log2fc_max Exclusive bounds of `pvals_adj` and `logfoldchanges`.
#' @param gene_symbols Column of `var` to add.
#' @return A data frame with `group`, `names`, `scores`, `logfoldchanges`, `pvals`, `pvals_adj` and,
#'   if the results have shares, `pct_nz_group` and `pct_nz_reference`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
#' adata <- rank_genes_groups(adata, "cell_type", pts = TRUE)
#' head(rank_genes_groups_df(adata, "NK", log2fc_min = 1))
rank_genes_groups_df <- function(
  adata, group = NULL, key = "rank_genes_groups", pval_cutoff = NULL, log2fc_min = NULL, log2fc_max = NULL,
  gene_symbols = NULL
) {
  check_arguments(
    "rank_genes_groups_df", group = group, key = key, pval_cutoff = pval_cutoff, log2fc_min = log2fc_min,
    log2fc_max = log2fc_max, gene_symbols = gene_symbols
  )
  found <- ranked_genes(adata, key)
  groups <- ranked_groups(found, group, key)
  columns <- intersect(c("names", "scores", "logfoldchanges", "pvals", "pvals_adj"), names(found))
  out <- do.call(rbind, lapply(groups, function(g) {
    part <- data.frame(group = factor(g, levels = groups), lapply(found[columns], function(column) as.vector(column[[g]])))
    for (pts in intersect(c("pts", "pts_rest"), names(found))) {
      shares <- found[[pts]]
      part[[c(pts = "pct_nz_group", pts_rest = "pct_nz_reference")[[pts]]]] <- shares[[g]][match(part$names, row.names(shares))]
    }
    part
  }))
  keep <- !is.na(out$names)
  if (!is.null(pval_cutoff)) keep <- keep & out$pvals_adj < pval_cutoff
  if (!is.null(log2fc_min)) keep <- keep & out$logfoldchanges > log2fc_min
  if (!is.null(log2fc_max)) keep <- keep & out$logfoldchanges < log2fc_max
  out <- out[which(keep), ]
  if (!is.null(gene_symbols)) {
    out[[gene_symbols]] <- column_of(adata, "var", gene_symbols, "gene_symbols")[match(out$names, row.names(adata@var))]
  }
  if (length(groups) == 1) out$group <- NULL
  row.names(out) <- NULL
  out
}

#' Filter ranked genes
#'
#' Keeps the genes of [rank_genes_groups()] whose fold change and shares of cells are within bounds,
#' as `scanpy.tl.filter_rank_genes_groups`. Other genes become `NA`. It takes one more pass where
#' the results do not have the shares and fold changes needed: for a comparison with one group, or
#' with another `groupby`.
#'
#' @inheritParams rank_genes_groups_df
#' @param key Name of the results in `uns`; `NULL` for `rank_genes_groups`.
#' @param groupby,use_raw Column of the groups, and whether `raw` is used; by default as for the
#'   results.
#' @param key_added Name of the filtered results in `uns`.
#' @param min_in_group_fraction,max_out_group_fraction Least share of the group's cells, and largest
#'   share of all other cells, that express a gene.
#' @param min_fold_change Least log2 fold change.
#' @param compare_abs Whether the bound is for the absolute value of the fold change.
#' @return `adata` with `uns$rank_genes_groups_filtered`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
#' adata <- rank_genes_groups(adata, "cell_type", pts = TRUE) |> filter_rank_genes_groups(min_fold_change = 2)
#' head(rank_genes_groups_df(adata, "NK", key = "rank_genes_groups_filtered"))
filter_rank_genes_groups <- function(
  adata, key = NULL, groupby = NULL, use_raw = NULL, key_added = "rank_genes_groups_filtered",
  min_in_group_fraction = 0.25, min_fold_change = 1, max_out_group_fraction = 0.5, compare_abs = FALSE
) {
  check_arguments(
    "filter_rank_genes_groups", key = key, groupby = groupby, use_raw = use_raw, key_added = key_added,
    min_in_group_fraction = min_in_group_fraction, min_fold_change = min_fold_change,
    max_out_group_fraction = max_out_group_fraction, compare_abs = compare_abs
  )
  if (is.null(key)) key <- "rank_genes_groups"
  found <- ranked_genes(adata, key)
  params <- lapply(found$params, resolve)
  if (is.null(groupby)) groupby <- params$groupby
  if (is.null(use_raw)) use_raw <- isTRUE(as.logical(params$use_raw))
  same <- identical(params$groupby, groupby) && params$reference == "rest" && use_raw == isTRUE(as.logical(params$use_raw))
  source <- found
  if (!same || !all(c("logfoldchanges", "pts_rest") %in% names(found))) {
    layer <- if (!use_raw) params$layer
    again <- rank_genes_groups(
      adata, groupby, use_raw = use_raw, groups = names(found$names), pts = TRUE, layer = layer
    )
    source <- ranked_genes(again, "rank_genes_groups")
  }
  kept <- found$names
  for (group in names(kept)) {
    genes <- kept[[group]]
    folds <- as.vector(source$logfoldchanges[[group]])[match(genes, source$names[[group]])]
    if (compare_abs) folds <- abs(folds)
    shares <- lapply(source[c("pts", "pts_rest")], function(part) part[[group]][match(genes, row.names(part))])
    passes <- shares$pts > min_in_group_fraction & shares$pts_rest < max_out_group_fraction & folds > min_fold_change
    kept[[group]][!(passes %in% TRUE)] <- NA
  }
  found$names <- kept
  adata@uns[[key_added]] <- found
  adata
}
