#' Write an h5ad file
#'
#' Matrices are streamed with their queued operations done; sparse ones stay sparse. What nobody changed is copied as it
#' is in the source file. The file is written beside its target and renamed when it is complete: whatever fails, an
#' older file survives, and an object may be written over the file it reads from.
#'
#' @param adata An [AnnDataOOM-class].
#' @param path The file to write.
#' @param compression `"gzip"`, `"lzf"` or `"none"`, for what is written anew.
#' @param compression_opts Level of gzip, 0 to 9 (default 4).
#' @param as_dense,as_csc Matrices to write dense or as compressed columns: `"X"`, `"layers/<name>"`, `"raw/X"`.
#' @return `adata`, invisibly; it still reads from the file it was opened from.
#' @details R has fewer types than a file: integer becomes int32, double float64, logical bool (nullable with NA), a
#' factor a categorical, a character vector with NA in `obs` or `var` a categorical. Vectors of length 1 in `uns` become
#' scalars unless wrapped in [I()]. Dates and other classes are refused with an error that names the column.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' path <- tempfile(fileext = ".h5ad")
#' write_h5ad(adata[1:50, ], path)
#' read_h5ad(path)
write_h5ad <- function(adata, path, compression = "gzip", compression_opts = NULL, as_dense = NULL, as_csc = NULL) {
  check_adata(adata)
  if (!is.character(path) || length(path) != 1 || is.na(path)) {
    abort("parameter", "path: expected one file name, found ", describe(path))
  }
  if (is.null(compression)) compression <- "none"
  one_of(compression, c("gzip", "lzf", "none"), "compression")
  rs_work(
    "writing", rs_write_h5ad, plan = write_plan(adata), path = path.expand(path), compression = compression,
    compression_opts = compression_opts, as_dense = as_dense, as_csc = as_csc
  )
  invisible(adata)
}

# What rs_write_h5ad() carries out: every slot as parts (see R crate, write.rs).
write_plan <- function(adata) {
  origin <- adata@origin
  rows <- row.names(adata@obs)
  columns <- row.names(adata@var)
  list(
    X = if (!is.null(adata@X)) matrix_part(adata@X),
    layers = lapply(adata@layers, matrix_part),
    obs = frame_part(adata@obs, adata@file, "obs", origin$rows, origin$failed$obs),
    var = frame_part(adata@var, adata@file, "var", origin$columns, origin$failed$var),
    obsm = element_parts(adata@obsm, "obsm", rows),
    varm = element_parts(adata@varm, "varm", columns),
    obsp = element_parts(adata@obsp, "obsp"),
    varp = element_parts(adata@varp, "varp"),
    uns = element_parts(adata@uns, "uns"),
    raw = if (!is.null(adata@raw)) raw_part(adata@raw, adata@file)
  )
}

raw_part <- function(raw, file) {
  from_file <- is(raw@X, "OOMMatrix") && !is.null(raw@X@file) && raw@X@element == "raw/X"
  list(
    X = matrix_part(raw@X),
    var = frame_part(raw@var, if (from_file) raw@X@file, "raw/var"),
    varm = element_parts(raw@varm, "raw/varm", row.names(raw@var))
  )
}

matrix_part <- function(x) {
  x <- as_oom(x)
  list(kind = "matrix", matrix = pointer_of(x), store = if (!is.null(x@file)) store_of(x@file))
}

element_parts <- function(items, part, names = NULL) {
  square <- part %in% c("obsp", "varp")
  Map(function(x, name) {
    what <- paste0(part, "/", name)
    if (is_on_disk(x)) {
      return(list(kind = "copy", store = store_of(x$file), element = x$element, rows = x$rows, columns = x$columns))
    }
    if (is(x, "OOMMatrix")) return(matrix_part(x))
    if (is.data.frame(x) && !is.null(names)) row.names(x) <- names
    list(kind = "value", value = storable(x, what), name = what, element = part == "uns", csr = square)
  }, items, names(items))
}

# obs or var: columns that are what the file has are copied, so that they keep their exact type there; `failed` are
# columns that
# could not be read.
frame_part <- function(frame, file, element, rows = NULL, failed = NULL) {
  n <- nrow_of(frame)
  source <- if (!is.null(file)) source_frame(file, element, rows, n)
  copy <- function(name) list(kind = "copy", store = store_of(file), element = paste0(element, "/", name), rows = rows)
  columns <- lapply(setNames(nm = names(frame)), function(name) {
    if (!is.null(source) && name %in% names(source$value) && identical(frame[[name]], source$value[[name]])) {
      return(copy(name))
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
  list(
    kind = "frame", columns = columns, index_name = attr(frame, "index_name"),
    index = if (same_names) copy(source$index) else list(
      kind = "value", value = row.names(frame), name = paste0(element, "/index")
    )
  )
}

# The frame as it is in the file, the rows selected; NULL when it does not have `n` rows.
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

# A value the core can write, or an error that names it.
storable <- function(x, what) {
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
  if (is(x, "Matrix") || is(x, "OOMMatrix")) return(plain_values(x))
  known <- is.null(x) || is.factor(x) || is.atomic(x)
  odd <- setdiff(oldClass(x), c("factor", "ordered", "AsIs", "anndataoom_awkward"))
  if (!known || length(odd)) {
    abort(
      "type", "'", what, "': a value of class ", paste(class(x), collapse = "/"),
      " cannot be written to an h5ad file: convert it first, ",
      "for instance with as.character() or as.numeric()"
    )
  }
  x
}
