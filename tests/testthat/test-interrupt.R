# Tests Ctrl-C in verbs that run long. One R process runs them all, each repeated in try() until the
# signal comes.
verbs <- c(
  calculate_qc_metrics = "calculate_qc_metrics(adata, percent_top = c(50, 100))",
  filter_cells = "filter_cells(adata, min_genes = 1)",
  filter_genes = "filter_genes(adata, min_cells = 1)",
  normalize_total = "normalize_total(adata)",
  pearson_residuals = "highly_variable_genes(adata, n_top_genes = 500, flavor = 'pearson_residuals')",
  seurat_v3 = "highly_variable_genes(adata, n_top_genes = 500, flavor = 'seurat_v3')",
  regress_out = "regress_out(adata, 'depth')",
  scale = "scale(logged)",
  pca = "pca(logged[, 1:1000])", # the eigenvectors of more genes are found in one go
  neighbors = "neighbors(graph)",
  umap = "umap(graph, maxiter = 1e6)",
  leiden = "leiden(graph, n_iterations = 1000)",
  louvain = "louvain(graph)",
  diffmap = "diffmap(graph)",
  row_sums = "row_sums(logged)",
  product = "logged$X %*% matrix(1, ncol(logged), 30)",
  obs_vector = "obs_vector(logged, logged$var_names[7])",
  collect = "as(logged$X, 'dgCMatrix')",
  chunk_apply = "chunk_apply(adata, function(block) 0)",
  index_columns = "{ unlink('index', recursive = TRUE); index_columns(adata, 'index') }",
  write_h5ad = "write_h5ad(logged, 'out.h5ad')",
  concat = "concat(list(adata, adata), index_unique = '-', file = 'both.h5ad')",
  simulate_h5ad = "simulate_h5ad('sim.h5ad', 20000, 4000)"
)

test_that("Ctrl-C stops a verb within a second, and R goes on", {
  skip_on_cran()
  skip_on_os("windows")
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  simulate_h5ad(file.path(folder, "in.h5ad"), 20000, 4000, density = 0.2)
  code <- c(
    "suppressMessages(library(anndataoom))",
    sprintf("setwd(%s)", deparse(folder)),
    "options(anndataoom.quiet = TRUE, anndataoom.max_bytes = 1e12)",
    "adata <- read_h5ad('in.h5ad')",
    "adata$obs$depth <- sqrt(seq_len(nrow(adata)))",
    "logged <- adata |> normalize_total() |> log1p()",
    "graph <- neighbors(pca(logged[1:5000, 1:500], n_comps = 30))",
    "say <- function(name, lines) { writeLines(lines, 'part'); file.rename('part', name) }",
    "try_one <- function(name, call) {",
    "  say(paste0(name, '.started'), as.character(Sys.getpid()))",
    "  stopped <- tryCatch(repeat try(eval(call), silent = TRUE), interrupt = identity, error = identity)",
    "  ended <- as.numeric(Sys.time())",
    "  alive <- sum(row_sums(adata[1:10, ]) > 0)",
    "  say(paste0(name, '.done'), c(class(stopped), format(ended, digits = 15), alive))",
    "}",
    sprintf("for (k in 1:2) try_one(paste0('%s', k), quote(%s))", names(verbs), verbs),
    "say('all', '')"
  )
  writeLines(code, file.path(folder, "run.R"))
  log <- file.path(folder, "log")
  system2(
    file.path(R.home("bin"), "Rscript"), c("--vanilla", file.path(folder, "run.R")), wait = FALSE, stdout = log,
    stderr = log
  )
  wait_for <- function(name, seconds) {
    until <- Sys.time() + seconds
    while (!file.exists(file.path(folder, name)) && Sys.time() < until) Sys.sleep(0.02)
    if (file.exists(file.path(folder, name))) readLines(file.path(folder, name))
  }
  # Returns the seconds from Ctrl-C to the end of the verb; NULL if the verb does not start or end.
  interrupted <- function(try) {
    pid <- as.integer(wait_for(paste0(try, ".started"), 120))
    expect_length(pid, 1)
    if (length(pid) != 1) return(NULL)
    Sys.sleep(0.4)
    sent <- as.numeric(Sys.time())
    tools::pskill(pid, tools::SIGINT)
    done <- wait_for(paste0(try, ".done"), 30)
    if (is.null(done)) {
      tools::pskill(pid, tools::SIGKILL)
      fail(paste(try, "did not stop:", paste(utils::tail(readLines(log), 3), collapse = "; ")))
      return(NULL)
    }
    expect_true("interrupt" %in% done, label = paste(try, "ends with", paste(done, collapse = " ")))
    n <- length(done)
    expect_identical(done[n], "10")
    as.numeric(done[n - 1]) - sent
  }
  for (verb in names(verbs)) {
    # The better of two tries counts, because other processes may keep a verb from the processor.
    took <- lapply(paste0(verb, 1:2), interrupted)
    if (any(lengths(took) == 0)) break
    if (Sys.getenv("ANNDATAOOM_SHOW_INTERRUPTS") != "") cat(sprintf("%-20s %.2f s\n", verb, unlist(took)), sep = "")
    expect_lt(min(unlist(took)), 1, label = paste("seconds until", verb, "ended"))
  }
  # The file that was being written is removed; it has a hidden name beside its target.
  expect_false(is.null(wait_for("all", 30)))
  expect_identical(list.files(folder, "^[.]", all.files = TRUE, no.. = TRUE), character())
})
