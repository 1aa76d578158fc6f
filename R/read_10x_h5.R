#' Open a file of 10x Genomics
#'
#' Opens a file of Cell Ranger 2 or later (`filtered_feature_bc_matrix.h5`, ...) as scanpy's
#' function of this name does: barcodes x features, with gene names as `var_names`, `var$gene_ids`
#' and, from Cell Ranger 3 on, `var$feature_types`, `var$genome` and the other columns in the file.
#' The matrix stays in the file; counts stay integers. Repeated names of genes get "-1", "-2", ...
#' with a warning.
#'
#' @param filename The file.
#' @param genome Keep only features of this genome; needed for a file of Cell Ranger 2 with several
#'   genomes.
#' @param gex_only Whether to keep only features of the type "Gene Expression".
#' @param external Other files that this one may take parts from; see [read_h5ad()].
#' @return An [AnnDataOOM-class].
#' @seealso [read_h5ad()]
#' @export
#' @examples
#' \dontrun{
#' adata <- read_10x_h5("filtered_feature_bc_matrix.h5")
#' }
read_10x_h5 <- function(filename, genome = NULL, gex_only = TRUE, external = "refuse") {
  check_arguments("read_10x_h5", filename = filename, genome = genome, gex_only = gex_only, external = external)
  file <- file_ref(filename, external = external)
  parts <- rs_call(rs_read_10x, store = store_of(file), genome = genome)
  adata <- methods::new(
    "AnnDataOOM",
    file = file, X = oom_from_file(file, parts$element), layers = list(), obs = parts$obs, var = parts$var,
    obsm = list(), varm = list(), obsp = list(), varp = list(), uns = list(), raw = NULL, origin = list(foreign = TRUE)
  )
  var <- adata@var
  if (is.null(var$feature_types)) return(adata)
  keep <- rep(TRUE, nrow_of(var))
  if (!is.null(genome)) {
    keep <- var$genome == genome
    if (!any(keep)) {
      abort(
        "parameter", "genome: expected one of those of '", file$path, "' (", some_of(setdiff(unique(var$genome), "")), "), found '",
        genome, "'"
      )
    }
  }
  if (gex_only) keep <- keep & var$feature_types == "Gene Expression"
  if (all(keep)) adata else subset_anndata(adata, NULL, which(keep))
}
