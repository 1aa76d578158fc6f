skip_if_not_installed("SingleCellExperiment")
suppressPackageStartupMessages(library(SingleCellExperiment))

twin <- small_twin()
full <- function(a = on_file(twin)) {
  a$raw <- a
  a$uns$pca <- list(variance = c(3, 1), variance_ratio = c(0.6, 0.2))
  a[, -2]
}

test_that("every part goes to a SingleCellExperiment, the matrices on disk", {
  a <- full()
  sce <- as_SingleCellExperiment(a)
  expect_true(validObject(sce))
  expect_identical(dim(sce), c(6L, 12L))
  expect_identical(assayNames(sce), c("counts", "double"))
  expect_s4_class(counts(sce), "OOMDelayedMatrix")
  expect_equal(as.matrix(counts(sce)), t(twin$counts[, -2]))
  expect_equal(as.matrix(assay(sce, "double")), 2 * t(twin$counts[, -2]))
  expect_identical(as.data.frame(colData(sce))$batch, droplevels(twin$obs$batch))
  expect_identical(rowData(sce)$length, twin$var$length[-2])
  expect_true(is.matrix(reducedDim(sce, "PCA")))
  expect_equal(unname(reducedDim(sce, "PCA")), twin$pca, ignore_attr = TRUE)
  expect_identical(colnames(reducedDim(sce, "PCA")), c("PC1", "PC2"))
  expect_equal(attr(reducedDim(sce, "PCA"), "percentVar"), c(60, 20))
  expect_equal(unname(rowData(sce)$PCs), twin$loadings[-2, ]) # three columns: no loadings of two components
  expect_equal(values(colPair(sce, "connectivities", asSparse = TRUE)), values(twin$graph))
  expect_equal(values(rowPair(sce, "links", asSparse = TRUE)), twin$gene_graph[-2, -2])
  expect_identical(metadata(sce)$title, "twin")
  expect_identical(dim(altExp(sce, "raw")), c(7L, 12L))
  expect_identical(as(a, "SingleCellExperiment"), sce)
})

test_that("there and back keeps what the table says", {
  for (a in list(full(), full(as_object(twin)), log1p(normalize_total(full())))) {
    b <- as_AnnDataOOM(as_SingleCellExperiment(a))
    expect_equal(values(b$X), values(a$X))
    expect_identical(b$obs_names, a$obs_names)
    expect_identical(b$var_names, a$var_names)
    expect_identical(names(b$layers), "double")
    expect_equal(values(b$layers$double), values(a$layers$double))
    expect_equal(b$obs, a$obs, ignore_attr = TRUE)
    expect_equal(b$var, a$var, ignore_attr = TRUE)
    expect_identical(names(b$obsm), names(a$obsm))
    expect_equal(unname(b$obsm$X_pca), unname(a$obsm$X_pca))
    expect_equal(unname(b$varm$PCs), unname(a$varm$PCs))
    expect_equal(values(b$obsp$connectivities), values(a$obsp$connectivities))
    expect_equal(values(b$varp$links), values(a$varp$links))
    expect_setequal(names(b$uns), names(a$uns))
    expect_identical(b$uns$deep, a$uns$deep)
    expect_equal(values(b$raw$X), values(a$raw$X))
    expect_equal(b$raw$var, a$raw$var, ignore_attr = TRUE)
  }
  lazy <- as_AnnDataOOM(as_SingleCellExperiment(full()))
  expect_s4_class(lazy$X, "OOMMatrix")
  expect_identical(lazy@X@chain, full()@X@chain)
})

test_that("loadings go along and come back", {
  a <- as_object(twin)
  a$varm <- list(PCs = twin$loadings[, 1:2])
  sce <- as_SingleCellExperiment(a)
  rotation <- attr(reducedDim(sce, "PCA"), "rotation")
  expect_equal(rotation, twin$loadings[, 1:2], ignore_attr = TRUE)
  expect_identical(rownames(rotation), rownames(sce))
  linear <- as_SingleCellExperiment(
    a, reducedDims_mapping = list(X_pca = c(sampleFactors = "X_pca", featureLoadings = "PCs"))
  )
  expect_s4_class(reducedDim(linear, "X_pca"), "LinearEmbeddingMatrix")
  expect_equal(sampleFactors(reducedDim(linear, "X_pca")), twin$pca, ignore_attr = TRUE)
  for (b in list(as_AnnDataOOM(sce), as_AnnDataOOM(linear))) {
    expect_equal(unname(b$obsm$X_pca), twin$pca)
    expect_equal(unname(b$varm$PCs), twin$loadings[, 1:2])
  }
})

