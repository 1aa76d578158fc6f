# Checks that results have the same bits with packed rows and without, and that the option
# anndataoom.scratch bounds them.

test_that("results do not depend on packed rows", {
  results <- function(...) {
    with_options(list(...), {
      adata <- read_h5ad(example_h5ad())
      sums <- list(row_sums(adata), col_sums(adata))
      adata <- calculate_qc_metrics(adata, percent_top = NULL) |> normalize_total() |> log1p()
      adata <- rank_genes_groups(adata, groupby = "cell_type", method = "wilcoxon")
      adata <- highly_variable_genes(adata, n_top_genes = 300)
      some <- scale(adata[, adata$var$highly_variable], max_value = 10) |> pca(n_comps = 10)
      some_values <- list(as.matrix(some$obsm$X_pca), as.matrix(adata$X[1:20, ]))
      list(sums, adata$obs, adata$var, adata$uns$rank_genes_groups, some_values)
    })
  }
  plain <- results(anndataoom.scratch = 0)
  expect_identical(results(), plain)
  expect_identical(results(anndataoom.scratch = 2^30), plain)
  expect_identical(results(anndataoom.threads = 1, anndataoom.scratch = 2^30), plain)
  expect_identical(results(anndataoom.threads = 3, anndataoom.scratch = 1e5), plain)
})

test_that("explain() says what is packed", {
  path <- tempfile(fileext = ".h5ad")
  file.copy(example_h5ad(), path)
  on.exit(unlink(path))
  adata <- read_h5ad(path)
  with_options(list(anndataoom.scratch = 0), expect_false("packed" %in% explain(adata)$steps$over))
  expect_output(print(explain(adata)), "packed   the first pass leaves its rows in a scratch file of at most")
  row_sums(adata)
  expect_output(print(explain(adata)), "packed   all rows, ")
  expect_true("packed" %in% explain(read_h5ad(path))$steps$over)
  with_options(list(anndataoom.scratch = 0), expect_false("packed" %in% explain(adata)$steps$over))
  with_options(list(anndataoom.scratch = -1), expect_error(
    row_sums(adata), "options(anndataoom.scratch = ) must be a whole number, 0 or more, or NULL, found -1",
    fixed = TRUE, class = "anndataoom_error_parameter"
  ))
})

test_that("pack() keeps a copy in a folder", {
  path <- tempfile(fileext = ".h5ad")
  file.copy(example_h5ad(), path)
  folder <- tempfile("packed")
  before <- options(anndataoom.scratch = 0)
  on.exit({
    options(before)
    unlink(c(path, folder), recursive = TRUE)
  })
  adata <- read_h5ad(path)
  sums <- list(row_sums(adata), col_sums(adata), as.matrix(adata$X[1:5, ]))
  expect_message(pack(adata, folder), "made the packed copy")
  again <- read_h5ad(path)
  expect_message(expect_invisible(pack(again, folder)), "using the packed copy")
  expect_output(print(explain(again)), "packed   all rows, .* in '.*\\.packed', read in a quarter of the time")
  expect_true("packed" %in% explain(again)$steps$over)
  expect_identical(list(row_sums(again), col_sums(again), as.matrix(again$X[1:5, ])), sums)
  expect_length(list.files(folder), 1)
  expect_error(pack(AnnDataOOM(diag(3)), folder), "in memory", class = "anndataoom_error_state")
})

test_that("pack() is found where Matrix is attached after this package", {
  folder <- withr::local_tempdir()
  expect_message(Matrix::pack(read_h5ad(example_h5ad()), dir = folder), "packed copy")
  expect_length(list.files(folder), 1)
})
