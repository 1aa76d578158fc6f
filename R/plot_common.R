# Common parts of the plots: values, colours, theme, the raster layer, panels.

utils::globalVariables(".data")

need_ggplot <- function() {
  if (!requireNamespace("ggplot2", quietly = TRUE)) {
    abort("state", "plots need the package ggplot2: install.packages(\"ggplot2\")")
  }
}

# Returns the values of genes or columns of obs, a data.frame column each. All genes are read in one
# pass. They come from `raw` where there is one, as in scanpy.pl.
plot_values <- function(adata, keys, layer = NULL, use_raw = NULL, what = "keys") {
  if (!is.character(keys) || anyNA(keys) || length(keys) == 0) {
    abort("parameter", what, ": expected names of genes or of columns of obs, found ", describe(keys))
  }
  keys <- unique(keys)
  values <- lapply(setNames(nm = keys), function(key) adata@obs[[key]])
  genes <- keys[vapply(values, is.null, TRUE)]
  if (length(genes)) {
    if (is.null(use_raw)) use_raw <- is.null(layer) && !is.null(adata@raw)
    if (isTRUE(use_raw) && is.null(adata@raw)) {
      abort("state", "use_raw: this object has no raw; set it with adata$raw <- adata")
    }
    names <- row.names(if (isTRUE(use_raw)) adata@raw@var else adata@var)
    at <- match(genes, names)
    if (anyNA(at)) {
      unknown <- genes[is.na(at)]
      abort(
        "name", "no column of obs and no gene named ", some_of(unknown),
        similar_names(unknown[1], c(names(adata@obs), names))
      )
    }
    read <- collect_oom(
      select_oom(matrix_for(adata, layer, use_raw), NULL, at), limit = Inf, named = FALSE
    )
    values[genes] <- lapply(seq_along(genes), function(j) as.vector(read[, j]))
  }
  structure(values, row.names = row.names(adata@obs), class = "data.frame")
}

# Returns a column of obs as groups, without unused levels.
plot_groups <- function(adata, groupby) {
  group <- droplevels(as.factor(column_of(adata, "obs", groupby, "groupby")))
  if (nlevels(group) == 0) abort("values", "groupby: obs$", groupby, " has no values")
  if (nlevels(group) > 200) {
    abort("values", "groupby: obs$", groupby, " has ", nlevels(group), " groups: expected a column of categories")
  }
  group
}

plot_theme <- function() {
  ggplot2::theme_classic(base_size = 10) +
    ggplot2::theme(
      plot.title = ggplot2::element_text(hjust = 0.5, size = 10), plot.title.position = "panel",
      legend.key.size = ggplot2::unit(0.75, "lines"), legend.text = ggplot2::element_text(size = 8),
      legend.title = ggplot2::element_text(size = 8), legend.margin = ggplot2::margin(0, 0, 0, 2),
      legend.box.spacing = ggplot2::unit(0.3, "lines"), legend.spacing = ggplot2::unit(0.4, "lines"),
      strip.background = ggplot2::element_blank(), plot.margin = ggplot2::margin(4, 4, 4, 4)
    )
}

embedding_theme <- function() {
  plot_theme() + ggplot2::theme(
    axis.text = ggplot2::element_blank(), axis.ticks = ggplot2::element_blank(), aspect.ratio = 1
  )
}

upright_labels <- function() {
  ggplot2::theme(axis.text.x = ggplot2::element_text(angle = 90, hjust = 1, vjust = 0.5))
}

# Twenty colours for categories: strong ones first, then light ones. More categories get a colour
# circle.
base_palette <- c(
  "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#b5bd61", "#17becf", "#aec7e8",
  "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5", "#c49c94", "#f7b6d2", "#dbdb8d", "#9edae5", "#ad494a", "#8c6d31"
)

# Returns the named colours of the categories of `value`; by default those of `uns$<key>_colors`,
# which has one for each category.
category_colours <- function(adata, key, value, palette = NULL) {
  if (is.numeric(value)) return(NULL)
  levels <- levels(as.factor(value))
  stored <- paste0(key, "_colors")
  if (is.null(palette) && stored %in% names(adata@uns)) {
    palette <- as.character(resolve(adata@uns[[stored]]))
    all <- levels(adata@obs[[key]])
    if (length(all) == length(palette)) names(palette) <- all
  }
  if (is.null(palette) || is.null(names(palette)) && length(palette) < length(levels)) {
    n <- length(levels)
    palette <- if (n <= length(base_palette)) base_palette else grDevices::hcl.colors(n, "Dynamic")
  }
  if (!is.null(names(palette))) palette[levels] else setNames(palette[seq_along(levels)], levels)
}

