#' Aggregate groups of cells or genes
#'
#' Computes sums, means, variances, counts and medians of the values of each group, as
#' `scanpy.get.aggregate`. All functions but the median share one pass over the values; medians take
#' another. A method of [stats::aggregate()].
#'
#' @param x An [AnnDataOOM-class].
#' @param by Columns of `obs` (of `var` along `"var"`). Each combination that occurs is a group.
#'   Cells with a missing value are in no group.
#' @param func One or several of `"sum"`, `"mean"`, `"var"`, `"count_nonzero"` and `"median"`.
#' @param axis `"obs"` for groups of cells, `"var"` for groups of genes; by default `"obs"`, with
#'   `varm` `"var"`.
#' @param mask Cells (genes) to use: a column of `obs` (`var`), or `TRUE` and `FALSE` for each.
#' @param dof Delta degrees of freedom: the divisor of variances is the size of a group less this.
#' @param layer,obsm,varm Name of the layer or element to use instead of X; at most one of them.
#' @param ... Not used.
#' @return A small [AnnDataOOM-class] in memory, groups x genes (cells x groups along `"var"`), with
#'   a layer for each function. `obs` (`var`) has the columns of `by` and `n_obs_aggregated`, the
#'   number of members of each group. Layers are sparse where they have more than 2^25 values.
#' @seealso [pseudobulk()].
#' @importFrom stats aggregate
#' @method aggregate AnnDataOOM
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
#' types <- aggregate(adata, by = "cell_type", func = c("mean", "count_nonzero"))
#' types
#' as.matrix(types$layers$mean)[, 1:4]
aggregate.AnnDataOOM <- function(
  x, by, func, axis = NULL, mask = NULL, dof = 1, layer = NULL, obsm = NULL, varm = NULL, ...
) {
  if (...length()) abort("parameter", "aggregate(): unknown argument ", some_of(...names()))
  check_arguments(
    "aggregate", by = by, func = func, axis = axis, mask = mask, dof = dof, layer = layer, obsm = obsm, varm = varm
  )
  along <- if (is.null(axis)) if (is.null(varm)) "obs" else "var" else if (is.character(axis)) axis else c("obs", "var")[axis + 1]
  given <- c("layer", "obsm", "varm")[!c(is.null(layer), is.null(obsm), is.null(varm))]
  if (length(given) > 1) abort("parameter", paste(given, collapse = " and "), ": expected one of them, found both")
  if (length(given) && given != "layer" && along != c(obsm = "obs", varm = "var")[[given]]) {
    abort("parameter", given, ": expected axis = \"", c(obsm = "obs", varm = "var")[[given]], "\" with it, found \"", along, "\"")
  }
  values <- if (length(given) && given != "layer") element_of(x, given, get(given), what = given) else matrix_for(x, layer)
  groups <- combined_groups(slot(x, along), by, along)
  if (!is.null(mask)) groups$codes[!axis_mask(x, mask, along)] <- NA
  groups$frame$n_obs_aggregated <- tabulate(groups$codes, nrow_of(groups$frame))
  rows <- along == "obs" || !is.null(varm)
  other <- if (along == "obs") x@var else x@obs
  if (length(given) && given != "layer") {
    values <- plain_matrix(if (is.data.frame(values)) as.matrix(values) else values, given)
    names <- colnames(values)
    if (is.null(names)) names <- as.character(seq_len(ncol(values)) - 1L)
    other <- structure(list(), names = character(), row.names = names, class = "data.frame")
    values <- as_oom(unname(values))
  }
  layers <- group_values(values, rows, groups, func, dof)
  # In an element of varm, genes are the rows.
  if (rows && along == "var") layers <- lapply(layers, function(values) if (is.matrix(values)) t(values) else Matrix::t(values))
  if (along == "obs") AnnDataOOM(obs = groups$frame, var = other, layers = layers) else AnnDataOOM(obs = other, var = groups$frame, layers = layers)
}

