#' Open an h5ad file
#'
#' Reads `obs` and `var`. Matrices stay in the file, and the elements of `obsm`, `uns` and other
#' slots are read on first use. With `mode = "r"` the file never changes; with `"r+"`, [save_h5ad()]
#' saves changes into it.
#'
#' A column of `obs` or `var` that cannot be decoded is left out with a warning that names it.
#' [write_h5ad()] copies such a column from the file if it can.
#'
#' @param path An h5ad file, of any version of anndata from 0.5 on, or a URL of one: `https://`,
#'   `s3://`, `gs://` or `az://`. Of a URL, only the bytes that are needed are fetched.
#' @param mode `"r"` to read, `"r+"` to read and save. A URL is only read.
#' @param external Other files that this one may take parts from (external links, external storage,
#'   virtual datasets): `"refuse"` none, `"same-folder"` those in its folder, `"follow"` any. With
#'   `"follow"`, a file can show the contents of any path that it names.
#' @param storage_options Options of a URL: a named list or vector, with the names of the crate
#'   object_store (`region`, `endpoint`, `skip_signature`, ...). Credentials are options too; by default
#'   they come from the environment (`AWS_ACCESS_KEY_ID`, ...). For `https://`: `bearer_token`, or
#'   `username` and `password`. For all: `timeout`, the seconds to wait for an answer (20), and
#'   `retries`, the repeated requests where that may help (5, within three times `timeout`). Secrets stay
#'   in this process. They are in no message and in nothing that `saveRDS()` keeps; another process
#'   takes those of its environment.
#' @return An [AnnDataOOM-class].
#' @seealso [write_h5ad()], [save_h5ad()], [close()], [relink()]
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata
read_h5ad <- function(path, mode = "r", external = "refuse", storage_options = NULL) {
  check_arguments("read_h5ad", path = path, mode = mode, external = external)
  object_of(file_ref(path, mode == "r+", external, format = "hdf5", storage_options = storage_options))
}

# Returns the object in a file, or in a group of it.
object_of <- function(file) {
  tree <- rs_call(rs_tree, store = store_of(file))
  frames <- lapply(c(obs = "obs", var = "var"), function(name) {
    frame <- rs_call(rs_read_frame, store = store_of(file), element = name)
    if (length(frame$failed)) {
      warn(
        "unreadable", "'", file$path, "': ", length(frame$failed), " column", if (length(frame$failed) > 1) "s", " of ",
        name,
        " cannot be read and ", if (length(frame$failed) > 1) "are" else "is", " left out:\n", paste0(
          "  ", names(frame$failed), ": ", unlist(frame$failed), collapse = "\n"
        )
      )
    }
    frame
  })
  failed <- lapply(frames, function(frame) names(frame$failed))
  frames <- lapply(frames, function(frame) frame$value)
  lazy <- function(entries) lapply(entries, function(e) on_disk(file, e$element, e$encoding, e$shape))
  # A matrix that cannot be read does not prevent reading the rest. It is kept when the object is
  # written.
  reasons <- character()
  matrix <- function(element) {
    if (is.null(element)) return(NULL)
    tryCatch(oom_from_file(file, element), anndataoom_error = function(e) {
      # This error says what to do, so that it is raised at once.
      if (inherits(e, "anndataoom_error_external")) stop(e)
      # A connection that broke says nothing of the file.
      if (is_url(file$path) && inherits(e, c("anndataoom_error_io", "anndataoom_error_file"))) stop(e)
      reasons[element] <<- conditionMessage(e)
      NULL
    })
  }
  X <- matrix(tree$X)
  layers <- Filter(Negate(is.null), lapply(tree$layers, function(e) matrix(e$element)))
  raw <- if (!is.null(tree$raw) && !is.null(raw_x <- matrix(tree$raw$X))) {
    var <- rs_call(rs_read_frame, store = store_of(file), element = tree$raw$var)
    if (length(var$failed)) reasons[paste0(tree$raw$var, "/", names(var$failed))] <- unlist(var$failed)
    failed$raw <- names(var$failed)
    methods::new("OOMRaw", X = raw_x, var = var$value, varm = lazy(tree$raw$varm))
  }
  if (length(reasons)) {
    warn(
      "unreadable", "'", file$path, "': ", some_of(names(reasons), 20), " cannot be read and ",
      if (length(reasons) > 1) "are" else "is", " left out:\n", paste0("  ", reasons, collapse = "\n")
    )
  }
  failed$matrices <- setdiff(names(reasons), paste0(tree$raw$var, "/", failed$raw))
  adata <- methods::new(
    "AnnDataOOM",
    file = file, X = X, layers = layers, obs = frames$obs,
    var = frames$var,
    obsm = lazy(tree$obsm), varm = lazy(tree$varm), obsp = lazy(tree$obsp), varp = lazy(tree$varp),
    uns = lazy(tree$uns), raw = raw,
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
#' A small simulated data set that resembles blood cells, with cell types, batches and mitochondrial
#' genes.
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
