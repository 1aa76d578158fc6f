# Compares the DelayedArray backend with a matrix in memory.
skip_if_not_installed("DelayedArray")
suppressPackageStartupMessages(library(DelayedArray))

twin <- local({
  set.seed(11)
  x <- matrix(rpois(60 * 23, 0.6), 60, 23, dimnames = list(paste0("c", 1:60), paste0("g", 1:23)))
  x[5, ] <- 0
  x[, 7] <- 0
  x[1, 1] <- 3
  x
})

# The matrices to try: name, matrix on disk or not, values in memory.
kinds <- local({
  on_disk <- function(x, ...) {
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(AnnDataOOM(x, layers = list(dense = as.matrix(x) + 0.5)), path, ...)
    read_h5ad(path)
  }
  csr <- on_disk(as(twin, "CsparseMatrix"))
  lazy <- normalize_total(csr[60:1, -2], target_sum = 100) |> log1p()
  totals <- rowSums(twin[60:1, -2])
  logged <- log1p(twin[60:1, -2] / ifelse(totals > 0, totals, 1) * 100)
  raw <- csr[, 3:9]
  raw$raw <- csr
  list(
    csr = list(csr$X, twin), csc = list(on_disk(as(twin, "CsparseMatrix"), as_csc = "X")$X, twin),
    dense = list(csr$layers$dense, twin + 0.5), raw = list(raw$raw$X, twin),
    memory = list(anndataoom:::rows_of(AnnDataOOM(as(twin, "CsparseMatrix"))), twin),
    chain = list(lazy$X, logged), scaled = list(anndataoom::scale(lazy)$X, {
      z <- base::scale(logged)
      z[is.nan(z)] <- 0
      matrix(z, nrow(z), dimnames = dimnames(logged))
    })
  )
})

random_index <- function(n) {
  switch(sample(6, 1),
    integer(), sample(n, 1), sample(n), sample(n, sample(n, 1)), sample(n, 2 * n, replace = TRUE), seq_len(sample(n, 1))
  )
}

for (kind in names(kinds)) {
  x <- kinds[[kind]][[1]]
  values <- kinds[[kind]][[2]]
  for (transposed in c(FALSE, TRUE)) {
    seed <- OOMMatrixSeed(x, transposed)
    expected <- unname(if (transposed) t(values) else values)
    storage.mode(expected) <- "double"

    times <- if (kind %in% c("csr", "chain") && Sys.getenv("NOT_CRAN") == "true") 200 else 40
    test_that(paste(times, "random indices of", kind, if (transposed) "transposed"), {
      set.seed(3)
      expect_identical(dim(seed), dim(expected))
      expect_identical(is_sparse(seed), !kind %in% c("dense", "scaled"))
      expect_identical(type(seed), "double")
      for (k in seq_len(times)) {
        index <- list(if (k %% 5) random_index(nrow(expected)), if (k %% 7) random_index(ncol(expected)))
        part <- expected[index[[1]] %||% TRUE, index[[2]] %||% TRUE, drop = FALSE]
        found <- extract_array(seed, index)
        expect_identical(typeof(found), "double")
        expect_equal(found, part, tolerance = 1e-6)
        # By contract, sparse extraction is not called with duplicates.
        if (is_sparse(seed) && !any(vapply(index, anyDuplicated, 1L))) {
          sparse <- extract_sparse_array(seed, index)
          expect_s4_class(sparse, "SparseArraySeed")
          expect_equal(sparse2dense(sparse), part, tolerance = 1e-6)
        }
      }
    })

    test_that(paste("a DelayedMatrix of", kind, if (transposed) "transposed", "works as a matrix"), {
      d <- DelayedArray(seed)
      named <- if (transposed) t(values) else values
      expect_s4_class(d, "OOMDelayedMatrix")
      expect_true(validObject(d))
      expect_equal(as.matrix(d), named, tolerance = 1e-6)
      expect_equal(as.matrix(as(d, "dgCMatrix")), named, tolerance = 1e-6)
      for (f in list(rowSums, colSums, rowMeans, colMeans)) expect_equal(f(d), f(named), tolerance = 1e-5)
      blocks <- blockApply(d, function(b) sum(b), grid = RegularArrayGrid(dim(d), pmin(dim(d), c(7L, 5L))))
      expect_equal(sum(unlist(blocks)), sum(named), tolerance = 1e-5)
      set.seed(5)
      y <- matrix(rnorm(ncol(d) * 3), ncol(d), dimnames = list(NULL, c("p", "q", "r")))
      z <- matrix(rnorm(nrow(d) * 2), nrow(d))
      expect_equal(as.matrix(d %*% y), named %*% y, tolerance = 1e-5)
      expect_equal(as.matrix(d %*% y[, 1]), named %*% y[, 1], tolerance = 1e-5)
      expect_equal(as.matrix(t(z) %*% d), t(z) %*% named, tolerance = 1e-5)
      expect_equal(as.matrix(z[, 1] %*% d), z[, 1] %*% named, tolerance = 1e-5)
      expect_equal(as.matrix(crossprod(d, z)), crossprod(named, z), tolerance = 1e-5)
      expect_equal(as.matrix(crossprod(z, d)), crossprod(z, named), tolerance = 1e-5)
      expect_equal(as.matrix(tcrossprod(d, t(y))), tcrossprod(named, t(y)), tolerance = 1e-5)
      expect_equal(as.matrix(tcrossprod(t(y), d)), tcrossprod(t(y), named), tolerance = 1e-5)
      # Selections stay ours; arithmetic goes to DelayedArray.
      rows <- c(3, 3, 1)
      part <- d[rows, -(1:2)]
      expect_s4_class(part, "OOMDelayedMatrix")
      expect_equal(as.matrix(part), named[rows, -(1:2)], tolerance = 1e-6)
      expect_equal(d[2, ], named[2, ], tolerance = 1e-6)
      expect_equal(as.matrix(d[rownames(named)[4:3], , drop = FALSE]), named[4:3, ], tolerance = 1e-6)
      expect_error(d[nrow(d) + 1, ])
      expect_equal(as.matrix(t(d)), t(named), tolerance = 1e-6)
      expect_s4_class(t(d), "OOMDelayedMatrix")
      expect_equal(as.matrix(expm1(d * 2)[, 1:3]), expm1(named * 2)[, 1:3], tolerance = 1e-5)
      e <- d
      dimnames(e) <- NULL
      expect_s4_class(e, "OOMDelayedMatrix")
      expect_null(dimnames(e))
      expect_equal(as.matrix(BiocGenerics::cbind(d, d)), cbind(named, named), tolerance = 1e-6)
    })
  }
}

