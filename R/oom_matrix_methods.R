#' @rdname OOMMatrix-class
#' @export
setMethod("dim", "OOMMatrix", function(x) x@Dim)

#' @rdname OOMMatrix-class
#' @export
setMethod("length", "OOMMatrix", function(x) as.integer(min(prod(as.numeric(x@Dim)), .Machine$integer.max)))

#' @rdname OOMMatrix-class
#' @export
setMethod("dimnames", "OOMMatrix", function(x) if (any(lengths(x@Dimnames) > 0)) x@Dimnames)

# The name of a method has as many arguments as any loaded method of its generic; those of Matrix
# have more.
#' @rdname OOMMatrix-class
#' @aliases dimnames<-,OOMMatrix-method dimnames<-,OOMMatrix,ANY-method
#' @export
setMethod("dimnames<-", "OOMMatrix", function(x, value) {
  text <- function(v) if (is.atomic(v) && !is.null(v)) as.character(v) else v
  value <- if (is.null(value)) list(NULL, NULL) else if (is.list(value)) lapply(value, text)
  given <- lengths(value)
  if (length(value) != 2 || !all(vapply(value, function(v) is.null(v) || is.character(v), NA)) || any(given != 0 & given != x@Dim)) {
    abort("shape", "dimnames: expected names for ", x@Dim[1], " rows and ", x@Dim[2], " columns")
  }
  x@Dimnames <- unname(value)
  x
})

#' @rdname OOMMatrix-class
#' @aliases [,OOMMatrix-method [,OOMMatrix,ANY,ANY,ANY-method
#' @export
setMethod("[", "OOMMatrix", function(x, i, j, ..., drop = TRUE) {
  if (nargs() - (!missing(drop)) < 3 && !missing(i)) {
    abort("index", "an OOMMatrix takes two indices: write x[i, ] for rows, x[, j] for columns")
  }
  rows <- if (!missing(i)) resolve_index(i, x@Dim[1], x@Dimnames[[1]], "row")
  columns <- if (!missing(j)) resolve_index(j, x@Dim[2], x@Dimnames[[2]], "column")
  selected <- select_oom(x, rows, columns)
  if (drop && is_single(i, rows) && is_single(j, columns)) as.vector(as.matrix(selected)) else selected
})

#' @rdname OOMMatrix-class
#' @aliases [<-,OOMMatrix-method [<-,OOMMatrix,ANY,ANY,ANY-method
#' @export
setMethod("[<-", "OOMMatrix", function(x, i, j, ..., value) not_in_place())

not_in_place <- function() {
  abort(
    "unsupported", "a matrix on disk is not changed in place: change its values in memory and set them again ",
    "(x <- as.matrix(adata$X); x[i, j] <- value; adata$X <- x)"
  )
}

# Returns whether an index names one row or column; a mask that chooses one does not.
is_single <- function(index, positions) {
  !missing(index) && length(positions) == 1 && length(index) == 1 && (is.numeric(index) || is.character(index))
}

#' @rdname OOMMatrix-class
#' @method head OOMMatrix
#' @export
head.OOMMatrix <- function(x, n = 6L, ...) {
  first <- first_of(n, x@Dim[1]) # `[`, which is S4, would take the class off an error
  x[seq_len(first), ]
}

#' @rdname OOMMatrix-class
#' @method as.matrix OOMMatrix
#' @export
as.matrix.OOMMatrix <- function(x, ...) {
  check_room(
    8 * prod(as.numeric(dim(x))), paste("a matrix of", nrow(x), "x", ncol(x), "values"),
    "use chunk_apply() to go through them in blocks, select rows and columns with x[i, j]"
  )
  as.matrix(collect_oom(x, limit = Inf))
}

methods::setAs("OOMMatrix", "matrix", function(from) as.matrix.OOMMatrix(from))

# Registered when the package is loaded, under names of classes that may not exist yet: as(x,
# "dgCMatrix") loads Matrix.
register_sparse_coercions <- function() {
  for (class in c("dgCMatrix", "CsparseMatrix")) {
    suppressMessages(methods::setAs("OOMMatrix", class, function(from) as_dgCMatrix(collect_oom(from)), where = bioc))
  }
}

sums_of <- function(x, axis, mean) {
  sums <- rs_work("sums", if (axis == 1) rs_row_sums else rs_col_sums, matrix = pointer_of(x))
  if (mean) sums <- sums / dim(x)[3 - axis]
  names(sums) <- x@Dimnames[[axis]]
  sums
}

#' @rdname OOMMatrix-class
#' @export
setMethod("rowSums", "OOMMatrix", function(x, na.rm = FALSE, dims = 1L) sums_of(x, 1, FALSE))

#' @rdname OOMMatrix-class
#' @export
setMethod("colSums", "OOMMatrix", function(x, na.rm = FALSE, dims = 1L) sums_of(x, 2, FALSE))

#' @rdname OOMMatrix-class
#' @export
setMethod("rowMeans", "OOMMatrix", function(x, na.rm = FALSE, dims = 1L) sums_of(x, 1, TRUE))

#' @rdname OOMMatrix-class
#' @export
setMethod("colMeans", "OOMMatrix", function(x, na.rm = FALSE, dims = 1L) sums_of(x, 2, TRUE))

#' @rdname OOMMatrix-class
#' @export
setMethod("show", "OOMMatrix", function(object) {
  info <- tryCatch(matrix_info(object), anndataoom_error = identity)
  if (inherits(info, "error")) {
    cat("OOMMatrix", paste(object@Dim, collapse = " x "), "\n")
    show_wrapped(paste("cannot be read:", conditionMessage(info)))
    return(invisible())
  }
  cat("OOMMatrix", paste(object@Dim, collapse = " x "), describe_values(info), "\n")
  place <- if (is_stack(object)) {
    paste(length(object@memory$members), "matrices along", object@memory$along)
  } else if (is.null(object@file)) {
    "memory"
  } else {
    paste0(object@file$path, ", element ", object@element)
  }
  cat("  in", printable(place), "\n")
  show_queued(info$queued)
})

# Describes values, as "csr float32, 2.6 % non-zero".
describe_values <- function(info) {
  density <- if (!is.na(info$nnz) && prod(info$stored_dim) > 0) {
    sprintf(", %.3g %% non-zero", 100 * info$nnz / prod(info$stored_dim))
  }
  read_as <- if (info$dtype != info$stored_dtype) paste0(", read as ", info$dtype)
  paste0("(", info$layout, " ", info$stored_dtype, density, read_as, ")")
}

# Prints the queue as a numbered list, which can be quoted in a bug report.
show_queued <- function(queued) {
  if (length(queued) == 0) return(invisible())
  cat("  queued operations:\n")
  for (k in seq_along(queued)) show_wrapped(sprintf("  %d. %s", k, printable(queued[k])), 7)
}
