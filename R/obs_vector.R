#' One gene or one annotation for all cells
#'
#' `obs_vector()` gives a column of `obs`, or the values of a gene; `var_vector()` a column of `var`, or the values of a
#' cell. A gene needs a pass over the file (only its values are kept).
#'
#' @param adata An [AnnDataOOM-class].
#' @param k Name of a column of `obs` (`var`) or of a gene (cell).
#' @param layer Name of the layer to use instead of `X`.
#' @param use_raw Whether to take genes from `raw`. By default, where `raw` has the gene and `X` does not.
#' @return A vector with one entry per cell (gene).
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' summary(obs_vector(adata, adata$var_names[1]))
obs_vector <- function(adata, k, layer = NULL, use_raw = NULL) {
  check_adata(adata)
  if (!is.character(k) || length(k) != 1 || is.na(k)) abort("parameter", "k: expected one name, found ", describe(k))
  if (k %in% names(adata@obs) && is.null(layer) && !isTRUE(use_raw)) return(adata@obs[[k]])
  genes <- row.names(adata@var)
  if (is.null(use_raw)) {
    use_raw <- is.null(layer) && !is.null(adata@raw) && !k %in% genes && k %in% row.names(adata@raw@var)
  }
  if (isTRUE(use_raw)) {
    if (is.null(adata@raw)) abort("state", "use_raw: this object has no raw; set it with adata$raw <- adata")
    genes <- row.names(adata@raw@var)
  }
  at <- match(k, genes)
  if (is.na(at)) {
    abort("name", "no column of obs and no gene named '", k, "'", similar_names(k, c(names(adata@obs), genes)))
  }
  as.vector(collect_oom(select_oom(matrix_for(adata, layer, use_raw), NULL, at), limit = Inf))
}

#' @rdname obs_vector
#' @export
var_vector <- function(adata, k, layer = NULL) {
  check_adata(adata)
  if (!is.character(k) || length(k) != 1 || is.na(k)) abort("parameter", "k: expected one name, found ", describe(k))
  if (k %in% names(adata@var) && is.null(layer)) return(adata@var[[k]])
  at <- match(k, row.names(adata@obs))
  if (is.na(at)) {
    abort(
      "name", "no column of var and no cell named '", k, "'",
      similar_names(k, c(names(adata@var), row.names(adata@obs)))
    )
  }
  as.vector(collect_oom(select_oom(matrix_for(adata, layer), at, NULL), limit = Inf))
}
