#' @rdname OOMMatrix-class
#' @export
setMethod("dim", "OOMMatrix", function(x) x@Dim)

#' @rdname OOMMatrix-class
#' @export
setMethod("length", "OOMMatrix", function(x) as.integer(min(prod(as.numeric(x@Dim)), .Machine$integer.max)))

#' @rdname OOMMatrix-class
#' @export
setMethod("dimnames", "OOMMatrix", function(x) if (any(lengths(x@Dimnames) > 0)) x@Dimnames)

# A method's name tells as many arguments as some method has that is there: those of Matrix have more, where it is loaded.
#' @rdname OOMMatrix-class
#' @aliases dimnames<-,OOMMatrix-method dimnames<-,OOMMatrix,ANY-method
#' @export
setMethod("dimnames<-", "OOMMatrix", function(x, value) {
  value <- if (is.null(value)) list(NULL, NULL) else lapply(value, function(v) if (!is.null(v)) as.character(v))
  given <- lengths(value)
  if (length(value) != 2 || any(given != 0 & given != x@Dim)) {
    abort("shape", "dimnames: expected names for ", x@Dim[1], " rows and ", x@Dim[2], " columns")
  }
  x@Dimnames <- unname(value)
  x
})

#' @rdname OOMMatrix-class
#' @aliases [,OOMMatrix-method [,OOMMatrix,ANY,ANY,ANY-method
#' @export
setMethod("[", "OOMMatrix", function(x, i, j, ..., drop = FALSE) {
  if (nargs() - (!missing(drop)) < 3 && !missing(i)) {
    abort("index", "an OOMMatrix takes two indices: write x[i, ] for rows, x[, j] for columns")
  }
  rows <- if (!missing(i)) resolve_index(i, x@Dim[1], x@Dimnames[[1]], "row")
  columns <- if (!missing(j)) resolve_index(j, x@Dim[2], x@Dimnames[[2]], "column")
  select_oom(x, rows, columns)
})

#' @rdname OOMMatrix-class
#' @method head OOMMatrix
#' @export
head.OOMMatrix <- function(x, n = 6L, ...) x[seq_len(min(n, nrow(x))), ]

#' @rdname OOMMatrix-class
#' @method as.matrix OOMMatrix
#' @export
as.matrix.OOMMatrix <- function(x, ...) {
  needed <- 8 * prod(as.numeric(dim(x)))
  if (needed > max_bytes()) {
    abort(
      "memory", nrow(x), " x ", ncol(x), " values as a matrix need ", human_bytes(needed), ", the limit is ",
      human_bytes(max_bytes()),
      ": use chunk_apply() to go through them in blocks, select rows and columns with x[i, j], ",
      "or raise options(anndataoom.max_bytes = )"
    )
  }
  as.matrix(collect_oom(x, limit = Inf))
}

methods::setAs("OOMMatrix", "matrix", function(from) as.matrix.OOMMatrix(from))

# Registered when the package loads, under names of classes that need not be there yet: as(x, "dgCMatrix") loads Matrix.
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
    cat("OOMMatrix", paste(object@Dim, collapse = " x "), "\n  cannot be read:", conditionMessage(info), "\n")
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

# "csr float32, 2.6 % non-zero"
describe_values <- function(info) {
  density <- if (!is.na(info$nnz) && prod(info$stored_dim) > 0) {
    sprintf(", %.3g %% non-zero", 100 * info$nnz / prod(info$stored_dim))
  }
  read_as <- if (info$dtype != info$stored_dtype) paste0(", read as ", info$dtype)
  paste0("(", info$layout, " ", info$stored_dtype, density, read_as, ")")
}

# The queue as a numbered list: what to quote in a bug report.
show_queued <- function(queued) {
  if (length(queued) == 0) return(invisible())
  cat("  queued operations:\n")
  cat(sprintf("    %d. %s\n", seq_along(queued), printable(queued)), sep = "")
}
