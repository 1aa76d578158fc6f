#' Convert to a SingleCellExperiment
#'
#' Puts genes in rows and cells in columns. Matrices in a file stay there: assays are
#' `DelayedMatrix` objects that read through the core, with all queued operations (see
#' [OOMMatrixSeed-class]). `as(adata, "SingleCellExperiment")` is the same with the defaults.
#'
#' @section Mapping:
#' Arguments and their meaning are those of the package anndataR: `TRUE` takes everything in the
#' table, `FALSE` nothing, `c(target = "source")` the sources that are named, `c("source")` the same
#' under its own name. `NA` as a source of `assays_mapping` is `X`.
#'
#' | from | to | argument | with `TRUE` |
#' |---|---|---|---|
#' | `X` | `assay()` | `x_mapping = "counts"` | by its values: `"counts"`, `"logcounts"` (logarithms), `"normcounts"` (normalised only) or `"scaled"`; `"X"` where a layer has that name |
#' | `layers` | `assays()` | `assays_mapping = c(counts = "counts")` | all, by name |
#' | `obs` | `colData()` | `colData_mapping = c(type = "cell_type")` | all columns |
#' | `var` | `rowData()` | `rowData_mapping` | all columns |
#' | `obsm` | `reducedDims()` | `reducedDims_mapping = c(PCA = "X_pca")` or `list(PCA = c(sampleFactors = "X_pca", featureLoadings = "PCs", metadata = "pca"))` | all: `X_pca`, `X_umap`, `X_tsne` as `PCA`, `UMAP`, `TSNE`, the names scater knows, others by name; loadings in `varm$PCs` and shares of variance in `uns$pca` are the attributes `rotation` and `percentVar` of `PCA`, as `scater::runPCA()` gives them; a data.frame as it is or, when it is all numbers, as a matrix with its columns |
#' | `varm` | with `reducedDims()`, or a column of `rowData()` | | loadings of `X_pca` with it, others as matrices in columns |
#' | `obsp` | `colPairs()` | `colPairs_mapping` | all, by name |
#' | `varp` | `rowPairs()` | `rowPairs_mapping` | all, by name |
#' | `uns` | `metadata()` | `metadata_mapping` | all, by name |
#' | `raw` | `altExp()` | `raw_mapping = "raw"` | altExp `"raw"` with an assay named by its values, as `X` |
#'
#' [as_AnnDataOOM()] converts all of it back, under the names it had. Row names of `obs` and `var`
#' become column and row names.
#'
#' @param adata An [AnnDataOOM-class].
#' @param x_mapping Name of the assay for `X`.
#' @param assays_mapping,colData_mapping,rowData_mapping,reducedDims_mapping,colPairs_mapping,rowPairs_mapping,metadata_mapping
#'   The sources of each part, see Mapping.
#' @param raw_mapping Name of the alternative experiment for `raw`; `TRUE` is `"raw"`, `FALSE` leaves it out.
#' @return A `SingleCellExperiment`.
#' @seealso [as_AnnDataOOM()], [as_Seurat()], [import_results()]
#' @export
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p()
#' sce <- as_SingleCellExperiment(adata)
#' sce
#' SingleCellExperiment::logcounts(sce)
as_SingleCellExperiment <- function(
  adata, x_mapping = NULL, assays_mapping = TRUE, colData_mapping = TRUE, rowData_mapping = TRUE,
  reducedDims_mapping = TRUE, colPairs_mapping = TRUE, rowPairs_mapping = TRUE, metadata_mapping = TRUE,
  raw_mapping = TRUE
) {
  check_adata(adata)
  need_package("SingleCellExperiment", "as_SingleCellExperiment()")
  cells <- row.names(adata@obs)
  genes <- row.names(adata@var)
  x_name <- if (!is.null(adata@X)) free_name(assay_name_of(adata, adata@X), names(adata@layers))
  assays <- matrix_mapping(adata, assays_mapping, x_mapping, x_name, "assays_mapping")
  frame <- function(part, mapping, what, where) {
    columns <- mapped(part, mapping_of(mapping, by_name(names(part)), what), what, where)
    S4Vectors::DataFrame(structure(columns, row.names = row.names(part), class = "data.frame"), check.names = FALSE)
  }
  # Made before the call: S4 generics drop the class of an error in an argument.
  columns <- frame(adata@obs, colData_mapping, "colData_mapping", "column of obs")
  rows <- frame(adata@var, rowData_mapping, "rowData_mapping", "column of var")
  kept <- read_mapped(adata$uns, metadata_mapping, "metadata_mapping", "uns")
  sources <- assays
  assays <- lapply(assays, genes_by_cells, cells, genes)
  reductions <- mapping_of(reducedDims_mapping, guess_reduced_dims(adata), "reducedDims_mapping")
  if (isTRUE(rowData_mapping)) rows <- with_matrices(rows, adata, reductions)
  sce <- SingleCellExperiment::SingleCellExperiment(assays, colData = columns, rowData = rows, metadata = kept)
  if (!length(assays)) dimnames(sce) <- list(genes, cells)
  for (name in names(reductions)) {
    SingleCellExperiment::reducedDim(sce, name) <- sce_reduction(adata, reductions[[name]], name)
  }
  pairs <- read_mapped(adata$obsp, colPairs_mapping, "colPairs_mapping", "obsp")
  for (name in names(pairs)) SingleCellExperiment::colPair(sce, name) <- pair_matrix(pairs[[name]])
  pairs <- read_mapped(adata$varp, rowPairs_mapping, "rowPairs_mapping", "varp")
  for (name in names(pairs)) SingleCellExperiment::rowPair(sce, name) <- pair_matrix(pairs[[name]])
  if (!is.null(adata@raw) && !identical(raw_mapping, FALSE)) {
    raw <- list(genes_by_cells(adata@raw@X, cells, row.names(adata@raw@var))) |>
      setNames(assay_name_of(adata, adata@raw@X))
    raw <- SummarizedExperiment::SummarizedExperiment(
      raw, rowData = S4Vectors::DataFrame(adata@raw@var, check.names = FALSE)
    )
    SingleCellExperiment::altExp(sce, if (isTRUE(raw_mapping)) "raw" else raw_mapping) <- raw
  }
  # These notes restore the object later: the assay that was X, the names in obsm, and which of
  # these were tables.
  is_x <- names(assays)[vapply(sources, identical, TRUE, adata@X)]
  from <- vapply(reductions, embeddings_of, "")
  frames <- vapply(from, function(name) is_frame(adata@obsm[[name]]), TRUE)
  SingleCellExperiment::int_metadata(sce)$anndataoom <- list(
    X = if (is.null(adata@X)) FALSE else if (length(is_x)) is_x[1], obsm = from, frames = names(from)[frames]
  )
  sce
}

