skip_if_not_installed("ggplot2")

test_that("plots are made for categories, numbers and genes", {
  twin <- small_twin()
  a <- as_object(twin)
  p <- plot_embedding(a, "pca", color = "batch")
  expect_s3_class(p, "ggplot")
  expect_identical(levels(p$data$value), levels(twin$obs$batch))
  expect_s3_class(plot_embedding(a, "X_pca", color = "gene3"), "ggplot")
  expect_s3_class(plot_embedding(a, "pca"), "ggplot")
  panels <- plot_embedding(a, "pca", color = c("batch", "score", "gene2"), ncol = 2)
  expect_s3_class(panels, "anndataoom_panels")
  file <- tempfile(fileext = ".png")
  ggplot2::ggsave(file, panels, width = 6, height = 4, dpi = 50)
  expect_gt(file.size(file), 1000)
  ggplot2::ggsave(file, p, width = 3, height = 3, dpi = 50)
  expect_gt(file.size(file), 1000)
})

test_that("colours of the file are used", {
  a <- as_object(small_twin())
  a$uns$batch_colors <- c("#111111", "#222222", "#333333")
  p <- plot_embedding(a, "pca", color = "batch")
  expect_identical(p$scales$get_scales("colour")$palette(3)[["b"]], "#111111")
})

test_that("what cannot be plotted is said", {
  a <- as_object(small_twin())
  expect_snapshot({
    cat(error_of(plot_embedding(a, "umap")))
    cat(error_of(plot_embedding(a, "pca", color = "nothing")))
    cat(error_of(plot_embedding(a, "pca", components = c(1, 9))))
  })
})