test_that("an OOMMatrix goes to DelayedArray by itself", {
  x <- kinds$csr[[1]]
  expect_s4_class(DelayedArray(x), "OOMDelayedMatrix")
  expect_s4_class(as(x, "DelayedMatrix"), "DelayedMatrix")
  expect_equal(as.matrix(t(x)), t(twin))
  expect_equal(as.matrix(x / 2 + 1), twin / 2 + 1)
  expect_equal(as.matrix(2 * x), 2 * twin)
  expect_equal(as.matrix(x > x), twin > twin)
  expect_equal(as.matrix(-x), -twin)
  expect_equal(as.matrix(exp(x)), exp(twin))
  y <- matrix(1:46, 23)
  expect_equal(x %*% y, twin %*% y, ignore_attr = TRUE)
  expect_equal(x %*% y[, 1], twin %*% y[, 1], ignore_attr = TRUE)
  expect_equal(x %*% as(y, "CsparseMatrix"), twin %*% y, ignore_attr = TRUE)
  expect_equal(t(y) %*% x[1:23, ], t(y) %*% twin[1:23, ], ignore_attr = TRUE)
  expect_equal(crossprod(x, 1:60), crossprod(twin, 1:60), ignore_attr = TRUE)
  expect_equal(crossprod(1:60, x), crossprod(1:60, twin), ignore_attr = TRUE)
  expect_equal(unlist(blockApply(x, sum, grid = rowAutoGrid(x, 13))), as.vector(tapply(rowSums(twin), (0:59) %/% 13, sum)))
  expect_snapshot({
    cat(error_of(x %*% matrix(1, 2, 2)))
    cat(error_of(crossprod(x, 1:3)))
    cat(error_of(x %*% "a"))
  })
})

test_that("products are the same bits for any number of threads", {
  x <- kinds$chain[[1]]
  set.seed(1)
  y <- matrix(rnorm(ncol(x) * 4), ncol(x))
  one <- with_options(list(anndataoom.threads = 1), list(x %*% y, crossprod(x, x %*% y)))
  for (n in c(2, 3, 8)) {
    expect_identical(with_options(list(anndataoom.threads = n), list(x %*% y, crossprod(x, x %*% y))), one)
  }
})

