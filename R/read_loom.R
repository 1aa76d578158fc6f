#' Open a loom file
#'
#' Opens a file of loompy (versions 2 and 3) in place. Its matrices, genes x cells, are transposed a
#' block at a time when values are needed. Attributes of columns become `obs`, those of rows `var`;
#' attributes with two dimensions go to `obsm` and `varm`, graphs to `obsp` and `varp`. Names and
#' defaults are those of anndata's function of this name.
#'
#' @param filename The file.
#' @param sparse Whether the matrices are written once as compressed rows, which later passes read faster.
#' @param X_name The layer for `X`, if the file has it; else `X` is the main matrix. All matrices
#'   are layers too, the main one as `"matrix"`.
#' @param obs_names,var_names The attributes that name cells and genes.
#' @param obsm_mapping,varm_mapping For each array of `obsm` or `varm` the attributes that are its columns, such as
#'   `list(X_umap = c("_X", "_Y"))`.
#' @param to Path of the h5ad file that `sparse` writes, so that [read_h5ad()] can open it later.
#'   Without it, a temporary file is written and removed when no object reads from it any more.
#' @param external Other files that this one may take parts from; see [read_h5ad()].
#' @return An [AnnDataOOM-class].
#' @seealso [read()]
#' @export
#' @examples
#' \dontrun{
#' adata <- read_loom("velocyto.loom")
#' }
read_loom <- function(filename, sparse = FALSE, X_name = "spliced", obs_names = "CellID", var_names = "Gene",
                      obsm_mapping = NULL, varm_mapping = NULL, to = NULL, external = "refuse") {
  check_arguments(
    "read_loom", filename = filename, sparse = sparse, X_name = X_name, obs_names = obs_names, var_names = var_names,
    obsm_mapping = obsm_mapping, varm_mapping = varm_mapping, to = to, external = external
  )
  if (!sparse && !is.null(to)) abort("parameter", "to: expected NULL without sparse = TRUE, which writes an h5ad file")
  file <- file_ref(filename, external = external)
  obsm <- loom_mapping(obsm_mapping, "obsm_mapping")
  varm <- loom_mapping(varm_mapping, "varm_mapping")
  parts <- rs_work(
    "reading", rs_read_loom, store = store_of(file), X_name = X_name, obs_names = obs_names, var_names = var_names,
    obsm = obsm$parts, obsm_of = obsm$of, varm = varm$parts, varm_of = varm$of
  )
  adata <- of_slots(file, parts)
  if (!sparse) return(adata)
  names <- c("X", sprintf("layers/%s", names(adata@layers)))
  into_h5ad(to, function(place) write_h5ad(adata, place, as_csr = names))
}

loom_mapping <- function(mapping, parameter) {
  if (is.null(mapping)) return(list())
  named <- is.list(mapping) && !is.null(names(mapping)) && all(nzchar(names(mapping)))
  if (!named || !all(vapply(mapping, is.character, NA))) {
    abort("type", parameter, ": expected a named list of names of attributes, such as list(X_umap = c(\"_X\", \"_Y\"))")
  }
  list(parts = unlist(mapping, use.names = FALSE), of = rep(names(mapping), lengths(mapping)))
}

# Makes the object of a foreign file from the slots that the core has read; its matrices are read in
# place.
of_slots <- function(file, parts) {
  matrix <- function(layer) {
    x <- oom_from_file(file, layer$element)
    if (is.null(layer$columns)) x else x[, layer$columns]
  }
  methods::new(
    "AnnDataOOM",
    file = file, X = matrix(parts$X), layers = lapply(parts$layers, matrix), obs = parts$obs, var = parts$var,
    obsm = parts$obsm, varm = parts$varm, obsp = parts$obsp, varp = parts$varp, uns = parts$uns, raw = NULL,
    origin = list(foreign = TRUE)
  )
}
