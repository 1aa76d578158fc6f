#' Convert to an AnnDataOOM
#'
#' Converts a SingleCellExperiment or a Seurat object, in memory or directly into a file. Matrices
#' that came from an AnnDataOOM become what they were, still on disk.
#'
#' @section Mapping:
#' Arguments and their meaning are those of anndataR's `as_AnnData()`: `TRUE` takes everything in
#' the table, `FALSE` nothing, `c(target = "source")` the sources that are named. There is one
#' difference: `x_mapping = NULL` does not leave `X` empty. It takes the matrix that
#' [as_SingleCellExperiment()] or [as_Seurat()] made of `X`, else the counts, else the first matrix.
#' A matrix that becomes `X` is not copied to `layers` too.
#'
#' | SingleCellExperiment | Seurat | to | argument | with `TRUE` |
#' |---|---|---|---|---|
#' | `assays()` | layers (slots `counts`, `data`, `scale.data`) | `X` | `x_mapping = "counts"` | see above |
#' | `assays()` | layers | `layers` | `layers_mapping` | all others |
#' | `colData()` | `x[[]]` | `obs` | `obs_mapping` | all columns |
#' | `rowData()` | meta features of the assay; `VariableFeatures()` as `highly_variable` | `var` | `var_mapping` | all columns; matrices in them go to `varm`, those in `colData()` to `obsm` |
#' | `reducedDims()` | reductions | `obsm` | `obsm_mapping = c(X_pca = "pca")` | all; those of an AnnDataOOM get the names they had, else Seurat's `X_` in front and `PCA`, `UMAP`, `TSNE` become `X_pca`, `X_umap`, `X_tsne` |
#' | attribute `rotation`, loadings of `LinearEmbeddingMatrix` | `Loadings()` | `varm` | `varm_mapping = c(PCs = "pca")` | all; those of `pca` and `X_pca` as `PCs`; 0 for genes without |
#' | attribute `percentVar` of `PCA` | `Stdev()` of `pca` | `uns$pca` | | where `uns` has no `pca` |
#' | `colPairs()` | graphs | `obsp` | `obsp_mapping` | all; the name of the assay in front is taken off |
#' | `rowPairs()` | | `varp` | `varp_mapping` | all |
#' | `metadata()` | `Misc()` | `uns` | `uns_mapping` | all that an h5ad file can hold |
#' | `altExp("raw")` | assay `"raw"` | `raw` | `raw_mapping` | where it is there |
#'
#' Layers of a Seurat 5 object that each hold some of the cells (`counts.1`, `counts.2`, as
#' `merge()` and `split()` make them) are joined, in the order of the cells, under the name before
#' the first dot. Genes that a layer does not have are 0 there. A `scale.data` with fewer genes than
#' the assay is left out with a warning; [scale()] makes it again.
#'
#' @param x A `SingleCellExperiment` or a `Seurat` object.
#' @param x_mapping,layers_mapping,obs_mapping,var_mapping,obsm_mapping,varm_mapping,obsp_mapping,varp_mapping,uns_mapping,raw_mapping
#'   The sources of each part, see Mapping.
#' @param assay_name Assay of a Seurat object; by default its default assay.
#' @param path An h5ad file to write; the result then reads from it. A DelayedMatrix of another
#'   package is copied into it in groups of cells, whatever its size. Without `path` it has to fit
#'   into memory (`options(anndataoom.max_bytes = )`).
#' @param ... Not used.
#' @return An [AnnDataOOM-class].
#' @seealso [as_SingleCellExperiment()], [as_Seurat()], [import_results()]
#' @export
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' counts <- matrix(rpois(60, 1), 6, 10, dimnames = list(paste0("gene", 1:6), paste0("cell", 1:10)))
#' sce <- SingleCellExperiment::SingleCellExperiment(list(counts = counts))
#' as_AnnDataOOM(sce, path = tempfile(fileext = ".h5ad"))
as_AnnDataOOM <- function(x, ...) UseMethod("as_AnnDataOOM")

#' @rdname as_AnnDataOOM
#' @export
as_AnnDataOOM.default <- function(x, ...) {
  if (is(x, "AnnDataOOM")) return(x)
  abort(
    "parameter", "x: expected a SingleCellExperiment or a Seurat object, found ", describe(x),
    "; for a matrix use AnnDataOOM(x)"
  )
}

