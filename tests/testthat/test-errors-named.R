# Checks that errors name the file, element or parameter that is wrong; the Python tests check the
# same (test_errors_named.py).

named_error <- function(expr, ...) {
  said <- error_of(expr)
  for (text in c(...)) expect_match(said, text)
  expect_no_match(said, "Some(", fixed = TRUE)
}

damaged <- function() {
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(read_h5ad(example_h5ad()), path)
  path
}

test_that("parameters that are none", {
  adata <- read_h5ad(example_h5ad())
  named_error(pca(adata, n_comps = -1), "pca: n_comps must be a whole number, 1 or more, or NULL, found -1")
  named_error(leiden(adata, n_iterations = NA), "leiden: n_iterations must be .* found NA")
  named_error(neighbors(adata, use_rep = 0), "neighbors: use_rep must be one name, or NULL, found 0")
})

test_that("a matrix is not changed in place", {
  adata <- read_h5ad(example_h5ad())
  named_error(adata$X[1, 1] <- 5, "a matrix on disk is not changed in place: .* adata\\$X <- x")
  named_error(adata[1:2, ] <- 0, "a matrix on disk is not changed in place")
  x <- as.matrix(adata[1:3, 1:4]$X)
  x[1, 2] <- 7
  part <- adata[1:3, 1:4]
  part$X <- x
  expect_identical(part$X[1, 2], 7)
})

test_that("a covariate that is named twice counts once", {
  adata <- read_h5ad(example_h5ad())[1:60, 1:30]
  adata$obs$n <- seq_len(60) %% 7
  expect_identical(values(regress_out(adata, c("n", "n"))$X), values(regress_out(adata, "n")$X))
})

test_that("a file that is cut off while it is open", {
  skip_on_os("windows")
  path <- damaged()
  adata <- read_h5ad(path)
  con <- file(path, "r+b")
  seek(con, 3000, rw = "write")
  truncate(con)
  close(con)
  named_error(as.matrix(adata$X), basename(path), "truncated|cut off", "open it again or restore it")
  out <- tempfile(fileext = ".h5ad")
  named_error(write_h5ad(adata, out), basename(path), "truncated|cut off", "open it again or restore it")
  expect_false(file.exists(out))
})

test_that("offsets that do not start at 0", {
  path <- tempfile(fileext = ".h5ad")
  adata <- as_object(small_twin())
  adata$layers$counts <- adata$X
  write_h5ad(adata, path)
  edit <- "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); f['obsp/connectivities/indptr'][0] = 1; f['X/indptr'][0] = 1"
  expect_identical(system2(pythons()[[1]], c("-c", shQuote(edit), shQuote(path))), 0L)
  said <- character()
  adata <- withCallingHandlers(read_h5ad(path), warning = function(w) {
    said <<- c(said, conditionMessage(w))
    tryInvokeRestart("muffleWarning")
  })
  expect_match(said, "element 'X/indptr': expected offsets that start at 0, found a first offset of 1", all = FALSE)
  named_error(adata$obsp$connectivities, basename(path), "'obsp/connectivities/indptr'", "found offsets from 1 to")
})

test_that("a full disk under an index of columns", {
  skip_on_cran()
  skip_on_os("windows")
  dir <- tempfile()
  dir.create(dir)
  file <- damaged()
  out <- r_process(c(
    sprintf("adata <- read_h5ad(%s)", deparse(file)),
    sprintf("e <- tryCatch(index_columns(adata, %s), anndataoom_error = identity)", deparse(dir)),
    "cat(class(e)[1], conditionMessage(e))"
  ), "trap '' XFSZ; ulimit -f 8;")
  out <- paste(out, collapse = " ")
  expect_match(out, "anndataoom_error_io")
  expect_match(out, dir, fixed = TRUE)
  expect_length(list.files(dir), 0)
})
