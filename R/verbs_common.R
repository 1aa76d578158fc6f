# Common parts of all verbs.

check_adata <- function(adata) {
  if (!is(adata, "AnnDataOOM")) {
    abort("parameter", "adata: expected an AnnDataOOM (see read_h5ad()), found ", describe(adata))
  }
  invisible(adata)
}

# Returns the matrix that a verb works on, as an OOMMatrix.
matrix_for <- function(adata, layer = NULL, use_raw = FALSE) {
  check_adata(adata)
  check_flag(use_raw, "use_raw")
  x <- if (use_raw) {
    if (is.null(adata@raw)) abort("state", "use_raw: this object has no raw; set it with adata$raw <- adata")
    adata@raw@X
  } else if (is.null(layer)) {
    if (is.null(adata@X)) abort("missing", "this object has no X: name a layer with layer = ; ", layers_there(adata))
    adata@X
  } else {
    check_name(layer, "layer")
    if (!layer %in% names(adata@layers)) abort("name", "no layer named '", layer, "'; ", layers_there(adata))
    adata@layers[[layer]]
  }
  as_oom(x)
}

layers_there <- function(adata) {
  if (length(adata@layers)) paste0("there are ", some_of(names(adata@layers), 20)) else "there are no layers"
}

# Puts a matrix back where matrix_for() took it from.
with_matrix <- function(adata, layer, x) {
  if (is.null(layer)) adata@X <- x else adata@layers[[layer]] <- x
  adata
}

# Adds the results of a verb of the core, by slot and name.
merge_patch <- function(adata, patch) {
  for (frame in c("obs", "var")) {
    columns <- patch[[frame]]
    for (name in names(columns)) slot(adata, frame)[[name]] <- columns[[name]]
  }
  for (part in c("obsm", "varm", "obsp", "uns")) {
    items <- patch[[part]]
    for (name in names(items)) slot(adata, part)[[name]] <- items[[name]]
  }
  adata
}

check_name <- function(x, what) {
  if (!is.character(x) || length(x) != 1 || is.na(x)) abort("parameter", what, ": expected one name, found ", describe(x))
}

# Checks for a whole number, negative or not; the core checks the rest.
check_whole <- function(x, what) {
  if (!is.numeric(x) || is.object(x) || length(x) != 1 || is.na(x) || x != trunc(x)) {
    abort("parameter", what, ": expected a whole number, found ", describe(x))
  }
}

check_path <- function(x, what) {
  if (!is.character(x) || length(x) != 1 || is.na(x) || !nzchar(x)) {
    abort("parameter", what, ": expected one file name, found ", if (identical(x, "")) "\"\"" else describe(x))
  }
}

check_flag <- function(x, what) {
  if (!isTRUE(x) && !isFALSE(x)) abort("parameter", what, ": expected TRUE or FALSE, found ", describe(x))
}

one_of <- function(x, choices, what) {
  if (!is.character(x) || length(x) != 1 || !x %in% choices) {
    found <- if (is.character(x) && length(x) == 1) paste0("'", x, "'") else describe(x)
    abort("parameter", what, ": expected one of ", some_of(choices, 20), ", found ", found)
  }
  x
}

# Returns a column of obs or var by name; `what` is the argument that names it.
column_of <- function(adata, frame, name, what) {
  table <- slot(adata, frame)
  check_name(name, what)
  if (!name %in% names(table)) {
    hint <- similar_names(name, names(table))
    if (!nzchar(hint)) hint <- if (length(table)) paste0("; there are ", some_of(names(table), 20)) else "; it has none"
    abort("name", what, ": ", frame, " has no column '", name, "'", hint)
  }
  table[[name]]
}

# Returns an element of obsm, varm, obsp or uns by name; `what` is the argument that names it.
element_of <- function(adata, part, name, hint = "", what = paste0("name of an element of ", part)) {
  items <- slot(adata, part)
  check_name(name, what)
  if (!name %in% names(items)) {
    there <- if (length(items)) paste0("there are ", some_of(names(items), 20)) else "it is empty"
    abort("name", part, " has no element '", name, "'; ", there, hint)
  }
  resolve(items[[name]])
}

# Returns whether a verb reads `raw`: by default where there is one and no layer is named, as in
# scanpy.
raw_is_used <- function(adata, use_raw, layer) {
  if (is.null(use_raw)) return(is.null(layer) && !is.null(adata@raw))
  if (use_raw && !is.null(layer)) {
    abort("parameter", "layer and use_raw: expected one of them, found layer = \"", layer, "\", use_raw = TRUE")
  }
  use_raw
}
