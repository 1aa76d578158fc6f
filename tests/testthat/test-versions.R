golden <- function(...) {
  path <- testthat::test_path("..", "golden", ...)
  if (!file.exists(path)) skip("tests/golden is not there")
  path
}

test_that("files of every version of anndata open", {
  counts <- matrix(ifelse(0:34 %% 3 == 0, 1:35, 0), 7, byrow = TRUE)
  for (version in c("0.5", "0.6", "0.7", "0.8", "0.10", "0.12", "0.13")) {
    adata <- read_h5ad(golden("versions", paste0("anndata_", version, ".h5ad")))
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(adata, path)
    for (a in list(adata, read_h5ad(path))) {
      expect_identical(values(a$X), counts, info = version)
      expect_identical(values(a$raw$X), counts, info = version)
      expect_identical(a$obs_names, paste0("cell_", 0:6))
      expect_identical(as.character(a$obs$group), rep(c("b", "a"), length.out = 7))
      expect_identical(levels(a$var$group), c("b", "a"))
      expect_identical(levels(a$raw$var$group), c("b", "a"))
      expect_equal(a$obs$score, 0:6 / 4)
      expect_identical(a$obs$flag, 0:6 %% 3 == 0)
      expect_equal(unname(a$obsm$X_pca), matrix(0:20, 7, byrow = TRUE))
      expect_equal(a$uns$number, 15)
      expect_identical(a$uns$text, "umap")
      expect_identical(a$uns$deep$deeper$values, c(0, 1, 2, 3))
      expect_false("group_categories" %in% names(a$uns))
    }
  }
})

test_that("files of 10x Genomics open as scanpy reads them", {
  expected <- jsonlite::fromJSON(golden("tenx", "expected.json"))
  check <- function(adata, case) {
    want <- expected[[case]]
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(adata, path)
    for (a in list(adata, read_h5ad(path))) {
      expect_equal(values(a$X), want$X, info = case)
      expect_identical(a$obs_names, want$obs_names)
      expect_identical(a$var_names, want$var_names)
      expect_identical(lapply(as.list(a$var), as.character), lapply(want$var, as.character), info = case)
    }
  }
  check(read_10x_h5(golden("tenx", "v2.h5"), genome = "mm10"), "v2.h5 mm10")
  check(read_10x_h5(golden("tenx", "v2_one.h5")), "v2_one.h5")
  check(read_10x_h5(golden("tenx", "v3.h5")), "v3.h5")
  check(read_10x_h5(golden("tenx", "v3.h5"), gex_only = FALSE), "v3.h5 all")
  check(read_10x_h5(golden("tenx", "v3.h5"), genome = "mm10"), "v3.h5 mm10")
  expect_error(read_10x_h5(golden("tenx", "v2.h5")), "GRCh38, mm10", class = "anndataoom_error_parameter")
  expect_error(read_10x_h5(golden("tenx", "v3.h5"), genome = "hg19"), "hg19", class = "anndataoom_error_parameter")
  expect_error(read_h5ad(golden("tenx", "v3.h5")), "read_10x_h5", class = "anndataoom_error_missing")
})

test_that("a matrix that cannot be read hides nothing and is kept", {
  path <- golden("formats_future.h5ad")
  expect_warning(adata <- read_h5ad(path), "'X' cannot be read", class = "anndataoom_warning")
  expect_null(adata$X)
  expect_true("csc" %in% names(adata$layers))
  again <- tempfile(fileext = ".h5ad")
  write_h5ad(adata, again)
  expect_warning(read_h5ad(again), "from-the-future")
  expect_warning(write_h5ad(adata[1:3, ], again), "not written")
  expect_identical(dim(read_h5ad(again)), c(3L, 5L))
})

test_that("the same input gives the same bytes", {
  adata <- read_h5ad(golden("elements.h5ad"))
  paths <- replicate(2, tempfile(fileext = ".h5ad"))
  for (path in paths) write_h5ad(adata[7:1, ], path)
  expect_identical(unname(tools::md5sum(paths[1])), unname(tools::md5sum(paths[2])))
})

test_that("graphs in uns$neighbors are found in obsp, as anndata has it", {
  twin <- small_twin()
  adata <- as_object(twin)
  graph <- Matrix::rsparsematrix(12, 12, 0.3)
  adata$uns$neighbors <- list(distances = graph, params = list(n_neighbors = 5L), weights = matrix(1:4, 2))
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(adata, path)
  found <- read_h5ad(path, mode = "r+")
  expect_setequal(names(found$obsp), c("connectivities", "distances"))
  expect_equal(values(found$obsp$distances), values(graph))
  expect_setequal(names(found$uns$neighbors), c("params", "weights"))
  found$obs$one <- 1
  found <- save_h5ad(found)
  for (a in list(found, read_h5ad(path))) {
    expect_equal(values(a$obsp$distances), values(graph))
    expect_equal(values(a$obsp$connectivities), values(twin$graph))
    expect_setequal(names(a$uns$neighbors), c("params", "weights"))
  }
})
