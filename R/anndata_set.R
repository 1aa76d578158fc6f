# Sets a part after checking that it fits.
set_part <- function(adata, name, value) {
  check_name(name, "name of a part")
  switch(name,
    X = {
      adata@X <- check_matrix(value, dim(adata), dimnames(adata), "X")
    },
    layers = {
      value <- check_list(value, name)
      adata@layers <- Map(
        function(v, k) check_matrix(v, dim(adata), dimnames(adata), paste0("layers$", k)), value, names(value)
      )
    },
    obs = adata@obs <- check_frame(check_columns(value, adata@obs, "obs"), row.names(adata@obs), "obs"),
    var = adata@var <- check_frame(check_columns(value, adata@var, "var"), row.names(adata@var), "var"),
    obs_names = row.names(adata@obs) <- check_names(value, n_obs(adata), "obs_names"),
    var_names = row.names(adata@var) <- check_names(value, n_vars(adata), "var_names"),
    obsm = ,
    varm = ,
    obsp = ,
    varp = {
      names <- row.names(if (startsWith(name, "obs")) adata@obs else adata@var)
      value <- check_list(value, name)
      square <- endsWith(name, "p")
      slot(adata, name) <- Map(
        function(v, k) check_aligned(v, names, square, paste0(name, "$", k)), value, names(value)
      )
    },
    uns = adata@uns <- check_list(value, name),
    raw = adata@raw <- check_raw(value, adata),
    if (name %in% read_only_parts) {
      abort("name", "'", name, "' follows from the other parts and cannot be set")
    } else {
      abort("name", "an AnnDataOOM has no part named '", name, "'; there are ", paste(names(adata), collapse = ", "))
    }
  )
  adata
}

check_matrix <- function(x, dim, names, what) {
  if (is.null(x)) return(NULL)
  if (!is(x, "OOMMatrix")) x <- plain_matrix(x, what)
  if (!identical(as.integer(dim(x)), as.integer(dim))) {
    abort(
      "shape", what, ": expected ", dim[1], " x ", dim[2], " (cells x genes), found ", paste(dim(x), collapse = " x "),
      transposed(dim(x), dim)
    )
  }
  check_same_names(dimnames(x)[[1]], names[[1]], what, "row")
  check_same_names(dimnames(x)[[2]], names[[2]], what, "column")
  drop_names(x)
}

transposed <- function(found, expected) {
  turned <- length(found) == 2 && identical(as.integer(rev(found)), as.integer(expected))
  if (turned) "; cells are rows here: use t()" else ""
}

# The names of an axis are kept once, in obs and var.
drop_names <- function(x) {
  if (is(x, "OOMMatrix")) x@Dimnames <- list(NULL, NULL) else dimnames(x) <- list(NULL, NULL)
  x
}

check_same_names <- function(found, expected, what, axis) {
  if (is.null(found) || identical(found, expected)) return(invisible())
  at <- which(found != expected)[1]
  abort(
    "name", what, ": ", axis, " names differ from the object's: '", found[at], "' instead of '", expected[at], "' at ",
    axis, " ", at, "; ",
    if (setequal(found, expected)) "it is another order of the same names: reorder first" else "remove or correct them"
  )
}

check_list <- function(x, what) {
  if (is.null(x)) return(list())
  if (!is.list(x) || is.data.frame(x)) abort("shape", what, ": expected a named list, found ", describe(x))
  items <- if (inherits(x, "anndataoom_list")) unclass(x)[seq_along(x)] else x
  names <- names(items)
  if (length(items) && (is.null(names) || anyNA(names) || any(names == "") || anyDuplicated(names))) {
    abort("shape", what, ": expected a list with one distinct name per element")
  }
  bad <- grep("/", names, fixed = TRUE, value = TRUE)
  if (length(bad)) abort("name", what, ": a name cannot contain '/': ", some_of(bad))
  items <- items[seq_along(items)]
  if (length(items) == 0) list() else items
}

