#' Convert to a SingleCellExperiment
#'
#' Genes in rows, cells in columns. Matrices in a file stay there: assays are `DelayedMatrix` objects that read through
#' the core, with all queued operations (see [OOMMatrixSeed-class]). `as(adata, "SingleCellExperiment")` is the same with
#' the defaults.
#'
#' @section Mapping:
#' Arguments and their meaning are those of the package anndataR: `TRUE` takes all that the table says, `FALSE` nothing,
#' `c(target = "source")` what is named, `c("source")` the same under its own name; `NA` as a source of
#' `assays_mapping` is `X`.
#'
#' | from | to | argument | with `TRUE` |
#' |---|---|---|---|
#' | `X` | `assay()` | `x_mapping = "counts"` | assay `"X"` |
#' | `layers` | `assays()` | `assays_mapping = c(counts = "counts")` | all, by name |
#' | `obs` | `colData()` | `colData_mapping = c(type = "cell_type")` | all columns |
#' | `var` | `rowData()` | `rowData_mapping` | all columns |
#' | `obsm` | `reducedDims()` | `reducedDims_mapping = c(PCA = "X_pca")` or `list(PCA = c(sampleFactors = "X_pca", featureLoadings = "PCs", metadata = "pca"))` | all numeric ones, by name; `X_pca` with the loadings in `varm$PCs` as a `LinearEmbeddingMatrix` |
#' | `varm` | with `reducedDims()` | | only as loadings |
#' | `obsp` | `colPairs()` | `colPairs_mapping` | all, by name |
#' | `varp` | `rowPairs()` | `rowPairs_mapping` | all, by name |
#' | `uns` | `metadata()` | `metadata_mapping` | all, by name |
#' | `raw` | `altExp()` | `raw_mapping = "raw"` | altExp `"raw"` with assay `"X"` |
#'
#' [as_AnnDataOOM()] takes all of it back. Row names of `obs` and `var` are column and row names.
#'
#' @param adata An [AnnDataOOM-class].
#' @param x_mapping Name of the assay for `X`.
#' @param assays_mapping,colData_mapping,rowData_mapping,reducedDims_mapping,colPairs_mapping,rowPairs_mapping,metadata_mapping
#'   What is taken to where, see Mapping.
#' @param raw_mapping Name of the alternative experiment for `raw`; `TRUE` is `"raw"`, `FALSE` leaves it out.
#' @return A `SingleCellExperiment`.
#' @seealso [as_AnnDataOOM()], [as_Seurat()], [import_results()]
#' @export
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p()
#' sce <- as_SingleCellExperiment(adata, x_mapping = "logcounts")
#' sce
#' SummarizedExperiment::assay(sce)
as_SingleCellExperiment <- function(
  adata, x_mapping = NULL, assays_mapping = TRUE, colData_mapping = TRUE, rowData_mapping = TRUE,
  reducedDims_mapping = TRUE, colPairs_mapping = TRUE, rowPairs_mapping = TRUE, metadata_mapping = TRUE,
  raw_mapping = TRUE
) {
  check_adata(adata)
  need_package("SingleCellExperiment", "as_SingleCellExperiment()")
  cells <- row.names(adata@obs)
  genes <- row.names(adata@var)
  assays <- matrix_mapping(adata, assays_mapping, x_mapping, "X", "assays_mapping")
  frame <- function(part, mapping, what, where) {
    columns <- mapped(part, mapping_of(mapping, by_name(names(part)), what), what, where)
    S4Vectors::DataFrame(structure(columns, row.names = row.names(part), class = "data.frame"), check.names = FALSE)
  }
  # Made before the call: S4 generics take the class off an error in an argument.
  columns <- frame(adata@obs, colData_mapping, "colData_mapping", "column of obs")
  rows <- frame(adata@var, rowData_mapping, "rowData_mapping", "column of var")
  kept <- mapping_of(metadata_mapping, by_name(names(adata@uns)), "metadata_mapping")
  kept <- mapped(adata$uns, kept, "metadata_mapping", "element of uns")
  assays <- lapply(assays, genes_by_cells, cells, genes)
  sce <- SingleCellExperiment::SingleCellExperiment(assays, colData = columns, rowData = rows, metadata = kept)
  if (!length(assays)) dimnames(sce) <- list(genes, cells)
  reductions <- mapping_of(reducedDims_mapping, guess_reductions(adata), "reducedDims_mapping")
  for (name in names(reductions)) {
    reduction <- sce_reduction(adata, reductions[[name]], name)
    SingleCellExperiment::reducedDim(sce, name) <- reduction
  }
  columns <- mapping_of(colPairs_mapping, by_name(names(adata@obsp)), "colPairs_mapping")
  pairs <- mapped(adata$obsp, columns, "colPairs_mapping", "element of obsp")
  for (name in names(pairs)) SingleCellExperiment::colPair(sce, name) <- pair_matrix(pairs[[name]])
  rows <- mapping_of(rowPairs_mapping, by_name(names(adata@varp)), "rowPairs_mapping")
  pairs <- mapped(adata$varp, rows, "rowPairs_mapping", "element of varp")
  for (name in names(pairs)) SingleCellExperiment::rowPair(sce, name) <- pair_matrix(pairs[[name]])
  if (!is.null(adata@raw) && !identical(raw_mapping, FALSE)) {
    raw <- SummarizedExperiment::SummarizedExperiment(
      list(X = genes_by_cells(adata@raw@X, cells, row.names(adata@raw@var))),
      rowData = S4Vectors::DataFrame(adata@raw@var, check.names = FALSE)
    )
    SingleCellExperiment::altExp(sce, if (isTRUE(raw_mapping)) "raw" else raw_mapping) <- raw
  }
  sce
}

