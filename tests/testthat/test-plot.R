skip_if_not_installed("ggplot2")

# Draws a plot without leaving a file.
drawn <- function(plot) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  print(plot)
  expect_s3_class(plot, "ggplot")
  invisible(plot)
}

example <- function() {
  adata <- suppressMessages(calculate_qc_metrics(read_h5ad(example_h5ad()), qc_vars = "mt"))
  adata <- highly_variable_genes(adata, n_top_genes = 200, flavor = "pearson_residuals") |>
    normalize_total(target_sum = 1e4) |> log1p() |> pca(n_comps = 10)
  adata$uns$cell_type_colors <- grDevices::hcl.colors(nlevels(adata$obs$cell_type), "Set 2")
  adata
}

test_that("embeddings are plotted for categories, numbers and genes", {
  twin <- small_twin()
  a <- as_object(twin)
  p <- drawn(plot_embedding(a, "pca", color = "batch"))
  expect_identical(levels(p$data$value), levels(twin$obs$batch))
  drawn(plot_embedding(a, "X_pca", color = "gene3"))
  drawn(plot_embedding(a, "pca"))
  drawn(plot_embedding(a, "pca", color = "batch", label = TRUE))
  panels <- drawn(plot_embedding(a, "pca", color = c("batch", "score", "gene2"), ncol = 2))
  expect_length(attr(panels, "panels"), 3)
  file <- tempfile(fileext = ".png")
  ggplot2::ggsave(file, panels, width = 6, height = 4, dpi = 50)
  expect_gt(file.size(file), 1000)
  a$raw <- a
  a$X <- 0 * twin$counts
  expect_identical(sort(plot_embedding(a, "pca", color = "gene3")$data$value), sort(unname(twin$counts[, 3])))
  expect_true(all(plot_embedding(a, "pca", color = "gene3", use_raw = FALSE)$data$value == 0))
})

test_that("names neither hide a small group nor lie upon each other", {
  spread <- seq(-1, 1, length.out = 60)
  points <- data.frame(
    x = c(3 * spread, 3 * spread + 0.3, 9, 9.01), y = c(3 * rev(spread), 3 * spread + 0.1, 5, 5.01),
    value = factor(rep(c("a long name", "another name", "few"), c(60, 60, 2)))
  )
  places <- anndataoom:::name_places(points)
  height <- 0.06 * diff(range(points$y))
  expect_gt(abs(places$y[1] - places$y[2]), 0.98 * height)
  expect_gt(places$y[3], 5.01 + 0.7 * height)
  points$x[1] <- NA
  expect_false(anyNA(anndataoom:::name_places(points[points$value != "few", ])$y))
})

test_that("many points are drawn as one image", {
  a <- as_object(small_twin())
  layers <- function(p) vapply(p$layers, function(l) class(l$geom)[1], "")
  expect_identical(layers(drawn(plot_embedding(a, "pca", color = "batch"))), "GeomPoint")
  expect_identical(layers(drawn(plot_embedding(a, "pca", color = "batch", raster = TRUE))), c("GeomRasterAnn", "GeomPoint"))
  drawn(plot_embedding(a, "pca", color = "score", raster = TRUE))
  drawn(plot_embedding(a, "pca", raster = TRUE))
  n <- 50001
  many <- AnnDataOOM(
    obs = data.frame(g = factor(rep(c("a", "b"), length.out = n))), var = data.frame(row.names = "x"),
    obsm = list(X_umap = cbind(seq_len(n) / n, 0.5)))
  p <- plot_embedding(many, "umap", color = "g")
  expect_identical(layers(p), c("GeomRasterAnn", "GeomPoint"))
  image <- p$layers[[1]]$geom_params$raster
  expect_setequal(unique(as.vector(image)), c(NA, "#1f77b4", "#ff7f0e"))
  expect_gt(sum(!is.na(image)), 1000)
})

test_that("colours of the file are used, by category", {
  a <- as_object(small_twin())
  a$uns$batch_colors <- c("#111111", "#222222", "#333333")
  colour <- function(p, name) p$scales$get_scales(name)$palette(3)
  expect_identical(colour(plot_embedding(a, "pca", color = "batch"), "colour")[["b"]], "#111111")
  # The third category has no cells, so groups without it keep their colours.
  expect_identical(plot_violin(a, "gene2", groupby = "batch")$scales$get_scales("fill")$palette(2), c("#111111", "#222222"))
  expect_identical(colour(plot_embedding(a, "pca", color = "batch", palette = c(a = "red", b = "blue")), "colour")[["a"]], "red")
})

