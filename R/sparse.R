# A matrix the core's converter knows: base matrix of numbers or logical, dgCMatrix, lgCMatrix, dgRMatrix.
plain_matrix <- function(x, name = "X") {
  if (is.data.frame(x)) x <- as.matrix(x)
  if (is(x, "Matrix")) {
    known <- c("dgCMatrix", "lgCMatrix", "dgRMatrix", "lgRMatrix")
    if (class(x)[1] %in% known) return(x)
    if (!is(x, "sparseMatrix")) return(as.matrix(x))
    x <- as(as(x, "generalMatrix"), "CsparseMatrix")
    return(if (class(x)[1] %in% known) x else as(x, "dMatrix"))
  }
  if (!is.matrix(x) || !(is.numeric(x) || is.logical(x))) {
    abort("shape", name, ": expected a numeric matrix or a sparse Matrix, found ", describe(x))
  }
  x
}

# Sparse Matrix objects anywhere in a list in a form the converter knows.
plain_values <- function(x) {
  if (is(x, "OOMMatrix")) return(collect_oom(x))
  if (is(x, "Matrix")) return(plain_matrix(x))
  if (inherits(x, "anndataoom_list")) x <- as.list(x)
  if (is.list(x) && !is.data.frame(x)) {
    kept <- attributes(x)
    x <- lapply(x, plain_values)
    attributes(x) <- kept
  }
  x
}
