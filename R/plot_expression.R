#' Plot genes by groups of cells
#'
#' `plot_violin()` draws the distribution of genes or columns of `obs` in each group,
#' `plot_dotplot()` the mean of each gene (colour) and the share of cells that express it (size),
#' `plot_heatmap()` every cell, ordered by group. As `scanpy.pl.violin`, `dotplot` and `heatmap`.
#' All genes of a plot are read in one pass.
#'
#' @param adata An [AnnDataOOM-class].
#' @param keys Genes, or numeric columns of `obs`.
#' @param var_names Genes; a named list of genes puts them in labelled sections.
#' @param groupby Column of `obs` with the groups; `NULL` for all cells together.
#' @param layer,use_raw The layer, or whether `raw`, that genes are taken from; by default `raw`
#'   where there is one, as in `scanpy.pl`.
#' @param stripplot Whether to draw the cells as points over the violins; by default up to 5,000 cells.
#' @param palette Colours of the groups, named by group or in their order; by default `uns$<groupby>_colors`.
#' @param ncol Number of columns of panels.
#' @return A ggplot.
#' @export
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
#' plot_violin(adata, c("NKG7", "LYZ"), groupby = "cell_type")
#' plot_dotplot(adata, c("CD3D", "NKG7", "LYZ"), groupby = "cell_type")
#' plot_heatmap(adata, c("CD3D", "NKG7", "LYZ"), groupby = "cell_type")
plot_violin <- function(
  adata, keys, groupby = NULL, layer = NULL, use_raw = NULL, stripplot = NULL, palette = NULL, ncol = NULL
) {
  check_adata(adata)
  need_ggplot()
  values <- plot_values(adata, keys, layer, use_raw)
  group <- if (is.null(groupby)) factor(rep("", n_obs(adata))) else plot_groups(adata, groupby)
  long <- do.call(rbind, lapply(names(values), function(key) {
    if (!is.numeric(values[[key]])) abort("shape", "keys: expected numbers in obs$", key, ", found ", describe(values[[key]]))
    data.frame(key = key, group = group, value = as.numeric(values[[key]]))
  }))
  long <- long[!is.na(long$group) & is.finite(long$value), ]
  long$key <- factor(long$key, levels = names(values))
  if (is.null(stripplot)) stripplot <- n_obs(adata) <= 5000
  colours <- if (is.null(groupby)) base_palette[1] else category_colours(adata, groupby, group, palette)
  plot <- ggplot2::ggplot(long, ggplot2::aes(x = .data[["group"]], y = .data[["value"]], fill = .data[["group"]])) +
    ggplot2::geom_violin(scale = "width", width = 0.85, linewidth = 0.3, colour = "grey25")
  if (stripplot) {
    plot <- plot + ggplot2::geom_point(
      size = min(0.6, 30 / sqrt(n_obs(adata))), alpha = 0.5, stroke = 0, show.legend = FALSE,
      position = ggplot2::position_jitter(width = 0.3, height = 0, seed = 0)
    )
  }
  plot <- plot + ggplot2::scale_fill_manual(values = unname(colours), guide = "none") +
    ggplot2::labs(x = groupby, y = NULL) + plot_theme() + upright_labels()
  if (is.null(groupby)) {
    plot <- plot + ggplot2::theme(axis.text.x = ggplot2::element_blank(), axis.ticks.x = ggplot2::element_blank())
  }
  if (length(values) == 1 && is.null(ncol)) return(plot + ggplot2::labs(y = names(values)))
  plot + ggplot2::facet_wrap("key", scales = "free_y", ncol = ncol)
}

#' @rdname plot_violin
#' @param expression_cutoff Value above which a cell counts as expressing a gene.
#' @param mean_only_expressed Whether the mean is over the cells that express the gene.
#' @param standard_scale `"var"` to scale each gene to 0 to 1, `"group"` to scale each group, `NULL`
#'   for neither.
#' @export
plot_dotplot <- function(
  adata, var_names, groupby, layer = NULL, use_raw = NULL, expression_cutoff = 0, mean_only_expressed = FALSE,
  standard_scale = NULL
) {
  check_adata(adata)
  need_ggplot()
  sections <- gene_sections(var_names)
  group <- plot_groups(adata, groupby)
  values <- plot_values(adata, sections$gene, layer, use_raw, "var_names")
  means <- function(x, w) as.vector(rowsum(x * w, group, na.rm = TRUE)[levels(group), ]) /
    pmax(as.vector(rowsum(as.numeric(w), group)[levels(group), ]), 1)
  drawn <- do.call(rbind, lapply(seq_len(nrow(sections)), function(k) {
    x <- as.numeric(values[[sections$gene[k]]])
    has <- x > expression_cutoff
    data.frame(
      section = sections$section[k], gene = sections$gene[k], group = factor(levels(group), levels = rev(levels(group))),
      fraction = means(has, rep(TRUE, length(x))), mean = means(x, if (mean_only_expressed) has else rep(TRUE, length(x)))
    )
  }))
  if (!is.null(standard_scale)) {
    one_of(standard_scale, c("var", "group"), "standard_scale")
    by <- if (standard_scale == "var") paste(drawn$section, drawn$gene) else drawn$group
    drawn$mean <- stats::ave(drawn$mean, by, FUN = function(v) if (diff(range(v)) > 0) (v - min(v)) / diff(range(v)) else 0 * v)
  }
  drawn$gene <- factor(drawn$gene, levels = unique(sections$gene))
  drawn$section <- factor(drawn$section, levels = unique(sections$section))
  plot <- ggplot2::ggplot(drawn, ggplot2::aes(x = .data[["gene"]], y = .data[["group"]])) +
    ggplot2::geom_point(
      ggplot2::aes(size = 100 * .data[["fraction"]], fill = .data[["mean"]]), shape = 21, stroke = 0.2, colour = "grey30"
    ) +
    ggplot2::scale_size_area(max_size = 6, limits = c(0, 100), breaks = c(20, 60, 100)) +
    ggplot2::scale_fill_gradientn(colours = c("#fff5f0", "#fcbba1", "#fb6a4a", "#cb181d", "#67000d"), n.breaks = 4) +
    ggplot2::labs(
      x = NULL, y = groupby, size = "% of cells\nin group",
      fill = if (is.null(standard_scale)) "mean in\ngroup" else "scaled\nmean"
    ) +
    ggplot2::guides(
      size = ggplot2::guide_legend(order = 1),
      fill = ggplot2::guide_colourbar(order = 2, barheight = ggplot2::unit(2.6, "lines"), barwidth = ggplot2::unit(0.6, "lines"))
    ) +
    plot_theme() + upright_labels() + ggplot2::theme(panel.border = ggplot2::element_rect(fill = NA, linewidth = 0.5))
  in_sections(plot, sections)
}

