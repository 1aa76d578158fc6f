# Tests Zarr stores that are opened, written and converted; their values are compared with those of
# the original file.

store <- function(...) {
  path <- withr::local_tempfile(fileext = ".zarr", .local_envir = parent.frame())
  convert(example_h5ad(), path, ...)
  path
}

test_that("a store holds what its file holds, in each version", {
  a <- read_h5ad(example_h5ad())
  for (options in list(list(), list(shards = 0), list(zarr_format = 2), list(compression = "gzip", chunks = 3000))) {
    path <- do.call(store, options)
    b <- read_zarr(path)
    expect_identical(as(b$X, "dgCMatrix"), as(a$X, "dgCMatrix"))
    expect_identical(b$obs, a$obs)
    expect_identical(b$var, a$var)
    expect_identical(sort(names(b$obsm)), sort(names(a$obsm)))
    expect_identical(sort(names(b$uns)), sort(names(a$uns)))
    expect_identical(dim(read(path)), dim(a))
    expect_identical(as.matrix(b[20:11, 5:1]$X), as.matrix(a[20:11, 5:1]$X))
  }
})

test_that("what is written is read again", {
  a <- read_h5ad(example_h5ad())[1:80, 1:300]
  a <- log1p(normalize_total(a))
  a$obs$half <- seq_len(80) / 2
  path <- withr::local_tempfile(fileext = ".zarr")
  for (version in 2:3) {
    expect_identical(write_zarr(a, path, zarr_format = version), a)
    b <- read_zarr(path)
    expect_equal(as.matrix(b$X), as.matrix(a$X))
    expect_identical(b$obs$half, a$obs$half)
  }
  write_zarr(a, path, as_dense = "X")
  expect_equal(as.matrix(read_zarr(path)$X), as.matrix(a$X))
  write_zarr(read_zarr(path), file.path(dirname(path), "rows.zarr"), as_csr = "X")
  rows <- read_zarr(file.path(dirname(path), "rows.zarr"))
  expect_match(paste(capture.output(rows), collapse = ""), "csr")
  expect_equal(as.matrix(rows$X), as.matrix(a$X))
  unlink(file.path(dirname(path), "rows.zarr"), recursive = TRUE)
  file <- withr::local_tempfile(fileext = ".h5ad")
  convert(path, file)
  expect_equal(as.matrix(read_h5ad(file)$X), as.matrix(a$X))
  expect_identical(list.files(dirname(path), pattern = basename(path), all.files = TRUE), basename(path))
})

test_that("a saved object opens its store again", {
  path <- store()
  saved <- withr::local_tempfile(fileext = ".rds")
  saveRDS(read_zarr(path), saved)
  expect_identical(as.matrix(readRDS(saved)[1:5, 1:50]$X), as.matrix(read_h5ad(example_h5ad())[1:5, 1:50]$X))
})

test_that("anndata reads what R writes", {
  python <- Sys.getenv("ANNDATAOOM_PYTHON")
  if (!nzchar(python) || !file.exists(python)) skip("set ANNDATAOOM_PYTHON to a Python with anndata 0.12")
  if (system2(python, c("-c", shQuote("import zarr")), stdout = FALSE, stderr = FALSE) != 0) skip("no zarr")
  file <- withr::local_tempfile(fileext = ".h5ad")
  path <- withr::local_tempfile(fileext = ".zarr")
  a <- read_h5ad(example_h5ad())[1:50, ]
  write_h5ad(a, file)
  write_zarr(a, path)
  code <- "import sys, anndata as ad; from anndata.tests.helpers import assert_equal; assert_equal(ad.read_h5ad(sys.argv[1]), ad.read_zarr(sys.argv[2]), exact=True)"
  expect_identical(system2(python, c("-W", "ignore", "-c", shQuote(code), file, path)), 0L)
})

test_that("errors about stores", {
  path <- store()
  mask <- function(x) gsub(normalizePath(dirname(path)), "<tmp>", gsub(basename(path), "x.zarr", x, fixed = TRUE), fixed = TRUE)
  local_reproducible_output()
  expect_snapshot(error = TRUE, transform = mask, {
    read_h5ad(path)
    read(path, mode = "r+")
    convert(path, file.path(dirname(path), "y.tiff"))
    write_zarr(read(path), path, compression = "lzf")
    write_zarr(read(path), path, zarr_format = 4)
  })
})

test_that("a collection is one object of its parts", {
  a <- read_h5ad(example_h5ad())
  folder <- withr::local_tempdir()
  rows <- list(dataset_2 = 61:80, dataset_1 = 21:60, dataset_0 = 1:20)
  for (name in names(rows)) write_zarr(a[rows[[name]], ], file.path(folder, name))
  metadata <- '{"attributes":{"encoding-type":"annbatch-preshuffled"},"zarr_format":3,"node_type":"group"}'
  writeLines(metadata, file.path(folder, "zarr.json"))
  whole <- read(folder)
  expect_identical(whole$obs_names, a$obs_names[1:80])
  expect_identical(whole$var, a$var)
  expect_identical(as(whole$X, "dgCMatrix"), as(a[1:80, ]$X, "dgCMatrix"))
  expect_identical(levels(AnnDataSet(folder)$obs$sample), c("dataset_0", "dataset_1", "dataset_2"))

  files <- withr::local_tempdir()
  for (name in names(rows)) write_h5ad(a[rows[[name]], ], file.path(files, paste0(name, ".h5ad")))
  expect_identical(as(read(files)$X, "dgCMatrix"), as(whole$X, "dgCMatrix"))
  expect_error(read(files, mode = "r+"), "neither an h5ad nor an h5mu file")
  unlink(file.path(files, "dataset_1.h5ad"))
  expect_error(read(files), "of which dataset_1 is missing", class = "anndataoom_error_file")
})
