#' Square roots, squares and arcsinh
#'
#' These functions of each value leave zeros as they are. They are recorded and take no pass.
#' `sqrt()` works as `scanpy.pp.sqrt`; square roots of counts have nearly the same variance for all
#' counts. `arcsinh()` takes the inverse hyperbolic sine of the values over a cofactor, as is usual
#' for counts of antibodies: values well below the cofactor stay proportional, values above it
#' become logarithmic.
#'
#' @param x An [AnnDataOOM-class] or an [OOMMatrix-class].
#' @param layer Name of the layer to change instead of `X`. `sqrt()` is R's own function and takes
#'   no argument but `x`; for a layer write `adata$layers$counts <- sqrt(adata$layers$counts)`.
#' @param cofactor A number above 0.
#' @return `x` with the operation queued. Values come as float32, or as float64 for float64 input;
#'   the square root of a negative number is NaN.
#' @name elementwise
#' @aliases sqrt,AnnDataOOM-method sqrt,OOMMatrix-method
#' @exportMethod sqrt
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' sqrt(adata)$X
#' arcsinh(adata, cofactor = 5)$X
NULL

setMethod("sqrt", "AnnDataOOM", function(x) of_each_value("sqrt", x))
setMethod("sqrt", "OOMMatrix", function(x) of_each_value("sqrt", x))

#' @rdname elementwise
#' @export
square <- function(x, layer = NULL) of_each_value("square", x, layer = layer)

#' @rdname elementwise
#' @export
arcsinh <- function(x, cofactor = 5, layer = NULL) of_each_value("arcsinh", x, cofactor = cofactor, layer = layer)

of_each_value <- function(name, x, ...) {
  args <- list(...)
  if (!is(x, "OOMMatrix")) return(verb(name, x, args))
  if (!is.null(args$layer)) abort("parameter", name, ": layer must be NULL for a matrix, found ", describe(args$layer))
  with_chain(x, run_verb(name, args, list(matrix = pointer_of(x)))$matrix)
}
