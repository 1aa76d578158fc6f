#' Plot quality metrics, variable genes and variance of components
#'
#' `plot_qc()` shows the results of [calculate_qc_metrics()]: distributions, and counts against
#' genes. `plot_hvg()` shows how variable genes differ from others. `plot_pca_variance()` shows the
#' share of variance of each component.
#'
#' @param adata An [AnnDataOOM-class] after [calculate_qc_metrics()], [highly_variable_genes()] or [pca()].
#' @param keys Columns of `obs` for the violins; by default genes, counts and the shares of gene sets.
#' @param groupby Column of `obs` with groups, e.g. samples.
#' @param palette Colours of the groups.
#' @return A ggplot; the one of `plot_qc()` has its panels in `attr(, "panels")`.
#' @export
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad()) |> calculate_qc_metrics(qc_vars = "mt") |>
#'   highly_variable_genes(n_top_genes = 200, flavor = "pearson_residuals") |> pca(n_comps = 20)
#' plot_qc(adata)
#' plot_hvg(adata)
#' plot_pca_variance(adata)
plot_qc <- function(adata, keys = NULL, groupby = NULL, palette = NULL) {
  check_adata(adata)
  need_ggplot()
  if (is.null(keys)) {
    shares <- setdiff(grep("^pct_counts_", names(adata@obs), value = TRUE), grep("_in_top_", names(adata@obs), value = TRUE))
    keys <- intersect(c("n_genes_by_counts", "total_counts", shares), names(adata@obs))
  }
  if (length(keys) == 0) {
    abort("missing", "obs has no quality metrics: run calculate_qc_metrics() first, or name columns with keys =")
  }
  # Names are above the panels: beside a small panel they would be longer than it is high.
  panels <- lapply(keys, function(key) {
    plot_violin(adata, key, groupby, palette = palette) + ggplot2::labs(y = NULL, title = key)
  })
  if (all(c("n_genes_by_counts", "total_counts") %in% names(adata@obs))) {
    shade <- grep("^pct_counts_[^_]+$", keys, value = TRUE)[1]
    points <- data.frame(
      x = as.numeric(adata@obs$total_counts), y = as.numeric(adata@obs$n_genes_by_counts),
      value = if (is.na(shade)) 0 else as.numeric(adata@obs[[shade]])
    )
    points <- points[order(points$value), ]
    colour <- ggplot2::scale_colour_viridis_c(guide = if (is.na(shade)) "none" else "colourbar")
    look <- list(size = min(1.2, max(0.2, 40 / sqrt(nrow(points)))), raster = nrow(points) > 50000)
    panels[[length(panels) + 1]] <- ggplot2::ggplot(
      points, ggplot2::aes(x = .data[["x"]], y = .data[["y"]], colour = .data[["value"]])
    ) + embedding_layers(points, colour, look) + colour +
      ggplot2::labs(
        x = "total_counts", y = NULL, title = "n_genes_by_counts",
        colour = if (!is.na(shade)) sub("pct_counts_", "% ", shade)
      ) +
      ggplot2::scale_x_continuous(n.breaks = 4, guide = ggplot2::guide_axis(check.overlap = TRUE)) + plot_theme() +
      ggplot2::theme(
        legend.position = "bottom", legend.key.height = ggplot2::unit(0.4, "lines"),
        legend.key.width = ggplot2::unit(0.8, "lines"), plot.margin = ggplot2::margin(4, 12, 4, 4)
      )
  }
  panel_grid(panels)
}

#' @rdname plot_qc
#' @param label Number of genes to name: the ones that vary most.
#' @export
plot_hvg <- function(adata, label = 10) {
  check_adata(adata)
  need_ggplot()
  var <- adata@var
  if (!"highly_variable" %in% names(var)) {
    abort("missing", "var has no column 'highly_variable': run highly_variable_genes() first")
  }
  measures <- c(
    residual_variances = "variance of Pearson residuals", variances_norm = "standardised variance",
    dispersions_norm = "normalised dispersion"
  )
  # The measure of the last call is used, if uns says which flavour it had.
  flavor <- if ("hvg" %in% names(adata@uns)) resolve(adata@uns[["hvg"]])$flavor
  last <- switch(flavor %or% "", pearson_residuals = 1, seurat_v3 = , seurat_v3_paper = 2, seurat = , cell_ranger = 3)
  measure <- intersect(names(measures)[c(last, 1:3)], names(var))[1]
  if (is.na(measure) || !"means" %in% names(var)) {
    abort("missing", "var has no means and variances of highly_variable_genes(): run it first")
  }
  points <- data.frame(
    x = var$means, y = var[[measure]], chosen = var$highly_variable %in% TRUE, name = row.names(var)
  )
  points <- points[is.finite(points$x) & points$x > 0 & is.finite(points$y), ]
  points <- points[order(points$chosen), ]
  named <- utils::head(points[order(-points$y), ], label)
  named <- named[named$chosen, ]
  counts <- table(factor(points$chosen, c(TRUE, FALSE)))
  plot <- ggplot2::ggplot(points, ggplot2::aes(x = .data[["x"]], y = .data[["y"]], colour = .data[["chosen"]])) +
    ggplot2::geom_point(size = 1, stroke = 0) +
    ggplot2::scale_x_log10(expand = ggplot2::expansion(mult = c(0.05, 0.12))) +
    ggplot2::scale_colour_manual(
      values = c(`TRUE` = "black", `FALSE` = "grey70"), breaks = c("TRUE", "FALSE"),
      labels = paste0(c("highly variable", "other"), " (", big(as.vector(counts)), ")")
    ) +
    ggplot2::labs(x = "mean", y = measures[[measure]], colour = NULL) + plot_theme() +
    ggplot2::guides(colour = ggplot2::guide_legend(override.aes = list(size = 2.5))) +
    ggplot2::theme(legend.position = "top")
  if (measure != "dispersions_norm" && all(points$y > 0)) plot <- plot + ggplot2::scale_y_log10()
  if (nrow(named) == 0) return(plot)
  plot + ggplot2::geom_text(
    ggplot2::aes(label = .data[["name"]]), named, size = 2.8, hjust = -0.1, vjust = 0.3, show.legend = FALSE,
    check_overlap = TRUE
  )
}

#' @rdname plot_qc
#' @param n_pcs Number of components to show.
#' @param log Whether the axis of variance is logarithmic.
#' @param key Name of the results of [pca()] in `uns`.
#' @export
plot_pca_variance <- function(adata, n_pcs = 30, log = FALSE, key = "pca") {
  check_adata(adata)
  need_ggplot()
  share <- element_of(adata, "uns", key, "; run pca() first")$variance_ratio
  if (is.null(share)) abort("missing", "uns$", key, " has no variance_ratio: run pca() first")
  points <- data.frame(component = seq_along(share), share = as.numeric(share))
  points <- points[seq_len(min(n_pcs, nrow(points))), ]
  plot <- ggplot2::ggplot(points, ggplot2::aes(x = .data[["component"]], y = .data[["share"]])) +
    ggplot2::geom_line(colour = "grey70", linewidth = 0.4) + ggplot2::geom_point(size = 1.6, colour = base_palette[1]) +
    ggplot2::labs(x = "principal component", y = "share of variance") + plot_theme()
  if (isTRUE(log)) plot + ggplot2::scale_y_log10() else plot + ggplot2::expand_limits(y = 0)
}
