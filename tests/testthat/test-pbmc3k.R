# The pipeline of the README on real data against scanpy, scikit-learn and igraph (tests/golden/make_pbmc3k.py).
golden_file <- function(name) {
  path <- file.path("..", "golden", name)
  if (!file.exists(path)) skip("the golden values are not there (tests/golden)")
  path
}

rand_index <- function(x, y) {
  counts <- table(x, y)
  pairs <- function(n) sum(choose(n, 2))
  expected <- pairs(rowSums(counts)) * pairs(colSums(counts)) / choose(sum(counts), 2)
  (pairs(counts) - expected) / ((pairs(rowSums(counts)) + pairs(colSums(counts))) / 2 - expected)
}

test_that("the pipeline finds what scanpy finds", {
  skip_if_not_installed("jsonlite")
  file <- shared_file()
  golden <- jsonlite::fromJSON(golden_file("pbmc3k.json"))
  adata <- suppressMessages(qc_metrics(read_h5ad(file), qc_vars = "mt"))
  for (name in names(golden$qc$obs)) {
    expect_equal(as.numeric(adata$obs[[name]][seq(1, 2638, 100)]), golden$qc$obs[[name]], tolerance = 1e-6)
    expect_equal(sum(adata$obs[[name]]), golden$qc$obs_sum[[name]], tolerance = 1e-6)
  }
  for (name in names(golden$qc$var)) {
    expect_equal(as.numeric(adata$var[[name]][seq(1, 13714, 500)]), golden$qc$var[[name]], tolerance = 1e-6)
  }
  adata <- adata |> filter_cells(min_genes = 200) |> filter_genes(min_cells = 3)
  expect_equal(dim(adata), golden$shape_filtered)

  chosen <- function(x, ...) {
    x <- highly_variable_genes(x, ...)
    x$var_names[x$var$highly_variable]
  }
  expect_setequal(chosen(adata, 2000, "pearson_residuals"), golden$hvg$pearson_residuals)
  expect_gte(length(intersect(chosen(adata, 2000, "seurat_v3"), golden$hvg$seurat_v3)), 1980)
  counts <- highly_variable_genes(adata, 2000, "pearson_residuals")
  adata <- counts |> normalize_total(target_sum = 1e4) |> log1p()
  expect_equal(unname(row_sums(adata))[seq(1, 2638, 100)], golden$lognorm_row_sums, tolerance = 1e-6)
  expect_setequal(chosen(adata, 2000, "seurat"), golden$hvg$seurat)
  expect_setequal(chosen(adata, 2000, "cell_ranger"), golden$hvg$cell_ranger)
  expect_setequal(chosen(adata), golden$hvg$seurat_cutoffs)

  adata$raw <- adata
  adata <- adata[, adata$var$highly_variable] |> scale(max_value = 10) |> pca(n_comps = 50)
  loadings <- matrix(
    readBin(golden_file("pbmc3k_loadings.f32"), "numeric", 1e5, 4, endian = "little"), 2000, byrow = TRUE
  )
  cosines <- colSums(loadings * adata$varm$PCs)
  expect_gte(min(cosines), 0.99999)
  expect_equal(adata$uns$pca$variance_ratio, golden$pca$variance_ratio, tolerance = 1e-6)

  adata <- adata |> neighbors(n_neighbors = 15) |> umap() |> leiden(resolution = 1)
  expect_gte(rand_index(adata$obs$cell_type, adata$obs$leiden), 0.68)
  expect_gte(adata$uns$leiden$modularity, mean(golden$leiden$igraph_modularity) - 0.002)
  expect_identical(levels(adata$obs$leiden), as.character(seq_len(nlevels(adata$obs$leiden)) - 1))
  expect_false(is.unsorted(-as.numeric(table(adata$obs$leiden))))
  expect_identical(dim(adata$obsm$X_umap), c(2638L, 2L))
  expect_equal(max(obs_vector(adata, "NKG7", use_raw = TRUE)), max(as.matrix(adata$raw$X[, "NKG7"])))

  out <- tempfile(fileext = ".h5ad")
  write_h5ad(counts, out)
  back <- read_h5ad(out)
  expect_identical(back$obs, counts$obs)
  expect_identical(
    anndataoom:::matrix_info(back$X)[c("layout", "stored_dtype")], list(layout = "csr", stored_dtype = "float32")
  )
  expect_identical(col_sums(back), col_sums(counts))
})
