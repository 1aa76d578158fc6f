# A reference to a file: an environment with its path and, while it is open, the handle. All parts
# of an object share it, so that closing it closes the file for all of them. It is opened again when
# something is read.

file_ref <- function(path, save = FALSE, external = "refuse", group = NULL, format = NULL, storage_options = NULL) {
  check_path(path, "path")
  ref <- new.env(parent = emptyenv())
  ref$path <- place_of(path, storage_options)
  # The state of a remote file, by which it is known again.
  ref$mark <- NULL
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

is_url <- function(path) grepl("^[A-Za-z][A-Za-z0-9+.-]+://", path)

# A path without links; of a URL a text without secrets, which stay in this process.
place_of <- function(path, storage_options = NULL) {
  options <- check_options(storage_options)
  if (!is_url(path) && !length(options)) return(normalizePath(path.expand(path), mustWork = FALSE))
  rs_call(rs_place, path = path, names = names(options), values = unname(options))
}

# Options of a URL as text, by name.
check_options <- function(x) {
  wrong <- function() {
    abort(
      "parameter", "storage_options must be a named list or vector of the options of a URL, each a text, number or truth value, ",
      "or NULL, found ", describe(x)
    )
  }
  if (is.null(x)) return(character())
  if (!is.list(x) && !is.character(x) && !is.numeric(x) && !is.logical(x)) wrong()
  x <- as.list(x)
  single <- vapply(x, function(v) is.atomic(v) && length(v) == 1 && !is.na(v), TRUE)
  if (is.null(names(x)) || !all(nzchar(names(x)), single)) wrong()
  vapply(x, function(v) if (is.logical(v)) tolower(as.character(v)) else as.character(v), "")
}

open_ref <- function(ref) {
  known <- ref$size
  if (is_url(ref$path)) return(open_far(ref))
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
  opened <- open_store(ref)
  ref$path <- opened$path
  ref$store <- opened$pointer
  ref$pid <- Sys.getpid()
  ref$size <- file.size(ref$path)
  invisible(ref)
}

open_store <- function(ref) {
  rs_work(
    "opening", rs_open, path = ref$path, save = isTRUE(ref$save),
    external = if (is.null(ref$external)) "refuse" else ref$external, group = ref$group, format = ref$format
  )
}

open_far <- function(ref) {
  known <- ref$mark
  opened <- open_store(ref)
  if (!is.null(known) && !identical(known, opened$mark)) {
    abort("changed", "'", ref$path, "' has changed since this object was made: open it again with read()")
  }
  ref$path <- opened$path
  ref$store <- opened$pointer
  ref$pid <- Sys.getpid()
  ref$mark <- opened$mark
  ref$size <- opened$size
  invisible(ref)
}

close_ref <- function(ref) {
  ref$store <- NULL
  ref$pid <- 0L
  gc(verbose = FALSE)
  invisible()
}