# A stored matrix (cells x genes) as Bioconductor and Seurat want it: delayed where it is in a file.
genes_by_cells <- function(x, cells, genes) {
  if (is(x, "OOMMatrix")) {
    x@Dimnames <- list(cells, genes)
    return(delayed_of(x, transposed = TRUE))
  }
  x <- Matrix::t(plain_matrix(x))
  dimnames(x) <- list(genes, cells)
  x
}

pair_matrix <- function(x) {
  x <- as_dgCMatrix(x)
  dimnames(x) <- list(NULL, NULL)
  x
}

guess_reductions <- function(adata) {
  numeric <- Filter(function(name) {
    x <- adata@obsm[[name]]
    is_on_disk(x) && !x$encoding %in% c("dataframe", "awkward-array") || !is_on_disk(x) && is.numeric(x) || is_Matrix(x)
  }, names(adata@obsm))
  width <- function(x) if (is_on_disk(x)) x$shape[2] else ncol(x)
  lapply(by_name(numeric), function(name) {
    loadings <- if (name == "X_pca") adata@varm[["PCs"]]
    fits <- !is.null(loadings) && identical(as.integer(width(loadings)), as.integer(width(adata@obsm[[name]])))
    c(sampleFactors = name, if (fits) c(featureLoadings = "PCs"))
  })
}

sce_reduction <- function(adata, source, name) {
  source <- as.character(source) |> setNames(if (is.null(names(source))) "sampleFactors" else names(source))
  factors <- as.matrix(element_of(adata, "obsm", source[["sampleFactors"]]))
  rownames(factors) <- row.names(adata@obs)
  if (is.null(colnames(factors))) colnames(factors) <- paste0(sub("^X_", "", name), "_", seq_len(ncol(factors)))
  if (!any(c("featureLoadings", "metadata") %in% names(source))) return(factors)
  loadings <- if ("featureLoadings" %in% names(source)) {
    loadings <- as.matrix(element_of(adata, "varm", source[["featureLoadings"]]))
    dimnames(loadings) <- list(row.names(adata@var), colnames(factors))
    loadings
  } else {
    matrix(0, 0, ncol(factors))
  }
  SingleCellExperiment::LinearEmbeddingMatrix(
    sampleFactors = unname(factors), featureLoadings = loadings,
    factorData = S4Vectors::DataFrame(row.names = colnames(factors)),
    metadata = if ("metadata" %in% names(source)) as.list(element_of(adata, "uns", source[["metadata"]])) else list()
  )
}

register_sce <- function() {
  if (isTRUE(bioc$sce)) return(invisible())
  bioc$sce <- TRUE
  methods::setAs("AnnDataOOM", "SingleCellExperiment", function(from) as_SingleCellExperiment(from), where = bioc)
  methods::setAs("SingleCellExperiment", "AnnDataOOM", function(from) as_AnnDataOOM(from), where = bioc)
}
