# Tests the whole pipeline: the result does not depend on the machine or the file's layout, the
# memory is bounded, and Ctrl-C stops it.
pipeline <- function(file, ...) {
  with_options(list(...), suppressMessages({
    adata <- read_h5ad(file) |>
      calculate_qc_metrics(qc_vars = "mt") |> filter_cells(min_genes = 200) |> filter_genes(min_cells = 3) |>
      highly_variable_genes(n_top_genes = 500, flavor = "pearson_residuals") |>
      normalize_total(target_sum = 1e4) |> log1p()
    adata$raw <- adata
    adata[, adata$var$highly_variable] |> scale(max_value = 10) |> pca(n_comps = 20) |>
      neighbors(n_neighbors = 15) |> umap() |> leiden()
  }))
}

results <- function(adata) {
  list(
    obs = adata$obs, var = adata$var, X_pca = adata$obsm$X_pca, PCs = adata$varm$PCs, pca = adata$uns$pca,
    distances = adata$obsp$distances, connectivities = adata$obsp$connectivities, X_umap = adata$obsm$X_umap
  )
}

test_that("threads and memory change no bit of any result", {
  skip_on_cran()
  one <- results(pipeline(example_h5ad(), anndataoom.threads = 1))
  expect_identical(results(pipeline(example_h5ad(), anndataoom.threads = 2)), one)
  expect_identical(results(pipeline(example_h5ad(), anndataoom.threads = 3, anndataoom.memory = 2^20)), one)
})

test_that("compressed rows, compressed columns and dense files give the same", {
  skip_on_cran()
  rows <- results(pipeline(example_h5ad()))
  for (layout in c("as_csc", "as_dense")) {
    file <- tempfile(fileext = ".h5ad")
    do.call(write_h5ad, c(list(read_h5ad(example_h5ad()), file), setNames(list("X"), layout)))
    other <- results(pipeline(file))
    for (part in c("obs", "var", "PCs", "X_pca", "pca", "distances")) {
      expect_equal(other[[part]], rows[[part]], tolerance = 1e-6, info = paste(layout, part))
    }
  }
})

test_that("the size of chunks changes no value", {
  adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p()
  bare <- function(x) {
    dimnames(x) <- list(NULL, NULL)
    x
  }
  whole <- as(adata$X, "dgCMatrix")
  for (size in c(1, 37, 699, 5000)) {
    blocks <- chunk_apply(adata, identity, chunk_size = size)
    expect_identical(bare(do.call(rbind, blocks)), bare(whole))
  }
})

test_that("the matrix is never whole in memory", {
  skip_on_cran()
  skip_on_os(c("windows", "mac"))
  file <- tempfile(fileext = ".h5ad")
  # The file has 20,000 x 10,000 with about 95 million values: 760 MB in the smallest sparse form,
  # 800 MB dense.
  simulate_h5ad(file, 20000, 10000, density = 0.5)
  on.exit(unlink(file))
  stored <- anndataoom:::matrix_info(read_h5ad(file)$X)$nnz
  expect_gt(stored * 8, 700e6)
  idle <- as.numeric(sub("[^0-9]*([0-9]+).*", "\\1", r_process('cat(grep("^VmData", readLines("/proc/self/status"), value = TRUE))')))
  limit <- idle + 400 * 1024 # kB of data the process may have: 400 MB above an idle R
  out <- r_process(c(
    "options(anndataoom.memory = 64 * 2^20)",
    sprintf("adata <- read_h5ad(%s)", deparse(file)),
    "adata <- suppressMessages(calculate_qc_metrics(adata, qc_vars = 'mt'))",
    "adata <- adata |> filter_cells(min_genes = 200) |> filter_genes(min_cells = 3)",
    "adata <- highly_variable_genes(adata, n_top_genes = 2000, flavor = 'pearson_residuals')",
    "adata <- adata |> normalize_total(target_sum = 1e4) |> log1p()",
    "adata$raw <- adata",
    "adata <- adata[, adata$var$highly_variable] |> scale(max_value = 10) |> pca(n_comps = 50)",
    "adata <- suppressMessages(adata |> neighbors(n_neighbors = 15) |> umap() |> leiden())",
    sprintf("write_h5ad(adata, %s)", deparse(paste0(file, ".out.h5ad"))),
    "cat('finished', dim(adata), nlevels(adata$obs$leiden), '\\n')"
  ), sprintf("ulimit -d %.0f;", limit))
  unlink(paste0(file, ".out.h5ad"))
  expect_match(paste(out, collapse = "\n"), "finished 20000 2000")
})

test_that("Ctrl-C stops a running step within a second, and R goes on", {
  skip_on_cran()
  skip_on_os("windows")
  folder <- tempfile()
  dir.create(folder)
  code <- c(
    "suppressMessages(library(anndataoom))",
    sprintf("setwd(%s)", deparse(folder)),
    "adata <- suppressMessages(read_h5ad(example_h5ad()) |> pca(n_comps = 20) |> neighbors())",
    "writeLines(as.character(Sys.getpid()), 'pid.part'); file.rename('pid.part', 'pid')",
    "stopped <- tryCatch({ umap(adata, maxiter = 1e6); 'ran' }, interrupt = function(e) 'interrupt',",
    "  anndataoom_error_cancelled = function(e) 'cancelled')",
    "ended <- as.numeric(Sys.time())",
    "alive <- nrow(umap(adata, maxiter = 10)$obsm$X_umap)",
    "writeLines(c(stopped, format(ended, digits = 15), alive), 'done.part'); file.rename('done.part', 'done')"
  )
  writeLines(code, file.path(folder, "run.R"))
  system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", file.path(folder, "run.R")), wait = FALSE, stdout = FALSE, stderr = FALSE)
  wait_for <- function(name, seconds) {
    until <- Sys.time() + seconds
    while (!file.exists(file.path(folder, name)) && Sys.time() < until) Sys.sleep(0.05)
    if (!file.exists(file.path(folder, name))) return(NULL)
    readLines(file.path(folder, name))
  }
  pid <- as.integer(wait_for("pid", 60))
  expect_length(pid, 1)
  Sys.sleep(1)
  sent <- as.numeric(Sys.time())
  tools::pskill(pid, tools::SIGINT)
  done <- wait_for("done", 30)
  if (is.null(done)) tools::pskill(pid, tools::SIGKILL)
  expect_length(done, 3)
  expect_true(done[[1]] %in% c("interrupt", "cancelled"))
  expect_lt(as.numeric(done[[2]]) - sent, 1)
  expect_identical(done[[3]], "700")
})

test_that("a full disk leaves the older file whole and R working", {
  skip_on_cran()
  skip_on_os("windows")
  file <- tempfile(fileext = ".h5ad")
  write_h5ad(read_h5ad(example_h5ad())[1:20, 1:30], file)
  before <- unname(tools::md5sum(file))
  out <- r_process(c(
    "e <- tryCatch(write_h5ad(read_h5ad(example_h5ad()), commandArgs(TRUE)), anndataoom_error = identity)"
    |> sub(pattern = "commandArgs(TRUE)", replacement = deparse(file), fixed = TRUE),
    "cat(class(e)[1], conditionMessage(e), nrow(read_h5ad(example_h5ad())))"
  ), "trap '' XFSZ; ulimit -f 200;")
  expect_match(paste(out, collapse = " "), "^anndataoom_error_io .*700$")
  expect_match(paste(out, collapse = " "), basename(file), fixed = TRUE)
  expect_identical(unname(tools::md5sum(file)), before)
  expect_length(list.files(dirname(file), pattern = basename(file), all.files = TRUE), 1)
})
