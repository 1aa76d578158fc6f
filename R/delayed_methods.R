# Methods of OOMDelayedMatrix for operations that the core does better than blocks of R matrices.
# register_delayed_array() registers them.

# Makes a matrix of a changed seed.
delayed_with <- function(x, matrix = x@seed@matrix, transposed = x@seed@transposed) {
  new_delayed(OOMMatrixSeed(matrix, transposed))
}

# Hands `x[i, j]` on to the core. NULL for forms that DelayedArray has to handle: one index, dropped
# dimensions, unusual indices.
select_delayed <- function(x, i, j) {
  positions <- function(index, axis) {
    n <- dim(x)[axis]
    if (is.character(index)) index <- match(index, dimnames(x)[[axis]])
    if (is.logical(index) && length(index) == n) index <- which(index)
    if (!is.numeric(index) || anyNA(index) || any(abs(index) > n)) return(NULL)
    if (any(index < 0)) {
      if (any(index > 0)) return(NULL)
      index <- seq_len(n)[index]
    }
    as.integer(index[index != 0])
  }
  given <- list(if (!is.null(i)) positions(i, 1), if (!is.null(j)) positions(j, 2))
  if (!is.null(i) && is.null(given[[1]]) || !is.null(j) && is.null(given[[2]])) return(NULL)
  # A whole axis in its order is no selection; LayerData() of Seurat asks for one.
  given <- Map(function(index, n) if (!identical(index, seq_len(n))) index, given, dim(x))
  given <- turned(given, x@seed@transposed)
  delayed_with(x, select_oom(x@seed@matrix, given[[1]], given[[2]]))
}

register_delayed_methods <- function() {
  ours <- "OOMDelayedMatrix"
  define <- function(f, signature, method) methods::setMethod(f, signature, method, where = bioc)

  define("[", ours, function(x, i, j, ..., drop = TRUE) {
    if (nargs() - (!missing(drop)) < 3 && !missing(i)) return(callNextMethod())
    selected <- select_delayed(x, if (!missing(i)) i, if (!missing(j)) j)
    if (is.null(selected) || drop && any(dim(selected) == 1L)) callNextMethod() else selected
  })
  define("t", ours, function(x) delayed_with(x, transposed = !x@seed@transposed))
  define("dimnames<-", c(ours, "ANY"), function(x, value) {
    matrix <- x@seed@matrix
    names <- if (is.null(value)) list(NULL, NULL) else value
    dimnames(matrix) <- turned(names, x@seed@transposed)
    delayed_with(x, matrix)
  })

  for (axis in 1:2) for (mean in c(FALSE, TRUE)) {
    local({
      axis <- axis
      mean <- mean
      name <- paste0(c("row", "col")[axis], if (mean) "Means" else "Sums")
      define(name, ours, function(x, na.rm = FALSE, dims = 1, ...) {
        if (na.rm) return(callNextMethod())
        seed <- x@seed
        sums_of(seed@matrix, if (seed@transposed) 3 - axis else axis, mean)
      })
    })
  }

  seed_product <- function(x, y, transposed) product_of(x@seed@matrix, y, transposed != x@seed@transposed)
  for (class in c("matrix", "numeric")) {
    define("%*%", c(ours, class), function(x, y) seed_product(x, as_factor(y, ncol(x)), FALSE))
    define("%*%", c(class, ours), function(x, y) {
      x <- as_factor(x, nrow(y), left = TRUE) # t(), which is S4 here, would take the class off an error
      t(seed_product(y, t(x), TRUE))
    })
    define("crossprod", c(ours, class), function(x, y) seed_product(x, as_factor(y, nrow(x)), TRUE))
    define("crossprod", c(class, ours), function(x, y) t(seed_product(y, as_factor(x, nrow(y)), TRUE)))
    define("tcrossprod", c(ours, class), function(x, y) {
      if (!is.matrix(y)) y <- matrix(y, ncol = if (ncol(x) == 1) 1 else length(y))
      seed_product(x, t(y), FALSE)
    })
    define("tcrossprod", c(class, ours), function(x, y) {
      if (!is.matrix(x)) x <- matrix(x, ncol = if (ncol(y) == 1) 1 else length(x))
      t(seed_product(y, t(x), FALSE))
    })
  }

  methods::setAs(ours, "dgCMatrix", function(from) {
    as_dgCMatrix(collect_oom(from@seed@matrix, transposed = from@seed@transposed))
  }, where = bioc)
  methods::setAs(ours, "CsparseMatrix", function(from) as(from, "dgCMatrix"), where = bioc)
  methods::setAs(ours, "sparseMatrix", function(from) as(from, "dgCMatrix"), where = bioc)
}
