#' Plot an embedding
#'
#' @param adata An [AnnDataOOM-class].
#' @param basis Name of an element of `obsm`, with or without `X_`.
#' @param color Columns of `obs` or genes (see [obs_vector()]), one panel each; `NULL` for plain points.
#' @param components The two columns of the embedding to show.
#' @param layer,use_raw Where genes are taken from; by default from `raw` where it has the gene, as in `scanpy.pl`.
#' @param palette Colours for categories, named by category or in their order; by default `uns$<color>_colors` where it
#'   fits.
#' @param size Size of the points; by default smaller the more cells there are.
#' @param raster Whether points are drawn as one image, so that plots of many cells stay small; by default above 50,000
#'   cells when the package `ggrastr` is installed.
#' @param ncol Number of columns of panels.
#' @return A ggplot; with several panels of unlike colours, one drawing of class `anndataoom_panels` that prints and
#'   saves like one.
#' @export
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
#' plot_embedding(adata, "pca", color = c(names(adata$obs)[1], adata$var_names[1]))
plot_embedding <- function(
  adata, basis = "umap", color = NULL, components = c(1, 2), layer = NULL, use_raw = NULL, palette = NULL, size = NULL,
  raster = NULL, ncol = NULL
) {
  check_adata(adata)
  if (!requireNamespace("ggplot2", quietly = TRUE)) {
    abort("state", "plots need the package ggplot2: install.packages(\"ggplot2\")")
  }
  key <- if (basis %in% names(adata@obsm)) basis else paste0("X_", basis)
  xy <- element_of(adata, "obsm", key, paste0("; run ", sub("^X_", "", key), "() first"))
  if (is.data.frame(xy)) xy <- as.matrix(xy)
  if (length(components) != 2 || any(components < 1) || any(components > ncol(xy))) {
    abort(
      "parameter", "components: expected two of the ", ncol(xy), " columns of obsm$", key, ", found ",
      paste(components, collapse = ", ")
    )
  }
  points <- data.frame(x = xy[, components[1]], y = xy[, components[2]])
  axes <- paste0(axis_name(key), components)
  look <- list(
    size = if (is.null(size)) min(2, max(0.15, 50 / sqrt(nrow(points)))) else size,
    raster = if (is.null(raster)) nrow(points) > 50000 && requireNamespace("ggrastr", quietly = TRUE) else raster
  )
  panels <- lapply(if (is.null(color)) list(NULL) else as.list(color), function(k) {
    value <- if (!is.null(k)) obs_vector(adata, k, layer, plot_raw(adata, k, layer, use_raw))
    colours <- if (!is.null(k)) category_colours(adata, k, value, palette)
    embedding_panel(points, value, k, axes, colours, look)
  })
  if (length(panels) == 1) return(panels[[1]])
  structure(
    list(panels = panels, ncol = if (is.null(ncol)) min(length(panels), 3) else ncol), class = "anndataoom_panels"
  )
}

plot_raw <- function(adata, k, layer, use_raw) {
  if (!is.null(use_raw) || !is.null(layer) || is.null(adata@raw) || k %in% names(adata@obs)) return(use_raw)
  if (k %in% row.names(adata@raw@var)) TRUE
}

utils::globalVariables(".data")

axis_name <- function(key) {
  known <- c(X_umap = "UMAP", X_pca = "PC", X_tsne = "tSNE")
  if (key %in% names(known)) known[[key]] else toupper(sub("^X_", "", key))
}

embedding_panel <- function(points, value, title, axes, colours, look) {
  points$value <- if (is.null(value)) factor("") else value
  discrete <- !is.numeric(value)
  if (discrete) {
    points$value <- as.factor(points$value)
  } else {
    points <- points[order(points$value, na.last = FALSE), ] # the highest values on top
  }
  layer <- if (look$raster) {
    ggrastr::rasterise(ggplot2::geom_point(size = look$size, stroke = 0), dpi = 200)
  } else {
    ggplot2::geom_point(size = look$size, stroke = 0)
  }
  if (discrete && !look$raster && nrow(points) > 1) {
    # A fixed shuffle, so that no category hides another just by its place in the table.
    points <- points[order((seq_len(nrow(points)) * 0.6180339887) %% 1), ]
  }
  plot <- ggplot2::ggplot(points, ggplot2::aes(x = .data[["x"]], y = .data[["y"]], colour = .data[["value"]])) +
    layer + ggplot2::labs(x = axes[1], y = axes[2], title = title, colour = NULL) + embedding_theme()
  if (is.null(value)) {
    plot + ggplot2::scale_colour_manual(values = "grey40", guide = "none")
  } else if (discrete) {
    many <- nlevels(points$value) > 12
    guide <- ggplot2::guide_legend(override.aes = list(size = 3), ncol = if (many) 2 else 1)
    plot + ggplot2::scale_colour_manual(values = colours, na.value = "grey80", guide = guide, drop = FALSE)
  } else {
    plot + ggplot2::scale_colour_viridis_c(na.value = "grey80")
  }
}

embedding_theme <- function() {
  ggplot2::theme_classic(base_size = 11) +
    ggplot2::theme(
      axis.text = ggplot2::element_blank(), axis.ticks = ggplot2::element_blank(),
      plot.title = ggplot2::element_text(hjust = 0.5), legend.key.size = ggplot2::unit(0.9, "lines")
    )
}

# Twenty colours for categories: strong ones first, then light ones; more categories get a colour circle.
base_palette <- c(
  "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#b5bd61", "#17becf", "#aec7e8",
  "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5", "#c49c94", "#f7b6d2", "#dbdb8d", "#9edae5", "#ad494a", "#8c6d31"
)

# Colours of the categories of `value`, named.
category_colours <- function(adata, key, value, palette) {
  if (is.numeric(value)) return(NULL)
  levels <- levels(as.factor(value))
  stored <- paste0(key, "_colors")
  if (is.null(palette) && stored %in% names(adata@uns)) palette <- resolve(adata@uns[[stored]])
  if (is.null(palette) || is.null(names(palette)) && length(palette) < length(levels)) {
    n <- length(levels)
    palette <- if (n <= length(base_palette)) base_palette else grDevices::hcl.colors(n, "Dynamic")
  }
  if (!is.null(names(palette))) palette[levels] else setNames(palette[seq_along(levels)], levels)
}

#' @export
print.anndataoom_panels <- function(x, ...) {
  grid::grid.newpage()
  grid::grid.draw(x)
  invisible(x)
}

#' @export
plot.anndataoom_panels <- function(x, ...) print(x)

#' @exportS3Method grid::grid.draw
grid.draw.anndataoom_panels <- function(x, recording = TRUE) {
  rows <- ceiling(length(x$panels) / x$ncol)
  grid::pushViewport(grid::viewport(layout = grid::grid.layout(rows, x$ncol)))
  on.exit(grid::popViewport())
  for (k in seq_along(x$panels)) {
    cell <- grid::viewport(layout.pos.row = (k - 1) %/% x$ncol + 1, layout.pos.col = (k - 1) %% x$ncol + 1)
    grid::pushViewport(cell)
    grid::grid.draw(ggplot2::ggplotGrob(x$panels[[k]]), recording = FALSE)
    grid::popViewport()
  }
}
