#' Open the modalities of an h5mu file
#'
#' Opens files of several modalities (MuData) in place: names and shapes are read, matrices stay in
#' the file.
#'
#' @param path The file.
#' @param mod The modality; `NULL` for all of them.
#' @param mode With `"r"` the file never changes, and `obs` of each modality gains the file's
#'   columns about all cells. With `"r+"`, `obs` is the modality's own, and [save_h5ad()] saves
#'   changes into the modality.
#' @param external Other files that this one may take parts from; see [read_h5ad()].
#' @return An [AnnDataOOM-class], or without `mod` a named list of them, in the file's order.
#' @seealso [write_h5mu()], [read()]
#' @export
#' @examples
#' path <- tempfile(fileext = ".h5mu")
#' adata <- read_h5ad(example_h5ad())
#' write_h5mu(list(rna = adata, few = adata[1:50, 1:20]), path)
#' read_h5mu(path, "few")
read_h5mu <- function(path, mod = NULL, mode = "r", external = "refuse") {
  check_arguments("read_h5mu", path = path, mod = mod, mode = mode, external = external)
  file <- file_ref(path, mode == "r+", external)
  names <- rs_call(rs_modalities, store = store_of(file))
  if (!is.null(mod) || is.null(names)) {
    rs_call(rs_modality, store = store_of(file), mod = mod)
    return(modality_of(file, mod, mode))
  }
  lapply(setNames(nm = names), function(name) modality_of(file, name, mode))
}

modality_of <- function(file, name, mode) {
  adata <- object_of(file_ref(file$path, mode == "r+", file$external, paste0("mod/", name)))
  if (mode != "r") return(adata)
  shared <- rs_work("reading", rs_shared_frame, store = store_of(file), mod = name)
  for (column in setdiff(names(shared), names(adata@obs))) adata@obs[[column]] <- shared[[column]]
  adata
}

#' Write objects as the modalities of an h5mu file
#'
#' Writes modalities as the Python package mudata does. The file also has the names of all cells
#' (cells of the same name are the same cell) and of all genes, and the positions of these in each
#' modality. Matrices are streamed.
#'
#' @param adatas A named list of [AnnDataOOM-class] objects. Names of cells must not repeat within
#'   an object.
#' @param path The file to write; it appears at this path only when it is complete.
#' @param compression,compression_opts See [write_h5ad()].
#' @return `adatas`, invisibly.
#' @seealso [read_h5mu()]
#' @export
#' @examples
#' path <- tempfile(fileext = ".h5mu")
#' adata <- read_h5ad(example_h5ad())
#' write_h5mu(list(rna = adata, few = adata[1:50, 1:20]), path)
#' names(read_h5mu(path))
write_h5mu <- function(adatas, path, compression = "gzip", compression_opts = NULL) {
  check_arguments("write_h5mu", path = path, compression = compression, compression_opts = compression_opts)
  if (is(adatas, "AnnDataOOM") || !is.list(adatas) || is.null(names(adatas)) || any(names(adatas) == "")) {
    abort("parameter", "adatas: expected a list of AnnDataOOM objects by name, found ", describe(adatas))
  }
  lapply(adatas, check_adata)
  if (is.null(compression)) compression <- "none"
  rs_work(
    "writing", rs_write_h5mu, plans = lapply(adatas, write_plan), path = path.expand(path), compression = compression,
    compression_opts = compression_opts
  )
  invisible(adatas)
}
