#' Select cells and genes of an object
#'
#' Selects from every part at once: X, layers, obs, var, obsm, varm, obsp, varp and the cells of
#' raw. Nothing is read from the file: selections of matrices are recorded. Factors of obs and var
#' keep only the levels in use, and uns the colours of these, as in anndata.
#'
#' @param x An [AnnDataOOM-class].
#' @param i,j Cells and genes: positive or negative positions, names, or logical with one entry for
#'   each. Any order is allowed, and so are repeats. An unknown name, a logical of another length or
#'   a missing value is an error.
#' @param ...,drop Not used.
#' @param value Not used: assigning to a selection is an error, as matrices on disk do not change in
#'   place. Set `adata$X` instead.
#' @return An [AnnDataOOM-class].
#' @name subset
#' @aliases [,AnnDataOOM-method [,AnnDataOOM,ANY,ANY,ANY-method
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata[1:10, ]
#' adata[, adata$var_names[3:1]]
#' adata[-(1:5), startsWith(adata$var_names, "MT-")]
NULL

#' @rdname subset
#' @export
setMethod("[", "AnnDataOOM", function(x, i, j, ..., drop = FALSE) {
  if (nargs() - (!missing(drop)) < 3 && !missing(i)) {
    abort("index", "an AnnDataOOM takes two indices: write adata[i, ] for cells, adata[, j] for genes")
  }
  rows <- if (!missing(i)) resolve_index(i, n_obs(x), row.names(x@obs), "cell")
  columns <- if (!missing(j)) resolve_index(j, n_vars(x), row.names(x@var), "gene")
  subset_anndata(x, rows, columns)
})

#' @rdname subset
#' @aliases [<-,AnnDataOOM-method [<-,AnnDataOOM,ANY,ANY,ANY-method
#' @export
setMethod("[<-", "AnnDataOOM", function(x, i, j, ..., value) not_in_place())

subset_anndata <- function(x, rows, columns) {
  if (is.null(rows) && is.null(columns)) return(x)
  pick <- function(items, rows, columns) lapply(items, select_element, rows, columns)
  if (!is.null(x@X)) x@X <- select_element(x@X, rows, columns)
  x@layers <- pick(x@layers, rows, columns)
  if (!is.null(rows)) {
    x@obs <- select_rows(x@obs, rows)
    x@obsm <- pick(x@obsm, rows, NULL)
    x@obsp <- pick(x@obsp, rows, rows)
    x@origin$rows <- if (is.null(x@origin$rows)) rows else x@origin$rows[rows]
    if (!is.null(x@raw)) x@raw@X <- select_element(x@raw@X, rows, NULL)
  }
  if (!is.null(columns)) {
    x@var <- select_rows(x@var, columns)
    x@varm <- pick(x@varm, columns, NULL)
    x@varp <- pick(x@varp, columns, columns)
    x@origin$columns <- if (is.null(x@origin$columns)) columns else x@origin$columns[columns]
  }
  drop_unused(x)
}

# Drops levels without a value, and their colours, from obs and var.
drop_unused <- function(x) {
  for (part in c("obs", "var")) {
    for (name in names(slot(x, part))) {
      column <- .subset2(slot(x, part), name)
      if (!is.factor(column)) next
      used <- levels_in_use(column)
      colours <- paste0(name, "_colors")
      if (colours %in% names(x@uns)) {
        values <- tryCatch(resolve(x@uns[[colours]]), anndataoom_error = function(e) NULL)
        if (length(values) != length(used)) {
          if (!is.null(values)) x@uns[[colours]] <- NULL
        } else if (!all(used)) {
          x@uns[[colours]] <- values[used]
        }
      }
      if (!all(used)) slot(x, part) <- with_column(slot(x, part), name, with_levels(column, used))
    }
  }
  x
}

levels_in_use <- function(x) tabulate(x, nlevels(x)) > 0

# Returns a factor with the levels that are `used` only.
with_levels <- function(x, used) {
  kept <- attributes(x)
  codes <- cumsum(used)[as.integer(x)]
  kept$levels <- kept$levels[used]
  attributes(codes) <- kept
  codes
}

#' @rdname subset
#' @param n Number of cells; negative for all but the last ones.
#' @method head AnnDataOOM
#' @export
head.AnnDataOOM <- function(x, n = 6L, ...) {
  first <- first_of(n, n_obs(x)) # `[`, which is S4, would take the class off an error
  x[seq_len(first), ]
}

# Returns how many of `there` elements head(n) takes: the first `n`, or all but the last `-n`.
first_of <- function(n, there) {
  check_whole(n, "n")
  if (n < 0) max(there + n, 0) else min(n, there)
}