# Returns rowData with the matrices of varm as columns, except loadings of `reductions`.
with_matrices <- function(rows, adata, reductions) {
  used <- unlist(lapply(reductions, function(source) source[names(source) %in% c("rotation", "featureLoadings")]))
  varm <- adata$varm
  for (name in setdiff(names(varm), c(used, names(rows)))) {
    value <- read_mapped(varm[name], TRUE, "", "varm")
    if (length(value) && is_Matrix(value[[1]])) value[[1]] <- as.matrix(value[[1]])
    if (length(value)) rows[[name]] <- unname(value[[1]])
  }
  rows
}

# Returns Bioconductor's name for the values of a matrix.
assay_name_of <- function(adata, x) {
  switch(state_of(adata, x), counts = "counts", normalised = "normcounts", logarithms = "logcounts", scaled = "scaled")
}

free_name <- function(name, taken) if (name %in% taken) "X" else name

# Transposes a stored matrix (cells x genes) for Bioconductor and Seurat: delayed if it is in a
# file.
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

is_frame <- function(x) is.data.frame(x) || is_on_disk(x) && x$encoding == "dataframe"

# Guesses reductions: the elements of obsm that are matrices or tables of numbers, each with its
# loadings.
guess_reductions <- function(adata) {
  numeric <- Filter(function(name) {
    x <- adata@obsm[[name]]
    if (is_frame(x)) return(all(vapply(resolve(x), is.numeric, TRUE)))
    if (is_on_disk(x)) return(!x$encoding %in% c("awkward-array", "string-array") && length(x$shape) <= 2)
    (is.numeric(x) || is_Matrix(x)) && length(dim(x)) == 2
  }, names(adata@obsm))
  width <- function(x) if (is_on_disk(x)) x$shape[2] else ncol(x)
  lapply(by_name(numeric), function(name) {
    loadings <- if (name == "X_pca") adata@varm[["PCs"]]
    fits <- !is.null(loadings) && identical(as.integer(width(loadings)), as.integer(width(adata@obsm[[name]])))
    c(sampleFactors = name, if (fits) c(featureLoadings = "PCs"))
  })
}

