# Returns a part of an object by its name.
get_part <- function(adata, name) {
  check_name(name, "name of a part")
  rows <- row.names(adata@obs)
  columns <- row.names(adata@var)
  switch(name,
    X = named_matrix(adata@X, rows, columns),
    layers = element_list(lapply(adata@layers, named_matrix, rows, columns), rows, columns),
    obs = adata@obs,
    var = adata@var,
    obsm = element_list(adata@obsm, rows = rows),
    varm = element_list(adata@varm, rows = columns),
    obsp = element_list(adata@obsp, rows = rows, columns = rows),
    varp = element_list(adata@varp, rows = columns, columns = columns),
    uns = element_list(adata@uns),
    raw = named_raw(adata@raw, rows),
    obs_names = rows,
    var_names = columns,
    n_obs = n_obs(adata),
    n_vars = n_vars(adata),
    shape = dim(adata),
    filename = if (!is.null(adata@file)) adata@file$path,
    abort(
      "name", "an AnnDataOOM has no part named '", name, "'; there are ", paste(names(adata), collapse = ", "),
      hint_part(adata, name)
    )
  )
}

# Hints at the table that has a column with a name that is no part.
hint_part <- function(adata, name) {
  for (frame in c("obs", "var")) {
    if (name %in% names(slot(adata, frame))) return(paste0("; did you mean adata$", frame, "$", name, "?"))
  }
  ""
}

named_matrix <- function(x, rows, columns) {
  if (is.null(x)) return(NULL)
  if (is(x, "OOMMatrix")) {
    x@Dimnames <- list(rows, columns)
  } else {
    dimnames(x) <- list(rows, columns)
  }
  x
}

named_raw <- function(raw, rows) {
  if (is.null(raw)) return(NULL)
  raw@X <- named_matrix(raw@X, rows, row.names(raw@var))
  raw
}

#' @rdname AnnDataOOM-class
#' @param name,i Name of a part.
#' @param j Not used.
#' @export
setMethod("$", "AnnDataOOM", function(x, name) get_part(x, name))

#' @rdname AnnDataOOM-class
#' @export
setMethod("[[", "AnnDataOOM", function(x, i, ...) get_part(x, i))

#' @rdname AnnDataOOM-class
#' @export
setMethod("$<-", "AnnDataOOM", function(x, name, value) set_part(x, name, value))

#' @rdname AnnDataOOM-class
#' @export
setMethod("[[<-", "AnnDataOOM", function(x, i, ..., value) set_part(x, i, value))

#' @method .DollarNames AnnDataOOM
#' @export
.DollarNames.AnnDataOOM <- function(x, pattern = "") grep(pattern, names(x), value = TRUE)

#' @rdname AnnDataOOM-class
#' @exportClass OOMRaw
#' @export
setMethod("$", "OOMRaw", function(x, name) {
  switch(name,
    X = x@X,
    var = x@var,
    varm = element_list(x@varm, rows = row.names(x@var)),
    var_names = row.names(x@var),
    shape = dim(x),
    abort("name", "raw has no part named '", name, "'; there are X, var, varm, var_names, shape")
  )
})

#' @rdname AnnDataOOM-class
#' @export
setMethod("dim", "OOMRaw", function(x) dim(x@X))

#' @rdname AnnDataOOM-class
#' @export
setMethod("names", "OOMRaw", function(x) c("X", "var", "varm", "var_names", "shape"))

#' @method .DollarNames OOMRaw
#' @export
.DollarNames.OOMRaw <- function(x, pattern = "") grep(pattern, names(x), value = TRUE)

#' @rdname AnnDataOOM-class
#' @export
setMethod("show", "OOMRaw", function(object) {
  cat("raw:", paste(dim(object), collapse = " x "), "\n")
  if (is(object@X, "OOMMatrix")) show_queued(matrix_info(object@X)$queued)
  list_names("var", names(object@var))
})
