#' Close the file of an object, or follow a moved file
#'
#' An object holds the path of its file, so that it can be saved with `saveRDS()` and used in
#' another session. `relink()` returns an object that reads from a new path, for a file that was
#' moved or copied. `close()` closes the file; it is opened again when needed.
#'
#' @param adata,con An [AnnDataOOM-class].
#' @param new_path The present path of the file.
#' @param ... Not used.
#' @return `relink()` returns an [AnnDataOOM-class], `close()` its argument, invisibly.
#' @export
#' @examples
#' moved <- tempfile(fileext = ".h5ad")
#' adata <- read_h5ad(example_h5ad())
#' file.copy(example_h5ad(), moved)
#' relink(adata, moved)
#' close(adata)
relink <- function(adata, new_path) {
  check_adata(adata)
  check_path(new_path, "new_path")
  if (is_stack(adata@X)) {
    abort("state", "this object is made of several: relink those and put them together again with concat()")
  }
  if (is.null(adata@file)) abort("state", "this object is in memory: it has no file")
  old <- adata@file
  new <- file_ref(new_path, external = if (is.null(old$external)) "refuse" else old$external, group = old$group)
  move <- function(x) {
    if (is(x, "OOMMatrix") && identical(x@file, old)) {
      new_oom(
        rs_call(rs_matrix_open, store = store_of(new), element = x@element, chain = x@chain), new, x@element, NULL,
        x@Dimnames
      )
    } else if (is_on_disk(x) && identical(x$file, old)) {
      x$file <- new
      x
    } else {
      x
    }
  }
  adata@X <- move(adata@X)
  for (part in c("layers", "obsm", "varm", "obsp", "varp", "uns")) slot(adata, part) <- lapply(slot(adata, part), move)
  if (!is.null(adata@raw)) {
    adata@raw@X <- move(adata@raw@X)
    adata@raw@varm <- lapply(adata@raw@varm, move)
  }
  adata@file <- new
  adata
}

#' @rdname relink
#' @method close AnnDataOOM
#' @export
close.AnnDataOOM <- function(con, ...) {
  matrices <- c(list(con@X), con@layers, if (!is.null(con@raw)) list(con@raw@X))
  for (x in matrices) if (is(x, "OOMMatrix") && !is.null(x@file)) x@cache$pointer <- NULL
  if (!is.null(con@file)) close_ref(con@file)
  invisible(con)
}
