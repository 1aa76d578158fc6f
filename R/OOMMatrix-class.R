#' Matrices that stay on disk
#'
#' The class of `adata$X` and `adata$layers$counts`: a matrix in a file, cells x genes, with the
#' selections and transforms queued on it. Values are read only when they are needed. `x[i, j]`
#' selects without reading and takes every form of index that a matrix takes. With one position or
#' name each for `i` and `j` it is the value there, as for any matrix. `as(x, "dgCMatrix")`, `as(x,
#' "matrix")` and `as.matrix(x)` read the values, up to `options(anndataoom.max_bytes = )` bytes.
#' `rowSums()`, `colSums()`, `rowMeans()` and `colMeans()` stream over the file.
#'
#' @slot file,element The file and the element in it that holds the stored values; `file` is `NULL` in memory.
#' @slot memory The stored values of a matrix in memory, or the matrices that [concat()] stacked,
#'   else `NULL`.
#' @slot chain Queued selections and operations, as bytes of the core.
#' @slot Dim,Dimnames Dimensions and their names.
#' @slot cache The open handle of the core.
#' @param x,object An `OOMMatrix`.
#' @param i,j Rows and columns: positive or negative positions, names, or logical of the full length.
#' @param drop Whether `x[i, j]` with one position each is the value; with `FALSE` it is always an
#'   `OOMMatrix`.
#' @param y A matrix, a vector or a matrix of Matrix.
#' @param na.rm Whether `sum()`, `mean()`, `min()`, `max()` and `range()` leave out NaN; other
#'   functions ignore it.
#' @param ...,dims Not used.
#' @param n Number of rows.
#' @param value Names for `dimnames<-`. `x[i, j] <- value` is an error: matrices on disk do not
#'   change in place.
#' @return `x[i, j]` and `head()` return an `OOMMatrix`, `x[1, 1]` a number; sums and means of rows
#'   and columns are a named numeric vector.
#' @seealso [chunk_apply()] to loop over blocks of rows, [row_sums()] and [mean_var()].
#' @name OOMMatrix-class
#' @aliases OOMMatrix
#' @exportClass OOMMatrix
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata$X
#' x <- adata$X[1:5, c(TRUE, rep(FALSE, ncol(adata) - 1))]
#' as.matrix(x)
#' adata$X[1, 2]
#' range(adata$X)
#' summary(rowSums(adata$X))
setClass(
  "OOMMatrix",
  slots = c(
    file = "ANY", element = "character", memory = "ANY", chain = "raw", Dim = "integer", Dimnames = "list",
    cache = "environment"
  )
)

setValidity("OOMMatrix", function(object) {
  if (length(object@Dim) != 2) return("Dim has to have 2 entries")
  lengths <- lengths(object@Dimnames)
  if (any(lengths != 0 & lengths != object@Dim)) return("Dimnames do not fit Dim")
  TRUE
})

# Makes an OOMMatrix of the reply of rs_matrix_*().
new_oom <- function(reply, file = NULL, element = "X", memory = NULL, dimnames = list(NULL, NULL)) {
  # The enclosure is the namespace, which saveRDS() writes by name: reading a saved matrix then
  # loads the package.
  cache <- new.env(parent = topenv())
  cache$pointer <- reply$pointer
  cache$pid <- Sys.getpid()
  methods::new(
    "OOMMatrix",
    file = file, element = element, memory = memory, chain = reply$chain, Dim = reply$dim, Dimnames = dimnames,
    cache = cache
  )
}

oom_from_file <- function(file, element) {
  new_oom(rs_call(rs_matrix_open, store = store_of(file), element = element), file, element)
}

# Makes an OOMMatrix of any matrix: a matrix in memory becomes a source in memory.
as_oom <- function(x) {
  if (is(x, "OOMMatrix")) return(x)
  memory <- plain_matrix(x)
  new_oom(rs_call(rs_matrix_memory, matrix = memory), memory = memory, dimnames = names_of(x))
}

names_of <- function(x) {
  names <- dimnames(x)
  if (is.null(names)) list(NULL, NULL) else unname(names)
}

# Returns the core's handle. It is made again after readRDS(), in a forked child and after close().
pointer_of <- function(x) {
  cache <- x@cache
  if (!is_live(cache$pointer, cache$pid)) {
    reply <- if (is_stack(x)) {
      stack_handle(x@memory, x@chain)
    } else if (is.null(x@file)) {
      rs_call(rs_matrix_memory, matrix = x@memory, chain = x@chain)
    } else {
      rs_call(rs_matrix_open, store = store_of(x@file), element = x@element, chain = x@chain)
    }
    cache$pointer <- reply$pointer
    cache$pid <- Sys.getpid()
  }
  cache$pointer
}

# Returns `x` with the reply of rs_matrix_*() as its chain.
with_chain <- function(x, reply, dimnames = x@Dimnames) {
  new_oom(reply, x@file, x@element, x@memory, dimnames)
}

matrix_info <- function(x) rs_call(rs_matrix_info, matrix = pointer_of(x))

# Selects rows `i` and columns `j` (positions from 1, or NULL for all).
select_oom <- function(x, i, j) {
  if (is.null(i) && is.null(j)) return(x)
  reply <- rs_call(rs_matrix_select, matrix = pointer_of(x), rows = i, columns = j)
  names <- x@Dimnames
  if (!is.null(i) && !is.null(names[[1]])) names[[1]] <- names[[1]][i]
  if (!is.null(j) && !is.null(names[[2]])) names[[2]] <- names[[2]][j]
  with_chain(x, reply, names)
}

# Reads values into memory, `transposed` or not: a dgCMatrix, or a matrix where zeros do not stay
# zero.
collect_oom <- function(x, limit = max_bytes(), transposed = FALSE, named = TRUE) {
  value <- rs_work("reading", rs_matrix_collect, matrix = pointer_of(x), limit = limit, transposed = transposed)
  if (named && any(lengths(x@Dimnames) > 0)) dimnames(value) <- turned(x@Dimnames, transposed)
  value
}