test_that("a DelayedMatrix is saved, sent to other processes and used in forked ones", {
  d <- t(DelayedArray(kinds$chain[[1]]))
  expected <- as.matrix(d)
  file <- tempfile()
  saveRDS(d, file)
  expect_equal(as.matrix(readRDS(file)), expected)
  code <- sprintf(
    "suppressMessages({library(anndataoom); library(DelayedArray)}); saveRDS(as.matrix(readRDS('%s')), '%s')",
    file, paste0(file, ".out")
  )
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  system2(
    file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), env = paste0("R_LIBS=", libraries), stdout = FALSE,
    stderr = FALSE
  )
  expect_equal(readRDS(paste0(file, ".out")), expected)
  skip_on_os("windows")
  forked <- parallel::mclapply(1:3, function(k) as.matrix(d[, k, drop = FALSE]), mc.cores = 2)
  expect_equal(do.call(cbind, forked), expected[, 1:3])
  skip_if_not_installed("BiocParallel")
  sums <- blockApply(d, sum, grid = colAutoGrid(d, 20), BPPARAM = BiocParallel::MulticoreParam(2))
  expect_equal(sum(unlist(sums)), sum(expected))
})

test_that("all three eras of sparse reading are served", {
  era <- function(...) {
    there <- c(...)
    find <- function(name, packages) {
      at <- paste0(packages, "::", name)
      at <- at[at %in% there]
      if (length(at)) at[1]
    }
    anndataoom:::sparse_readers(find)
  }
  expect_identical(era("DelayedArray::extract_sparse_array"), list(SparseArraySeed = "DelayedArray::extract_sparse_array"))
  expect_identical(
    era("DelayedArray::OLD_extract_sparse_array", "SparseArray::extract_sparse_array"),
    list(
      SparseArraySeed = "DelayedArray::OLD_extract_sparse_array", SparseArray = "SparseArray::extract_sparse_array"
    )
  )
  expect_identical(era("SparseArray::extract_sparse_array"), list(SparseArray = "SparseArray::extract_sparse_array"))
  expect_length(era(), 0)

  # A stand-in for the newest version: a generic and a class of these names.
  home <- globalenv()
  setClass("StandInSparseArray", slots = c(value = "dgCMatrix"), where = home)
  setAs("dgCMatrix", "StandInSparseArray", function(from) new("StandInSparseArray", value = from), where = home)
  setGeneric("standin_sparse_array", function(x, index) standardGeneric("standin_sparse_array"), where = home)
  on.exit(removeGeneric("standin_sparse_array", home))
  reader <- get("standin_sparse_array", home)
  anndataoom:::register_sparse_reader(reader, "StandInSparseArray")
  found <- reader(OOMMatrixSeed(kinds$csr[[1]], TRUE), list(2:4, NULL))
  expect_s4_class(found, "StandInSparseArray")
  expect_equal(as.matrix(found@value), unname(t(twin)[2:4, ]))
})

test_that("HDF5Array writes it", {
  skip_if_not_installed("HDF5Array")
  skip_if_not_installed("rhdf5")
  d <- t(DelayedArray(kinds$csr[[1]]))
  file <- tempfile(fileext = ".h5")
  # HDF5Array 1.26 with Debian's rhdf5 cannot open the file that it wrote, whatever its content, so
  # the file itself is examined.
  suppressWarnings(try(HDF5Array::writeTENxMatrix(d, file, "matrix"), silent = TRUE))
  stored <- lapply(rhdf5::h5read(file, "matrix"), as.vector)
  written <- Matrix::sparseMatrix(i = stored$indices, p = stored$indptr, x = stored$data, dims = dim(d), index1 = FALSE)
  expect_equal(as.matrix(written), unname(t(twin)))
  written <- HDF5Array::writeHDF5Array(d, file, "dense", with.dimnames = TRUE)
  expect_equal(as.matrix(written), t(twin))
})

test_that("a seed shows itself, and its file is known", {
  seed <- OOMMatrixSeed(kinds$csr[[1]], TRUE)
  expect_snapshot(seed, transform = function(lines) sub("in /.*", "in <file>", lines))
  expect_match(BiocGenerics::path(seed), "h5ad$")
  expect_identical(BiocGenerics::path(DelayedArray(seed)), BiocGenerics::path(seed))
  expect_identical(chunkdim(seed), c(23L, 1L))
})

