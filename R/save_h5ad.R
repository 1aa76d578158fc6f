#' Save changes into the file
#'
#' Saves what changed since the file was opened with `read_h5ad(path, mode = "r+")` into that file,
#' element by element. Nothing else is written. Whatever happens to the process, the file has either
#' all changes or none.
#'
#' @param adata An [AnnDataOOM-class] of a file opened with `mode = "r+"`.
#' @param X Whether a changed X is saved too, which takes a pass over the matrix.
#' @param compression,compression_opts Compression of new elements, see [write_h5ad()].
#' @return The object as it is in the file now, invisibly; continue with it. `adata` and objects
#'   made from it still show the former state.
#' @details
#' The name differs from base R's `save()`, which saves R objects.
#'
#' New elements are added to the file and the old ones left unused, so that a file grows with every
#' save; [write_h5ad()] makes a compact one. During a save no other process may have the file open.
#' Changes are first written to a file beside it, `.name.save`. If the process is killed while that
#' file is copied in, the next process that opens the file completes the copy.
#' @examples
#' path <- tempfile(fileext = ".h5ad")
#' file.copy(example_h5ad(), path)
#' adata <- read_h5ad(path, mode = "r+")
#' adata <- calculate_qc_metrics(adata)
#' adata <- save_h5ad(adata)
#' names(read_h5ad(path)$obs)
#' @export
save_h5ad <- function(adata, X = FALSE, compression = "gzip", compression_opts = NULL) {
  check_adata(adata)
  check_arguments("save_h5ad", X = X, compression = compression, compression_opts = compression_opts)
  if (is.null(adata@file)) abort("state", "this object was not read from one file: write it with write_h5ad()")
  if (is.null(compression)) compression <- "none"
  old <- adata@file
  saved <- rs_work(
    "saving", rs_save_h5ad, plan = write_plan(adata), store = store_of(old), compression = compression,
    compression_opts = compression_opts, x = X
  )
  new <- new.env(parent = emptyenv())
  new$path <- old$path
  new$save <- TRUE
  new$external <- old$external
  new$group <- old$group
  new$store <- saved$pointer
  new$pid <- Sys.getpid()
  new$size <- file.size(new$path)
  if (length(saved$left)) {
    inform("save", "X differs from the file's and stays as it is there: save_h5ad(adata, X = TRUE) writes it")
  }
  invisible(rebind(adata, old, new, c(saved$written, saved$removed)))
}

# Moves `adata` to the file after a save. Elements that are still in the file are read from it.
rebind <- function(adata, old, new, changed) {
  move <- function(x, name) {
    if (is(x, "OOMMatrix")) {
      if (name %in% changed) return(oom_from_file(new, name))
      if (!identical(x@file, old) || x@element %in% changed) return(x)
      reply <- rs_call(rs_matrix_open, store = store_of(new), element = x@element, chain = x@chain)
      return(new_oom(reply, new, x@element, NULL, x@Dimnames))
    }
    if (!is_on_disk(x) || !identical(x$file, old)) return(x)
    # A graph that was in uns before the save.
    if (x$element != name && name %in% changed) return(on_disk(new, name, x$encoding, x$shape))
    if (!x$element %in% changed) x$file <- new
    x
  }
  all <- function(items, part) if (length(items)) Map(move, items, paste0(part, "/", names(items))) else items
  if (!is.null(adata@X)) adata@X <- move(adata@X, "X")
  for (part in c("layers", "obsm", "varm", "obsp", "varp", "uns")) slot(adata, part) <- all(slot(adata, part), part)
  if (!is.null(adata@raw)) {
    adata@raw@X <- move(adata@raw@X, "raw/X")
    adata@raw@varm <- all(adata@raw@varm, "raw/varm")
  }
  adata@file <- new
  adata@origin$rows <- adata@origin$columns <- NULL
  adata
}
