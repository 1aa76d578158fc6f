#' Base R functions for an AnnDataOOM
#'
#' These functions work on cells as they work on the rows of a data.frame. `subset()` keeps the
#' cells that fulfil a condition on their annotation. `with()` evaluates an expression in the
#' columns of `obs`. `split()` makes an object of each group. `rbind()` stacks the cells of several
#' objects.
#'
#' @param x,data An [AnnDataOOM-class].
#' @param subset Condition on the columns of `obs`; cells for which it is `NA` are dropped.
#' @param genes Condition on the columns of `var`.
#' @param expr Expression in the columns of `obs`.
#' @param f The groups: the name of a column of `obs`, a formula such as `~ batch`, or a vector with an entry for each
#'   cell. Cells whose group is `NA` are in no part.
#' @param drop Whether groups without cells are left out.
#' @param deparse.level Not used.
#' @param ... For `rbind()` the objects, whose names become the keys of [concat()]; not used by the
#'   others.
#' @return `subset()` and `rbind()` return an [AnnDataOOM-class], `split()` a named list of them,
#'   `with()` the value of `expr`.
#' @seealso [`adata[i, j]`][subset]; [concat()], which has more options than `rbind()` and also
#'   joins genes.
#' @name habits
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> calculate_qc_metrics(percent_top = NULL)
#' subset(adata, total_counts > 500 & batch == "batch_1", genes = n_cells_by_counts > 3)
#' with(adata, tapply(total_counts, cell_type, median))
#' parts <- split(adata, "batch")
#' do.call(rbind, parts)
NULL

#' @rdname habits
#' @method subset AnnDataOOM
#' @export
subset.AnnDataOOM <- function(x, subset, genes, ...) {
  no_more("subset", ...)
  chosen <- function(condition, frame, what) {
    keep <- eval(condition, slot(x, frame), parent.frame(2))
    if (!is.logical(keep) || !length(keep) %in% c(1, nrow_of(slot(x, frame)))) {
      abort(
        "parameter", what, ": expected TRUE or FALSE for each row of ", frame, " (", nrow_of(slot(x, frame)),
        "), found ", describe(keep)
      )
    }
    which(rep_len(keep, nrow_of(slot(x, frame))))
  }
  cells <- if (!missing(subset)) chosen(substitute(subset), "obs", "subset")
  kept <- if (!missing(genes)) chosen(substitute(genes), "var", "genes")
  subset_anndata(x, cells, kept)
}

#' @rdname habits
#' @method with AnnDataOOM
#' @export
with.AnnDataOOM <- function(data, expr, ...) eval(substitute(expr), data@obs, parent.frame())

#' @rdname habits
#' @method split AnnDataOOM
#' @export
split.AnnDataOOM <- function(x, f, drop = FALSE, ...) {
  no_more("split", ...)
  check_flag(drop, "drop")
  if (inherits(f, "formula")) {
    f <- lapply(all.vars(f), function(name) column_of(x, "obs", name, "f"))
  } else if (is.character(f) && length(f) == 1) {
    f <- column_of(x, "obs", f, "f")
  }
  if (!is.atomic(f) && !is.list(f) || length(f) == 0) {
    abort("parameter", "f: expected the name of a column of obs, a formula or a group for each cell, found ", describe(f))
  }
  groups <- if (is.list(f)) interaction(f, drop = drop, sep = ".") else as.factor(f)
  if (length(groups) != n_obs(x)) {
    abort("shape", "f: expected a group for each of the ", n_obs(x), " cells, found ", describe(f))
  }
  if (drop) groups <- droplevels(groups)
  lapply(split(seq_len(n_obs(x)), groups), function(cells) subset_anndata(x, cells, NULL))
}

#' @rdname habits
#' @method rbind AnnDataOOM
#' @export
rbind.AnnDataOOM <- function(..., deparse.level = 1) concat(list(...))

#' @rdname habits
#' @method cbind AnnDataOOM
#' @export
cbind.AnnDataOOM <- function(..., deparse.level = 1) {
  abort(
    "unsupported", "cbind() of an AnnDataOOM could mean a column (adata$obs$name <- values) or more genes of the same ",
    "cells: concat(list(a, b), axis = \"var\") puts those beside one another"
  )
}

#' @method rbind OOMMatrix
#' @export
rbind.OOMMatrix <- function(..., deparse.level = 1) {
  abort(
    "unsupported", "rbind() of matrices on disk: put the objects they belong to below one another with concat(), or the ",
    "matrices alone with concat(list(AnnDataOOM(x), AnnDataOOM(y)))$X"
  )
}

#' @method cbind OOMMatrix
#' @export
cbind.OOMMatrix <- function(..., deparse.level = 1) {
  abort(
    "unsupported", "cbind() of matrices on disk: put the objects they belong to beside one another with ",
    "concat(axis = \"var\"), or the matrices alone with concat(list(AnnDataOOM(x), AnnDataOOM(y)), axis = \"var\")$X"
  )
}

# Refuses unknown arguments, which are likely mistakes.
no_more <- function(what, ...) {
  if (...length() == 0) return(invisible())
  names <- ...names()
  abort("parameter", what, "(): unknown argument ", if (is.null(names)) "without a name" else some_of(names))
}
