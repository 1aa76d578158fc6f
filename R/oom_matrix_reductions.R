# Reductions of all values to one number, in one pass.

totals_of <- function(x) rs_work("totals", rs_totals, matrix = pointer_of(x))

#' @rdname OOMMatrix-class
#' @details `sum()`, `mean()`, `min()`, `max()`, `range()` and `crossprod(x)` take one pass. The
#'   result of `crossprod(x)`, columns x columns, has to fit `options(anndataoom.max_bytes = )`.
#' @aliases Summary,OOMMatrix-method
#' @exportMethod Summary
setMethod("Summary", "OOMMatrix", function(x, ..., na.rm = FALSE) {
  check_flag(na.rm, "na.rm")
  if (!.Generic %in% c("sum", "min", "max", "range")) {
    abort("unsupported", .Generic, "() of a matrix on disk is not there: use chunk_apply() to go through its blocks")
  }
  all <- totals_of(x)
  value <- if (all$nan > 0 && !na.rm) {
    if (.Generic == "range") c(NaN, NaN) else NaN
  } else if (.Generic == "sum") {
    all$sum
  } else if (all$count > 0) {
    switch(.Generic, min = all$min, max = all$max, range = c(all$min, all$max))
  } else {
    numeric() # base R's warning and infinity
  }
  if (...length() == 0 && length(value)) value else methods::callGeneric(value, ..., na.rm = na.rm)
})

#' @rdname OOMMatrix-class
#' @method mean OOMMatrix
#' @export
mean.OOMMatrix <- function(x, ..., na.rm = FALSE) {
  check_flag(na.rm, "na.rm")
  all <- totals_of(x)
  if (all$nan > 0 && !na.rm) NaN else all$sum / all$count
}

#' @rdname OOMMatrix-class
#' @aliases crossprod,OOMMatrix,missing-method tcrossprod,OOMMatrix,missing-method
#' @export
setMethod("crossprod", c("OOMMatrix", "missing"), function(x, y = NULL) {
  p <- ncol(x)
  check_room(8 * as.numeric(p)^2, paste("crossprod(x) of", p, "columns"), "select fewer columns with x[, j]")
  value <- rs_work("product", rs_cross_product, matrix = pointer_of(x))
  names <- x@Dimnames[[2]]
  if (!is.null(names)) dimnames(value) <- list(names, names)
  value
})

#' @rdname OOMMatrix-class
#' @export
setMethod("tcrossprod", c("OOMMatrix", "missing"), function(x, y = NULL) {
  n <- nrow(x)
  needed <- 8 * as.numeric(n) * (n + ncol(x))
  check_room(needed, paste("tcrossprod(x) of", n, "rows"), "select fewer rows with x[i, ]")
  value <- product_of(x, t(as.matrix(x)), FALSE)
  if (!is.null(x@Dimnames[[1]])) dimnames(value) <- list(x@Dimnames[[1]], x@Dimnames[[1]])
  value
})

# Refuses a result that exceeds the memory limit, before anything is read.
check_room <- function(needed, what, instead) {
  if (needed <= max_bytes()) return(invisible())
  abort(
    "memory", what, " needs ", human_bytes(needed), ", the limit is ", human_bytes(max_bytes()), ": ", instead,
    ", or raise options(anndataoom.max_bytes = )"
  )
}
