# Checks that embeddings are kept as float32: half the memory, the same values.

test_that("an embedding reads as doubles, selects, travels and is written as float32", {
  adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 5)
  kept <- adata@obsm$X_pca
  expect_true(anndataoom:::is_float32(kept))
  expect_equal(dim(kept), c(700, 5))
  expect_output(print(adata$obsm), "X_pca: float32 matrix of 700 x 5", fixed = TRUE)

  scores <- adata$obsm$X_pca
  expect_type(scores, "double")
  expect_identical(rownames(scores), adata$obs_names)
  # A float32 has 24 binary digits.
  expect_true(all(signif(scores, 9) == scores | abs(scores - signif(scores, 9)) < 1e-7 * abs(scores)))
  expect_identical(adata[c(9, 2), ]$obsm$X_pca, scores[c(9, 2), ])
  # A float32 with the bits of R's integer NA is -0.
  bits <- anndataoom:::as_float32(matrix(c(NA_integer_, 1065353216L), 2, 1))
  expect_identical(1 / anndataoom:::resolve(bits)[1, ], c(-Inf, 1))
  expect_identical(anndataoom:::resolve(anndataoom:::select_float32(bits, c(1, 1), 2)), matrix(1, 2, 1))

  file <- tempfile(fileext = ".rds")
  saveRDS(adata, file)
  expect_identical(readRDS(file)$obsm$X_pca, scores)
  file <- tempfile(fileext = ".h5ad")
  write_h5ad(adata, file)
  written <- read_h5ad(file)
  expect_identical(written$obsm$X_pca, scores)
  expect_identical(pca(written, n_comps = 5, key_added = "again")$obsm$again, scores)
})

test_that("elements of another object have to fit, in memory or in the file", {
  adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 3)
  few <- adata[1:3, ]
  expect_error(few$obsm <- adata$obsm, "expected 3 rows, found 700 x 3", class = "anndataoom_error_shape")
  file <- tempfile(fileext = ".h5ad")
  write_h5ad(adata, file)
  stored <- read_h5ad(file)
  expect_error(few$obsm <- stored$obsm, "expected 3 rows, found 700 x 3", class = "anndataoom_error_shape")
  few$obsm <- stored[3:1, ]$obsm
  expect_equal(unname(few$obsm$X_pca), unname(adata$obsm$X_pca[3:1, ]))
})

test_that("neighbours of a float32 embedding are those of the same doubles", {
  adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 8)
  doubles <- adata
  doubles$obsm$X_pca <- adata$obsm$X_pca
  expect_false(anndataoom:::is_float32(doubles@obsm$X_pca))
  for (n_pcs in list(NULL, 3)) {
    expect_identical(neighbors(adata, n_pcs = n_pcs)$obsp$distances, neighbors(doubles, n_pcs = n_pcs)$obsp$distances)
  }
})

test_that("the package Matrix is loaded by what is sparse, not by loading this package", {
  skip_on_cran()
  script <- 'suppressMessages(library(anndataoom)); stopifnot(!isNamespaceLoaded("Matrix"))
    adata <- pca(log1p(normalize_total(read_h5ad(example_h5ad()))), n_comps = 3); stopifnot(!isNamespaceLoaded("Matrix"))
    x <- as(adata$X[1:9, 1:7], "dgCMatrix"); stopifnot(is(x, "dgCMatrix"))
    y <- Matrix::Diagonal(7); stopifnot(all.equal(as.matrix(adata$X[1:9, 1:7] %*% y), as.matrix(x), check.attributes = FALSE))'
  said <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", shQuote(script)), stdout = TRUE, stderr = TRUE)
  expect_null(attr(said, "status"), info = paste(said, collapse = "\n"))
})
