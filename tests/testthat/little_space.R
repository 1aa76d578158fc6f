# Runs the pipeline in the address space that the process was given. `Rscript little_space.R base`
# prints how much R has once the package is loaded; `Rscript little_space.R H5AD OUT` runs it.
suppressMessages(library(anndataoom))
invisible(loadNamespace("Matrix"))
args <- commandArgs(TRUE)
if (args[[1]] == "base") {
  size <- grep("^VmSize", readLines("/proc/self/status"), value = TRUE)
  cat(sub("[^0-9]*([0-9]+).*", "\\1", size))
  quit()
}
options(anndataoom.threads = 2, anndataoom.progress = FALSE)
says <- function(status) function(e) {
  cat(conditionMessage(e), "\n")
  quit(status = status)
}
tryCatch({
  x <- read_h5ad(args[[1]])
  x <- calculate_qc_metrics(x)
  x <- filter_genes(x, min_cells = 3)
  x <- normalize_total(x, target_sum = 1e4)
  x <- log1p(x)
  x <- highly_variable_genes(x, n_top_genes = 500)
  x <- pca(x, n_comps = 20)
  x <- neighbors(x, n_neighbors = 10)
  x <- umap(x)
  x <- leiden(x)
  x <- diffmap(x)
  write_h5ad(x, args[[2]])
  invisible(x$obs)
  invisible(x$obsm$X_umap)
  invisible(x$obsp$connectivities)
}, anndataoom_error_memory = says(3), error = says(4))
cat("done\n")
