# Combines the parts of objects that are in memory, for concat().

# Stacks the matrices of `members` as one. Each member has `x`, an OOMMatrix, and `from`: its
# position for each of the `aligned` entries of the other axis, 0 for none, or NULL if they are the
# same. The description stays in the slot `memory`, so that the handle can be made again.
stack_oom <- function(along, members, aligned, fill = NULL) {
  stack <- structure(list(along = along, members = members, aligned = aligned, fill = fill), class = "oom_stack")
  new_oom(stack_handle(stack), memory = stack)
}

stack_handle <- function(stack, chain = NULL) {
  members <- lapply(stack$members, function(m) list(matrix = pointer_of(m$x), from = m$from))
  rs_call(
    rs_matrix_stack, along = stack$along, members = members, aligned = stack$aligned, fill = stack$fill, chain = chain
  )
}

is_stack <- function(x) is(x, "OOMMatrix") && inherits(x@memory, "oom_stack")

# Works as pandas' Index.union: keeps the order when nothing is added, else sorts by code points.
union_of <- function(x, y) {
  if (identical(x, y) || length(y) == 0) return(x)
  if (length(x) == 0) return(y)
  sort(union(x, y), method = "radix")
}

# Returns the keys that all lists have, or that any has, in the order of first appearance.
joint_keys <- function(lists, inner) {
  keys <- lapply(lists, function(l) as.character(names(l)))
  if (inner) Reduce(intersect, keys) else unique(unlist(keys))
}

# Selects entries of a vector, or rows of a matrix column, by position; position 0 gives NA.
na_rows <- function(x, at) {
  at[at == 0] <- NA
  if (length(dim(x)) == 2) x[at, , drop = FALSE] else x[at]
}

# Stacks data.frames, with factors united as anndata does.
bind_frames <- function(frames, counts, inner) {
  names <- joint_keys(frames, inner)
  columns <- lapply(stats::setNames(nm = names), function(name) {
    bind_columns(lapply(frames, `[[`, name), counts)
  })
  n <- sum(counts)
  structure(columns, names = as.character(names), row.names = .set_row_names(n), class = "data.frame")
}

# Stacks a column of several frames; NULL stands for a frame without it.
bind_columns <- function(parts, counts) {
  there <- !vapply(parts, is.null, NA)
  if (all(vapply(parts[there], is.factor, NA))) {
    levels <- lapply(parts[there], levels)
    ordered <- vapply(parts[there], is.ordered, NA)
    same <- length(unique(levels)) == 1
    if (!any(ordered)) {
      all <- natural_sort(unique(unlist(levels)))
    } else {
      all <- if (same && all(ordered)) levels[[1]]
    }
    codes <- unlist(Map(function(x, n) if (is.null(x)) rep(NA_character_, n) else as.character(x), parts, counts))
    if (is.null(all)) return(codes)
    out <- factor(codes, levels = all, ordered = any(ordered))
    kind <- unique(lapply(parts[there], attr, "categories"))
    if (length(kind) == 1) attr(out, "categories") <- kind[[1]]
    return(out)
  }
  parts <- lapply(parts, function(x) if (is.factor(x)) as.character(x) else x)
  matrices <- vapply(parts[there], function(x) length(dim(x)) == 2, NA)
  filled <- Map(function(x, n) if (is.null(x)) rep(NA, n) else x, parts, counts)
  if (any(matrices)) return(do.call(rbind, filled))
  do.call(c, filled)
}

# Sorts as the Python package natsort does: digits compare as numbers.
natural_sort <- function(x) {
  key <- vapply(x, function(s) {
    at <- gregexpr("[0-9]+", s)
    numbers <- regmatches(s, at)[[1]]
    plain <- sub("^0+(?=.)", "", numbers, perl = TRUE)
    regmatches(s, at) <- list(paste0("\001", sprintf("%06d", nchar(plain)), plain))
    s
  }, "", USE.NAMES = FALSE)
  x[order(key, method = "radix")]
}

merge_rules <- c("same", "unique", "first", "only")