bioconductor_names <- c(X_pca = "PCA", X_umap = "UMAP", X_tsne = "TSNE")

# Guesses reductions under Bioconductor's names, with tables of any kind.
guess_reduced_dims <- function(adata) {
  found <- guess_reductions(adata)
  tables <- Filter(function(name) is_frame(adata@obsm[[name]]), setdiff(names(adata@obsm), names(found)))
  found <- c(found, lapply(by_name(tables), function(name) c(sampleFactors = name)))
  others <- setdiff(names(adata@obsm), names(found))
  if (length(others)) warn("mapping", "obsm: neither tables nor matrices of numbers, so left out: ", some_of(others))
  found <- lapply(found, function(source) setNames(source, sub("featureLoadings", "rotation", names(source), fixed = TRUE)))
  known <- bioconductor_names[names(found)]
  known[known %in% names(found)] <- NA
  setNames(found, ifelse(is.na(known), names(found), known))
}

sce_reduction <- function(adata, source, name) {
  source <- as.character(source) |> setNames(if (is.null(names(source))) "sampleFactors" else names(source))
  factors <- element_of(adata, "obsm", source[["sampleFactors"]])
  if (is.data.frame(factors) && !all(vapply(factors, is.numeric, TRUE))) {
    return(S4Vectors::DataFrame(structure(factors, row.names = row.names(adata@obs)), check.names = FALSE))
  }
  factors <- as.matrix(factors)
  rownames(factors) <- row.names(adata@obs)
  if (is.null(colnames(factors))) {
    colnames(factors) <- paste0(if (name == "PCA") "PC" else paste0(sub("^X_", "", name), "_"), seq_len(ncol(factors)))
  }
  loadings_in <- function(key) {
    loadings <- as.matrix(element_of(adata, "varm", source[[key]]))
    dimnames(loadings) <- list(row.names(adata@var), colnames(factors))
    loadings
  }
  if (any(c("featureLoadings", "metadata") %in% names(source))) {
    return(SingleCellExperiment::LinearEmbeddingMatrix(
      sampleFactors = unname(factors),
      featureLoadings = if ("featureLoadings" %in% names(source)) loadings_in("featureLoadings") else matrix(0, 0, ncol(factors)),
      factorData = S4Vectors::DataFrame(row.names = colnames(factors)),
      metadata = if ("metadata" %in% names(source)) as.list(element_of(adata, "uns", source[["metadata"]])) else list()
    ))
  }
  if ("rotation" %in% names(source)) attr(factors, "rotation") <- loadings_in("rotation")
  if (source[["sampleFactors"]] == "X_pca" && "pca" %in% names(adata@uns)) {
    share <- as.numeric(resolve(adata@uns[["pca"]])$variance_ratio)
    if (length(share) == ncol(factors)) attr(factors, "percentVar") <- 100 * share
  }
  factors
}

register_sce <- function() {
  if (isTRUE(bioc$sce)) return(invisible())
  bioc$sce <- TRUE
  methods::setAs("AnnDataOOM", "SingleCellExperiment", function(from) as_SingleCellExperiment(from), where = bioc)
  methods::setAs("SingleCellExperiment", "AnnDataOOM", function(from) as_AnnDataOOM(from), where = bioc)
}
