# Matrices of others, genes x cells, on their way into an AnnDataOOM.

# One of ours as it was; others in memory or, where they are large and there is a place for it, in files of cells.
cells_by_genes <- function(x, name, scratch = NULL) {
  if (is(x, "OOMMatrix")) return(drop_names(x)) # cells x genes already
  if (is(x, "OOMDelayedMatrix") && x@seed@transposed) return(drop_names(x@seed@matrix))
  if (is(x, "DelayedArray")) return(from_delayed(x, name, scratch))
  x <- Matrix::t(plain_matrix(x, name))
  dimnames(x) <- list(NULL, NULL)
  x
}

# A folder for parts beside the file that is written, made when first needed.
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

# Reads groups of cells. What was read stays in memory up to a quarter of what a matrix may take there, then goes into a
# file; the files are one matrix, stacked.
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
  # Few enough files to have them open at once, values few enough for a sparse matrix of R.
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

# A block as R's own matrix, or one of Matrix, without names.
plain_block <- function(block, sparse) {
  if (!sparse) return(unname(as.matrix(block)))
  block <- as_dgCMatrix(block)
  dimnames(block) <- list(NULL, NULL)
  block
}

# t(); compressed columns are compressed rows the other way round.
turn_round <- function(x) {
  if (is.matrix(x)) return(t(x))
  methods::new("dgRMatrix", p = x@p, j = x@i, x = x@x, Dim = rev(x@Dim))
}