# Returns a matrix for each function, groups x columns (rows x groups).
group_values <- function(matrix, rows, groups, func, dof = 1) {
  codes <- structure(groups$codes, levels = row.names(groups$frame), class = "factor")
  rs_work(
    "putting groups together", rs_aggregate, matrix = pointer_of(matrix), rows = rows, groups = codes, func = func, dof = dof
  )
}

# Finds the combinations of some columns that occur. Returns a code for each row, NA where a value
# is missing, and a table with the values of each combination.
combined_groups <- function(table, by, axis, what = "by") {
  if (!length(by)) abort("parameter", what, ": expected at least one column of ", axis, ", found none")
  columns <- lapply(setNames(nm = by), function(name) {
    if (!name %in% names(table)) {
      there <- if (length(table)) paste0("; there are ", some_of(names(table), 20)) else "; it has none"
      abort("name", what, ": ", axis, " has no column '", name, "'", there)
    }
    column <- table[[name]]
    # Levels are sorted by the code points of characters, as in Python.
    if (is.factor(column)) droplevels(column) else factor(column, levels = sort(unique(column), method = "radix"))
  })
  keys <- lapply(columns, as.integer)
  missing <- Reduce(`|`, lapply(keys, is.na))
  if (all(missing)) abort("values", what, ": expected ", axis, " with values in ", some_of(by), ", found none")
  order <- do.call(order, unname(keys))
  order <- order[!missing[order]]
  changes <- Reduce(`|`, lapply(keys, function(key) c(TRUE, diff(key[order]) != 0)))
  codes <- rep(NA_integer_, length(missing))
  codes[order] <- cumsum(changes)
  first <- order[changes]
  frame <- lapply(columns, function(column) column[first])
  names <- do.call(paste, c(unname(lapply(frame, as.character)), sep = "_"))
  if (anyDuplicated(names)) {
    abort(
      "values", what, ": two combinations of ", some_of(by), " would both be named '", names[anyDuplicated(names)], "'"
    )
  }
  list(codes = codes, frame = structure(frame, row.names = names, class = "data.frame"))
}

# Returns TRUE or FALSE for each cell (gene): the column with that name, or the mask itself.
axis_mask <- function(adata, mask, axis) {
  if (is.character(mask)) mask <- column_of(adata, axis, mask, "mask")
  n <- nrow_of(slot(adata, axis))
  if (!is.logical(mask) || length(mask) != n || anyNA(mask) || !any(mask)) {
    abort(
      "shape", "mask: expected TRUE or FALSE for each of the ", n, if (axis == "obs") " cells" else " genes",
      ", at least one TRUE, found ", describe(mask)
    )
  }
  mask
}

