#' Keep a packed copy of the matrix
#'
#' The first pass over a compressed sparse matrix leaves its rows packed until the session ends (see the options in
#' [anndataoom-package]). `pack()` leaves them in a folder of your choice, and from then on every pass over the matrix reads them
#' in a quarter of the time, in this object and in all that share its file. In another session, and after `readRDS()`, the same call
#' finds the copy again: an object does not keep where it lies. A copy of an earlier state of the file is not used but made anew,
#' and parts of it that are damaged are read from the file. Results are the same bits.
#'
#' @param adata An [AnnDataOOM-class].
#' @param dir The folder; it is made when it is not there. The copy takes about three quarters of the room of the matrix.
#' @param layer Name of the layer to pack instead of `X`.
#' @param use_raw Whether to pack `raw`.
#' @return `adata`, invisibly.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' pack(adata, dir = tempfile("packed"))
#' explain(adata)
pack <- function(adata, dir, layer = NULL, use_raw = FALSE) {
  check_arguments("pack", dir = dir, layer = layer, use_raw = use_raw)
  x <- matrix_for(adata, layer, use_raw)
  dir.create(dir, showWarnings = FALSE, recursive = TRUE)
  found <- rs_work("packed copy", rs_pack, matrix = pointer_of(x), dir = normalizePath(dir, mustWork = FALSE))
  done <- if (found$made) "made" else "using"
  inform("pack", done, " the packed copy '", found$path, "' (", human_bytes(found$bytes), ")")
  invisible(adata)
}

# Makes pack() work where Matrix is attached after this package: its generic of the same name, for
# triangular matrices, then comes first.
register_pack <- function() {
  generic <- exported("pack", "Matrix")
  if (is.null(generic)) return(invisible())
  methods::setMethod(generic, "AnnDataOOM", function(x, ...) pack(x, ...), where = bioc)
}
