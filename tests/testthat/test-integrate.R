# The values are tested in Rust and Python, against those of harmonypy and scanpy.
test_that("harmony_integrate() mixes batches and leaves the basis", {
  a <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
  shifted <- a$obsm$X_pca
  shifted[a$obs$batch == levels(factor(a$obs$batch))[1], ] <- shifted[a$obs$batch == levels(factor(a$obs$batch))[1], ] + 1
  a$obsm$X_shifted <- shifted
  b <- harmony_integrate(a, "batch", basis = "X_shifted", adjusted_basis = "X_mixed")
  gap <- function(x) max(abs(colMeans(x[a$obs$batch == a$obs$batch[1], ]) - colMeans(x[a$obs$batch != a$obs$batch[1], ])))
  expect_equal(dim(b$obsm$X_mixed), dim(shifted))
  expect_lt(gap(b$obsm$X_mixed), gap(shifted) / 2)
  expect_equal(b$obsm$X_shifted, shifted)
  again <- harmony_integrate(a, c("batch", "cell_type"), theta = c(1, 0), lamb = 1, nclust = 8)
  expect_true(all(is.finite(again$obsm$X_pca_harmony)))
  a$obs$one <- "a"
  expect_snapshot({
    cat(error_of(harmony_integrate(a, "batch", basis = "X_none")))
    cat(error_of(harmony_integrate(a, "nobody")))
    cat(error_of(harmony_integrate(a, "one")))
    cat(error_of(harmony_integrate(a, "batch", theta = c(1, 2))))
    cat(error_of(harmony_integrate(a, "batch", nclust = 1e6)))
    cat(error_of(harmony_integrate(a, character())))
  })
})

test_that("combat() takes location and scale of batches out, lazily", {
  a <- read_h5ad(example_h5ad()) |> filter_genes(min_cells = 20) |> normalize_total() |> log1p()
  b <- combat(a, "batch", covariates = "cell_type")
  x <- as.matrix(a$X)
  y <- as.matrix(b$X)
  gap <- function(x) mean(abs(colMeans(x[a$obs$batch == a$obs$batch[1], ]) - colMeans(x[a$obs$batch != a$obs$batch[1], ])))
  expect_lt(gap(y), gap(x))
  expect_equal(colMeans(x), colMeans(y), tolerance = 0.05)
  expect_equal(as.matrix(b[5:2, c(9, 3)]$X), y[5:2, c(9, 3)])
  expect_output(print(b$X), "combat")
  expect_snapshot({
    cat(error_of(combat(a, "nobody")))
    cat(error_of(combat(a, "batch", covariates = "batch")))
    cat(error_of(combat(a, "batch", covariates = "nobody")))
  })
})

test_that("scrublet() scores cells and calls doublets", {
  a <- read_h5ad(example_h5ad())
  b <- scrublet(a, n_prin_comps = 15, threshold = 0.2)
  expect_type(b$obs$predicted_doublet, "logical")
  expect_identical(b$obs$predicted_doublet, b$obs$doublet_score > 0.2)
  expect_equal(dim(b$uns$scrublet$doublet_parents), c(2 * nrow(a), 2))
  by <- scrublet(a, batch_key = "batch", n_prin_comps = 15, threshold = 0.2)
  expect_setequal(names(by$uns$scrublet$batches), unique(as.character(a$obs$batch)))
  expect_snapshot({
    cat(error_of(scrublet(a, n_prin_comps = 1e6)))
    cat(error_of(scrublet(a, batch_key = "nobody")))
    cat(error_of(scrublet(a, expected_doublet_rate = 1)))
  })
})

test_that("ingest() and transfer_labels() map cells into a reference", {
  a <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p()
  ref <- a[1:300, ] |> pca(n_comps = 10) |> neighbors() |> umap(maxiter = 20)
  query <- a[301:400, ]
  b <- ingest(query, ref, obs = "cell_type")
  expect_equal(dim(b$obsm$X_pca), c(100, 10))
  expect_equal(dim(b$obsm$X_umap), c(100, 2))
  expect_gt(mean(as.character(b$obs$cell_type) == as.character(query$obs$cell_type)), 0.7)
  expect_true(all(b$obs$cell_type_confidence > 0 & b$obs$cell_type_confidence <= 1))
  x <- as.matrix(query$X)
  mean <- colMeans(as.matrix(ref$X))
  expect_equal(unname(b$obsm$X_pca), unname(sweep(x, 2, mean) %*% ref$varm$PCs), tolerance = 1e-4)
  shuffled <- ingest(query[, rev(seq_len(ncol(query)))], ref, embedding_method = "pca")
  expect_equal(shuffled$obsm$X_pca, b$obsm$X_pca, tolerance = 1e-5)
  labels <- transfer_labels(query, ref, "cell_type", weights = "uniform")
  expect_identical(labels$obs$cell_type, b$obs$cell_type)
  # Genes of the reference without counts have loadings of 0, up to rounding.
  some <- function(text) gsub("[0-9]+ of the [0-9]+ genes", "<n> of the <n> genes", text)
  expect_snapshot(transform = some, {
    cat(error_of(ingest(query, "nothing")))
    cat(error_of(ingest(query, a)))
    cat(error_of(ingest(query, ref, obs = "nobody")))
    cat(error_of(transfer_labels(query[, 1:100], ref, "cell_type")))
  })
})

test_that("sample(), sketch() and downsample_counts() draw", {
  a <- read_h5ad(example_h5ad())
  x <- as.matrix(a$X)
  set.seed(1)
  expect_length(sample(10, 3), 3)
  set.seed(1)
  expect_identical(sample(5), {
    set.seed(1)
    base::sample(5)
  })
  b <- sample(a, n = 40)
  expect_equal(nrow(b), 40)
  expect_identical(as.matrix(b$X), x[row.names(b$obs), ])
  expect_equal(ncol(sample(a, 0.1, axis = "var")), floor(0.1 * ncol(a)))
  d <- downsample_counts(a, 300)
  expect_equal(unname(rowSums(as.matrix(d$X))), unname(pmin(rowSums(x), 300)))
  expect_true(all(as.matrix(d$X) <= x))
  s <- a |> normalize_total() |> log1p() |> pca(n_comps = 10) |> sketch(60, method = "leverage")
  expect_equal(nrow(s), 60)
  expect_true(all(s$obs$leverage_score > 0))
  expect_snapshot({
    cat(error_of(sample(a)))
    cat(error_of(sample(a, n = 1e5)))
    cat(error_of(sketch(a, 10)))
    cat(error_of(downsample_counts(a)))
    cat(error_of(downsample_counts(a, 10, replace = TRUE)))
  })
})
