# A named list of the elements of a slot (obsm, uns, ...). It is an S3 list in which elements not
# yet read are markers with their place in the file. `$`, `[[`, lapply(), as.list() and printing of
# one element read values; str() and print() of the list do not.

element_list <- function(items = list(), rows = NULL, columns = NULL) {
  structure(items, names = if (length(items)) names(items), class = "anndataoom_list", rows = rows, columns = columns)
}

methods::setOldClass("anndataoom_list")

# Makes the marker of an element still in the file; `rows` and `columns` are positions in that
# element, NULL for all.
on_disk <- function(file, element, encoding, shape, rows = NULL, columns = NULL) {
  structure(
    list(file = file, element = element, encoding = encoding, shape = shape, rows = rows, columns = columns),
    class = "anndataoom_ondisk"
  )
}

is_on_disk <- function(x) inherits(x, "anndataoom_ondisk")

# Selects rows and columns of an element, in memory or not; NULL keeps an axis. For obsp and varp
# both are given.
select_element <- function(x, rows, columns = NULL) {
  if (is.null(rows) && is.null(columns)) return(x)
  if (is_on_disk(x)) {
    through <- function(now, by) if (is.null(by)) now else if (is.null(now)) by else now[by]
    x$rows <- through(x$rows, rows)
    x$columns <- through(x$columns, columns)
    return(x)
  }
  if (is(x, "OOMMatrix")) return(select_oom(x, rows, columns))
  if (is_float32(x)) return(select_float32(x, rows, columns))
  if (is_graph(x)) x <- collect_graph(x)
  if (is.null(dim(x))) return(x[rows])
  if (!is.null(columns)) x <- x[, columns, drop = FALSE]
  if (is.null(rows)) return(x)
  if (is.data.frame(x)) return(select_rows(x, rows))
  if (length(dim(x)) == 2) return(x[rows, , drop = FALSE])
  do.call(`[`, c(list(x, rows), rep(list(quote(expr = )), length(dim(x)) - 1), list(drop = FALSE)))
}

# Returns the value of an element, and reads it if it is in the file.
resolve <- function(x) {
  if (is_float32(x)) return(rs_call(rs_float32, x = x))
  if (is_graph(x)) return(collect_graph(x))
  if (!is_on_disk(x)) return(x)
  read <- function(...) rs_work(paste("reading", x$element), rs_read, store = store_of(x$file), element = x$element, ...)
  # Rows of data.frames are selected here, so that repeated names are made unique.
  if (x$encoding == "dataframe") select_rows(read(), x$rows) else read(rows = x$rows, columns = x$columns)
}

# Returns the value with the names of the axes that it is aligned to. It may not fit them, in a
# faulty file.
resolve_named <- function(x, rows, columns) {
  value <- resolve(x)
  expected <- c(length(rows), length(columns))[c(!is.null(rows), !is.null(columns))]
  found <- utils::head(dim(value), length(expected))
  if (is_on_disk(x) && length(found) && !identical(as.integer(found), expected)) {
    abort(
      "shape", "'", x$file$path, "', element '", x$element, "': expected ", paste(expected, collapse = " x "),
      if (is.null(columns)) " rows", ", found ", paste(dim(value), collapse = " x ")
    )
  }
  if (is.data.frame(value) && !is.null(rows) && length(rows) == nrow_of(value)) attr(value, "row.names") <- rows
  if (is.null(value) || is.data.frame(value) || length(dim(value)) != 2) return(value)
  names <- names_of(value)
  if (!is.null(rows) && length(rows) == nrow(value)) names[[1]] <- rows
  if (!is.null(columns) && length(columns) == ncol(value)) names[[2]] <- columns
  if (any(lengths(names) > 0)) dimnames(value) <- names
  value
}

get_element <- function(x, name, exact = TRUE) {
  items <- unclass(x)
  if (is.character(name) && !name %in% names(items)) return(NULL)
  resolve_named(items[[name]], attr(x, "rows"), attr(x, "columns"))
}

#' @export
`$.anndataoom_list` <- function(x, name) get_element(x, name)

#' @export
`[[.anndataoom_list` <- function(x, i, ...) {
  there <- if (length(x)) some_of(names(x), 20) else "none"
  if (length(i) != 1 || is.na(i) || !is.character(i) && !is.numeric(i)) {
    abort("index", "expected the name or position of one element, found ", describe(i), "; there are ", there)
  }
  if (is.character(i) && !i %in% names(x)) abort("name", "no element named '", i, "'; there are ", there)
  if (is.numeric(i) && !i %in% seq_along(x)) {
    abort("index", "no element at position ", i, ": there are ", length(x), ", ", there)
  }
  get_element(x, i)
}

#' @export
`[.anndataoom_list` <- function(x, i) element_list(unclass(x)[i], attr(x, "rows"), attr(x, "columns"))

set_element <- function(x, name, value) {
  items <- unclass(x)
  if (is.null(value)) items[[name]] <- NULL else items[[name]] <- value
  element_list(items, attr(x, "rows"), attr(x, "columns"))
}

#' @export
`$<-.anndataoom_list` <- function(x, name, value) set_element(x, name, value)

#' @export
`[[<-.anndataoom_list` <- function(x, i, ..., value) set_element(x, i, value)

#' @export
as.list.anndataoom_list <- function(x, ...) {
  lapply(unclass(x)[seq_along(x)], resolve_named, attr(x, "rows"), attr(x, "columns"))
}

#' @export
print.anndataoom_list <- function(x, ...) {
  if (length(x) == 0) cat("no elements\n")
  for (name in names(x)) cat(sprintf("$%s: %s\n", printable(name), describe_element(unclass(x)[[name]])))
  invisible(x)
}

#' @export
str.anndataoom_list <- function(object, ...) print(object)

#' @export
.DollarNames.anndataoom_list <- function(x, pattern = "") grep(pattern, names(x), value = TRUE)

describe_element <- function(x) {
  if (is_float32(x)) return(paste("float32 matrix of", paste(dim(x), collapse = " x ")))
  if (is_graph(x)) return(paste("float32 graph of", paste(dim(x), collapse = " x ")))
  if (!is_on_disk(x)) return(describe(x))
  shape <- x$shape
  if (length(shape) > 0 && !is.null(x$rows)) shape[1] <- length(x$rows)
  if (length(shape) > 1 && !is.null(x$columns)) shape[2] <- length(x$columns)
  paste0(x$encoding, if (length(shape)) paste0(" of ", paste(shape, collapse = " x ")), ", on disk")
}