test_that("violins, dots and heatmaps show what is in the matrix", {
  a <- example()
  genes <- c("NKG7", "LYZ", "CD3D")
  p <- drawn(plot_violin(a, c(genes, "total_counts"), groupby = "cell_type"))
  expect_equal(p$data$value[p$data$key == "LYZ"], unname(as.matrix(a$X[, "LYZ"])[, 1]))
  drawn(plot_violin(a, "n_genes_by_counts"))
  p <- drawn(plot_dotplot(a, genes, groupby = "cell_type"))
  values <- as.matrix(a$X[, genes])
  for (g in levels(a$obs$cell_type)) for (gene in genes) {
    row <- p$data[p$data$group == g & p$data$gene == gene, ]
    cells <- values[a$obs$cell_type == g, gene]
    expect_equal(row$mean, mean(cells))
    expect_equal(row$fraction, mean(cells > 0))
  }
  only <- plot_dotplot(a, "LYZ", groupby = "cell_type", mean_only_expressed = TRUE)$data
  cells <- values[a$obs$cell_type == only$group[1], "LYZ"]
  expect_equal(only$mean[1], mean(cells[cells > 0]))
  scaled <- drawn(plot_dotplot(a, list(T = "CD3D", other = c("NKG7", "LYZ")), groupby = "cell_type", standard_scale = "var"))
  expect_equal(range(scaled$data$mean[scaled$data$gene == "LYZ"]), c(0, 1))
  drawn(plot_dotplot(a, genes, groupby = "cell_type", standard_scale = "group"))
  p <- drawn(plot_heatmap(a, genes, groupby = "cell_type"))
  expect_equal(p$data$value[p$data$gene == "LYZ"], unname(values[order(a$obs$cell_type), "LYZ"]))
  p <- drawn(plot_heatmap(a, list(one = genes, two = "CD8A"), groupby = "cell_type", max_rows = 100, standard_scale = "var"))
  expect_lte(max(p$data$row), 110)
})

test_that("quality, variable genes and components are plotted", {
  a <- example()
  p <- drawn(plot_qc(a))
  expect_length(attr(p, "panels"), 4)
  drawn(plot_qc(a, keys = "total_counts", groupby = "batch"))
  drawn(plot_hvg(a))
  drawn(plot_hvg(highly_variable_genes(a, n_top_genes = 100), label = 0))
  p <- drawn(plot_pca_variance(a, n_pcs = 5))
  expect_equal(p$data$share, as.numeric(a$uns$pca$variance_ratio[1:5]))
  drawn(plot_pca_variance(a, log = TRUE))
})

test_that("no plot leaves a file behind", {
  a <- as_object(small_twin())
  here <- setwd(tempfile() |> (\(d) { dir.create(d); d })())
  on.exit(setwd(here))
  plot_embedding(a, "pca", color = c("batch", "gene2"))
  expect_length(list.files(), 0)
})

test_that("what cannot be plotted is said", {
  a <- as_object(small_twin())
  expect_snapshot({
    cat(error_of(plot_embedding(a, "umap")))
    cat(error_of(plot_embedding(a, "pca", color = "nothing")))
    cat(error_of(plot_embedding(a, "pca", color = "gene33")))
    cat(error_of(plot_embedding(a, "pca", color = 3)))
    cat(error_of(plot_embedding(a, "pca", color = "gene2", use_raw = TRUE)))
    cat(error_of(plot_embedding(a, "pca", components = c(1, 9))))
    cat(error_of(plot_violin(a, "label")))
    cat(error_of(plot_violin(a, "gene2", groupby = "bacth")))
    cat(error_of(plot_dotplot(a, character(), groupby = "batch")))
    cat(error_of(plot_dotplot(a, "gene2", groupby = "batch", standard_scale = "both")))
    cat(error_of(plot_qc(a)))
    cat(error_of(plot_hvg(a)))
    cat(error_of(plot_pca_variance(a)))
  })
})
