#' Apply a function to blocks of rows
#'
#' Calls a function with one block of cells after the other, with the queued operations applied.
#' Blocks are read ahead within the working memory, and each stored chunk is read once.
#'
#' @param x An [AnnDataOOM-class] or an [OOMMatrix-class].
#' @param FUN Function of a block, which is a `dgCMatrix`, or a matrix where zeros do not stay zero.
#' @param chunk_size Number of rows of a block.
#' @param ... Further arguments of `FUN`.
#' @param layer Name of the layer to use instead of `X`.
#' @param with_rows Whether `FUN` also gets the positions of the rows of the block, as its argument
#'   `rows`.
#' @return List of the results of `FUN`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' sum(unlist(chunk_apply(adata, sum, chunk_size = 100)))
#'
#' deepest <- function(block, rows) rows[which.max(Matrix::rowSums(block))]
#' unlist(chunk_apply(adata, deepest, chunk_size = 100, with_rows = TRUE))
chunk_apply <- function(x, FUN, chunk_size = 6000, ..., layer = NULL, with_rows = FALSE) {
  check_arguments("chunk_apply", chunk_size = chunk_size, layer = layer, with_rows = with_rows)
  matrix <- rows_of(x, layer)
  if (!is.function(FUN) && !(is.character(FUN) && length(FUN) == 1 && !is.na(FUN) && nzchar(FUN))) {
    abort("parameter", "FUN: expected a function, found ", describe(FUN))
  }
  if (is.character(FUN) && !exists(FUN, parent.frame(), mode = "function")) {
    abort("parameter", "FUN: there is no function '", FUN, "'")
  }
  FUN <- match.fun(FUN)
  size <- floor(min(chunk_size, max(nrow(matrix), 1)))
  chunks <- rs_call(rs_chunks, matrix = pointer_of(matrix), size = size, settings = call_settings())
  on.exit(rs_call(rs_end_chunks, chunks = chunks))
  found <- list()
  while (!is.null(chunk <- rs_work("reading", rs_next_chunk, chunks = chunks))) {
    rows <- seq(chunk$rows[[1]], chunk$rows[[2]])
    block <- chunk$values
    names <- list(matrix@Dimnames[[1]][rows], matrix@Dimnames[[2]])
    if (any(lengths(names) > 0)) dimnames(block) <- names
    # A list of one element keeps a NULL.
    found[length(found) + 1L] <- list(if (with_rows) FUN(block, rows = rows, ...) else FUN(block, ...))
  }
  found
}

# Returns the matrix of an object, with names, or a matrix as it is.
rows_of <- function(x, layer = NULL) {
  if (!is(x, "AnnDataOOM")) {
    if (is(x, "OOMMatrix") || is_Matrix(x) || is.matrix(x)) return(as_oom(x))
    abort("parameter", "x: expected an AnnDataOOM or an OOMMatrix, found ", describe(x))
  }
  matrix <- matrix_for(x, layer)
  matrix@Dimnames <- dimnames(x)
  matrix
}

#' Sums, means and variances
#'
#' Computes them in one pass each, in double precision, over the values with the queued operations
#' applied.
#'
#' @param x An [AnnDataOOM-class] or an [OOMMatrix-class].
#' @param layer Name of the layer to use instead of `X`.
#' @param axis `"var"` for the mean and variance of each gene (over cells), `"obs"` for those of each cell.
#' @param ddof The divisor of the variance is the number of values minus this.
#' @return A named vector; for `mean_var()` a data.frame with `mean` and `var`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' head(row_sums(adata))
#' head(mean_var(adata))
row_sums <- function(x, layer = NULL) {
  check_arguments("row_sums", layer = layer)
  sums_of(rows_of(x, layer), 1, FALSE)
}

#' @rdname row_sums
#' @export
col_sums <- function(x, layer = NULL) {
  check_arguments("col_sums", layer = layer)
  sums_of(rows_of(x, layer), 2, FALSE)
}

#' @rdname row_sums
#' @export
mean_var <- function(x, axis = "var", ddof = 1, layer = NULL) {
  check_arguments("mean_var", axis = axis, ddof = ddof, layer = layer)
  matrix <- rows_of(x, layer)
  moments <- rs_work("moments", rs_mean_var, matrix = pointer_of(matrix), axis = axis, ddof = ddof)
  names <- matrix@Dimnames[[if (axis == "obs") 1 else 2]]
  data.frame(mean = moments$mean, var = moments$var, row.names = names)
}
