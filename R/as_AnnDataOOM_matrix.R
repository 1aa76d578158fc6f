# Converts matrices of other packages, genes x cells, for an AnnDataOOM.

# Returns the cells x genes form of a matrix. A matrix of this package stays on disk; another one
# goes into memory, or into files of groups of cells if it is large and `scratch` is given.
cells_by_genes <- function(x, name, scratch = NULL) {
  if (is(x, "OOMMatrix")) return(drop_names(x)) # cells x genes already
  if (is(x, "OOMDelayedMatrix") && x@seed@transposed) return(drop_names(x@seed@matrix))
  if (is(x, "DelayedArray")) return(from_delayed(x, name, scratch))
  x <- Matrix::t(plain_matrix(x, name))
  dimnames(x) <- list(NULL, NULL)
  x
}

# Makes a folder for parts, beside the file that is written, on first use.
scratch_beside <- function(path) {
  folder <- tempfile(paste0(".", basename(path), "-"), tmpdir = dirname(path.expand(path)))
  parts <- list()
  list(
    keep = function(x) {
      if (!dir.exists(folder) && !dir.create(folder, showWarnings = FALSE)) {
        abort("io", "cannot make the folder '", folder, "' for parts of '", path, "': does '", dirname(folder), "' exist?")
      }
      file <- tempfile("part", folder, ".h5ad")
      write_h5ad(AnnDataOOM(x), file, compression = "lzf")
      part <- read_h5ad(file)
      parts[[length(parts) + 1]] <<- part
      part@X
    },
    remove = function() {
      parts <<- list()
      if (!dir.exists(folder)) return()
      gc(verbose = FALSE) # closes them
      unlink(folder, recursive = TRUE)
    }
  )
}

# Reads groups of cells. They stay in memory up to a quarter of the limit of a matrix there, then
# they go into a file. The files are stacked into one matrix.
from_delayed <- function(x, name, scratch) {
  sparse <- DelayedArray::is_sparse(x)
  n_genes <- nrow(x)
  needed <- 8 * n_genes * as.numeric(ncol(x))
  too_large <- function(what) {
    abort(
      "memory", "'", name, "': ", what, ", the limit is ", human_bytes(max_bytes()),
      ": name a file to write, with path = , convert fewer cells at a time, or raise options(anndataoom.max_bytes = )"
    )
  }
  if (is.null(scratch) && !sparse && needed > max_bytes()) {
    too_large(paste(n_genes, "x", ncol(x), "values need", human_bytes(needed)))
  }
  # The number of files is bounded, as all are open at once, and the number of values, as R's sparse
  # matrices have a limit.
  most <- if (is.null(scratch)) max_bytes() else max(max_bytes() / 4, if (!sparse) needed / 256)
  if (sparse) most <- min(most, 12 * 2^30)
  files <- list()
  held <- list()
  bytes <- 0
  joined <- function() turn_round(if (length(held) == 1) held[[1]] else do.call(cbind, held))
  take <- function(block) {
    part <- plain_block(block, sparse)
    size <- if (sparse) 12 * length(part@x) else 8 * length(part)
    if (bytes > 0 && bytes + size > most) {
      if (is.null(scratch)) too_large(paste("the first", human_bytes(bytes + size), "of its values are not all"))
      files[[length(files) + 1]] <<- scratch$keep(joined())
      held <<- list()
      bytes <<- 0
    }
    held[[length(held) + 1]] <<- part
    bytes <<- bytes + size
    NULL
  }
  if (ncol(x) > 0 && n_genes > 0) {
    width <- max(1, min(ncol(x), floor(min(DelayedArray::getAutoBlockSize(), most) / (8 * n_genes))))
    chunk <- DelayedArray::chunkdim(x)[2]
    if (!is.null(chunk) && width > chunk) width <- width - width %% chunk # no chunk is decoded twice
    grid <- DelayedArray::colAutoGrid(x, ncol = width)
    DelayedArray::blockApply(x, take, grid = grid, as.sparse = sparse, BPPARAM = NULL)
  } else {
    held <- list(plain_block(if (sparse) as(x, "dgCMatrix") else as.matrix(x), sparse))
  }
  if (length(files) == 0) return(joined())
  files[[length(files) + 1]] <- scratch$keep(joined())
  stack_oom("obs", lapply(files, function(file) list(x = file, from = NULL)), n_genes)
}

# Returns a block as a base R matrix or a matrix of Matrix, without names.
plain_block <- function(block, sparse) {
  if (!sparse) return(unname(as.matrix(block)))
  block <- as_dgCMatrix(block)
  dimnames(block) <- list(NULL, NULL)
  block
}

# Transposes: compressed columns are the compressed rows of the transpose.
turn_round <- function(x) {
  if (is.matrix(x)) return(t(x))
  methods::new("dgRMatrix", p = x@p, j = x@i, x = x@x, Dim = rev(x@Dim))
}
