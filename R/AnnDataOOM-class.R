#' An annotated matrix that stays on disk
#'
#' Cells are in rows (`obs`), genes in columns (`var`), as in Python's AnnData. [read_h5ad()] opens
#' one from a file, `AnnDataOOM()` makes one of objects in memory. Values never change in place:
#' `adata$obs$x <- 1` and every verb make a new object, which shares everything that did not change.
#'
#' `$` reaches the parts:
#' * `X`: the matrix, an [OOMMatrix-class]; `layers`: more matrices of the same shape.
#' * `obs`, `var`: data.frames about cells and genes, read when the file is opened; `obs_names`, `var_names`: their row
#'   names.
#' * `obsm`, `varm`, `obsp`, `varp`, `uns`: lists whose elements are read on first use.
#' * `raw`: `NULL`, or an earlier state of the matrix with `$X`, `$var` and `$varm`; set it with `adata$raw <- adata`.
#' * `n_obs`, `n_vars`, `filename`.
#'
#' All parts but the last three can be set. A new value has to fit the numbers of cells and genes.
#'
#' Row names have to be unique in R. Repeated names in a file get "-1", "-2", ... with a warning, as
#' by anndata's `obs_names_make_unique()`. Repeated cells of a selection get them too, without a
#' warning.
#'
#' @param X A matrix or sparse matrix, cells x genes.
#' @param obs,var data.frames with one row per cell and gene; row names are their names.
#' @param layers Named list of matrices of the shape of `X`.
#' @param obsm,varm Named lists of matrices or data.frames with one row per cell (gene).
#' @param obsp,varp Named lists of square matrices over cells (genes).
#' @param uns Named list of any other elements.
#' @return An `AnnDataOOM`.
#' @name AnnDataOOM-class
#' @aliases AnnDataOOM OOMRaw-class
#' @exportClass AnnDataOOM
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata
#' head(adata$obs)
#' adata$obs$double <- 2 * seq_len(nrow(adata))
#' adata[1:3, c(5, 2)]
#'
#' small <- AnnDataOOM(matrix(0:5, 2, 3, dimnames = list(c("a", "b"), c("x", "y", "z"))))
#' as.matrix(small$X)
setClass(
  "AnnDataOOM",
  slots = c(
    file = "ANY", X = "ANY", layers = "list", obs = "data.frame", var = "data.frame",
    obsm = "list", varm = "list", obsp = "list", varp = "list", uns = "list", raw = "ANY",
    origin = "list"
  )
)

# The class of `raw`: a matrix with its own genes.
setClass("OOMRaw", slots = c(X = "ANY", var = "data.frame", varm = "list"))

#' @rdname AnnDataOOM-class
#' @export
AnnDataOOM <- function(
  X = NULL, obs = NULL, var = NULL, layers = list(), obsm = list(), varm = list(), obsp = list(), varp = list(),
  uns = list()
) {
  if (is.null(X) && is.null(obs) && is.null(var)) {
    abort("parameter", "X: expected a matrix, or obs and var without one, found NULL")
  }
  if (!is.null(X) && !is(X, "OOMMatrix")) X <- plain_matrix(X)
  names <- if (is.null(X)) list(NULL, NULL) else names_of(X)
  frame <- function(given, n, names, what) {
    if (is.null(given)) {
      if (is.null(n)) abort("parameter", what, ": expected a data.frame, as there is no X, found NULL")
      names <- if (is.null(names)) as.character(seq_len(n) - 1L) else unique_names(names, what)
      return(structure(list(), names = character(), row.names = names, class = "data.frame"))
    }
    if (!is.data.frame(given)) abort("shape", what, ": expected a data.frame, found ", describe(given))
    given <- check_columns(given, list(), what)
    if (.row_names_info(given) < 0) {
      row.names(given) <- if (is.null(names)) as.character(seq_len(nrow(given)) - 1L) else unique_names(names, what)
    }
    given
  }
  if (!is.null(X)) dimnames(X) <- list(if (!is.null(obs)) names[[1]], if (!is.null(var)) names[[2]])
  obs <- frame(obs, nrow(X), names[[1]], "obs")
  var <- frame(var, ncol(X), names[[2]], "var")
  adata <- methods::new(
    "AnnDataOOM",
    file = NULL, X = NULL, layers = list(), obs = obs, var = var, obsm = list(), varm = list(), obsp = list(),
    varp = list(), uns = list(), raw = NULL, origin = list()
  )
  given <- list(X = X, layers = layers, obsm = obsm, varm = varm, obsp = obsp, varp = varp, uns = uns)
  for (part in names(given)) if (length(given[[part]])) adata <- set_part(adata, part, given[[part]])
  adata
}

n_obs <- function(adata) nrow_of(adata@obs)
n_vars <- function(adata) nrow_of(adata@var)
nrow_of <- function(frame) abs(.row_names_info(frame, 1L))

#' @rdname AnnDataOOM-class
#' @param x,object An `AnnDataOOM`.
#' @export
setMethod("dim", "AnnDataOOM", function(x) c(n_obs(x), n_vars(x)))

#' @rdname AnnDataOOM-class
#' @export
setMethod("dimnames", "AnnDataOOM", function(x) list(row.names(x@obs), row.names(x@var)))

#' @rdname AnnDataOOM-class
#' @param value The new value of a part; for `dimnames(x)` a list of row names and column names.
#' @aliases dimnames<-,AnnDataOOM-method dimnames<-,AnnDataOOM,ANY-method
#' @export
setMethod("dimnames<-", "AnnDataOOM", function(x, value) {
  if (!is.list(value) || length(value) != 2) {
    abort("shape", "dimnames: expected a list of the names of cells and those of genes, found ", describe(value))
  }
  x <- set_part(x, "obs_names", value[[1]])
  set_part(x, "var_names", value[[2]])
})

#' @rdname AnnDataOOM-class
#' @details `length(x)` is the number of cells, as in Python.
#' @export
setMethod("length", "AnnDataOOM", function(x) n_obs(x))

part_names <- c("X", "layers", "obs", "var", "obsm", "varm", "obsp", "varp", "uns", "raw")
name_parts <- c("obs_names", "var_names")
read_only_parts <- c("n_obs", "n_vars", "shape", "filename")

#' @rdname AnnDataOOM-class
#' @export
setMethod("names", "AnnDataOOM", function(x) c(part_names, name_parts, read_only_parts))
