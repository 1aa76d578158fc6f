# Checks that graphs are kept as the core made them, as compressed rows of float32, and are given
# out as dgCMatrix.

kept_graph <- function() {
  read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 5) |> neighbors(n_neighbors = 8)
}

test_that("a graph reads as a dgCMatrix, selects, travels and is written as float32", {
  adata <- kept_graph()
  expect_true(all(vapply(unclass(adata@obsp), anndataoom:::is_graph, NA)))
  expect_output(print(adata$obsp), "connectivities: float32 graph of 700 x 700", fixed = TRUE)
  graph <- adata$obsp$connectivities
  expect_s4_class(graph, "dgCMatrix")
  expect_true(validObject(graph))
  expect_identical(dimnames(graph), list(adata$obs_names, adata$obs_names))
  expect_true(Matrix::isSymmetric(graph))
  distances <- adata$obsp$distances
  expect_equal(unname(Matrix::rowSums(distances > 0)), rep(7, 700))
  i <- c(9, 2, 31)
  expect_identical(adata[i, ]$obsp$distances, distances[i, i])
  expect_identical(as.list(adata$obsp)$connectivities, graph)

  copy <- adata
  copy$obsp$connectivities <- NULL
  expect_identical(adata$obsp$connectivities, graph)
  file <- tempfile(fileext = ".rds")
  saveRDS(adata, file)
  again <- readRDS(file)
  expect_identical(again$obsp$connectivities, graph)
  expect_identical(leiden(again)$obs$leiden, leiden(adata)$obs$leiden)
  file <- tempfile(fileext = ".h5ad")
  write_h5ad(adata, file)
  written <- read_h5ad(file)
  expect_identical(written$obsp$connectivities, graph)
  expect_identical(written$obsp$distances, distances)
})

test_that("verbs find the same in a kept graph and in a dgCMatrix", {
  kept <- kept_graph()
  columns <- kept
  columns$obsp$connectivities <- kept$obsp$connectivities
  columns$obsp$distances <- kept$obsp$distances
  expect_s4_class(unclass(columns@obsp)$connectivities, "dgCMatrix")
  of <- function(adata) {
    adata <- adata |> umap(maxiter = 20) |> leiden() |> louvain() |> diffmap(n_comps = 4)
    adata <- paga(adata, groups = "leiden")
    list(adata$obsm$X_umap, adata$obs$leiden, adata$obs$louvain, adata$obsm$X_diffmap, adata$uns$paga$connectivities)
  }
  expect_identical(of(kept), of(columns))
  only <- function(adata) leiden(adata, restrict_to = list("leiden", "0"), use_weights = FALSE)$obs$leiden_R
  expect_identical(only(leiden(kept)), only(leiden(columns)))
})

test_that("a graph of other cells does not fit", {
  adata <- kept_graph()
  few <- adata[1:3, ]
  expect_error(few$obsp <- adata$obsp, "expected 3 x 3, found 700 x 700", class = "anndataoom_error_shape")
  other <- kept_graph()
  other$obsp$taken <- adata$obsp$connectivities
  expect_identical(other$obsp$taken, adata$obsp$connectivities)
})

test_that("neighbours alone do not load the package Matrix", {
  skip_on_cran()
  script <- 'suppressMessages(library(anndataoom))
    adata <- leiden(umap(neighbors(pca(log1p(normalize_total(read_h5ad(example_h5ad()))), n_comps = 3)), maxiter = 5))
    stopifnot(!isNamespaceLoaded("Matrix")); stopifnot(is(adata$obsp$distances, "dgCMatrix"))'
  said <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", shQuote(script)), stdout = TRUE, stderr = TRUE)
  expect_null(attr(said, "status"), info = paste(said, collapse = "\n"))
})
