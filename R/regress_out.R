#' Regress out what covariates explain
#'
#' Subtracts from every gene its least-squares fit on columns of `obs`. One pass finds the coefficients; the subtraction
#' is recorded and done whenever values are read. As `scanpy.pp.regress_out`.
#'
#' The result is dense when it is read: [pca()] and [scale()] stream over it all the same.
#'
#' @param adata An [AnnDataOOM-class].
#' @param keys Names of columns of `obs`: numbers or logicals, to which an intercept is added; or a single factor, whose
#'   group means are subtracted. Columns that depend on others are no error: residuals are those of any least-squares fit.
#' @param layer Name of the layer to use instead of `X`.
#' @return `adata` with the operation queued: residuals of each gene, of mean 0.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> qc_metrics(qc_vars = "mt") |> normalize_total() |> log1p()
#' adata <- regress_out(adata, c("total_counts", "pct_counts_mt"))
#' adata$X
#' cor(obs_vector(adata, adata$var_names[1]), adata$obs$total_counts)
regress_out <- function(adata, keys, layer = NULL) {
  x <- matrix_for(adata, layer)
  if (!is.character(keys) || length(keys) == 0 || anyNA(keys)) {
    abort("parameter", "keys: expected names of columns of obs, found ", describe(keys))
  }
  keys <- unique(keys) # a key given twice explains nothing more
  columns <- lapply(setNames(nm = keys), function(key) column_of(adata, "obs", key, "keys"))
  for (key in keys) if (anyNA(columns[[key]])) abort("values", "keys: obs$", key, " holds NA")
  groups <- keys[vapply(columns, is.factor, NA)]
  reply <- if (length(groups)) {
    if (length(keys) > 1) {
      abort("parameter", "keys: '", groups[1], "' is a factor, and a factor can be regressed out only by itself")
    }
    rs_work(
      "regressing out", rs_regress_out, matrix = pointer_of(x), key = keys, codes = as.integer(columns[[1]]),
      n_groups = nlevels(columns[[1]])
    )
  } else {
    for (key in keys) {
      if (!is.numeric(columns[[key]]) && !is.logical(columns[[key]])) {
        abort(
          "shape", "keys: expected numbers or a factor in obs$", key, ", found ", class(columns[[key]])[1],
          "; factor() makes one of it"
        )
      }
    }
    rs_work("regressing out", rs_regress_out, matrix = pointer_of(x), columns = lapply(columns, as.double))
  }
  with_matrix(adata, layer, with_chain(x, reply))
}