test_that("assays and embeddings have the names scater and scran look for", {
  a <- as_object(twin)
  a$obsm$X_umap <- twin$pca + 1
  a$obsm$X_other <- twin$pca + 2
  named <- function(a) assayNames(as_SingleCellExperiment(a, assays_mapping = FALSE))
  expect_identical(named(a), "counts")
  expect_identical(named(normalize_total(a)), "normcounts")
  expect_identical(named(log1p(normalize_total(a))), "logcounts")
  expect_identical(named(scale(log1p(normalize_total(a)))), "scaled")
  # The same with values in a file, where no operation is queued.
  stored <- function(x) named(AnnDataOOM(x, twin$obs, twin$var))
  expect_identical(stored(twin$counts * 1000.5), "normcounts")
  expect_identical(stored(log1p(twin$counts)), "logcounts")
  expect_identical(stored(scale_columns(twin$counts)), "scaled")
  taken <- a
  taken$layers$counts <- taken$X
  expect_identical(assayNames(as_SingleCellExperiment(taken)), c("X", "double", "counts"))
  back <- as_AnnDataOOM(as_SingleCellExperiment(taken))
  expect_identical(names(back$layers), names(taken$layers))
  sce <- as_SingleCellExperiment(a)
  expect_identical(reducedDimNames(sce), c("PCA", "UMAP", "X_other"))
  expect_identical(names(as_AnnDataOOM(sce)$obsm), names(a$obsm))
  both <- a
  both$obsm$PCA <- twin$pca
  expect_identical(reducedDimNames(as_SingleCellExperiment(both)), c("X_pca", "UMAP", "X_other", "PCA"))
  expect_identical(names(as_AnnDataOOM(as_SingleCellExperiment(both))$obsm), names(both$obsm))
})

test_that("tables in obsm and matrices in varm are kept", {
  a <- as_object(twin)
  a$obsm$numbers <- data.frame(u = 1:12, v = 12:1 + 0.5)
  a$obsm$words <- data.frame(w = letters[1:12], k = 1:12)
  a$varm$wide <- matrix(as.double(1:70), 7)
  sce <- as_SingleCellExperiment(a)
  expect_identical(colnames(reducedDim(sce, "numbers")), c("u", "v"))
  expect_identical(reducedDim(sce, "words")$w, letters[1:12])
  expect_equal(unname(rowData(sce)$wide), a$varm$wide, ignore_attr = TRUE)
  b <- as_AnnDataOOM(sce[7:1, ])
  expect_equal(b$obsm$numbers, a$obsm$numbers, ignore_attr = TRUE)
  expect_identical(b$obsm$words$w, a$obsm$words$w)
  expect_equal(unname(b$varm$wide), unname(a$varm$wide)[7:1, ])
  expect_identical(names(b$var), names(a$var))
  a$obsm$cube <- array(1:48, c(12, 2, 2))
  expect_warning(as_SingleCellExperiment(a), "'cube'", class = "anndataoom_warning_mapping")
})

test_that("an object without X comes back without one", {
  a <- as_object(twin)
  a$X <- NULL
  b <- as_AnnDataOOM(as_SingleCellExperiment(a))
  expect_null(b$X)
  expect_identical(names(b$layers), "double")
})

test_that("scater and scran work at once", {
  skip_if_not_installed("scater")
  skip_if_not_installed("scran")
  a <- suppressMessages(read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 5) |> neighbors() |> umap(maxiter = 20))
  sce <- as_SingleCellExperiment(a)
  expect_s3_class(scater::plotReducedDim(sce, "PCA", colour_by = "cell_type"), "ggplot")
  expect_s3_class(scater::plotUMAP(sce, colour_by = "NKG7"), "ggplot")
  expect_s3_class(scater::plotExpression(sce, "NKG7", x = "cell_type"), "ggplot")
  sce$group <- scran::clusterCells(sce, use.dimred = "PCA")
  markers <- scran::findMarkers(sce[1:20, ], groups = sce$group)
  expect_gt(length(markers), 1)
  sce <- scater::runPCA(sce, ncomponents = 3)
  b <- suppressMessages(import_results(a, sce, overwrite = TRUE))
  expect_identical(ncol(b$obsm$X_pca), 3L)
  expect_identical(names(b$obsm), names(a$obsm))
})

