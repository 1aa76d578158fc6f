#' Open a table of numbers as text
#'
#' Opens a table (csv, tsv, gzipped or not): it is turned into an h5ad file once, in memory that does not grow with it, and
#' read from there. Lines that begin with "#" before the first value are comments.
#'
#' @param filename The file.
#' @param delimiter The text between values; `" "` stands for any blanks. When `NULL`, it is found out from the first line:
#'   a tab, a comma, a semicolon or blanks.
#' @param first_column_names Whether the first column holds names; when `NULL`, whether its first value is no number.
#' @param transpose Whether the rows of the table are genes.
#' @param to Where to write the h5ad file, to open it with [read_h5ad()] the next time; without it, it is a temporary
#'   one, which is removed when nothing reads from it any more.
#' @return An [AnnDataOOM-class], cells x genes: `X` by rows, as float32 (float64 where a whole number needs it).
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
