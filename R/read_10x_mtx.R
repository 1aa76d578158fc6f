#' Open a folder with a count matrix as text
#'
#' Opens folders of Cell Ranger 2 and 3, of GEO (where a prefix stands before the names of the three
#' files), STARsolo, alevin-fry, kallisto and bustools, and Parse; files are gzipped or not. The
#' matrix is converted into an h5ad file once, in memory that does not grow with it, and read from
#' there. Results are those of scanpy's function of this name.
#'
#' @param path The folder, or the matrix file in it.
#' @param var_names Genes are named by `"gene_symbols"` or `"gene_ids"`; the other becomes a column of `var`.
#' @param make_unique Whether repeated symbols get "-1", "-2", ...
#' @param gex_only Whether to keep only features of the type "Gene Expression", if the folder has
#'   types.
#' @param prefix Prefix of the names of the files, for a folder with several matrices.
#' @param to Path of the h5ad file to write, so that [read_h5ad()] can open it later. Without it, a
#'   temporary file is written and removed when no object reads from it any more.
#' @return An [AnnDataOOM-class], cells x genes, with barcodes and genes as in the files. `X` is
#'   float32 by rows (float64 if a whole number needs it).
#' @seealso [read_10x_h5()], [read_h5ad()]
#' @export
#' @examples
#' \dontrun{
#' adata <- read_10x_mtx("filtered_feature_bc_matrix")
#' adata <- read_10x_mtx("GSE120575", prefix = "GSM3401_", to = "GSM3401.h5ad")
#' }
read_10x_mtx <- function(path, var_names = "gene_symbols", make_unique = TRUE, gex_only = TRUE, prefix = NULL,
                         to = NULL) {
  check_arguments(
    "read_10x_mtx", path = path, var_names = var_names, make_unique = make_unique, gex_only = gex_only, prefix = prefix,
    to = to
  )
  into_h5ad(to, function(place) {
    rs_work(
      "reading", rs_read_10x_mtx, path = path.expand(path), to = place, var_names = var_names, make_unique = make_unique,
      gex_only = gex_only, prefix = prefix
    )
  })
}

# Opens the h5ad file that `write` makes at the place it is given: `to`, or a temporary file that is
# removed with the last object that reads from it.
into_h5ad <- function(to, write) {
  if (!is.null(to)) {
    write(path.expand(to))
    return(read_h5ad(to))
  }
  place <- tempfile("anndataoom-", fileext = ".h5ad")
  write(place)
  adata <- read_h5ad(place)
  reg.finalizer(adata@file, remove_scratch, onexit = TRUE)
  adata
}

# Defined here: a function made beside an object would keep that object alive.
remove_scratch <- function(file) unlink(file$path)
