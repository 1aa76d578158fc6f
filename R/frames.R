# data.frames of obs and var.

# Makes a data.frame; called by the core's converter with columns (a named list), index (row names,
# or NULL) and its name. Returns the frame, and the text of a warning or NULL. A Ctrl-C waits until
# it is done, as the core would take it for an error of its own.
build_frame <- function(columns, index, index_name, name) suspendInterrupts({
  n <- if (length(columns)) NROW(columns[[1]]) else length(index)
  index <- if (!is.null(index)) as.character(index)
  unique <- if (is.null(index)) .set_row_names(n) else unique_names(index)
  # A column named like the index, or with a matrix inside, is kept as it is: list2DF() checks none
  # of these.
  frame <- structure(columns, names = as.character(names(columns)), row.names = unique, class = "data.frame")
  if (!is.null(index_name) && !is.na(index_name)) attr(frame, "index_name") <- index_name
  list(frame, if (!is.null(index) && !identical(unique, index)) repeated_names(index, name))
})

# Returns the text of the warning about names that are not unique; NULL when they are.
repeated_names <- function(names, what) {
  repeated <- duplicated(names)
  if (!any(repeated)) return(NULL)
  paste0(
    "names of ", what, " are not unique (", some_of(unique(names[repeated]), 3), "): repeats get \"-1\", \"-2\", ..."
  )
}

# Makes names unique as anndata does: repeats get "-1", "-2", ...
unique_names <- function(names, what = NULL) {
  repeated <- duplicated(names)
  if (!any(repeated)) return(names)
  if (!is.null(what)) warn("names", repeated_names(names, what))
  taken <- names
  count <- stats::ave(seq_along(names), names, FUN = seq_along) - 1
  new <- paste0(names, "-", count)
  for (k in which(repeated)) {
    while (new[k] %in% taken) {
      count[k] <- count[k] + 1
      new[k] <- paste0(names[k], "-", count[k])
    }
    taken[k] <- new[k]
  }
  taken
}

# Selects rows of a data.frame by position, repeats allowed. Attributes are kept.
select_rows <- function(frame, rows) {
  if (is.null(rows)) return(frame)
  index_name <- attr(frame, "index_name")
  columns <- lapply(frame, function(column) {
    out <- if (length(dim(column)) == 2) column[rows, , drop = FALSE] else column[rows]
    kind <- attr(column, "categories")
    if (!is.null(kind)) attr(out, "categories") <- kind
    out
  })
  names <- if (.row_names_info(frame) < 0) NULL else unique_names(row.names(frame)[rows])
  out <- structure(
    columns, names = names(frame), row.names = if (is.null(names)) .set_row_names(length(rows)) else names,
    class = "data.frame"
  )
  if (!is.null(index_name)) attr(out, "index_name") <- index_name
  out
}
