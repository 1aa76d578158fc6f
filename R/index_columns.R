#' Index a matrix by gene
#'
#' In a file with compressed rows, a single gene needs a pass over all rows. `index_columns()` makes
#' a compact copy of the matrix by column, in a folder of your choice. From then on [obs_vector()]
#' and every other selection of a few genes is read from there, in milliseconds, in this object and
#' in all that share its file. In another session, and after `readRDS()`, the same call finds the
#' index again, as an object does not keep its place. An index of an earlier state of the file is
#' replaced.
#'
#' @param adata An [AnnDataOOM-class].
#' @param dir The folder, which is made if it does not exist. The index takes about half the room of
#'   the matrix.
#' @param layer Name of the layer to index instead of `X`.
#' @param use_raw Whether to index `raw`.
#' @return `adata`, invisibly.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' index_columns(adata, dir = tempfile("index"))
#' summary(obs_vector(adata, adata$var_names[1]))
index_columns <- function(adata, dir, layer = NULL, use_raw = FALSE) {
  check_arguments("index_columns", dir = dir, layer = layer, use_raw = use_raw)
  x <- matrix_for(adata, layer, use_raw)
  dir.create(dir, showWarnings = FALSE, recursive = TRUE)
  found <- rs_work("column index", rs_index_columns, matrix = pointer_of(x), dir = normalizePath(dir, mustWork = FALSE))
  done <- if (found$made) "made" else "using"
  inform("index", done, " the column index '", found$path, "' (", human_bytes(found$bytes), ")")
  invisible(adata)
}
