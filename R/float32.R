# Embeddings in the float32 form of the core: half the memory of R's doubles, and written to a file
# as float32. Only elements of obsm have this form; `$` and `[[` return doubles. The bits lie in an
# integer matrix with one column per cell.

is_float32 <- function(x) inherits(x, "anndataoom_float32")

as_float32 <- function(bits) structure(bits, class = "anndataoom_float32")

#' @export
dim.anndataoom_float32 <- function(x) rev(attr(unclass(x), "dim"))

#' @export
is.numeric.anndataoom_float32 <- function(x) TRUE

# Selects rows (cells) and columns by position; NULL keeps an axis.
select_float32 <- function(x, rows = NULL, columns = NULL) {
  bits <- unclass(x)
  if (!is.null(rows)) bits <- bits[, rows, drop = FALSE]
  if (!is.null(columns)) bits <- bits[columns, , drop = FALSE]
  as_float32(bits)
}