# Draws coloured points as one image of `pixels` x `pixels`; later points lie on top. `radius` is in
# pixels.
raster_points <- function(x, y, colours, radius, pixels = 1000) {
  keep <- is.finite(x) & is.finite(y)
  x <- x[keep]
  y <- y[keep]
  span <- function(v) {
    r <- range(v)
    r + c(-1, 1) * max(diff(r), 1e-9) * 0.02
  }
  xs <- span(x)
  ys <- span(y)
  column <- pmin(floor((x - xs[1]) / diff(xs) * pixels) + 1, pixels)
  row <- pmin(floor((ys[2] - y) / diff(ys) * pixels) + 1, pixels)
  colours <- as.factor(colours[keep])
  image <- matrix(0L, pixels, pixels)
  reach <- ceiling(radius)
  offsets <- expand.grid(dr = -reach:reach, dc = -reach:reach)
  offsets <- offsets[offsets$dr^2 + offsets$dc^2 <= radius^2 + 0.25, ]
  # All pixels of a disc come before those of the next, so that whole points cover each other.
  slices <- split(seq_along(row), (seq_along(row) - 1) %/% 20000)
  for (slice in slices) {
    r <- rep(row[slice], each = nrow(offsets)) + offsets$dr
    c <- rep(column[slice], each = nrow(offsets)) + offsets$dc
    value <- rep(as.integer(colours)[slice], each = nrow(offsets))
    inside <- r >= 1 & r <= pixels & c >= 1 & c <= pixels
    image[cbind(r[inside], c[inside])] <- value[inside]
  }
  drawn <- matrix(c(NA_character_, levels(colours))[image + 1L], pixels, pixels)
  ggplot2::annotation_raster(drawn, xs[1], xs[2], ys[1], ys[2], interpolate = TRUE)
}

# Combines several plots into one ggplot, which is laid out when it is drawn. The single plots are
# kept in attr(, "panels").
panel_grid <- function(panels, ncol = NULL) {
  if (length(panels) == 1) return(panels[[1]])
  if (grDevices::dev.cur() == 1L) { # laying out text needs a device: none that leaves a file behind
    grDevices::pdf(NULL)
    on.exit(grDevices::dev.off())
  }
  tables <- lapply(panels, ggplot2::ggplotGrob)
  grob <- grid::gTree(tables = tables, ncol = if (!is.null(ncol)) min(ncol, length(panels)), cl = "oom_panels")
  plot <- ggplot2::ggplot() + ggplot2::theme_void() +
    ggplot2::coord_cartesian(xlim = c(0, 1), ylim = c(0, 1), expand = FALSE, clip = "off") +
    ggplot2::annotation_custom(grob, 0, 1, 0, 1)
  attr(plot, "panels") <- panels
  plot
}

# Places the panels in the room available. The number of columns is the one that makes panels
# largest. Each column is as wide as its own legend needs, and the rest is shared.
#' @exportS3Method grid::makeContent
makeContent.oom_panels <- function(x) {
  width <- grid::convertWidth(grid::unit(1, "npc"), "in", valueOnly = TRUE)
  height <- grid::convertHeight(grid::unit(1, "npc"), "in", valueOnly = TRUE)
  # The size of everything but the panel itself, which has a share of the rest ("null") that counts
  # as 0 here.
  wide <- vapply(x$tables, function(t) sum(grid::convertWidth(t$widths, "in", valueOnly = TRUE)), 1)
  high <- vapply(x$tables, function(t) sum(grid::convertHeight(t$heights, "in", valueOnly = TRUE)), 1)
  n <- length(x$tables)
  layout <- function(ncol) {
    columns <- vapply(split(wide, (seq_len(n) - 1) %% ncol), max, 1)
    nrow <- ceiling(n / ncol)
    panel <- c((width - sum(columns)) / ncol, height / nrow - max(high))
    list(ncol = ncol, nrow = nrow, widths = columns + panel[1], panel = panel)
  }
  layouts <- lapply(if (is.null(x$ncol)) seq_len(n) else x$ncol, layout)
  # A panel that is only wide is worth less than one that is wide and high.
  size <- vapply(layouts, function(l) min(l$panel) + 0.1 * max(l$panel), 1)
  best <- layouts[[which.max(size)]]
  widths <- pmax(best$widths, 0.1)
  widths <- widths / sum(widths)
  left <- cumsum(c(0, widths))
  children <- lapply(seq_len(n), function(k) {
    column <- (k - 1) %% best$ncol + 1
    row <- (k - 1) %/% best$ncol
    grid::gTree(
      children = grid::gList(x$tables[[k]]),
      vp = grid::viewport(
        x = left[column], y = 1 - row / best$nrow, width = widths[column], height = 1 / best$nrow, just = c("left", "top")
      )
    )
  })
  grid::setChildren(x, do.call(grid::gList, children))
}
