# Tests reading and writing of other file formats.
golden <- function(...) {
  path <- testthat::test_path("..", "golden", ...)
  if (!file.exists(path)) skip("tests/golden is not there")
  normalizePath(path)
}
two <- function() golden("mudata", "two.h5mu")
dense <- function(x) unname(as.matrix(as(x, "dgCMatrix")))
example <- function() read_h5ad(example_h5ad())[1:60, 1:80]

test_that("folders of counts are written and read", {
  a <- example()
  folder <- withr::local_tempdir()
  write_10x_mtx(a, file.path(folder, "f"))
  expect_setequal(list.files(file.path(folder, "f")), c("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"))
  m <- Matrix::readMM(gzfile(file.path(folder, "f", "matrix.mtx.gz")))
  expect_identical(unname(as.matrix(Matrix::t(m))), dense(a$X))
  b <- read_10x_mtx(file.path(folder, "f"))
  expect_identical(dense(b$X), dense(a$X))
  expect_identical(b$obs_names, a$obs_names)
  expect_identical(b$var_names, a$var_names)
  expect_identical(names(b$var), c("gene_ids", "feature_types"))
  place <- b@file$path
  expect_true(startsWith(place, normalizePath(tempdir())))
  rm(b)
  invisible(gc())
  expect_false(file.exists(place))

  kept <- file.path(folder, "kept.h5ad")
  read_10x_mtx(file.path(folder, "f"), var_names = "gene_ids", to = kept)
  expect_identical(dense(read_h5ad(kept)$X), dense(a$X))
  expect_identical(read_h5ad(kept)$var$gene_symbols, a$var_names)
})

test_that("counts for 10x Genomics are written and read", {
  a <- example()
  path <- withr::local_tempfile(fileext = ".h5")
  write_10x_h5(a, path)
  b <- read(path)
  expect_identical(dense(b$X), dense(a$X))
  expect_identical(b$var$feature_types, rep("Gene Expression", 80))
})

test_that("DropletUtils reads what is written", {
  skip_if_not_installed("DropletUtils")
  a <- example()
  folder <- withr::local_tempdir()
  write_10x_mtx(a, file.path(folder, "f"))
  write_10x_h5(a, file.path(folder, "x.h5"))
  # Each file has a process of its own: Bioconductor 3.16's rhdf5 fails at the second file that
  # DropletUtils reads with it.
  code <- paste(
    "args <- commandArgs(TRUE); sce <- suppressMessages(DropletUtils::read10xCounts(args[1]));",
    "saveRDS(list(t(as.matrix(SingleCellExperiment::counts(sce))),",
    "as.character(SummarizedExperiment::colData(sce)$Barcode), SummarizedExperiment::rowData(sce)$Symbol), args[2])"
  )
  for (place in c("f", "x.h5")) {
    found <- file.path(folder, "found.rds")
    call <- c("--vanilla", "-e", shQuote(code), file.path(folder, place), found)
    expect_identical(system2(file.path(R.home("bin"), "Rscript"), call), 0L)
    found <- readRDS(found)
    expect_equal(unname(found[[1]]), dense(a$X))
    expect_identical(found[[2]], a$obs_names)
    expect_identical(found[[3]], a$var_names)
  }
})

test_that("modalities are what mudata reads", {
  told <- jsonlite::fromJSON(golden("mudata", "expected.json"), simplifyMatrix = TRUE)
  both <- read_h5mu(two())
  expect_identical(names(both), names(told))
  for (name in names(told)) {
    for (a in list(both[[name]], read_h5mu(two(), name), read(two(), mod = name))) {
      expect_equal(dense(a$X), told[[name]]$X, ignore_attr = TRUE)
      expect_identical(a$obs_names, told[[name]]$obs_names)
      expect_identical(a$var_names, told[[name]]$var_names)
      expect_identical(as.character(a$obs$own), told[[name]]$own)
      expect_equal(a$obs$number, told[[name]]$shared$number)
      expect_identical(as.character(a$obs$batch), told[[name]]$shared$batch)
    }
  }
})

test_that("a modality is saved in its place, and kept by saveRDS()", {
  path <- withr::local_tempfile(fileext = ".h5mu")
  file.copy(two(), path)
  a <- read_h5mu(path, "protein", mode = "r+")
  expect_identical(names(a$obs), "own")
  a$obs$new <- 1:4 + 0
  a <- save_h5ad(a)
  expect_identical(dense(a$X), dense(read_h5mu(two(), "protein")$X))
  expect_equal(read_h5mu(path, "protein")$obs$new, 1:4)
  expect_null(read_h5mu(path, "rna")$obs$new)
  rds <- withr::local_tempfile(fileext = ".rds")
  saveRDS(read_h5mu(path, "protein"), rds)
  expect_identical(dense(readRDS(rds)$X), dense(read_h5mu(two(), "protein")$X))
})