# Merges the values of several lists by key, as `rule` says. Lists in them are merged in the same
# way.
merge_lists <- function(lists, rule, what) {
  if (is.null(rule)) return(list())
  one_of(rule, merge_rules, what)
  out <- list()
  for (key in joint_keys(lists, rule == "same")) {
    values <- unname(lapply(lists[vapply(lists, function(l) key %in% names(l), NA)], `[[`, key))
    nested <- vapply(values, function(v) is.list(v) && !is.data.frame(v) && !inherits(v, "anndataoom_awkward"), NA)
    value <- if (all(nested)) {
      merged <- merge_lists(values, rule, what)
      if (length(merged)) merged
    } else {
      switch(rule,
        same = ,
        unique = if (all(vapply(values[-1], identical, NA, values[[1]]))) values[[1]],
        first = values[[1]],
        only = if (length(values) == 1) values[[1]]
      )
    }
    if (!is.null(value)) out[[key]] <- value
  }
  out
}

# Brings an element of the other axis to the common names and fills in missing entries.
reindex <- function(x, from, square, fill) {
  if (is.null(from)) return(x)
  if (is.data.frame(x)) {
    return(structure(lapply(x, na_rows, from), row.names = .set_row_names(length(from)), class = "data.frame"))
  }
  sparse <- is_Matrix(x, "sparseMatrix")
  fill <- if (is.null(fill)) if (sparse) 0 else NA_real_ else fill
  there <- which(from > 0)
  if (sparse && fill == 0) {
    pick <- Matrix::sparseMatrix(i = there, j = from[there], x = 1, dims = c(length(from), nrow(x)))
    x <- pick %*% x
    return(if (square) x %*% Matrix::t(pick) else x)
  }
  out <- matrix(fill, length(from), if (square) length(from) else ncol(x))
  if (square) {
    out[there, there] <- as.matrix(x[from[there], from[there], drop = FALSE])
  } else {
    out[there, ] <- as.matrix(x[from[there], , drop = FALSE])
  }
  out
}

# Stacks elements of obsm: with the columns that all have, or with all columns, filled.
bind_elements <- function(parts, counts, inner, fill) {
  lapply(stats::setNames(nm = joint_keys(parts, inner)), function(key) {
    values <- lapply(parts, `[[`, key)
    there <- values[!vapply(values, is.null, NA)]
    if (all(vapply(there, is.data.frame, NA))) return(bind_frames(values, counts, inner))
    if (any(vapply(there, is.data.frame, NA))) {
      abort("type", "'", key, "': a data.frame and a matrix cannot be put below one another")
    }
    widths <- vapply(there, ncol, 1)
    width <- if (inner) min(widths) else max(widths)
    sparse <- any(vapply(there, is_Matrix, NA, "sparseMatrix"))
    fill <- if (is.null(fill)) if (sparse) 0 else NA_real_ else fill
    do.call(rbind, unname(Map(function(x, n) {
      if (is.null(x)) x <- matrix(fill, n, 0)
      x <- x[, seq_len(min(ncol(x), width)), drop = FALSE]
      if (sparse) x <- as(as(x, "CsparseMatrix"), "generalMatrix")
      if (ncol(x) < width) {
        more <- if (sparse && fill == 0) {
          Matrix::sparseMatrix(i = integer(), j = integer(), x = numeric(), dims = c(n, width - ncol(x)))
        } else {
          matrix(fill, n, width - ncol(x))
        }
        x <- cbind(x, more)
      }
      x
    }, values, counts)))
  })
}

# Puts square elements as blocks on the diagonal.
bind_diagonal <- function(parts, counts, inner) {
  lapply(stats::setNames(nm = joint_keys(parts, inner)), function(key) {
    blocks <- Map(function(part, n) {
      x <- part[[key]]
      if (is.null(x)) x <- Matrix::sparseMatrix(i = integer(), j = integer(), x = numeric(), dims = c(n, n))
      as_dgCMatrix(x)
    }, parts, counts)
    as(Matrix::bdiag(unname(blocks)), "generalMatrix")
  })
}
