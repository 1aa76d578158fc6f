#' Write an h5ad file
#'
#' Streams matrices with their queued operations applied; sparse matrices stay sparse. Elements that
#' did not change are copied from the source file as they are. The file is written beside its target
#' and renamed when it is complete: an older file survives any failure, and an object may be written
#' over the file that it reads from.
#'
#' @param adata An [AnnDataOOM-class].
#' @param path The file to write.
#' @param compression `"gzip"`, `"lzf"`, `"zstd"` or `"none"`, for elements that are not copied. Other
#'   programs need a plugin to read zstd, such as hdf5plugin for h5py.
#' @param compression_opts Level of gzip, 0 to 9 (default 4), or of zstd, 1 to 22 (default 3).
#' @param as_dense,as_csc,as_csr Matrices to write as dense, as compressed columns or as compressed
#'   rows: `"X"`, `"layers/<name>"`, `"raw/X"`.
#' @param recompress Whether matrices that did not change are compressed anew too, on all threads.
#' @return `adata`, invisibly; it still reads from the file that it was opened from.
#' @details R has fewer types than a file: integer becomes int32, double float64, logical bool (nullable with NA), a
#' factor a categorical, a character vector with NA in `obs` or `var` a categorical. Vectors of length 1 in `uns` become
#' scalars unless wrapped in [I()]. Dates and other classes are refused with an error that names the column.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' path <- tempfile(fileext = ".h5ad")
#' write_h5ad(adata[1:50, ], path)
#' read_h5ad(path)
write_h5ad <- function(adata, path, compression = "gzip", compression_opts = NULL, as_dense = NULL, as_csc = NULL,
                       as_csr = NULL, recompress = FALSE) {
  check_adata(adata)
  check_arguments(
    "write_h5ad", path = path, compression = compression, compression_opts = compression_opts, as_dense = as_dense,
    as_csc = as_csc, as_csr = as_csr, recompress = recompress
  )
  if (is.null(compression)) compression <- "none"
  rs_work(
    "writing", rs_write_h5ad, plan = write_plan(adata), path = path.expand(path), compression = compression,
    compression_opts = compression_opts, as_dense = as_dense, as_csc = as_csc, as_csr = as_csr, recompress = recompress
  )
  invisible(adata)
}

# Makes the plan for rs_write_h5ad(): every slot as parts (see write.rs of the R crate).
write_plan <- function(adata) {
  origin <- adata@origin
  rows <- row.names(adata@obs)
  columns <- row.names(adata@var)
  # A file of another format has the matrix only.
  tables <- if (!isTRUE(origin$foreign)) adata@file
  unread <- unread_parts(adata)
  layers <- lapply(adata@layers, matrix_part)
  left <- grep("^layers/", names(unread), value = TRUE)
  left <- left[!sub("^layers/", "", left) %in% names(layers)]
  layers[sub("^layers/", "", left)] <- unread[left]
  list(
    X = if (!is.null(adata@X)) matrix_part(adata@X) else unread$X,
    layers = layers,
    obs = frame_part(adata@obs, tables, "obs", origin$rows, origin$failed$obs),
    var = frame_part(adata@var, tables, "var", origin$columns, origin$failed$var),
    obsm = element_parts(adata@obsm, "obsm", rows),
    varm = element_parts(adata@varm, "varm", columns),
    obsp = element_parts(adata@obsp, "obsp"),
    varp = element_parts(adata@varp, "varp"),
    uns = element_parts(adata@uns, "uns"),
    raw = if (!is.null(adata@raw)) raw_part(adata@raw, adata@file, origin$failed$raw) else unread_raw(adata, unread)
  )
}

whole_part <- function(file, element) list(kind = "copy", store = store_of(file), element = element)

# Copies the matrices of the file that could not be read. A selection is written without them.
unread_parts <- function(adata) {
  names <- adata@origin$failed$matrices
  if (length(names) == 0) return(list())
  if (!is.null(adata@origin$rows) || !is.null(adata@origin$columns)) {
    warn("unreadable", "of a selection, matrices that cannot be read are not written: ", some_of(names))
    return(list())
  }
  lapply(setNames(nm = names), function(element) whole_part(adata@file, element))
}

unread_raw <- function(adata, unread) {
  x <- intersect(c("raw/X", "raw.X"), names(unread))
  if (length(x) == 0) return(NULL)
  tree <- rs_call(rs_tree, store = store_of(adata@file))$raw
  list(
    X = unread[[x]], var = whole_part(adata@file, tree$var),
    varm = lapply(tree$varm, function(e) whole_part(adata@file, e$element))
  )
}

raw_part <- function(raw, file, failed = NULL) {
  from_file <- is(raw@X, "OOMMatrix") && !is.null(raw@X@file) && raw@X@element %in% c("raw/X", "raw.X")
  var <- if (from_file) sub("X$", "var", raw@X@element) else "raw/var"
  list(
    X = matrix_part(raw@X),
    var = frame_part(raw@var, if (from_file) raw@X@file, var, failed = if (from_file) failed),
    varm = element_parts(raw@varm, "raw/varm", row.names(raw@var))
  )
}

