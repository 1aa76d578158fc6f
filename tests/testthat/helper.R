# Matrices of Matrix are made at several places; the package itself loads Matrix only when it meets
# one.
loadNamespace("Matrix")

# Makes a small object in memory, and everything about it to compare with.
small_twin <- function(n = 12, m = 7) {
  set.seed(42)
  counts <- matrix(rpois(n * m, 1.2), n, m, dimnames = list(paste0("cell", 1:n), c("MT-1", paste0("gene", 2:m))))
  counts[, 1] <- counts[, 1] + 1 # no cell is empty
  obs <- data.frame(
    batch = factor(rep(c("a", "b"), length.out = n), levels = c("b", "a", "unused")), score = round(rnorm(n), 3),
    label = sprintf("l%d", seq_len(n)), row.names = rownames(counts)
  )
  var <- data.frame(length = 100L * seq_len(m), row.names = colnames(counts))
  list(
    counts = counts, obs = obs, var = var,
    pca = matrix(rnorm(2 * n), n), loadings = matrix(rnorm(3 * m), m),
    graph = Matrix::rsparsematrix(n, n, 0.4), gene_graph = matrix(rnorm(m * m), m)
  )
}

as_object <- function(twin, sparse = TRUE) {
  x <- if (sparse) as(twin$counts, "CsparseMatrix") else twin$counts
  AnnDataOOM(
    x, twin$obs, twin$var, layers = list(double = 2 * x), obsm = list(X_pca = twin$pca),
    varm = list(PCs = twin$loadings),
    obsp = list(connectivities = twin$graph), varp = list(links = twin$gene_graph), uns = list(
      title = "twin", deep = list(a = 1:3)
    )
  )
}

# Writes the twin's object to a file and opens it.
on_file <- function(twin, ...) {
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(as_object(twin, ...), path)
  read_h5ad(path)
}

# Scales columns to mean 0 and standard deviation 1.
scale_columns <- function(x) base::scale(x)[, ]

# Base's own unname(): that of BiocGenerics, where it is attached, raises other errors for errors of
# its arguments.
values <- function(x) base::unname(as.matrix(x))

# Returns the path of a data set with golden values: the bundled one, "pbmc_like", or "pbmc3k" if
# that file lies beside the project.
data_file <- function(name) {
  if (name == "pbmc_like") return(example_h5ad())
  root <- Sys.getenv("ANNDATAOOM_SHARED", file.path("..", "..", "..", "shared"))
  path <- file.path(root, "data", paste0(name, ".h5ad"))
  if (!file.exists(path)) testthat::skip(paste(path, "is not there (set ANNDATAOOM_SHARED)"))
  normalizePath(path)
}

# The numbers of variable genes to choose from a data set, and of components.
data_sizes <- list(pbmc_like = c(500, 30), pbmc3k = c(2000, 50))

# Returns the class of the condition that an expression raises, with its message.
error_of <- function(expr) {
  e <- tryCatch({
    expr
    NULL
  }, anndataoom_error = identity)
  if (is.null(e)) return("no error")
  paste0("<", sub("anndataoom_error_", "", class(e)[1]), "> ", conditionMessage(e))
}

# Evaluates with options set.
with_options <- function(new, expr) {
  old <- options(new)
  on.exit(options(old))
  expr
}

# Runs R code in a process of its own, with `prefix` before the command. Returns its output.
r_process <- function(code, prefix = "") {
  script <- tempfile(fileext = ".R")
  writeLines(c("suppressMessages(library(anndataoom))", code), script)
  command <- paste(prefix, shQuote(file.path(R.home("bin"), "Rscript")), "--vanilla", shQuote(script), "2>&1")
  suppressWarnings(system2("sh", c("-c", shQuote(command)), stdout = TRUE))
}

# Returns the Pythons of the project's tests, each with another anndata.
pythons <- function() {
  found <- Sys.getenv(c("ANNDATAOOM_PYTHON", "ANNDATAOOM_NEWEST_PYTHON"))
  found <- unique(found[nzchar(found) & file.exists(found)])
  if (!length(found)) skip("no Python with anndata (ANNDATAOOM_PYTHON, ANNDATAOOM_NEWEST_PYTHON)")
  found
}

`%||%` <- function(x, y) if (is.null(x)) y else x

# DelayedArray, which some tests attach, has a scale() of its own.
scale <- anndataoom::scale
