# Tests files of anndata 0.13 under pandas 3 (`tests/golden/make_newest.py`): shown, written again,
# compared by anndata.

golden_newest <- c("newest.h5ad", "newest_layers.h5ad", file.path("versions", "anndata_0.13.h5ad"))

newest_path <- function(name) {
  path <- test_path("..", "golden", name)
  if (!file.exists(path)) skip("tests/golden is not there")
  normalizePath(path)
}

# Checks that every value, dtype and encoding of two files is equal, by anndata's assert_equal.
expect_same_file <- function(found, expected) {
  script <- normalizePath(test_path("..", "python", "compare_h5ad.py"), mustWork = FALSE)
  if (!file.exists(script)) skip("tests/python is not there")
  for (python in pythons()) {
    said <- suppressWarnings(system2(python, shQuote(c(script, expected, found)), stdout = TRUE, stderr = TRUE))
    expect_null(attr(said, "status"), info = paste(c(python, expected, said), collapse = "\n"))
  }
}

test_that("R shows what anndata 0.13 writes", {
  for (name in golden_newest[1:2]) {
    adata <- read_h5ad(newest_path(name))
    obs <- adata$obs
    expect_identical(adata$obs_names, paste0("cell_", 0:5))
    expect_identical(adata$var_names, paste0("gene_", 0:3))
    expect_identical(as.integer(obs$number), 0:5)
    expect_identical(as.character(obs$plain), paste("label", 0:5))
    # Either kind of missing text becomes R's only one.
    expect_identical(as.character(obs$gaps), c("a", NA, "c", "", "e", NA))
    expect_identical(as.character(obs$missing), c("a", NA, "c", "", "e", NA))
    expect_identical(obs$group, factor(rep(c("u", "v"), 3)))
    expect_identical(as.integer(obs$maybe), c(0L, NA, 2:5))
    expect_identical(adata$uns$texts, c("x", "y"))
    expect_equal(unname(adata$obsm$X_pca), matrix(0:11, 6, byrow = TRUE))
    whole <- matrix(ifelse(0:23 %% 3 == 0, 1:24, 0), 6, byrow = TRUE)
    expect_equal(values(adata$layers$csc), 2 * whole)
    expect_equal(values(adata$layers$dense), whole)
    if (name == "newest.h5ad") expect_equal(values(adata$X), whole) else expect_null(adata$X)
    expect_output(print(adata), "6 cells x 4 genes|6 .* 4")
  }
})

test_that("files of anndata 0.13 are written again unchanged", {
  for (name in golden_newest) {
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(read_h5ad(newest_path(name)), path)
    expect_same_file(path, newest_path(name))
    # A copy is saved into with one new entry, which is then removed again.
    copy <- tempfile(fileext = ".h5ad")
    file.copy(newest_path(name), copy)
    adata <- read_h5ad(copy, mode = "r+")
    adata$uns$new <- 1
    adata <- save_h5ad(adata)
    adata$uns$new <- NULL
    adata <- save_h5ad(adata)
    close(adata)
    expect_same_file(copy, newest_path(name))
  }
})

test_that("what R changes is written beside what it leaves", {
  for (name in golden_newest[1:2]) {
    adata <- read_h5ad(newest_path(name))
    adata$obs$new <- toupper(adata$obs_names)
    changed <- tempfile(fileext = ".h5ad")
    write_h5ad(adata, changed)
    found <- read_h5ad(changed)
    expect_identical(as.character(found$obs$new), paste0("CELL_", 0:5))
    found$obs$new <- NULL
    again <- tempfile(fileext = ".h5ad")
    write_h5ad(found, again)
    kept <- read_h5ad(again)$obs
    expect_identical(kept, read_h5ad(newest_path(name))$obs)
  }
})

test_that("indices of every unsigned width are read, and written again unchanged", {
  python <- pythons()[1]
  for (type in c("u1", "u2", "u4")) {
    copy <- tempfile(fileext = ".h5ad")
    file.copy(newest_path("newest.h5ad"), copy)
    code <- paste(
      "import sys, h5py", "f = h5py.File(sys.argv[1], 'r+')", "for m in ('X', 'layers/csc'):",
      "    for part in ('indices', 'indptr'):", "        old = f[m][part]; values, attrs = old[()], dict(old.attrs)",
      "        del f[m][part]", "        f[m].create_dataset(part, data=values.astype(sys.argv[2])).attrs.update(attrs)",
      sep = "\n"
    )
    script <- tempfile(fileext = ".py")
    writeLines(code, script)
    expect_identical(system2(python, shQuote(c(script, copy, type))), 0L)
    adata <- read_h5ad(copy)
    whole <- matrix(ifelse(0:23 %% 3 == 0, 1:24, 0), 6, byrow = TRUE)
    expect_equal(values(adata$X), whole)
    expect_equal(values(adata$layers$csc), 2 * whole)
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(adata, path)
    expect_same_file(path, copy)
  }
})
