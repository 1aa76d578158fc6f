#' Plot an embedding
#'
#' @param adata An [AnnDataOOM-class].
#' @param basis Name of an element of `obsm`, with or without `X_`.
#' @param color Columns of `obs` or genes, one panel each; `NULL` for plain points.
#' @param components The two columns of the embedding to show.
#' @param layer,use_raw The layer, or whether `raw`, that genes are taken from; by default `raw`
#'   where there is one, as in `scanpy.pl`.
#' @param palette Colours of the categories, named by category or in their order; by default
#'   `uns$<color>_colors`.
#' @param size Size of the points; by default it falls with the number of cells.
#' @param raster Whether points are drawn as one image, so that plots of many cells stay small and quick; by default
#'   above 50,000 cells.
#' @param label Whether the names of categories are written at the median of their cells instead of in a legend.
#' @param ncol Number of columns of panels.
#' @return A ggplot. With several panels, each a ggplot with colours of its own, these are in
#'   `attr(, "panels")`.
#' @export
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
#' plot_embedding(adata, "pca", color = c("cell_type", "NKG7"))
plot_embedding <- function(
  adata, basis = "umap", color = NULL, components = c(1, 2), layer = NULL, use_raw = NULL, palette = NULL, size = NULL,
  raster = NULL, label = FALSE, ncol = NULL
) {
  check_adata(adata)
  need_ggplot()
  check_name(basis, "basis")
  key <- if (basis %in% names(adata@obsm)) basis else paste0("X_", basis)
  verb <- sub("^X_", "", key)
  xy <- element_of(adata, "obsm", key, if (verb %in% c("pca", "umap", "diffmap")) paste0("; run ", verb, "() first") else "")
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
    raster = if (is.null(raster)) nrow(points) > 50000 else isTRUE(raster), label = isTRUE(label)
  )
  if (is.null(color)) return(embedding_panel(points, NULL, NULL, axes, NULL, look))
  values <- plot_values(adata, color, layer, use_raw, "color")
  panel_grid(lapply(color, function(k) {
    embedding_panel(points, values[[k]], k, axes, category_colours(adata, k, values[[k]], palette), look)
  }), ncol)
}

axis_name <- function(key) {
  known <- c(X_umap = "UMAP", X_pca = "PC", X_tsne = "tSNE")
  if (key %in% names(known)) known[[key]] else toupper(sub("^X_", "", key))
}

embedding_panel <- function(points, value, title, axes, colours, look) {
  points$value <- if (is.null(value)) factor("") else value
  discrete <- !is.numeric(value)
  if (discrete) {
    points$value <- as.factor(points$value)
    # A fixed shuffle, so that no category hides another because of its place in the table.
    points <- points[order((seq_len(nrow(points)) * 0.6180339887) %% 1), ]
  } else {
    points <- points[order(points$value, na.last = FALSE), ] # the highest values on top
  }
  scale <- if (is.null(value)) {
    ggplot2::scale_colour_manual(values = "grey40", guide = "none")
  } else if (discrete) {
    guide <- if (look$label) {
      "none"
    } else {
      ggplot2::guide_legend(override.aes = list(size = 2.2, alpha = 1), ncol = if (nlevels(points$value) > 12) 2 else 1)
    }
    ggplot2::scale_colour_manual(values = colours, na.value = "grey80", guide = guide, drop = FALSE)
  } else {
    ggplot2::scale_colour_viridis_c(na.value = "grey80")
  }
  plot <- ggplot2::ggplot(points, ggplot2::aes(x = .data[["x"]], y = .data[["y"]], colour = .data[["value"]])) +
    embedding_layers(points, scale, look) + scale +
    ggplot2::labs(x = axes[1], y = axes[2], title = title, colour = NULL) + embedding_theme()
  if (!discrete || is.null(value) || !look$label) return(plot)
  plot + name_layers(name_places(points), points)
}

# Returns a place for each name: the median of its cells, or above them if the name would hide most
# of them. Names are moved beside each other. The size of a name is estimated for a panel of two
# inches.
name_places <- function(points) {
  points <- points[is.finite(points$x) & is.finite(points$y), ]
  if (!nrow(points)) return(points)
  places <- stats::aggregate(points[c("x", "y")], list(value = points$value), median)
  span <- vapply(points[c("x", "y")], function(v) diff(range(v)), 1)
  height <- 0.06 * span[["y"]]
  width <- 0.033 * span[["x"]] * nchar(as.character(places$value))
  for (i in seq_len(nrow(places))) {
    own <- points[points$value %in% places$value[i], ]
    hidden <- which(abs(own$x - places$x[i]) < width[i] / 2 & abs(own$y - places$y[i]) < height / 2)
    if (2 * length(hidden) > nrow(own)) places$y[i] <- max(own$y[hidden]) + 0.8 * height
  }
  for (turn in seq_len(20)) {
    moved <- FALSE
    for (i in seq_len(nrow(places))) for (j in seq_len(i - 1)) {
      above <- places$y[i] - places$y[j]
      if (abs(places$x[i] - places$x[j]) < (width[i] + width[j]) / 2 && abs(above) < 0.99 * height) {
        apart <- (height - abs(above)) / 2 * if (above < 0) -1 else 1
        places$y[c(i, j)] <- places$y[c(i, j)] + c(apart, -apart)
        moved <- TRUE
      }
    }
    if (!moved) break
  }
  places
}

# Draws names with a thin white rim, which hides fewer points than a box. They may reach over the
# edge of the panel.
name_layers <- function(middle, points) {
  reach <- 0.009 * vapply(points[c("x", "y")], function(v) diff(range(v, finite = TRUE)), 1)
  around <- seq(0, 2 * pi, length.out = 13)[-1]
  rim <- lapply(around, function(angle) {
    ggplot2::geom_text(
      ggplot2::aes(label = .data[["value"]]),
      transform(middle, x = middle$x + cos(angle) * reach[1], y = middle$y + sin(angle) * reach[2]),
      colour = "white", size = 3, fontface = "bold"
    )
  })
  text <- ggplot2::geom_text(ggplot2::aes(label = .data[["value"]]), middle, colour = "black", size = 3, fontface = "bold")
  c(rim, list(text, ggplot2::coord_cartesian(clip = "off"), ggplot2::theme(plot.margin = ggplot2::margin(4, 24, 4, 4))))
}

# Draws points, or an image of them with invisible points for the legend.
embedding_layers <- function(points, scale, look) {
  if (!look$raster) return(ggplot2::geom_point(size = look$size, stroke = 0))
  trained <- scale$clone()
  trained$train(points$value)
  shown <- if (is.numeric(points$value)) {
    points[c(which.min(points$value), which.max(points$value)), ]
  } else {
    points[!duplicated(points$value), ]
  }
  corners <- points[c(which.min(points$x), which.max(points$x), which.min(points$y), which.max(points$y)), ]
  list(
    raster_points(points$x, points$y, trained$map(points$value), radius = max(1.2, 3.8 * look$size)),
    ggplot2::geom_point(data = rbind(shown, corners), alpha = 0, stroke = 0)
  )
}
