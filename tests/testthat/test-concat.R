# Makes three objects in files that differ in everything about which concat() has to decide.
three <- function(sparse = c(TRUE, TRUE, TRUE), genes = list(1:9, c(4, 2, 12, 7), 3:11), prefix = "g") {
  lapply(1:3, function(k) {
    set.seed(k)
    n <- c(7, 5, 9)[k]
    names <- paste0(rep(prefix, 3)[k], genes[[k]])
    m <- length(names)
    counts <- matrix(rpois(n * m, 0.8), n, m, dimnames = list(paste0("cell", seq_len(n)), names))
    x <- if (sparse[k]) as(counts, "CsparseMatrix") else counts
    obs <- data.frame(
      group = factor(sample(c("a10", "a9", paste0("c", k)), n, TRUE)), ordered = factor(
        sample(c("x", "y"), n, TRUE), levels = c("x", "y"), ordered = TRUE
      ), score = rnorm(n), flag = rep(c(TRUE, FALSE), length.out = n), row.names = rownames(counts)
    )
    obs[[paste0("own", k)]] <- rnorm(n)
    var <- data.frame(id = paste0("id_", names), row.names = names)
    var[[paste0("only", k)]] <- rnorm(m)
    adata <- AnnDataOOM(
      x, obs, var, layers = list(counts = 2 * x), obsm = list(
        X_pca = matrix(rnorm(n * (2 + k)), n), frame = data.frame(u = rnorm(n), row.names = rownames(counts))
      ),
      varm = list(PCs = matrix(as.numeric(seq_len(2 * m)), m)), obsp = list(graph = Matrix::rsparsematrix(n, n, 0.3)),
      varp = list(links = Matrix::rsparsematrix(m, m, 0.3)), uns = list(
        same = list(a = 1, b = "t"), differs = k + 0, none = "x"
      )
    )
    if (k == 1) adata$layers$first <- x
    if (k == 2) adata$uns$none <- NULL
    adata$raw <- adata
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(adata, path)
    read_h5ad(path)
  })
}

# Compares the results of concat() for each of several lists of options with anndata.concat of the
# same files.
expect_anndata <- function(adatas, options) {
  skip_if_not_installed("jsonlite")
  python <- Sys.getenv("ANNDATAOOM_PYTHON")
  script <- file.path("..", "python", "concat_of.py")
  if (python == "" || !file.exists(python) || !file.exists(script)) skip("no Python with anndata (ANNDATAOOM_PYTHON)")
  cases <- lapply(options, function(given) {
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(do.call(concat, c(list(adatas), given)), path)
    list(found = path, options = given, files = vapply(adatas, function(a) a$filename, ""))
  })
  file <- tempfile(fileext = ".json")
  writeLines(jsonlite::toJSON(cases, auto_unbox = TRUE), file)
  said <- suppressWarnings(system2(python, c(script, file), stdout = TRUE, stderr = TRUE))
  expect_true(is.null(attr(said, "status")), info = paste(said, collapse = "\n"))
}

# Returns every combination of the values of several options.
every <- function(...) {
  table <- expand.grid(..., stringsAsFactors = FALSE)
  lapply(seq_len(nrow(table)), function(i) as.list(table[i, , drop = FALSE]))
}

test_that("cells below cells, as anndata has it", {
  options <- lapply(every(join = c("inner", "outer"), label = "from", index_unique = "-"), function(given) {
    c(given, list(keys = c("a", "b", "c")))
  })
  for (sparse in list(c(TRUE, TRUE, TRUE), c(FALSE, FALSE, FALSE), c(TRUE, FALSE, TRUE))) {
    expect_anndata(three(sparse), options)
  }
})

test_that("what is merged", {
  options <- every(
    join = c("inner", "outer"), merge = c("same", "unique", "first", "only"), pairwise = TRUE, index_unique = "_"
  )
  expect_anndata(three(), lapply(options, function(given) c(given, uns_merge = given$merge)))
})

test_that("what is filled in", {
  options <- every(join = "outer", fill_value = c(0, 3, 2.5), index_unique = "-")
  for (sparse in c(TRUE, FALSE)) expect_anndata(three(rep(sparse, 3)), options)
})

test_that("genes beside genes", {
  adatas <- lapply(three(prefix = c("a", "b", "c")), function(a) {
    a$raw <- NULL
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(a, path)
    read_h5ad(path)
  })
  expect_anndata(adatas, every(axis = "var", join = c("inner", "outer"), merge = "unique"))
})

test_that("the whole is lazy and goes on as one file", {
  adatas <- three(c(TRUE, FALSE, TRUE))
  named <- stats::setNames(adatas, c("a", "b", "c"))
  whole <- concat(named, join = "outer", label = "from", index_unique = "-")
  expect_s4_class(whole$X, "OOMMatrix")
  expect_identical(levels(whole$obs$from), c("a", "b", "c"))
  expect_output(show(whole$X), "3 matrices along obs")
  x <- as.matrix(whole$X)
  pick <- whole[c(20, 3, 3, 9), c("g7", "g2")]
  expect_equal(as.matrix(pick$X), x[c(20, 3, 3, 9), c("g7", "g2")], ignore_attr = TRUE)
  saved <- tempfile(fileext = ".rds")
  saveRDS(log1p(pick), saved)
  expect_equal(values(readRDS(saved)$X), unname(log1p(x[c(20, 3, 3, 9), c("g7", "g2")])), tolerance = 1e-6)
  path <- tempfile(fileext = ".h5ad")
  written <- concat(adatas, join = "outer", index_unique = "-", file = path)
  expect_identical(written$filename, normalizePath(path))
  expect_equal(values(written$X), unname(x))
})

test_that("many files give what one file gives", {
  whole <- read_h5ad(example_h5ad())
  cut <- list(first = 1:200, second = 201:450, third = 451:nrow(whole))
  files <- vapply(cut, function(rows) {
    path <- tempfile(fileext = ".h5ad")
    write_h5ad(whole[rows, ], path)
    path
  }, "")
  many <- AnnDataSet(files)
  expect_identical(as.vector(table(many$obs$sample)), lengths(cut, use.names = FALSE))
  whole$obs$sample <- many$obs$sample
  run <- function(a) {
    a <- calculate_qc_metrics(a) |> normalize_total(target_sum = 1e4) |> log1p()
    a <- highly_variable_genes(a, n_top_genes = 200, flavor = "seurat", batch_key = "sample")
    pca(scale(a[, a$var$highly_variable], max_value = 10), n_comps = 10)
  }
  a <- run(whole)
  b <- run(many)
  expect_equal(b$obs$total_counts, a$obs$total_counts)
  expect_identical(b$var_names, a$var_names)
  expect_equal(b$obsm$X_pca, a$obsm$X_pca, tolerance = 1e-5)
})

test_that("what cannot be put together", {
  adatas <- three()
  no_x <- adatas[[1]]
  no_x$X <- NULL
  expect_snapshot({
    cat(error_of(concat(list())), "\n")
    cat(error_of(concat(adatas[[1]])), "\n")
    cat(error_of(concat(list(1))), "\n")
    cat(error_of(concat(adatas, axis = "cells")), "\n")
    cat(error_of(concat(adatas, merge = "all", index_unique = "-")), "\n")
    cat(error_of(concat(adatas, keys = "a")), "\n")
    cat(error_of(concat(list(adatas[[1]], no_x), index_unique = "-")), "\n")
    cat(error_of(AnnDataSet(c(a = "x.h5ad", a = "y.h5ad"))), "\n")
  })
})
