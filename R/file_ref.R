# A reference to a file: an environment with its path and, while it is open, the handle. All parts
# of an object share it, so that closing it closes the file for all of them. It is opened again when
# something is read.

file_ref <- function(path, save = FALSE, external = "refuse", group = NULL, format = NULL) {
  check_path(path, "path")
  ref <- new.env(parent = emptyenv())
  ref$path <- normalizePath(path.expand(path), mustWork = FALSE)
  ref$save <- save
  ref$external <- one_of(external, c("refuse", "same-folder", "follow"), "external")
  # The group of the file that stands for the object; NULL for the whole file.
  ref$group <- group
  ref$format <- format
  ref$store <- NULL
  ref$pid <- 0L
  ref$size <- NA_real_
  open_ref(ref)
  ref
}

# Returns whether an external pointer can be used in this process: not after readRDS(), not in a
# forked child.
is_live <- function(pointer, pid) {
  typeof(pointer) == "externalptr" && identical(pid, Sys.getpid()) && !identical(pointer, methods::new("externalptr"))
}

store_of <- function(ref) {
  if (!is_live(ref$store, ref$pid)) open_ref(ref)
  ref$store
}

open_ref <- function(ref) {
  known <- ref$size
  if (!is.na(known) && !file.exists(ref$path)) {
    abort(
      "moved", "'", ref$path, "' is not there any more: this object reads its matrix from it; ",
      "if the file was moved, use adata <- relink(adata, \"new/path.h5ad\")"
    )
  }
  size <- file.size(ref$path)
  if (!is.na(known) && !identical(known, size)) {
    abort(
      "changed", "'", ref$path, "' has changed since this object was made (", known, " bytes then, ", size,
      " now): open it again with read_h5ad()"
    )
  }
  opened <- rs_call(
    rs_open, path = ref$path, save = isTRUE(ref$save), external = if (is.null(ref$external)) "refuse" else ref$external,
    group = ref$group, format = ref$format
  )
  ref$path <- opened$path
  ref$store <- opened$pointer
  ref$pid <- Sys.getpid()
  ref$size <- file.size(ref$path)
  invisible(ref)
}

close_ref <- function(ref) {
  ref$store <- NULL
  ref$pid <- 0L
  gc(verbose = FALSE)
  invisible()
}
