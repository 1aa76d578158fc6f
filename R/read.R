#' Open a file or a folder of any kind
#'
#' Chooses the reader by the content of the file, not by its name: [read_h5ad()], [read_zarr()],
#' [read_10x_h5()] (10x Genomics, CellBender), [read_h5mu()], [read_h5seurat()], [read_loom()],
#' [read_10x_mtx()] for folders with a count matrix as text, or [read_text()] for tables. A
#' collection of annbatch, which is a Zarr store or a folder of h5ad files named `dataset_0`,
#' `dataset_1` and so on, is opened as one object by [AnnDataSet()].
#'
#' @param path The file or folder, or a URL of one: `https://`, `s3://`, `gs://` or `az://`, of which only the bytes that are needed
#'   are fetched.
#' @param ... Arguments of the reader: `mod` of an h5mu file, `assay` and `slot` of an h5Seurat file, `genome` of a 10x one,
#'   `sparse` of a loom file, `prefix` and `to` of a folder, `delimiter`, `transpose` and `to` of a table.
#' @param mode,external See [read_h5ad()] and [read_zarr()]. `mode = "r+"` is for h5ad and h5mu
#'   files.
#' @param storage_options Options of a URL. See [read_h5ad()].
#' @return An [AnnDataOOM-class].
#' @details If a file or folder has several modalities, genomes or matrices and none was chosen, the
#'   error lists them and names the argument. Objects that R saved cannot be streamed: read them
#'   with `readRDS()` and convert them with [as_AnnDataOOM()].
#' @export
#' @examples
#' read(example_h5ad())
read <- function(path, ..., mode = "r", external = "refuse", storage_options = NULL) {
  check_arguments("read_h5ad", path = path, mode = mode, external = external)
  check_path(path, "path")
  path <- if (is_url(path) || !is.null(storage_options)) place_of(path, storage_options) else path.expand(path)
  kind <- rs_work("opening", rs_content, path = path)
  if (kind == "h5ad") return(read_h5ad(path, mode, external, ...))
  if (kind == "zarr" && mode == "r") return(read_zarr(path, external, ...))
  if (kind == "h5mu") return(read_one_modality(path, mode, external, ...))
  refused <- c(
    r = paste(
      "a file of R objects: adata <- as_AnnDataOOM(readRDS(path)) makes an AnnDataOOM of a Seurat or SingleCellExperiment",
      "object that was saved with saveRDS()"
    )
  )
  if (kind %in% names(refused)) abort("file", "'", path, "' is ", refused[[kind]])
  if (mode != "r") {
    abort("parameter", "mode: '", path, "' is neither an h5ad nor an h5mu file, and is not saved into: use \"r\"")
  }
  switch(kind,
    "10x_h5" = read_10x_h5(path, ..., external = external),
    collection = read_collection(path, external, ...),
    loom = read_loom(path, ..., external = external),
    h5seurat = read_h5seurat(path, ..., external = external),
    table = read_text(path, ...),
    "10x_mtx" = read_10x_mtx(path, ...)
  )
}

read_one_modality <- function(path, mode, external, mod = NULL) {
  if (is.null(mod)) {
    mod <- rs_call(rs_modalities, store = store_of(file_ref(path, external = external)))
    if (length(mod) != 1) {
      abort(
        "parameter", "mod: '", path, "' is an h5mu file with several modalities: choose one of ",
        paste0("\"", mod, "\"", collapse = ", ")
      )
    }
  }
  read_h5mu(path, mod, mode, external)
}

# Reads a collection as one object, with what is the same in all of its parts.
read_collection <- function(path, external, merge = "same", uns_merge = "same", ...) {
  AnnDataSet(path, add_key = NULL, external = external, merge = merge, uns_merge = uns_merge, ...)
}