matrix_part <- function(x) {
  x <- as_oom(x)
  # A matrix of a file of 10x Genomics cannot be copied as an element.
  from_h5ad <- !is.null(x@file) && grepl("^(X|raw[./]X|layers/.*|obs[mp]/.*|var[mp]/.*|uns/.*)$", x@element)
  list(kind = "matrix", matrix = pointer_of(x), store = if (from_h5ad) store_of(x@file))
}

element_parts <- function(items, part, names = NULL) {
  Map(function(x, name) {
    what <- paste0(part, "/", name)
    if (is_on_disk(x)) {
      return(list(kind = "copy", store = store_of(x$file), element = x$element, rows = x$rows, columns = x$columns))
    }
    if (is(x, "OOMMatrix")) return(matrix_part(x))
    if (is.data.frame(x) && !is.null(names)) attr(x, "row.names") <- names
    list(kind = "value", value = storable(x, what), name = what, element = part == "uns")
  }, items, names(items))
}

# Makes the part of obs or var. Columns that are equal to those in the file are copied, so that they
# keep their exact type. `failed` are columns that could not be read.
frame_part <- function(frame, file, element, rows = NULL, failed = NULL) {
  n <- nrow_of(frame)
  source <- if (!is.null(file)) source_frame(file, element, rows, n)
  copy <- function(name) list(kind = "copy", store = store_of(file), element = paste0(element, "/", name), rows = rows)
  columns <- lapply(setNames(nm = names(frame)), function(name) {
    if (!is.null(source) && name %in% names(source$value)) {
      stored <- source$value[[name]]
      if (identical(frame[[name]], stored)) return(copy(name))
      if (is.factor(stored) && identical(frame[[name]], with_levels(stored, levels_in_use(stored)))) {
        return(list(kind = "in use", store = store_of(file), element = element, column = name, rows = rows))
      }
    }
    what <- paste0(element, "/", name)
    list(kind = "value", value = storable(frame[[name]], what), name = what)
  })
  lost <- if (!is.null(source)) setdiff(failed, names(frame))
  if (length(lost) && !is.null(rows)) {
    warn(
      "unreadable", "columns of ", element, " that could not be read are not written, as the ", element,
      " are a selection: ", some_of(lost)
    )
    lost <- NULL
  }
  columns <- c(columns, lapply(setNames(nm = lost), copy))
  if (!is.null(source) && setequal(names(columns), source$order) && !is.unsorted(match(names(frame), source$order))) {
    columns <- columns[source$order]
  }
  same_names <- !is.null(source) && !anyDuplicated(rows) && identical(row.names(frame), row.names(source$value))
  index <- if (same_names) copy(source$index) else list(
    kind = "value", value = storable(row.names(frame), paste0(element, "/index")), name = paste0(element, "/index")
  )
  index_name <- attr(frame, "index_name")
  # A column named like the index is the same element of the file. If the two differ, the index
  # loses its name.
  if (!is.null(index_name) && index_name %in% names(columns)) {
    same <- is.character(frame[[index_name]]) && identical(as.vector(frame[[index_name]]), row.names(frame))
    if (same) columns[[index_name]] <- index else index_name <- NULL
  }
  list(kind = "frame", columns = columns, index_name = index_name, index = index)
}

# Returns the frame in the file, with the rows selected; NULL if it does not have `n` rows.
source_frame <- function(file, element, rows, n) {
  read <- withCallingHandlers(
    rs_call(rs_read_frame, store = store_of(file), element = element),
    anndataoom_warning = function(w) invokeRestart("muffleWarning")
  )
  value <- select_rows(read$value, rows)
  if (nrow_of(value) != n) return(NULL)
  index <- attr(read$value, "index_name")
  list(value = value, order = read$order, index = if (is.null(index)) "_index" else index)
}

# Converts a value to one that the core can write, or raises an error that names it.
storable <- function(x, what) {
  if (is_graph(x)) return(x)
  if (is.list(x) && !is.data.frame(x)) {
    items <- plain_values(x)
    kept <- attributes(items)
    items <- lapply(setNames(seq_along(items), names(items)), function(k) {
      storable(items[[k]], paste0(what, "/", if (is.null(names(items))) k else names(items)[k]))
    })
    if (length(items) > 0 && is.null(names(items))) {
      abort("type", "'", what, "': a list without names cannot be written: name its members, or use unlist()")
    }
    attributes(items) <- kept
    return(items)
  }
  if (is.data.frame(x)) {
    for (name in names(x)) x[[name]] <- storable(x[[name]], paste0(what, "/", name))
    return(x)
  }
  if (is_Matrix(x) || is(x, "OOMMatrix")) return(plain_values(x))
  if (!is.null(x) && !is_column(x)) refuse_class(x, what)
  if (is_utf8(x)) x else as_utf8(x, what)
}

# Returns whether an h5ad file has a type for a vector. Dates, times and 64-bit integers stored as
# doubles would lose their meaning.
is_column <- function(x) {
  is.atomic(x) && !is.null(x) &&
    length(setdiff(oldClass(x), c("factor", "ordered", "AsIs", "anndataoom_awkward", "anndataoom_float32"))) == 0
}

refuse_class <- function(x, what) {
  abort(
    "type", "'", what, "': a value of class ", paste(class(x), collapse = "/"),
    " cannot be written to an h5ad file: convert it first, for instance with as.character() or as.numeric()"
  )
}
