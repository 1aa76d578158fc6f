#' Values of a gene or an annotation for all cells
#'
#' `obs_vector()` returns a column of `obs`, or the values of a gene; `var_vector()` a column of
#' `var`, or the values of a cell. Genes need a pass over the file, a single one for several genes,
#' which keeps only their values. With an index they need none: see [index_columns()].
#'
#' @param adata An [AnnDataOOM-class].
#' @param k Name of a column of `obs` (`var`) or of a gene (cell); for `obs_vector()` also several of them.
#' @param layer Name of the layer to use instead of `X`.
#' @param use_raw Whether to take genes from `raw`. By default `raw` is used for genes that it has
#'   and `X` does not.
#' @return A vector with one entry per cell (gene); for several names a data.frame with a column for each.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' summary(obs_vector(adata, adata$var_names[1]))
#' head(obs_vector(adata, adata$var_names[1:3]))
obs_vector <- function(adata, k, layer = NULL, use_raw = NULL) {
  check_adata(adata)
  check_arguments("obs_vector", k = k, layer = layer, use_raw = use_raw)
  if (length(k) == 0) abort("parameter", "obs_vector: k must be at least one name, found none")
  if (isTRUE(use_raw) && is.null(adata@raw)) {
    abort("state", "use_raw: this object has no raw; set it with adata$raw <- adata")
  }
  annotation <- is.null(layer) & !isTRUE(use_raw) & k %in% names(adata@obs)
  genes <- row.names(adata@var)
  in_raw <- if (is.null(use_raw) && is.null(layer) && !is.null(adata@raw)) {
    !k %in% genes & k %in% row.names(adata@raw@var)
  } else {
    rep(isTRUE(use_raw), length(k))
  }
  values <- vector("list", length(k))
  values[annotation] <- as.list(adata@obs)[k[annotation]]
  for (raw in c(FALSE, TRUE)) {
    wanted <- which(!annotation & in_raw == raw)
    if (length(wanted) == 0) next
    there <- if (raw) row.names(adata@raw@var) else genes
    at <- match(k[wanted], there)
    if (anyNA(at)) {
      missing <- k[wanted][is.na(at)][1]
      abort(
        "name", "no column of obs and no gene named '", missing, "'",
        similar_names(missing, c(names(adata@obs), there))
      )
    }
    found <- collect_oom(select_oom(matrix_for(adata, layer, raw), NULL, at), limit = Inf)
    values[wanted] <- lapply(seq_along(wanted), function(j) as.vector(found[, j]))
  }
  if (length(k) == 1) return(values[[1]])
  structure(values, names = k, row.names = row.names(adata@obs), class = "data.frame")
}

#' @rdname obs_vector
#' @export
var_vector <- function(adata, k, layer = NULL) {
  check_adata(adata)
  check_arguments("var_vector", k = k, layer = layer)
  if (k %in% names(adata@var) && is.null(layer)) return(adata@var[[k]])
  at <- match(k, row.names(adata@obs))
  if (is.na(at)) {
    abort(
      "name", "no column of var and no cell named '", k, "'",
      similar_names(k, c(if (is.null(layer)) names(adata@var), row.names(adata@obs)))
    )
  }
  as.vector(collect_oom(select_oom(matrix_for(adata, layer), at, NULL), limit = Inf))
}
