# Tests tables of text.
test_that("a table is read with its names, in both directions", {
  path <- withr::local_tempfile(fileext = ".csv")
  x <- matrix(c(0, 3, 2, 0, 0.5, 1), 2, dimnames = list(c("c1", "c2"), c("CD3D", "LYZ", "NKG7")))
  utils::write.csv(x, path)
  adata <- read(path)
  expect_equal(as.matrix(adata$X), x)
  expect_equal(as.matrix(read_text(path, transpose = TRUE)$X), t(x))
  utils::write.table(x, path, sep = "\t")
  expect_equal(as.matrix(read_text(path)$X), x)
  to <- withr::local_tempfile(fileext = ".h5ad")
  read_text(path, to = to)
  expect_equal(as.matrix(read_h5ad(to)$X), x)
})

test_that("errors name line and column", {
  path <- withr::local_tempfile(fileext = ".csv")
  writeLines(c("n,a,b", "x,1,2", "y,1,two"), path)
  expect_error(read_text(path), "line 3.*a number in the column 'b'.*two")
  writeLines("only, names", path)
  expect_error(read_text(path), "holds no line of numbers")
})
