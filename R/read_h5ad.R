#' Open an h5ad file
#'
#' Reads `obs` and `var`; matrices stay in the file and the elements of `obsm`, `uns` and so on are read when they are
#' touched. With `mode = "r"` the file is never changed; with `"r+"`, [save_h5ad()] puts what changed into it.
#'
#' A column of `obs` or `var` that cannot be decoded is left out with a warning that names it; [write_h5ad()] then keeps
#' it as it is in the file where it can.
#'
#' @param path An h5ad file, of anndata 0.8 or later.
#' @param mode `"r"` to read, `"r+"` to read and save.
#' @return An [AnnDataOOM-class].
#' @seealso [write_h5ad()], [save_h5ad()], [close()], [relink()]
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata
read_h5ad <- function(path, mode = "r") {
  if (!is.character(path) || length(path) != 1 || is.na(path)) {
    abort("parameter", "path: expected one file name, found ", describe(path))
  }
  file <- file_ref(path, one_of(mode, c("r", "r+"), "mode") == "r+")
  tree <- rs_call(rs_tree, store = store_of(file))
  frames <- lapply(c(obs = "obs", var = "var"), function(name) {
    frame <- rs_call(rs_read_frame, store = store_of(file), element = name)
    if (length(frame$failed)) {
      warn(
        "unreadable", "'", file$path, "': ", length(frame$failed), " column", if (length(frame$failed) > 1) "s", " of ",
        name,
        " cannot be read and are left out:\n", paste0(
          "  ", names(frame$failed), ": ", unlist(frame$failed), collapse = "\n"
        )
      )
    }
    frame
  })
  failed <- lapply(frames, function(frame) names(frame$failed))
  frames <- lapply(frames, function(frame) frame$value)
  lazy <- function(part) {
    entries <- tree[[part]]
    lapply(entries, function(e) on_disk(file, e$element, e$encoding, e$shape))
  }
  matrices <- function(part) lapply(tree[[part]], function(e) oom_from_file(file, e$element))
  raw <- if (!is.null(tree$raw)) {
    methods::new(
      "OOMRaw",
      X = oom_from_file(file, tree$raw$X),
      var = rs_call(rs_read_frame, store = store_of(file), element = tree$raw$var)$value,
      varm = lapply(tree$raw$varm, function(e) on_disk(file, e$element, e$encoding, e$shape))
    )
  }
  adata <- methods::new(
    "AnnDataOOM",
    file = file, X = if (!is.null(tree$X)) oom_from_file(file, "X"), layers = matrices("layers"), obs = frames$obs,
    var = frames$var,
    obsm = lazy("obsm"), varm = lazy("varm"), obsp = lazy("obsp"), varp = lazy("varp"), uns = lazy("uns"), raw = raw,
    origin = list(failed = failed)
  )
  check_file_shapes(adata)
  adata
}

check_file_shapes <- function(adata) {
  matrices <- c(list(X = adata@X), adata@layers)
  for (name in names(matrices)) {
    x <- matrices[[name]]
    if (!is.null(x) && !identical(dim(x), as.integer(dim(adata)))) {
      abort(
        "format", "'", adata@file$path, "', element '", x@element, "': expected ", n_obs(adata), " x ", n_vars(adata),
        ", the lengths of obs and var, found ", paste(dim(x), collapse = " x ")
      )
    }
  }
}

#' The bundled example file
#'
#' A small simulated data set in the likeness of blood cells: cell types, batches, mitochondrial genes.
#'
#' @return Path of an h5ad file.
#' @export
#' @examples
#' read_h5ad(example_h5ad())
example_h5ad <- function() {
  path <- system.file("extdata", "pbmc_like.h5ad", package = "anndataoom")
  if (path == "") abort("missing", "the example file is not installed: install anndataoom again from its source")
  path
}
