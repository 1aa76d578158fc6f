# Tests numbers that are easily wrong: columns that do not vary, sums beyond 2^53, values that do
# not suit a flavour.

test_that("columns that do not vary have variance 0 and scale to 0", {
  x <- cbind(0.1, 1 / 3, 123456.7, rep(0:2, 20), 0)
  for (form in list(x, methods::as(x, "CsparseMatrix"), methods::as(x, "RsparseMatrix"))) {
    a <- AnnDataOOM(form)
    expect_identical(unname(mean_var(a)$var[c(1, 2, 3, 5)]), rep(0, 4))
    s <- anndataoom::scale(a)
    expect_identical(s$var$std[c(1, 2, 3, 5)], rep(1, 4))
    expect_true(all(as.matrix(s$X)[, c(1, 2, 3, 5)] == 0))
    r <- regress_out(AnnDataOOM(form, obs = data.frame(n = (1:60)^2)), "n")
    expect_true(all(as.matrix(r$X)[, c(1, 2, 3, 5)] == 0))
  }
})

test_that("sums of integers are exact past the largest integer", {
  a <- AnnDataOOM(matrix(.Machine$integer.max, 2, 3))
  expect_identical(unname(row_sums(a)), rep(3 * 2147483647, 2))
  expect_identical(unname(col_sums(a)), rep(2 * 2147483647, 3))
})

test_that("what flavours are not made for is told", {
  set.seed(3)
  counts <- matrix(rpois(100 * 40, rep(rgamma(40, 1), each = 100)), 100)
  counts[, 1] <- counts[, 1] + 1
  a <- AnnDataOOM(counts, obs = data.frame(b = factor(c(rep("x", 60), rep("y", 39), "z"))))
  expect_warning(
    highly_variable_genes(log1p(a), n_top_genes = 5, flavor = "pearson_residuals"),
    "expects raw count data, but non-integers were found"
  )
  expect_warning(
    highly_variable_genes(a, n_top_genes = 5, flavor = "pearson_residuals", batch_key = "b"),
    "takes no part in the choice of genes: batch 'z'"
  )
  expect_no_warning(
    highly_variable_genes(log1p(a), n_top_genes = 5, flavor = "pearson_residuals", check_values = FALSE)
  )
  expect_warning(normalize_pearson_residuals(log1p(a)), "expects raw count data, but non-integers were found")
  expect_no_warning(normalize_pearson_residuals(log1p(a), check_values = FALSE))
  expect_no_warning(normalize_pearson_residuals(a))
  big <- AnnDataOOM(counts * 2000)
  expect_error(highly_variable_genes(big, n_top_genes = 5), "expects logarithmised values")
  expect_error(
    neighbors(AnnDataOOM(counts, obsm = list(X_pca = matrix(1:200, 100))), n_neighbors = 1),
    "n_neighbors must be at least 2"
  )
  expect_warning(p <- pca(AnnDataOOM(matrix(0.1, 10, 6)), n_comps = 2), "every gene is constant")
  expect_identical(p$uns$pca$variance_ratio, c(0, 0))
})