#' @rdname plot_violin
#' @param max_rows Most rows that are drawn: with more cells, each row is the mean of
#'   neighbouring cells of a group.
#' @export
plot_heatmap <- function(
  adata, var_names, groupby, layer = NULL, use_raw = NULL, standard_scale = NULL, palette = NULL, max_rows = 2000
) {
  check_adata(adata)
  need_ggplot()
  sections <- gene_sections(var_names)
  group <- plot_groups(adata, groupby)
  values <- plot_values(adata, sections$gene, layer, use_raw, "var_names")
  x <- as.matrix(values)
  if (!is.null(standard_scale)) {
    one_of(standard_scale, "var", "standard_scale")
    x <- apply(x, 2, function(v) if (diff(range(v)) > 0) (v - min(v)) / diff(range(v)) else 0 * v)
  }
  rows <- order(group, na.last = NA)
  row_group <- group[rows]
  block <- rows_in_blocks(row_group, max_rows)
  x <- rowsum(x[rows, , drop = FALSE], block) / as.vector(table(block))
  row_group <- row_group[!duplicated(block)]
  long <- data.frame(
    row = rep(seq_len(nrow(x)), nrow(sections)), gene = rep(sections$gene, each = nrow(x)),
    section = rep(sections$section, each = nrow(x)), value = as.vector(x[, sections$gene])
  )
  long$gene <- factor(long$gene, levels = unique(sections$gene))
  long$section <- factor(long$section, levels = unique(sections$section))
  colours <- category_colours(adata, groupby, group, palette)
  ends <- cumsum(table(row_group))
  middles <- ends - as.vector(table(row_group)) / 2 + 0.5
  first <- data.frame(
    section = factor(sections$section[1], levels = unique(sections$section)), start = c(0, ends[-length(ends)]) + 0.5,
    end = as.vector(ends) + 0.5, colour = unname(colours[names(ends)])
  )
  plot <- ggplot2::ggplot(long, ggplot2::aes(x = as.integer(.data[["gene"]]), y = .data[["row"]], fill = .data[["value"]])) +
    ggplot2::geom_raster() +
    ggplot2::geom_hline(yintercept = utils::head(as.vector(ends), -1) + 0.5, colour = "white", linewidth = 0.3) +
    ggplot2::scale_fill_viridis_c() +
    ggplot2::scale_y_reverse(breaks = middles, labels = names(ends), expand = c(0, 0), guide = ggplot2::guide_axis(check.overlap = TRUE)) +
    ggplot2::labs(x = NULL, y = groupby, fill = NULL) + plot_theme() + upright_labels() +
    ggplot2::theme(axis.line = ggplot2::element_blank(), axis.ticks.y = ggplot2::element_blank())
  # The colours of the groups are beside the first section, as wide for one gene as for fifty.
  width <- 0.02 * length(unique(sections$gene)) + 0.15
  left <- min(as.integer(long$gene[long$section == levels(long$section)[1]])) - 0.5
  first$xmin <- left - 1.5 * width
  first$xmax <- left - 0.4 * width
  plot <- plot + ggplot2::geom_rect(
    ggplot2::aes(
      xmin = .data[["xmin"]], xmax = .data[["xmax"]], ymin = .data[["start"]], ymax = .data[["end"]]
    ), first, inherit.aes = FALSE, fill = first$colour
  ) + ggplot2::scale_x_continuous(breaks = seq_along(levels(long$gene)), labels = levels(long$gene), expand = c(0, 0))
  in_sections(plot, sections)
}

# Numbers blocks of neighbouring rows, about `most` in all; no block spans two groups.
rows_in_blocks <- function(group, most) {
  n <- length(group)
  if (n <= most) return(seq_len(n))
  within <- stats::ave(seq_len(n), group, FUN = function(v) (seq_along(v) - 1) %/% ceiling(n / most))
  key <- paste(as.integer(group), within)
  match(key, unique(key))
}

gene_sections <- function(var_names) {
  if (!is.list(var_names)) var_names <- list(var_names)
  if (length(unlist(var_names)) == 0) abort("parameter", "var_names: expected names of genes, found none")
  names <- if (is.null(names(var_names))) rep("", length(var_names)) else names(var_names)
  data.frame(section = rep(names, lengths(var_names)), gene = as.character(unlist(var_names)))
}

in_sections <- function(plot, sections) {
  if (length(unique(sections$section)) < 2) return(plot)
  plot + ggplot2::facet_grid(cols = ggplot2::vars(.data[["section"]]), scales = "free_x", space = "free_x") +
    ggplot2::theme(strip.text = ggplot2::element_text(angle = 0), panel.spacing = ggplot2::unit(0.3, "lines"))
}
