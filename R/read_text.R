#' Open a table of numbers as text
#'
#' Converts a table (csv, tsv, gzipped or not) into an h5ad file once, in memory that does not grow
#' with it, and reads from there. Lines that begin with "#" before the first value are comments.
#'
#' @param filename The file.
#' @param delimiter The text between values; `" "` stands for any blanks. `NULL` detects it from the
#'   first line: a tab, a comma, a semicolon or blanks.
#' @param first_column_names Whether the first column holds names; `NULL` for yes if its first value
#'   is not a number.
#' @param transpose Whether the rows of the table are genes.
#' @param to Path of the h5ad file to write, so that [read_h5ad()] can open it later. Without it, a
#'   temporary file is written and removed when no object reads from it any more.
#' @return An [AnnDataOOM-class], cells x genes. `X` is by rows, as float32 (float64 if a whole
#'   number needs it).
#' @seealso [read()], [read_10x_mtx()]
#' @export
#' @examples
#' path <- tempfile(fileext = ".csv")
#' writeLines(c("cell,CD3D,LYZ", "c1,0,3", "c2,2,0"), path)
#' read_text(path)
read_text <- function(filename, delimiter = NULL, first_column_names = NULL, transpose = FALSE, to = NULL) {
  check_arguments(
    "read_text", filename = filename, delimiter = delimiter, first_column_names = first_column_names,
    transpose = transpose, to = to
  )
  into_h5ad(to, function(place) {
    rs_work(
      "reading", rs_read_text, path = path.expand(filename), to = place, delimiter = delimiter,
      first_column_names = first_column_names, transpose = transpose
    )
  })
}