test_that("modalities are written and read", {
  a <- example()
  path <- withr::local_tempfile(fileext = ".h5mu")
  write_h5mu(list(rna = a, few = a[11:20, 5:9]), path)
  both <- read_h5mu(path)
  expect_identical(names(both), c("rna", "few"))
  expect_identical(dense(both$few$X), dense(a[11:20, 5:9]$X))
  expect_identical(both$few$obs$cell_type, a[11:20, ]$obs$cell_type)
})

test_that("an h5Seurat file is read in place", {
  path <- golden("seurat", "small.h5Seurat")
  a <- read_h5seurat(path)
  expect_identical(dim(a), c(40L, 25L))
  expect_equal(dense(a$layers$data), log1p(dense(a$X)))
  expect_identical(names(a$layers), c("data", "scale.data"))
  expect_identical(names(a$obs), c("n", "type", "flag", "maybe", "whole", "word"))
  k <- 0:39
  expect_identical(levels(a$obs$type), c("z", "a", "unused"))
  expect_identical(which(is.na(a$obs$type)), 6L)
  expect_identical(a$obs$flag, k %% 2 == 1)
  expect_identical(a$obs$maybe, ifelse(k %% 3 == 2, NA, k %% 3 == 1))
  expect_identical(a$obs$whole, ifelse(k %% 9 == 4, NA_integer_, k))
  expect_identical(which(a$var$highly_variable), c(2L, 5L))
  expect_identical(dim(a$obsm$X_pca), c(40L, 3L))
  expect_identical(unname(which(rowSums(a$varm$PCs != 0) > 0)), c(3L, 8L))
  expect_identical(names(a$obsp), "snn")
  b <- read(path, assay = "ADT", slot = "data")
  expect_equal(dense(b$X), log1p(dense(a$X) * 5))
  to <- withr::local_tempfile(fileext = ".h5ad")
  write_h5ad(a, to)
  expect_identical(dense(read_h5ad(to)$X), dense(a$X))
})

test_that("folders become one object", {
  a <- example()
  folder <- withr::local_tempdir()
  geo <- file.path(folder, "geo")
  dir.create(geo)
  for (i in 1:3) {
    one <- file.path(folder, paste0("GSM", i))
    write_10x_mtx(a[1:(10 * i), ], one)
    file.copy(list.files(one, full.names = TRUE), file.path(geo, paste0("GSM", i, "_", list.files(one))))
  }
  for (all in list(AnnDataSet(geo, index_unique = "-"), AnnDataSet(file.path(folder, paste0("GSM", 1:3)), index_unique = "-"))) {
    expect_identical(as.character(all$obs$sample), rep(paste0("GSM", 1:3), 10 * 1:3))
    expect_identical(dense(all$X), dense(a$X)[c(1:10, 1:20, 1:30), ])
  }
})

test_that("errors of readers name what was found and what to do", {
  folder <- withr::local_tempdir()
  before <- list.files(tempdir(), "^[.]?anndataoom-.*h5ad", all.files = TRUE)
  modalities <- two()
  assays <- golden("seurat", "small.h5Seurat")
  withr::local_dir(folder)
  plain <- function(text) gsub(normalizePath(folder), "", text, fixed = TRUE)
  dir.create("empty")
  write_10x_mtx(example(), "counts")
  dir.create("geo")
  for (i in 1:2) file.copy(list.files("counts", full.names = TRUE), file.path("geo", paste0("s", i, "_", list.files("counts"))))
  dir.create("file")
  file.copy(assays, "file/data.dat")
  saveRDS(1:3, "object.rds")
  writeLines("only, names", "table.csv")
  file.copy(modalities, "two.h5mu")
  file.copy(assays, "small.h5Seurat")
  dir.create("short")
  file.copy(list.files("counts", full.names = TRUE), "short")
  bytes <- readBin("counts/matrix.mtx.gz", "raw", 1e6)
  writeBin(bytes[1:(length(bytes) %/% 2)], "short/matrix.mtx.gz")
  dir.create("damaged")
  writeLines(c("%%MatrixMarket matrix coordinate integer general", "2 1 2", "1 1 3", "2 one 4"), "damaged/matrix.mtx")
  writeLines(c("g1\ts1", "g2\ts2"), "damaged/genes.tsv")
  writeLines("c1", "damaged/barcodes.tsv")
  expect_snapshot(error = TRUE, transform = plain, {
    read("nothing")
    read("empty")
    read(".")
    read("geo")
    read("file")
    read_10x_mtx("geo", prefix = "s3_")
    read("object.rds")
    read("table.csv")
    read("two.h5mu")
    read_h5mu("two.h5mu", "atac")
    read_h5mu("small.h5Seurat")
    read_h5seurat("small.h5Seurat", assay = "SCT")
    read_h5seurat("small.h5Seurat", slot = "nothing")
    read("small.h5Seurat", mode = "r+")
    read_10x_mtx("short")
    read_10x_mtx("damaged")
    write_h5mu(example(), "x.h5mu")
    write_10x_mtx(example(), "damaged")
  })
  expect_identical(list.files("damaged"), c("barcodes.tsv", "genes.tsv", "matrix.mtx"))
  expect_true(all(list.files(tempdir(), "^[.]?anndataoom-.*h5ad", all.files = TRUE) %in% before))
})
