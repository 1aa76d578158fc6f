# The package Matrix takes 150 MB of memory and a second to load, so that it is loaded only for
# sparse values.

# Returns whether `x` is of a class of Matrix, even if it was read from a file before that package was
# loaded.
is_Matrix <- function(x, class = "Matrix") {
  if (!isS4(x)) return(FALSE)
  if (identical(attr(class(x), "package"), "Matrix")) loadNamespace("Matrix")
  is(x, class)
}

# Converts any matrix in memory to a dgCMatrix.
as_dgCMatrix <- function(x) {
  loadNamespace("Matrix")
  if (is(x, "dgCMatrix")) x else as(as(as(x, "CsparseMatrix"), "generalMatrix"), "dMatrix")
}

# Converts a matrix to a form that the core knows: a base matrix of numbers or logicals, dgCMatrix,
# lgCMatrix, dgRMatrix.
plain_matrix <- function(x, name = "X") {
  if (is.data.frame(x)) x <- as.matrix(x)
  if (is_Matrix(x)) {
    known <- c("dgCMatrix", "lgCMatrix", "dgRMatrix", "lgRMatrix")
    if (class(x)[1] %in% known) return(x)
    if (!is_Matrix(x, "sparseMatrix")) return(as.matrix(x))
    x <- as(as(x, "generalMatrix"), "CsparseMatrix")
    return(if (class(x)[1] %in% known) x else as(x, "dMatrix"))
  }
  if (!is.matrix(x) || !(is.numeric(x) || is.logical(x))) {
    abort("shape", name, ": expected a numeric matrix or a sparse Matrix, found ", describe(x))
  }
  x
}

# Converts sparse matrices anywhere in a list to a form that the core knows.
plain_values <- function(x) {
  if (is_graph(x)) return(x)
  if (is(x, "OOMMatrix")) return(collect_oom(x))
  if (is_Matrix(x)) return(plain_matrix(x))
  if (inherits(x, "anndataoom_list")) x <- as.list(x)
  if (is.list(x) && !is.data.frame(x)) {
    kept <- attributes(x)
    x <- lapply(x, plain_values)
    attributes(x) <- kept
  }
  x
}