#' @rdname as_AnnDataOOM
#' @export
as_AnnDataOOM.SingleCellExperiment <- function(
  x, x_mapping = NULL, layers_mapping = TRUE, obs_mapping = TRUE, var_mapping = TRUE, obsm_mapping = TRUE,
  varm_mapping = TRUE, obsp_mapping = TRUE, varp_mapping = TRUE, uns_mapping = TRUE, raw_mapping = TRUE, path = NULL,
  ...
) {
  reductions <- as.list(SingleCellExperiment::reducedDims(x))
  ours <- SingleCellExperiment::int_metadata(x)$anndataoom
  loadings <- lapply(reductions, function(v) {
    if (is(v, "LinearEmbeddingMatrix")) as.matrix(SingleCellExperiment::featureLoadings(v)) else attr(v, "rotation")
  })
  loadings <- loadings[lengths(loadings) > 0]
  uns <- S4Vectors::metadata(x)
  share <- attr(reductions[["PCA"]], "percentVar")
  if (is.null(uns$pca) && length(share)) uns$pca <- list(variance_ratio = share / 100)
  raw_name <- if (isTRUE(raw_mapping)) "raw" else raw_mapping
  raw <- if (is.character(raw_name) && raw_name %in% SingleCellExperiment::altExpNames(x)) {
    raw <- SingleCellExperiment::altExp(x, raw_name)
    list(x = SummarizedExperiment::assay(raw), var = plain_frame(SummarizedExperiment::rowData(raw), rownames(raw)))
  }
  plain <- function(frame, names) plain_frame(frame, names)
  assemble_anndata(
    matrices = as.list(SummarizedExperiment::assays(x)), x_guess = ours$X %or% "X",
    obs = plain(SummarizedExperiment::colData(x), colnames(x)),
    var = plain(SummarizedExperiment::rowData(x), rownames(x)),
    obsm = c(
      Map(function(v, name) reduced_dim_values(v, name %in% ours$frames), reductions, names(reductions)),
      matrix_columns(SummarizedExperiment::colData(x))
    ),
    varm = c(loadings, matrix_columns(SummarizedExperiment::rowData(x))),
    obsp = as.list(SingleCellExperiment::colPairs(x, asSparse = TRUE)),
    varp = as.list(SingleCellExperiment::rowPairs(x, asSparse = TRUE)),
    uns = uns, raw = raw,
    mappings = list(
      X = x_mapping, layers = layers_mapping, obs = obs_mapping, var = var_mapping, obsm = obsm_mapping,
      varm = varm_mapping, obsp = obsp_mapping, varp = varp_mapping, uns = uns_mapping
    ),
    path = path, targets = list(
      obsm = c(
        obsm_names(names(reductions), ours$obsm, bioconductor_names), names(matrix_columns(SummarizedExperiment::colData(x)))
      ),
      varm = c(
        sub("^(X_)?pca$", "PCs", names(loadings), ignore.case = TRUE), names(matrix_columns(SummarizedExperiment::rowData(x)))
      )
    )
  )
}

# Returns the columns of a DataFrame that are matrices of numbers.
matrix_columns <- function(frame) Filter(function(v) is.matrix(v) && is.numeric(v), as.list(frame))

# Returns the coordinates of a reduction without its other parts. Tables stay tables.
reduced_dim_values <- function(x, as_frame) {
  if (is(x, "LinearEmbeddingMatrix")) x <- as.matrix(x)
  if (is(x, "DataFrame") || as_frame) {
    x <- as.data.frame(x, optional = TRUE)
    row.names(x) <- NULL
    return(x)
  }
  x
}

# Returns names in obsm for the elements `names` of another object: the names they had there before,
# for an object that came from here, else the usual names.
obsm_names <- function(names, known, usual) {
  at <- match(names, usual)
  out <- ifelse(is.na(at), names, names(usual)[at])
  at <- match(names, names(known))
  out[!is.na(at)] <- unlist(known)[at[!is.na(at)]]
  clash <- duplicated(out)
  out[clash] <- names[clash]
  out
}

plain_frame <- function(frame, names) {
  columns <- as.list(frame)
  columns <- columns[setdiff(names(columns), names(matrix_columns(frame)))]
  columns <- lapply(columns, function(v) if (is(v, "Rle")) as.vector(v) else v)
  odd <- !vapply(columns, function(v) is_column(v) && is.null(dim(v)), TRUE)
  if (any(odd)) warn("mapping", "columns that an h5ad file cannot hold are left out: ", some_of(names(columns)[odd]))
  n <- nrow(frame)
  names <- if (is.null(names)) as.character(seq_len(n) - 1L) else unique_names(names)
  structure(columns[!odd], names = names(columns)[!odd] %or% character(), row.names = names, class = "data.frame")
}

