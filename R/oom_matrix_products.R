# Products with matrices in memory, and the operations that are left to DelayedArray.

# Returns `y` as the second factor of a product with `n` columns before it. A vector is a column
# (with `left`, a row), or a row (a column) where only that fits.
as_factor <- function(y, n, left = FALSE) {
  if (is_Matrix(y) || is.data.frame(y) || is(y, "OOMMatrix")) y <- as.matrix(y)
  if (!is.numeric(y) && !is.logical(y)) abort("shape", "product: expected a numeric matrix, found ", describe(y))
  if (!is.matrix(y)) {
    along <- length(y) == n
    if (left) y <- if (along) matrix(y, 1) else matrix(y, ncol = 1)
    else y <- if (along) matrix(y, ncol = 1) else matrix(y, 1)
  }
  found <- if (left) ncol(y) else nrow(y)
  if (found != n) {
    abort("shape", "product: expected ", n, if (left) " columns" else " rows", ", found ", describe(y))
  }
  y
}

# Computes x %*% y, or t(x) %*% y, in one pass.
product_of <- function(x, y, transposed) {
  value <- rs_work("product", rs_product, matrix = pointer_of(x), by = unname(y) + 0, transposed = transposed)
  names <- list(x@Dimnames[[if (transposed) 2 else 1]], colnames(y))
  if (any(lengths(names) > 0)) dimnames(value) <- names
  value
}

#' @rdname OOMMatrix-class
#' @details `x %*% y` and `crossprod(x, y)` with a matrix in memory take one pass. With the package
#'   DelayedArray, `t(x)`, arithmetic and comparisons (`x / 2`, `x > 0`) and functions of each value
#'   (`exp(x)`; not [sqrt()][elementwise], which is queued) return a `DelayedMatrix`, see
#'   [OOMMatrixSeed-class].
#' @aliases %*%,OOMMatrix,matrix-method %*%,matrix,OOMMatrix-method crossprod,OOMMatrix,matrix-method
#'   crossprod,matrix,OOMMatrix-method tcrossprod,OOMMatrix,matrix-method %*%,OOMMatrix,numeric-method
#'   %*%,numeric,OOMMatrix-method crossprod,OOMMatrix,numeric-method crossprod,numeric,OOMMatrix-method
#'   tcrossprod,OOMMatrix,numeric-method %*%,OOMMatrix,Matrix-method %*%,Matrix,OOMMatrix-method
#'   crossprod,OOMMatrix,Matrix-method crossprod,Matrix,OOMMatrix-method tcrossprod,OOMMatrix,Matrix-method
#'   %*%,OOMMatrix,ANY-method %*%,ANY,OOMMatrix-method crossprod,OOMMatrix,ANY-method crossprod,ANY,OOMMatrix-method
#'   tcrossprod,OOMMatrix,ANY-method Ops,OOMMatrix,ANY-method Ops,ANY,OOMMatrix-method Ops,OOMMatrix,OOMMatrix-method
#'   Math,OOMMatrix-method
#' @exportMethod "%*%"
#' @exportMethod crossprod
#' @exportMethod tcrossprod
#' @exportMethod Ops
#' @exportMethod Math
#' @export
setMethod("t", "OOMMatrix", function(x) delayed_of(x, transposed = TRUE))

# Defines the methods for products with the classes of `second`.
define_products <- function(second, where = topenv(parent.frame())) {
  for (class in second) {
    setMethod("%*%", c("OOMMatrix", class), function(x, y) product_of(x, as_factor(y, ncol(x)), FALSE), where = where)
    # Step by step: t(), which may be S4, would drop the class of an error in its argument.
    setMethod("%*%", c(class, "OOMMatrix"), function(x, y) {
      x <- as_factor(x, nrow(y), left = TRUE)
      value <- product_of(y, t(x), TRUE)
      t(value)
    }, where = where)
    setMethod("crossprod", c("OOMMatrix", class), function(x, y = NULL) {
      product_of(x, as_factor(y, nrow(x)), TRUE)
    }, where = where)
    setMethod("tcrossprod", c("OOMMatrix", class), function(x, y = NULL) {
      y <- as_factor(y, ncol(x), TRUE)
      product_of(x, t(y), FALSE)
    }, where = where)
    setMethod("crossprod", c(class, "OOMMatrix"), function(x, y = NULL) {
      value <- product_of(y, as_factor(x, nrow(y)), TRUE)
      t(value)
    }, where = where)
  }
}

# The methods for "Matrix" follow when that package is loaded: its own methods for ANY would come
# first.
define_products(c("matrix", "numeric", "ANY"))
register_matrix_products <- function() define_products("Matrix", bioc)

setMethod("Ops", c("OOMMatrix", "ANY"), function(e1, e2) {
  if (missing(e2)) methods::callGeneric(delayed_of(e1)) else methods::callGeneric(delayed_of(e1), e2)
})
setMethod("Ops", c("ANY", "OOMMatrix"), function(e1, e2) methods::callGeneric(e1, delayed_of(e2)))
setMethod("Ops", c("OOMMatrix", "OOMMatrix"), function(e1, e2) methods::callGeneric(delayed_of(e1), delayed_of(e2)))
setMethod("Math", "OOMMatrix", function(x) methods::callGeneric(delayed_of(x)))
