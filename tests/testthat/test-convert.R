echo <- function(x, column = FALSE) {
  reply <- anndataoom:::rs_call(anndataoom:::rs_echo, x = x, column = column)
  expect_identical(reply$value, x)
  reply$encoding
}

test_that("R values go to the encoding anndata would choose, and come back the same", {
  expect_identical(echo(c(TRUE, FALSE)), "array")
  expect_identical(echo(c(TRUE, NA)), "nullable-boolean")
  expect_identical(echo(1:3), "array")
  expect_identical(echo(c(1L, NA)), "nullable-integer")
  expect_identical(echo(c(1.5, NaN, Inf)), "array")
  expect_identical(echo(c("a", "", "\u00e9 %s \"q\"")), "string-array")
  expect_identical(echo(c("a", NA)), "nullable-string-array")
  expect_identical(echo(2.5), "numeric-scalar")
  expect_identical(echo(2.5, column = TRUE), "array")
  expect_identical(echo("one"), "string")
  expect_identical(echo(c(1 + 2i, -1i)), "array")
  expect_identical(echo(matrix(1:6, 2)), "array")
  expect_identical(echo(matrix(c("a", "b", "c", "d"), 2)), "string-array")
  expect_identical(echo(array(as.numeric(1:24), c(2, 3, 4))), "array")
  expect_identical(echo(matrix(0, 0, 3)), "array")
  expect_identical(echo(factor(c("b", NA, "a"), levels = c("b", "a", "c"))), "categorical")
  expect_identical(echo(factor(c("lo", "hi"), levels = c("lo", "hi"), ordered = TRUE)), "categorical")
  expect_identical(echo(list(a = 1:2, b = list(c = "x"))), "dict")
  expect_identical(echo(list()), "dict")
  expect_identical(echo(NULL), "null")
  expect_identical(echo(numeric()), "array")
  expect_identical(echo(data.frame(a = 1:3, b = c("x", "y", "z"), row.names = c("r1", "r2", "r3"))), "dataframe")
})

test_that("sparse matrices of every kind come back as dgCMatrix or lgCMatrix", {
  set.seed(3)
  x <- Matrix::rsparsematrix(9, 5, 0.3)
  expect_identical(echo(x), "csc_matrix")
  expect_identical(echo(x != 0), "csc_matrix")
  rows <- as(x, "RsparseMatrix")
  reply <- anndataoom:::rs_call(anndataoom:::rs_echo, x = rows, column = FALSE)
  expect_identical(reply$encoding, "csr_matrix")
  expect_identical(reply$value, x)
  empty <- Matrix::sparseMatrix(i = integer(), j = integer(), x = numeric(), dims = c(3, 0))
  expect_identical(echo(empty), "csc_matrix")
  others <- list(as(x, "TsparseMatrix"), Matrix::crossprod(x), Matrix::Diagonal(3), Matrix::Matrix(1, 2, 2))
  for (other in others) {
    plain <- anndataoom:::plain_matrix(other)
    expect_equal(as.matrix(plain), as.matrix(other), ignore_attr = TRUE)
  }
})

test_that("strings with missing values become categories in a column", {
  reply <- anndataoom:::rs_call(anndataoom:::rs_echo, x = c("b", NA, "a"), column = TRUE)
  expect_identical(reply$encoding, "categorical")
  expect_identical(as.character(reply$value), c("b", NA, "a"))
})

test_that("labels of numbers remember that they are numbers", {
  f <- structure(factor(c("10", "9")), categories = "int64")
  expect_identical(echo(f), "categorical")
})

test_that("other classes are refused by name", {
  a <- as_object(small_twin())
  a@obs$day <- Sys.Date() # set past the check of `$<-`
  expect_snapshot(cat(error_of(write_h5ad(a, tempfile()))))
  a@obs$day <- NULL
  a$uns$f <- sum
  expect_snapshot(cat(error_of(write_h5ad(a, tempfile()))))
  a$uns$f <- list(1, 2)
  expect_snapshot(cat(error_of(write_h5ad(a, tempfile()))))
  expect_s3_class(tryCatch(echo(Sys.time()), error = identity), "anndataoom_error_shape")
})

test_that("embeddings of Seurat come back under the names that are there", {
  found <- anndataoom:::under_their_names(list(X_pca = 1, X_m3 = 2, X_new = 3), c("X_pca", "m3", "pca"))
  expect_identical(names(found), c("X_pca", "m3", "X_new"))
})