`%or%` <- function(x, y) if (is.null(x)) y else x

# Makes an AnnDataOOM of parts, with matrices genes x cells. `targets` has the usual names of the
# elements of obsm and varm.
assemble_anndata <- function(
  matrices, x_guess, obs, var, obsm, varm, obsp, varp, uns, raw, mappings, path, targets = list()
) {
  x_key <- mappings$X
  if (is.null(x_key) && identical(x_guess, FALSE)) x_key <- FALSE # it had no X
  if (is.null(x_key)) {
    x_key <- c(intersect(c(x_guess, "counts"), names(matrices)), names(matrices))[1]
    if (length(matrices) == 0) x_key <- FALSE
  }
  if (!identical(x_key, FALSE)) check_sources(list(x_key), names(matrices), "x_mapping", "matrix")
  layers <- mapping_of(mappings$layers, by_name(setdiff(names(matrices), if (is.character(x_key)) x_key)), "layers_mapping")
  take <- function(items, part, where = paste("element for", part)) {
    what <- paste0(part, "_mapping")
    guess <- setNames(as.list(names(items)), if (is.null(targets[[part]])) names(items) else targets[[part]])
    mapped(items, mapping_of(mappings[[part]], guess, what), what, where)
  }
  frame <- function(part, table) {
    structure(take(as.list(table), part, paste("column for", part)), row.names = row.names(table), class = "data.frame")
  }
  scratch <- if (!is.null(path)) scratch_beside(path)
  on.exit(if (!is.null(scratch)) scratch$remove())
  stored <- function(x, name) cells_by_genes(x, name, scratch)
  adata <- AnnDataOOM(
    X = if (is.character(x_key)) stored(matrices[[x_key]], x_key), obs = frame("obs", obs),
    var = frame("var", var)
  )
  adata$layers <- Map(stored, mapped(matrices, layers, "layers_mapping", "matrix"), as.character(layers))
  for (part in c("obsm", "varm", "obsp", "varp")) {
    items <- take(list(obsm = obsm, varm = varm, obsp = obsp, varp = varp)[[part]], part)
    if (part == "varm") items <- lapply(items, all_genes, row.names(var))
    if (part %in% c("obsp", "varp")) items <- lapply(items, function(v) unname_both(v))
    adata <- set_part(adata, part, lapply(items, plain_aligned))
  }
  adata$uns <- writable(take(uns[names(uns) != "anndataoom"], "uns"), "uns")
  if (!is.null(raw)) {
    adata@raw <- methods::new("OOMRaw", X = drop_names(stored(raw$x, "raw")), var = raw$var, varm = list())
  }
  if (is.null(path)) return(adata)
  write_h5ad(adata, path)
  read_h5ad(path)
}

plain_aligned <- function(x) {
  if (is_Matrix(x)) return(plain_matrix(x))
  if (is(x, "DelayedArray")) x <- as.matrix(x)
  if (is.matrix(x)) dimnames(x) <- list(NULL, colnames(x))
  for (a in setdiff(names(attributes(x)), c("dim", "dimnames", "names", "row.names", "class"))) attr(x, a) <- NULL
  x
}

unname_both <- function(x) {
  dimnames(x) <- list(NULL, NULL)
  x
}

# Extends loadings of some genes to all genes, with 0 for the others.
all_genes <- function(x, genes) {
  if (nrow(x) == length(genes)) return(x)
  full <- matrix(0, length(genes), ncol(x), dimnames = list(NULL, colnames(x)))
  at <- match(rownames(x), genes)
  full[at[!is.na(at)], ] <- x[!is.na(at), ]
  full
}

# Returns the elements of a list that an h5ad file can hold, and names the others in a warning.
writable <- function(items, what) {
  fine <- vapply(names(items), function(name) {
    !inherits(tryCatch(storable(items[[name]], name), error = identity), "error")
  }, TRUE)
  if (any(!fine)) warn("mapping", what, ": elements that an h5ad file cannot hold are left out: ", some_of(names(items)[!fine]))
  as.list(items)[fine]
}
