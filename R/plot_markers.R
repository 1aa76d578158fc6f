#' Plot ranked genes
#'
#' `plot_markers()` draws the first genes of each group of [rank_genes_groups()] in all groups: as
#' dots (mean and share of cells, [plot_dotplot()]) or for every cell ([plot_heatmap()]).
#' `plot_volcano()` draws all genes of groups by fold change and adjusted p-value, and names the
#' most significant ones.
#'
#' @param adata An [AnnDataOOM-class] after [rank_genes_groups()].
#' @param groups Groups whose genes are drawn; `NULL` for all (`plot_volcano()`: the first).
#' @param n_genes Number of genes of each group that `plot_markers()` draws, or that
#'   `plot_volcano()` names on each side.
#' @param type `"dotplot"` or `"heatmap"`.
#' @param key Name of the results in `uns`.
#' @param min_logfoldchange Least log2 fold change of the genes of `plot_markers()`; `NULL` for any.
#' @param groupby Column of `obs` with the groups of cells to draw; by default the one of the
#'   results.
#' @param layer,use_raw The layer, or whether `raw`, that values are taken from; by default as for
#'   the results.
#' @param standard_scale `"var"` to scale each gene to 0 to 1, `NULL` for no scaling.
#' @return A ggplot.
#' @export
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
#' adata <- rank_genes_groups(adata, "cell_type", method = "wilcoxon")
#' plot_markers(adata, n_genes = 3)
#' plot_markers(adata, n_genes = 3, type = "heatmap")
#' plot_volcano(adata, "NK")
plot_markers <- function(
  adata, groups = NULL, n_genes = 4, type = "dotplot", key = "rank_genes_groups", min_logfoldchange = NULL,
  groupby = NULL, layer = NULL, use_raw = NULL, standard_scale = "var"
) {
  check_adata(adata)
  need_ggplot()
  one_of(type, c("dotplot", "heatmap"), "type")
  found <- ranked_genes(adata, key)
  groups <- ranked_groups(found, groups, key)
  n_genes <- check_count(n_genes, "n_genes")
  params <- lapply(found$params, resolve)
  if (is.null(groupby)) groupby <- params$groupby
  if (is.null(layer) && is.null(use_raw)) {
    layer <- params$layer
    use_raw <- isTRUE(as.logical(params$use_raw))
  }
  genes <- lapply(setNames(nm = groups), function(group) {
    keep <- !is.na(found$names[[group]])
    if (!is.null(min_logfoldchange)) keep <- keep & as.vector(found$logfoldchanges[[group]]) >= min_logfoldchange
    utils::head(found$names[[group]][which(keep)], n_genes)
  })
  genes <- genes[lengths(genes) > 0]
  if (!length(genes)) abort("values", "min_logfoldchange: no gene of these groups has a fold change of ", min_logfoldchange)
  draw <- if (type == "dotplot") plot_dotplot else plot_heatmap
  # Names of groups are often wider than their genes.
  draw(adata, genes, groupby, layer = layer, use_raw = use_raw, standard_scale = standard_scale) +
    ggplot2::theme(strip.clip = "off", strip.text = ggplot2::element_text(size = 7))
}

check_count <- function(x, what) {
  if (!is.numeric(x) || length(x) != 1 || is.na(x) || x < 1 || x != trunc(x)) {
    abort("parameter", what, ": expected a whole number, 1 or more, found ", describe(x))
  }
  x
}

#' @rdname plot_markers
#' @param pval_cutoff,log2fc_min Genes with a smaller adjusted p-value, and a log2 fold change of at
#'   least this absolute value, are coloured.
#' @export
plot_volcano <- function(
  adata, groups = NULL, n_genes = 8, key = "rank_genes_groups", pval_cutoff = 0.05, log2fc_min = 1
) {
  check_adata(adata)
  need_ggplot()
  found <- ranked_genes(adata, key)
  n_genes <- check_count(n_genes, "n_genes")
  groups <- if (is.null(groups)) names(found$names)[1] else ranked_groups(found, groups, key)
  drawn <- do.call(rbind, lapply(groups, function(group) {
    data.frame(
      group = factor(group, levels = groups), gene = found$names[[group]],
      fold = as.vector(found$logfoldchanges[[group]]), p = as.vector(found$pvals_adj[[group]])
    )
  }))
  drawn <- drawn[!is.na(drawn$gene) & is.finite(drawn$fold), ]
  # A p-value of 0 is drawn a little above the smallest other one.
  least <- min(drawn$p[drawn$p > 0], 1)
  drawn$height <- -log10(pmax(drawn$p, least / 10))
  far <- drawn$p < pval_cutoff & abs(drawn$fold) >= log2fc_min
  drawn$side <- factor(ifelse(far, ifelse(drawn$fold > 0, "higher", "lower"), "neither"), c("lower", "neither", "higher"))
  # Genes that no cell of one side expresses have folds of arbitrary size: the axis ends with the
  # other genes.
  reach <- max(abs(drawn$fold[abs(drawn$fold) < 15]), log2fc_min, 1) * 1.05
  drawn$fold <- pmin(pmax(drawn$fold, -reach), reach)
  named <- do.call(rbind, lapply(split(drawn[drawn$side != "neither", ], ~ group + side, drop = TRUE), function(part) {
    utils::head(part[order(part$p, -abs(part$fold)), ], n_genes)
  }))
  plot <- ggplot2::ggplot(drawn, ggplot2::aes(x = .data[["fold"]], y = .data[["height"]])) +
    ggplot2::geom_vline(xintercept = c(-1, 1) * log2fc_min, linetype = "dashed", linewidth = 0.3, colour = "grey60") +
    ggplot2::geom_hline(yintercept = -log10(pval_cutoff), linetype = "dashed", linewidth = 0.3, colour = "grey60") +
    ggplot2::geom_point(ggplot2::aes(colour = .data[["side"]]), size = 0.9, stroke = 0, alpha = 0.8) +
    ggplot2::scale_colour_manual(
      values = c(lower = "#1f77b4", neither = "grey75", higher = "#d62728"), drop = FALSE, guide = "none"
    ) +
    ggplot2::scale_x_continuous(limits = c(-1, 1) * reach * 1.12) +
    ggplot2::scale_y_continuous(expand = ggplot2::expansion(mult = c(0.02, 0.1))) +
    ggplot2::labs(x = "log2 fold change", y = "-log10 adjusted p", title = if (length(groups) == 1) groups) +
    plot_theme()
  if (!is.null(named) && nrow(named)) {
    plot <- plot + ggplot2::geom_text(
      ggplot2::aes(label = .data[["gene"]], hjust = ifelse(.data[["fold"]] > 0, -0.1, 1.1)), named, size = 2.6,
      check_overlap = TRUE
    )
  }
  if (length(groups) > 1) plot <- plot + ggplot2::facet_wrap("group")
  plot
}