test_that("values too many for memory are refused", {
  d <- t(DelayedArray(kinds$csr[[1]]))
  old <- options(anndataoom.max_bytes = 100)
  on.exit(options(old))
  expect_error(as(d, "dgCMatrix"), class = "anndataoom_error_memory")
})

test_that("single-cell packages of Bioconductor run on it", {
  skip_on_cran()
  for (package in c("SingleCellExperiment", "scuttle", "scran", "scater", "BiocSingular", "beachmat")) {
    skip_if_not_installed(package)
  }
  suppressPackageStartupMessages(library(SingleCellExperiment))
  adata <- read_h5ad(example_h5ad())
  lazy <- as_SingleCellExperiment(adata, x_mapping = "counts")
  memory <- lazy
  assay(memory) <- as(assay(memory), "dgCMatrix")
  expect_s4_class(assay(lazy), "OOMDelayedMatrix")
  expect_s4_class(assay(lazy[5:1, 10:20]), "OOMDelayedMatrix")
  both <- function(f, ...) {
    suppressWarnings({
      set.seed(1)
      a <- f(lazy)
      set.seed(1)
      b <- f(memory)
    })
    expect_equal(a, b, ...)
  }
  both(function(x) as.data.frame(scuttle::perCellQCMetrics(x, subsets = list(mt = 1:5))), tolerance = 1e-6)
  both(function(x) as.data.frame(scuttle::perFeatureQCMetrics(x)), tolerance = 1e-6)
  both(function(x) scuttle::librarySizeFactors(x), tolerance = 1e-6)
  both(function(x) as.matrix(assay(scuttle::aggregateAcrossCells(x, x$cell_type))), tolerance = 1e-6)
  both(function(x) as.matrix(assay(scuttle::logNormCounts(x), "logcounts"))[1:20, 1:20], tolerance = 1e-6)
  both(function(x) as.data.frame(scran::modelGeneVar(scuttle::logNormCounts(x))), tolerance = 1e-5)
  both(function(x) as.data.frame(scran::modelGeneVarByPoisson(scuttle::logNormCounts(x)))$mean, tolerance = 1e-5)
  both(function(x) {
    abs(unname(reducedDim(scater::runPCA(scuttle::logNormCounts(x), ncomponents = 5, BSPARAM = BiocSingular::ExactParam()))[1:50, ]))
  }, tolerance = 1e-4)
  both(function(x) {
    abs(BiocSingular::runSVD(t(assay(x)), k = 3, center = TRUE, BSPARAM = BiocSingular::IrlbaParam())$d)
  }, tolerance = 1e-4)
  both(function(x) unlist(beachmat::colBlockApply(assay(x), sum)) |> sum())
  both(function(x) unlist(beachmat::rowBlockApply(assay(x), sum)) |> sum())
  both(function(x) beachmat::whichNonZero(assay(x))$x |> sum())
  both(function(x) scran::findMarkers(scuttle::logNormCounts(x), groups = x$cell_type)[[1]]$summary.logFC, tolerance = 1e-4)
  dir <- tempfile()
  skip_if_not_installed("HDF5Array")
  HDF5Array::saveHDF5SummarizedExperiment(lazy[1:50, ], dir)
  expect_equal(as.matrix(assay(HDF5Array::loadHDF5SummarizedExperiment(dir))), as.matrix(assay(memory)[1:50, ]))
})

test_that("a saved matrix has its names in a session that loaded nothing", {
  skip_on_cran()
  twin <- small_twin()
  x <- anndataoom:::delayed_of(on_file(twin)$X, transposed = TRUE)
  folder <- tempfile()
  dir.create(folder)
  saveRDS(x, file.path(folder, "x.rds"))
  saveRDS(DelayedArray::seed(x), file.path(folder, "seed.rds"))
  saveRDS(x > 1, file.path(folder, "delayed.rds"))
  for (name in c("x", "seed", "delayed")) {
    code <- sprintf(
      "x <- readRDS('%s'); cat(dim(x), dimnames(x)[[2]][12], 'package:anndataoom' %%in%% search())",
      file.path(folder, paste0(name, ".rds"))
    )
    said <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", shQuote(code)), stdout = TRUE, stderr = FALSE)
    expect_identical(utils::tail(said, 1), "7 12 cell12 FALSE")
  }
})
