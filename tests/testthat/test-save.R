twin <- small_twin()

test_that("what changed is in the file, and nothing else was written", {
  path <- on_file(twin)$filename
  gc()
  adata <- read_h5ad(path, mode = "r+")
  size <- file.size(path)
  adata <- save_h5ad(adata)
  expect_identical(file.size(path), size)
  before <- adata
  adata$obs$leiden <- factor(rep(c("0", "1"), 6))
  adata$obs$score <- NULL
  adata$obsm$X_umap <- matrix(as.numeric(1:24), 12)
  adata$obsm$X_pca <- adata$obsm$X_pca[, 1, drop = FALSE]
  adata$uns$title <- "saved"
  adata$uns$deep <- NULL
  adata$layers$counts <- adata$X
  adata$raw <- adata
  adata <- save_h5ad(adata)
  for (a in list(adata, read_h5ad(path))) {
    expect_identical(levels(a$obs$leiden), c("0", "1"))
    expect_null(a$obs$score)
    expect_identical(a$obs$batch, twin$obs$batch)
    expect_equal(unname(a$obsm$X_umap), matrix(as.numeric(1:24), 12))
    expect_identical(dim(a$obsm$X_pca), c(12L, 1L))
    expect_identical(a$uns$title, "saved")
    expect_null(a$uns$deep)
    expect_equal(as.matrix(a$X), twin$counts)
    expect_equal(as.matrix(a$layers$counts), twin$counts)
    expect_equal(as.matrix(a$raw$X), twin$counts)
  }
  # The older object shows the earlier content.
  expect_identical(before$uns$title, "twin")
  expect_identical(dim(before$obsm$X_pca), c(12L, 2L))
  expect_equal(as.matrix(before$X), twin$counts)
  rm(a)
  gc()
  adata$uns$title <- "again"
  adata <- save_h5ad(adata)
  expect_identical(read_h5ad(path)$uns$title, "again")
  expect_identical(list.files(dirname(path), paste0("^[.]", basename(path)), all.files = TRUE), character())
})

test_that("X is written when asked", {
  path <- on_file(twin)$filename
  gc()
  adata <- log1p(read_h5ad(path, mode = "r+"))
  expect_message(adata <- save_h5ad(adata), "X = TRUE")
  adata <- save_h5ad(adata, X = TRUE)
  expect_equal(values(read_h5ad(path)$X), unname(log1p(twin$counts)), tolerance = 1e-6)
  expect_equal(values(adata$X), unname(log1p(twin$counts)), tolerance = 1e-6)
})

test_that("what cannot be saved", {
  path <- on_file(twin)$filename
  gc()
  adata <- read_h5ad(path, mode = "r+")
  stale <- adata
  adata$uns$title <- "new"
  saved <- save_h5ad(adata)
  plain <- function(e) sub("'[^']*h5ad'", "'x.h5ad'", e)
  expect_snapshot({
    cat(error_of(read_h5ad("x.h5ad", mode = "w")), "\n")
    cat(error_of(save_h5ad(as_object(twin))), "\n")
    cat(plain(error_of(save_h5ad(saved[1:5, ]))), "\n")
    cat(plain(error_of(save_h5ad(stale))), "\n")
  })
  other <- read_h5ad(path)
  saved$uns$title <- "newer"
  expect_match(error_of(save_h5ad(saved)), "open elsewhere")
  expect_match(error_of(save_h5ad(other)), "read-only")
})
