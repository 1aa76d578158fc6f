twin <- small_twin()

for (kind in c("sparse", "dense", "file")) {
  adata <- if (kind == "file") on_file(twin) else as_object(twin, kind == "sparse")

  test_that(paste("sums, means and moments are those of R:", kind), {
    expect_equal(row_sums(adata), rowSums(twin$counts))
    expect_equal(col_sums(adata), colSums(twin$counts))
    moments <- mean_var(adata)
    expect_equal(moments$mean, unname(colMeans(twin$counts)))
    expect_equal(moments$var, unname(apply(twin$counts, 2, var)))
    expect_identical(rownames(moments), colnames(twin$counts))
    of_cells <- mean_var(adata, "obs", ddof = 0)
    expect_equal(of_cells$var, unname(apply(twin$counts, 1, var)) * 6 / 7)
    x <- if (kind == "file") adata$X else anndataoom:::as_oom(adata$X)
    expect_equal(rowSums(x), rowSums(twin$counts))
    expect_equal(colMeans(x), colMeans(twin$counts))
    expect_equal(rowMeans(x), rowMeans(twin$counts))
  })

  test_that(paste("blocks put together are the matrix:", kind), {
    for (size in c(1, 5, 12, 100)) {
      blocks <- chunk_apply(adata, as.matrix, chunk_size = size)
      expect_equal(do.call(rbind, blocks), twin$counts)
    }
    rows <- chunk_apply(adata, function(block, rows, add) rows + add, chunk_size = 5, add = 100, with_rows = TRUE)
    expect_identical(unlist(rows), 1:12 + 100)
  })

  test_that(paste("one gene and one cell:", kind), {
    expect_equal(obs_vector(adata, "gene3"), unname(twin$counts[, 3]))
    expect_identical(obs_vector(adata, "score"), twin$obs$score)
    expect_equal(obs_vector(adata, "gene3", layer = "double"), unname(2 * twin$counts[, 3]))
    expect_equal(var_vector(adata, "cell3"), unname(twin$counts[3, ]))
    expect_identical(var_vector(adata, "length"), twin$var$length)
  })
}

test_that("raw is asked for a gene that X does not have", {
  adata <- as_object(twin)
  adata$raw <- adata
  part <- adata[, 1:2]
  expect_equal(obs_vector(part, "gene5"), unname(twin$counts[, 5]))
  expect_equal(obs_vector(part, "gene2", use_raw = TRUE), unname(twin$counts[, 2]))
})

test_that("a matrix on disk is a matrix", {
  x <- on_file(twin)$X
  expect_s4_class(x, "OOMMatrix")
  expect_equal(as(x, "matrix"), twin$counts)
  expect_equal(as.matrix(as(x, "dgCMatrix")), twin$counts)
  expect_s4_class(as(x, "dgCMatrix"), "dgCMatrix")
  expect_s4_class(x[3:2, -1], "OOMMatrix")
  expect_equal(as.matrix(x[3:2, -1]), twin$counts[3:2, -1])
  expect_equal(as.matrix(x[c("cell5", "cell5"), ]), twin$counts[c(5, 5), ])
  expect_equal(as.matrix(head(x, 2)), twin$counts[1:2, ])
  expect_equal(as.matrix(log1p(x)), log1p(twin$counts), tolerance = 1e-6)
  dimnames(x) <- list(NULL, letters[1:7])
  expect_equal(as.matrix(x[1, "c"])[1, 1], twin$counts[1, 3], ignore_attr = TRUE)
})

test_that("a dgCMatrix is read straight into R's memory, turned or not", {
  path <- tempfile(fileext = ".h5ad")
  on.exit(unlink(path))
  for (twin in list(small_twin(), small_twin(400, 300))) {
    write_h5ad(as_object(twin), path)
    x <- read_h5ad(path)$X
    for (of in list(list(x, twin$counts), list(log1p(x), log1p(twin$counts)), list(x[c(5, 2, 2), ], twin$counts[c(5, 2, 2), ]))) {
      genes_first <- as(t(of[[1]]), "dgCMatrix")
      cells_first <- as(of[[1]], "dgCMatrix")
      expect_true(validObject(genes_first) && validObject(cells_first))
      expect_equal(unname(as.matrix(genes_first)), unname(t(of[[2]])), tolerance = 1e-6)
      expect_identical(Matrix::t(genes_first), cells_first)
    }
  }
  # Columns on disk, logicals and a matrix without values.
  write_h5ad(as_object(twin), path, as_csc = "X")
  expect_equal(as.matrix(as(t(read_h5ad(path)$X), "dgCMatrix")), t(twin$counts), ignore_attr = TRUE)
  write_h5ad(AnnDataOOM(as(twin$counts > 1, "lMatrix")), path)
  expect_equal(as.matrix(as(t(read_h5ad(path)$X), "dgCMatrix")), t(twin$counts > 1) + 0, ignore_attr = TRUE)
  write_h5ad(AnnDataOOM(as(0 * twin$counts, "CsparseMatrix")), path)
  expect_identical(length(as(t(read_h5ad(path)$X), "dgCMatrix")@x), 0L)
})

test_that("a matrix too large for memory is refused before it is read", {
  x <- on_file(twin)$X
  old <- options(anndataoom.max_bytes = 100)
  on.exit(options(old))
  expect_error(as.matrix(x), "use chunk_apply\\(\\)", class = "anndataoom_error_memory")
  expect_error(as(x, "dgCMatrix"), class = "anndataoom_error_memory")
  expect_identical(dim(as.matrix(x[1, 1])), c(1L, 1L))
})

test_that("scale() still scales ordinary matrices", {
  expect_identical(scale(twin$counts), base::scale(twin$counts))
  expect_identical(scale(twin$counts, center = FALSE), base::scale(twin$counts, center = FALSE))
})