#' Pseudobulk samples
#'
#' Sums the counts of each sample, or of each sample and cell type, in one pass. The sums are the
#' input of packages for bulk samples: DESeq2, edgeR, limma.
#'
#' @param adata An [AnnDataOOM-class].
#' @param sample_col Column of `obs` with the samples.
#' @param groups_col Columns of `obs` with the cell types; without it, each sample is one sum.
#' @param layer,use_raw The place of the counts: a layer, or `adata$raw`, instead of X.
#' @param min_cells Least number of cells of a sum; sums of fewer cells are left out.
#' @return A small [AnnDataOOM-class] in memory, sums x genes, with the sums as X. `obs` has
#'   `sample_col`, `groups_col`, `n_obs_aggregated` and each column of `obs` that is constant within
#'   all groups. [as_SummarizedExperiment()] converts it for the packages: `DESeq2::DESeqDataSet(se,
#'   ~ condition)`, `edgeR::SE2DGEList(se)`.
#' @seealso [aggregate.AnnDataOOM()].
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' adata$obs$sample <- factor(rep(c("s1", "s2", "s3"), length.out = nrow(adata)))
#' adata$obs$treated <- adata$obs$sample == "s2"
#' bulk <- pseudobulk(adata, "sample", "cell_type", min_cells = 5)
#' head(bulk$obs)
#' as.matrix(bulk$X)[1:3, 1:4]
pseudobulk <- function(adata, sample_col, groups_col = NULL, layer = NULL, use_raw = FALSE, min_cells = 0) {
  check_adata(adata)
  check_arguments(
    "pseudobulk", sample_col = sample_col, groups_col = groups_col, layer = layer, use_raw = use_raw, min_cells = min_cells
  )
  if (use_raw && !is.null(layer)) {
    abort("parameter", "layer and use_raw: expected one of them, found layer = \"", layer, "\", use_raw = TRUE")
  }
  matrix <- matrix_for(adata, layer, use_raw)
  groups <- combined_groups(adata@obs, sample_col, "obs", "sample_col")
  if (!is.null(groups_col)) {
    combined_groups(adata@obs, groups_col, "obs", "groups_col")
    groups <- combined_groups(adata@obs, unique(c(sample_col, groups_col)), "obs", "groups_col")
  }
  frame <- groups$frame
  constant <- constant_columns(adata@obs[setdiff(names(adata@obs), names(frame))], groups$codes, nrow_of(frame))
  frame$n_obs_aggregated <- tabulate(groups$codes, nrow_of(frame))
  frame[names(constant)] <- constant
  kept <- frame$n_obs_aggregated >= max(min_cells, 1)
  if (!any(kept)) {
    abort(
      "parameter", "min_cells: expected at most ", max(frame$n_obs_aggregated),
      ", the largest number of cells of a sum, found ", min_cells
    )
  }
  groups$codes <- ifelse(kept, cumsum(kept), NA_integer_)[groups$codes]
  groups$frame <- droplevels(frame[kept, , drop = FALSE])
  values <- group_values(matrix, TRUE, groups, "sum")[[1]]
  flat <- if (is.matrix(values)) values else values@x
  if (length(flat) && !isTRUE(all(flat >= 0 & flat == round(flat)))) {
    warn(
      "values", "pseudobulk: sums that are no counts (negative, or not whole numbers): packages for bulk samples want ",
      "counts; name the layer that has them, or use_raw = TRUE"
    )
  }
  AnnDataOOM(values, obs = groups$frame, var = if (use_raw) adata@raw@var else adata@var)
}

# Returns the columns that have one value in each group, as a value for each group.
constant_columns <- function(table, codes, n) {
  members <- which(!is.na(codes))
  first <- match(seq_len(n), codes)
  constant <- vapply(table, function(column) {
    values <- match(column, unique(column))
    all(values[members] == values[first[codes[members]]])
  }, NA)
  lapply(table[constant], function(column) column[first])
}

#' Convert to a SummarizedExperiment
#'
#' Puts genes in rows and cells, or sums of cells, in columns, with all values in memory: the form
#' that packages for bulk samples take. X becomes the first assay, named as by
#' [as_SingleCellExperiment()] (`"counts"` for whole numbers). Layers become the other assays.
#'
#' @param adata An [AnnDataOOM-class], such as the result of [pseudobulk()]. Its values have to fit
#'   `options(anndataoom.max_bytes = )`.
#' @return A `SummarizedExperiment`.
#' @seealso [pseudobulk()], [as_SingleCellExperiment()].
#' @export
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad())
#' adata$obs$sample <- rep(c("s1", "s2", "s3"), length.out = nrow(adata))
#' as_SummarizedExperiment(pseudobulk(adata, "sample"))
as_SummarizedExperiment <- function(adata) {
  check_adata(adata)
  need_package("SummarizedExperiment", "as_SummarizedExperiment()")
  matrices <- c(if (!is.null(adata@X)) list(adata@X), adata@layers)
  if (!is.null(adata@X)) names(matrices)[1] <- free_name(assay_name_of(adata, adata@X), names(adata@layers))
  assays <- lapply(matrices, function(x) {
    values <- as.matrix(as_oom(x))
    dimnames(values) <- dimnames(adata)
    t(values)
  })
  frame <- function(table) S4Vectors::DataFrame(table, check.names = FALSE)
  SummarizedExperiment::SummarizedExperiment(assays, colData = frame(adata@obs), rowData = frame(adata@var))
}
