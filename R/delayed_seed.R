#' Matrices on disk for 'DelayedArray'
#'
#' An [OOMMatrix-class] is a seed for the package DelayedArray. `DelayedArray(adata$X)` is a
#' `DelayedMatrix` that reads through the core, with all queued operations: a normalised, logged,
#' selected matrix is a seed too. `t(adata$X)`, arithmetic (`adata$X / 2`, `adata$X > 1`) and
#' functions such as `exp()` on an OOMMatrix return a `DelayedMatrix` as well.
#' `DelayedArray::blockApply()`, 'scuttle', 'scran', 'scater', 'BiocSingular' and
#' `HDF5Array::writeHDF5Array()` take either. DelayedArray is suggested, not required; without it,
#' none of this is available.
#'
#' The `DelayedMatrix` has the class `OOMDelayedMatrix` while only selections, names and `t()` are
#' queued on the R side, which go to the core. `rowSums()`, `colSums()` and their means, `%*%` and
#' `crossprod()` then stream once over the file on all threads. `as(x, "dgCMatrix")` reads the file
#' once, without blocks of dense values in between. A sparse matrix is read sparse, also after
#' `t()`: compressed rows of cells x genes are compressed columns of genes x cells.
#'
#' A seed keeps no open file: it can be saved, sent to another process, and used in a forked one.
#' Reading it there loads the packages that it needs, without attaching them.
#'
#' @slot matrix An [OOMMatrix-class], cells x genes.
#' @slot transposed Whether the seed is shown as genes x cells.
#' @param matrix,transposed See the slots.
#' @return A seed; `DelayedArray::DelayedArray()` makes a matrix of it.
#' @name OOMMatrixSeed-class
#' @aliases OOMMatrixSeed OOMDelayedMatrix
#' @exportClass OOMMatrixSeed
#' @examplesIf requireNamespace("DelayedArray", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p()
#' x <- DelayedArray::DelayedArray(adata$X)
#' x
#' genes <- t(x)[c("NKG7", "LYZ"), ]
#' rowSums(genes > 0)
#' as(genes, "dgCMatrix")[, 1:3]
setClass("OOMMatrixSeed", slots = c(matrix = "OOMMatrix", transposed = "logical"))

#' @rdname OOMMatrixSeed-class
#' @export
OOMMatrixSeed <- function(matrix, transposed = FALSE) {
  check_flag(transposed, "transposed")
  methods::new("OOMMatrixSeed", matrix = as_oom(matrix), transposed = transposed)
}

turned <- function(pair, transposed) if (transposed) rev(pair) else pair

#' @rdname OOMMatrixSeed-class
#' @param x An `OOMMatrixSeed`.
#' @export
setMethod("dim", "OOMMatrixSeed", function(x) turned(dim(x@matrix), x@transposed))

#' @rdname OOMMatrixSeed-class
#' @export
setMethod("dimnames", "OOMMatrixSeed", function(x) {
  names <- dimnames(x@matrix)
  if (!is.null(names)) turned(names, x@transposed)
})

#' @rdname OOMMatrixSeed-class
#' @export
setMethod("length", "OOMMatrixSeed", function(x) length(x@matrix))

#' @rdname OOMMatrixSeed-class
#' @param object An `OOMMatrixSeed`.
#' @export
setMethod("show", "OOMMatrixSeed", function(object) {
  cat("OOMMatrixSeed", if (object@transposed) "(transposed)", "of\n")
  show(object@matrix)
})

# These functions serve the seed and the bare matrix alike.

seed_matrix <- function(x) if (is(x, "OOMMatrixSeed")) x@matrix else x
seed_turned <- function(x) is(x, "OOMMatrixSeed") && x@transposed

# Reads the values at `index`, a list of two with positions or NULL: a dgCMatrix, or a matrix of
# doubles.
seed_values <- function(x, index) {
  index <- turned(lapply(index, function(i) if (!is.null(i)) as.integer(i)), seed_turned(x))
  part <- select_oom(seed_matrix(x), index[[1]], index[[2]])
  value <- collect_oom(part, limit = Inf, transposed = seed_turned(x), named = FALSE)
  if (is_Matrix(value)) {
    if (is(value, "dgCMatrix")) value else as(value, "dMatrix")
  } else {
    if (storage.mode(value) != "double") storage.mode(value) <- "double"
    value
  }
}

seed_array <- function(x, index) {
  value <- as.matrix(seed_values(x, index))
  dimnames(value) <- NULL
  value
}

seed_is_sparse <- function(x) isTRUE(matrix_info(seed_matrix(x))$sparse)

# Chunks are whole cells, whatever the layout: blocks of many cells and all genes are read fastest.
seed_chunkdim <- function(x) {
  n <- dim(seed_matrix(x))
  turned(c(min(1L, n[1]), n[2]), seed_turned(x))
}

seed_path <- function(object, ...) {
  file <- seed_matrix(object)@file
  if (is.null(file)) NA_character_ else file$path
}