check_frame <- function(x, names, what) {
  n <- length(names)
  if (!is.data.frame(x)) abort("shape", what, ": expected a data.frame, found ", describe(x))
  if (nrow_of(x) != n) abort("shape", what, ": expected ", n, " rows, found ", nrow_of(x))
  if (anyDuplicated(names(x))) {
    abort("name", what, ": column names are not unique: ", some_of(unique(names(x)[duplicated(names(x))])))
  }
  class(x) <- "data.frame"
  if (.row_names_info(x) < 0) {
    row.names(x) <- names
  } else if (!identical(row.names(x), names) && setequal(row.names(x), names)) {
    abort(
      "name", what,
      ": the rows are the same as the object's, in another order: reorder the rows, or the object with adata[i, j]"
    )
  }
  x
}

# Checks that columns not in `old` can be held by an h5ad file. A matrix of one column becomes a
# vector.
check_columns <- function(x, old, what) {
  if (!is.data.frame(x)) return(x)
  for (name in names(x)) {
    column <- .subset2(x, name)
    if (identical(column, .subset2(old, name))) next
    if (length(dim(column)) == 2) {
      if (ncol(column) != 1) {
        abort(
          "shape", what, "$", name, ": expected one value for each row, found ", describe(column), "; matrices belong into ",
          what, "m"
        )
      }
      column <- as.vector(as.matrix(column))
      x <- with_column(x, name, column)
    }
    if (!is_column(column)) refuse_class(column, paste0(what, "$", name))
  }
  x
}

# Does `x[[name]] <- column` for any class of table: base R's own method may not know how to replace
# the old column.
with_column <- function(x, name, column) {
  kept <- attributes(x)
  x <- unclass(x)
  x[[name]] <- column
  attributes(x) <- kept
  x
}

check_names <- function(x, n, what) {
  if (is.factor(x)) x <- as.character(x)
  if (!is.atomic(x) || is.object(x) || is.raw(x) || is.complex(x)) {
    abort("name", what, ": expected ", n, " names, found ", describe(x))
  }
  x <- as.character(x)
  if (length(x) != n) abort("shape", what, ": expected ", n, " names, found ", length(x))
  if (anyNA(x)) abort("name", what, ": name ", which(is.na(x))[1], " is NA")
  unique_names(x, what)
}

# Checks an element of obsm or varm (rows aligned), or of obsp or varp (`square`).
check_aligned <- function(x, names, square, what) {
  n <- length(names)
  if (is_on_disk(x)) {
    shape <- as.numeric(x$shape)
    if (length(shape) > 0 && !is.null(x$rows)) shape[1] <- length(x$rows)
    if (length(shape) > 0 && !identical(shape[1], as.numeric(n))) {
      abort("shape", what, ": expected ", n, " rows, found ", paste(shape, collapse = " x "))
    }
    return(x)
  }
  if (is.null(dim(x)) && is.atomic(x) && !square) x <- matrix(x, ncol = 1)
  shape <- dim(x)
  if (is.null(shape)) abort("shape", what, ": expected a matrix with ", n, " rows, found ", describe(x))
  if (shape[1] != n || square && shape[2] != n) {
    abort(
      "shape", what, ": expected ", n, if (square) paste(" x", n) else " rows", ", found ",
      paste(shape, collapse = " x ")
    )
  }
  if (is.data.frame(x)) {
    if (.row_names_info(x) > 0) check_same_names(row.names(x), names, what, "row")
    attr(x, "row.names") <- .set_row_names(n)
    return(x)
  }
  if (is_Matrix(x)) x <- plain_matrix(x, what)
  check_same_names(dimnames(x)[[1]], names, what, "row")
  if (square) check_same_names(dimnames(x)[[2]], names, what, "column")
  x
}

check_raw <- function(x, adata) {
  if (is.null(x)) return(NULL)
  if (is(x, "AnnDataOOM")) {
    if (is.null(x@X)) abort("state", "raw: the object given has no X")
    x <- methods::new("OOMRaw", X = x@X, var = x@var, varm = x@varm)
  }
  if (!is(x, "OOMRaw")) abort("shape", "raw: expected an AnnDataOOM, found ", describe(x))
  if (nrow(x@X) != n_obs(adata)) abort("shape", "raw: expected ", n_obs(adata), " cells, found ", nrow(x@X))
  x@X <- drop_names(x@X)
  x
}
