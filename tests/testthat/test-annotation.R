# The values are also tested in Python, against scanpy's. These tests check that R gives the same.
golden <- function() {
  skip_if_not_installed("jsonlite")
  path <- file.path("..", "golden", "annotation.json")
  skip_if_not(file.exists(path), "the golden values, which the package does not have")
  jsonlite::fromJSON(path)
}

test_that("overlaps with known markers are the golden ones", {
  expected <- golden()
  a <- read_h5ad(example_h5ad())
  x <- as(a$X, "dgCMatrix")
  x@x <- round(log1p(x@x) * 64) / 64
  a <- AnnDataOOM(x, obs = a$obs, var = a$var) |> rank_genes_groups("cell_type", method = "t-test")
  for (call in names(expected$calls)) {
    found <- do.call(marker_gene_overlap, c(list(a, expected$known), expected$calls[[call]]))
    expect_identical(dimnames(found), list(names(expected$known), expected$groups))
    expect_equal(unname(as.matrix(found)), expected$overlaps[[call]], tolerance = 1e-12, label = call)
  }
  expect_warning(
    marker_gene_overlap(a, expected$known, adj_pval_threshold = 0), "no gene has pvals_adj < 0 in",
    class = "anndataoom_warning_values"
  )
  expect_warning(marker_gene_overlap(a, expected$known, top_n_markers = 2, adj_pval_threshold = 0.5), "no effect")
  expect_identical(dim(marker_gene_overlap(a, list(one = "nobody"))), c(1L, length(expected$groups)))
  expect_snapshot({
    cat(error_of(marker_gene_overlap(a, c("a", "b"))))
    cat(error_of(marker_gene_overlap(a, list("a"))))
    cat(error_of(marker_gene_overlap(a, list(a = "b"), key = "nothing")))
    cat(error_of(marker_gene_overlap(a, list(a = "b"), method = "jaccard", normalize = "data")))
    cat(error_of(marker_gene_overlap(a, list(a = "b"), method = "best")))
    cat(error_of(marker_gene_overlap(a, list(a = "b"), top_n_markers = 0)))
  })
})

test_that("densities of cells are the golden ones", {
  expected <- golden()
  points <- expected$points
  names <- as.character(seq_len(nrow(points)))
  a <- AnnDataOOM(
    matrix(0, nrow(points), 1, dimnames = list(names, "g")), obs = data.frame(group = factor(expected$group), row.names = names),
    obsm = list(X_umap = points)
  )
  a <- embedding_density(a) |> embedding_density("X_umap", groupby = "group", components = c(3, 1))
  for (key in names(expected$density)) expect_equal(a$obs[[key]], expected$density[[key]], tolerance = 1e-9)
  expect_equal(a$uns$umap_density_group_params, list(covariate = "group", components = c(3, 1)), ignore_attr = TRUE)
  b <- embedding_density(a, components = "3, 1", key_added = "d")
  expect_equal(b$obs$d, embedding_density(a, components = c(1, 3))$obs$umap_density)
  expect_snapshot({
    cat(error_of(embedding_density(a, "tsne")))
    cat(error_of(embedding_density(a, components = 1:3)))
    cat(error_of(embedding_density(a, components = "1,9")))
    cat(error_of(embedding_density(a, groupby = "nothing")))
    cat(error_of(embedding_density(a[1:2, ])))
  })
})
