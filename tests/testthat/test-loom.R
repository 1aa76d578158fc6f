# Compares loom files with what anndata reads of them (tests/golden/make_loom.py).
golden <- function(name) test_path("..", "golden", "loom", name)

test_that("a file of loompy is what anndata reads", {
  expected <- read_h5ad(golden("small.h5ad"))
  for (sparse in c(FALSE, TRUE)) {
    found <- read(golden("small.loom"), sparse = sparse, obsm_mapping = list(X_umap = c("_X", "_Y")))
    expect_equal(dim(found), c(150L, 70L))
    expect_equal(as.matrix(found$X), as.matrix(expected$X))
    expect_equal(names(found$layers), names(expected$layers))
    for (name in names(found$layers)) {
      expect_equal(as.matrix(found$layers[[name]]), as.matrix(expected$layers[[name]]))
    }
    # loompy removes non-ASCII characters from its texts.
    expect_equal(as.character(found$obs$ClusterName), rep(c("T cell", "\u03b1 & \u03b2"), 75))
    expect_equal(found$obs$Total, expected$obs$Total)
    expect_equal(found$var$Accession, as.character(expected$var$Accession))
    expect_equal(found$obsm$X_umap, expected$obsm$X_umap, ignore_attr = TRUE)
    expect_equal(found$obsp$KNN[3, 150], 0.75, ignore_attr = TRUE)
    expect_equal(found$varp$net[70, 1], 2, ignore_attr = TRUE)
    expect_equal(found$uns$title, "a small file")
  }
})

test_that("a selection of genes and a saved object read the same", {
  found <- read_loom(golden("small.loom"))
  expected <- as.matrix(read_h5ad(golden("small.h5ad"))$X)
  expect_equal(as.matrix(found[c(150, 3, 77), c(66, 2)]$X), expected[c(150, 3, 77), c(66, 2)])
  path <- withr::local_tempfile(fileext = ".h5ad")
  write_h5ad(found, path, as_csr = "layers/matrix")
  written <- read_h5ad(path)
  expect_equal(as.matrix(written$X), expected)
  expect_equal(as.matrix(written$layers$matrix), as.matrix(found$layers$matrix))
})

test_that("errors name file and attribute", {
  expect_error(read_loom(golden("small.loom"), obsm_mapping = list(X_umap = c("_X", "nothing"))), "obsm_mapping.*nothing")
  expect_error(read_loom(golden("small.loom"), obsm_mapping = list("_X")), "obsm_mapping: expected a named list")
  expect_error(read_loom(golden("small.loom"), to = tempfile()), "sparse = TRUE")
  expect_error(read_loom(example_h5ad()), "loom")
})