test_that("mapping arguments choose and rename", {
  a <- full()
  sce <- as_SingleCellExperiment(
    a, x_mapping = "counts", assays_mapping = FALSE, colData_mapping = c(b = "batch", "score"), rowData_mapping = FALSE,
    reducedDims_mapping = c(PCA = "X_pca"), colPairs_mapping = c(nn = "connectivities"), rowPairs_mapping = FALSE,
    metadata_mapping = "title", raw_mapping = FALSE
  )
  expect_identical(assayNames(sce), "counts")
  expect_identical(names(colData(sce)), c("b", "score"))
  expect_length(rowData(sce), 0)
  expect_identical(reducedDimNames(sce), "PCA")
  expect_identical(colPairNames(sce), "nn")
  expect_length(rowPairNames(sce), 0)
  expect_identical(names(metadata(sce)), "title")
  expect_length(altExpNames(sce), 0)
  both <- as_SingleCellExperiment(a, assays_mapping = c(logcounts = NA, counts = "double"))
  expect_identical(assayNames(both), c("logcounts", "counts"))
  expect_warning(as_SingleCellExperiment(a, metadata_mapping = NULL), class = "anndataoom_warning_mapping")
  b <- as_AnnDataOOM(sce, x_mapping = FALSE, layers_mapping = c(raw_counts = "counts"), obsm_mapping = c(p = "PCA"))
  expect_null(b$X)
  expect_identical(names(b$layers), "raw_counts")
  expect_identical(names(b$obsm), "p")
  expect_snapshot({
    cat(error_of(as_SingleCellExperiment(a, assays_mapping = c(counts = "cuonts"))))
    cat(error_of(as_SingleCellExperiment(a, x_mapping = "double")))
    cat(error_of(as_SingleCellExperiment(a, colData_mapping = c(a = "batch", a = "score"))))
    cat(error_of(as_SingleCellExperiment(a, colData_mapping = "nothing")))
    cat(error_of(as_SingleCellExperiment(a, metadata_mapping = 3)))
    cat(error_of(as_SingleCellExperiment(twin)))
    cat(error_of(as_AnnDataOOM(1:3)))
    cat(error_of(as_AnnDataOOM(sce, x_mapping = "nothing")))
    cat(error_of(as_SingleCellExperiment(a, x_mapping = c("a", "b"))))
    cat(error_of(as_SingleCellExperiment(a, rowData_mapping = "nothing")))
    cat(error_of(as_SingleCellExperiment(a, reducedDims_mapping = c(umap = "X_umap"))))
    cat(error_of(as_SingleCellExperiment(a, colPairs_mapping = "nothing")))
    cat(error_of(as_SingleCellExperiment(a, rowPairs_mapping = "nothing")))
    cat(error_of(as_SingleCellExperiment(a, metadata_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(sce, layers_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(sce, obs_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(sce, var_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(sce, obsm_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(sce, varm_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(sce, obsp_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(sce, varp_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(sce, uns_mapping = "nothing")))
    cat(error_of(import_results(a, 3)))
    cat(error_of(import_results(a, a, overwrite = NA)))
  })
})

test_that("an object of others comes in, in memory or straight to a file", {
  counts <- as(t(twin$counts), "CsparseMatrix")
  sce <- SingleCellExperiment(
    list(counts = counts, logcounts = log1p(counts)), colData = DataFrame(twin$obs),
    reducedDims = list(PCA = twin$pca), metadata = list(fine = 1:3, odd = sum)
  )
  expect_warning(a <- as_AnnDataOOM(sce), "odd", class = "anndataoom_warning_mapping")
  expect_equal(values(a$X), unname(twin$counts))
  expect_identical(names(a$layers), "logcounts")
  expect_identical(names(a$obsm), "X_pca")
  expect_identical(a$uns$fine, 1:3)
  file <- tempfile(fileext = ".h5ad")
  suppressWarnings(b <- as_AnnDataOOM(sce, path = file))
  expect_identical(b$filename, normalizePath(file))
  expect_equal(values(b$layers$logcounts), values(a$layers$logcounts))
  suppressWarnings(c <- as(sce, "AnnDataOOM"))
  expect_equal(values(c$X), values(a$X))
  skip_if_not_installed("HDF5Array")
  assay(sce, withDimnames = FALSE) <- HDF5Array::writeHDF5Array(counts, tempfile(fileext = ".h5"), "x")
  suppressWarnings(expect_equal(values(as_AnnDataOOM(sce)$X), unname(twin$counts)))
})

test_that("results come back without the matrix", {
  a <- on_file(twin)
  sce <- as_SingleCellExperiment(a)[, 12:1]
  sce$cluster <- factor(rep(c("x", "y"), 6))
  rowData(sce)$marker <- letters[1:7]
  reducedDim(sce, "X_new") <- matrix(1:24, 12)
  expect_message(b <- import_results(a, sce), "obs\\$cluster, var\\$marker, obsm\\$X_new", class = "anndataoom_message_import")
  expect_identical(b$obs$cluster, rev(sce$cluster))
  expect_identical(b$var$marker, letters[1:7])
  expect_equal(unname(b$obsm$X_new), matrix(1:24, 12)[12:1, ], ignore_attr = TRUE)
  expect_identical(b@X@chain, a@X@chain)
  sce$score <- 0
  expect_identical(suppressMessages(import_results(a, sce))$obs$score, twin$obs$score)
  expect_true(all(suppressMessages(import_results(a, sce, overwrite = TRUE))$obs$score == 0))
  expect_snapshot(cat(error_of(import_results(a, sce[, 1:3]))))
  expect_snapshot(cat(error_of(import_results(a, sce, parts = "cells"))))
})

test_that("a DelayedMatrix larger than memory is copied into a file in groups of cells", {
  set.seed(9)
  x <- matrix(rpois(40 * 90, 0.4), 40, 90, dimnames = list(paste0("g", 1:40), paste0("c", 1:90)))
  x[, 31:60] <- 0 # a stretch of empty cells
  kinds <- list(
    sparse = DelayedArray::DelayedArray(as(x, "CsparseMatrix")), flags = DelayedArray::DelayedArray(as(x > 0, "CsparseMatrix")),
    dense = DelayedArray::DelayedArray(x + 0.5), integers = DelayedArray::DelayedArray(x), lazy = log1p(DelayedArray::DelayedArray(as(x, "CsparseMatrix")) * 2),
    ours = log1p(DelayedArray::DelayedArray(t(AnnDataOOM(t(x))$X)) / 3)
  )
  for (name in names(kinds)) {
    sce <- SingleCellExperiment(list(counts = kinds[[name]]))
    if (name == "sparse") altExp(sce, "raw") <- SingleCellExperiment(list(counts = kinds[[name]][40:1, ]))
    folder <- tempfile()
    dir.create(folder)
    path <- file.path(folder, "out.h5ad")
    expected <- unname(t(as.matrix(kinds[[name]])) + 0)
    # There are 90 cells of 320 bytes (dense), in parts of 2000 bytes.
    a <- with_options(list(anndataoom.max_bytes = 8000), as_AnnDataOOM(sce, path = path))
    expect_identical(values(a$X), expected)
    if (name == "sparse") expect_identical(values(a$raw$X), expected[, 40:1])
    expect_identical(a$obs_names, colnames(x))
    expect_identical(a$var_names, rownames(x))
    expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "out.h5ad")
    expect_identical(values(as_AnnDataOOM(sce)$X), expected)
    expect_error(
      with_options(list(anndataoom.max_bytes = 8000), as_AnnDataOOM(sce)), "path =", class = "anndataoom_error_memory"
    )
  }
  expect_identical(anndataoom:::matrix_info(anndataoom:::as_oom(as_AnnDataOOM(SingleCellExperiment(list(counts = kinds$sparse)))@X))$layout, "csr")
  within <- function(expr) with_options(list(anndataoom.max_bytes = 8000), error_of(expr))
  sparse <- SingleCellExperiment(list(counts = kinds$sparse))
  dense <- SingleCellExperiment(list(counts = kinds$dense))
  expect_snapshot({
    cat(within(as_AnnDataOOM(sparse)))
    cat(within(as_AnnDataOOM(dense)))
    cat(sub("'/[^']*'", "'<folder>'", within(as_AnnDataOOM(dense, path = "/nowhere/x"))))
  })
  # No cells, or no genes.
  for (part in list(kinds$sparse[, 0], kinds$dense[, 0], kinds$sparse[0, ], kinds$dense[0, ])) {
    a <- as_AnnDataOOM(SingleCellExperiment(list(counts = part)), path = tempfile(fileext = ".h5ad"))
    expect_identical(dim(a), rev(dim(part)))
  }
})
