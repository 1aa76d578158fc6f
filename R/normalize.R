#' Normalise counts per cell
#'
#' Scales the counts of each cell to the same total. One pass finds the totals; the division is
#' recorded and done whenever values are read. As `scanpy.pp.normalize_total`.
#'
#' @param adata An [AnnDataOOM-class].
#' @param target_sum Total of each cell afterwards; `NULL` is the median total of cells with counts.
#' @param exclude_highly_expressed Whether genes with more than `max_fraction` of the counts of any cell are left out of
#'   the totals.
#' @param max_fraction Largest share of a cell's counts for `exclude_highly_expressed`.
#' @param key_added Name of a column of `obs` for the divisors.
#' @param layer Name of the layer to normalise instead of `X`.
#' @return `adata` with the operation queued.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
#' adata$X
normalize_total <- function(
  adata, target_sum = NULL, exclude_highly_expressed = FALSE, max_fraction = 0.05, key_added = NULL, layer = NULL
) {
  verb("normalize_total", adata, arguments())
}

#' Logarithm of one plus the values
#'
#' Records the logarithm without a pass: zeros stay zeros. As `scanpy.pp.log1p`; `uns$log1p` notes
#' that it was taken, and its base. Objects of other classes go to [base::log1p()].
#'
#' @param x An [AnnDataOOM-class] or an [OOMMatrix-class].
#' @param base Base of the logarithm; `NULL` is the natural one.
#' @param layer Name of the layer to transform instead of `X`.
#' @param ... Not used.
#' @return `x` with the operation queued.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p()
#' adata$uns$log1p
log1p <- function(x, ...) UseMethod("log1p") # base's takes no second argument

# Registered in .onLoad(), like the methods of scale().
log1p_other <- function(x, ...) base::log1p(x)

#' @rdname log1p
#' @method log1p AnnDataOOM
log1p.AnnDataOOM <- function(x, base = NULL, layer = NULL, ...) {
  if (...length()) abort("parameter", "log1p(): unknown argument ", some_of(...names()))
  verb("log1p", x, list(base = base, layer = layer))
}

#' @rdname log1p
#' @method log1p OOMMatrix
log1p.OOMMatrix <- function(x, base = NULL, ...) {
  if (...length()) abort("parameter", "log1p(): unknown argument ", some_of(...names()))
  with_chain(x, run_verb("log1p", list(base = base), list(matrix = pointer_of(x)))$matrix)
}

#' Scale genes to mean 0 and variance 1
#'
#' Finds means and standard deviations in one pass and records the scaling. In [pca()] it stays
#' implicit: the scaled matrix, which is dense, is never made. As `scanpy.pp.scale`. Objects of
#' other classes go to [base::scale()].
#'
#' Packages of Bioconductor have a `scale()` of their own that takes no `max_value`. If one is
#' attached after this package, write `anndataoom::scale()`.
#'
#' @param x An [AnnDataOOM-class].
#' @param zero_center Whether to subtract means; with `FALSE` zeros stay zeros.
#' @param max_value Value to clip to (when centred also to minus this value).
#' @param layer Name of the layer to scale instead of `X`.
#' @param ... For other objects: arguments of [base::scale()].
#' @return `x` with the operation queued, and `var$mean`, `var$std`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> scale(max_value = 10)
#' adata
scale <- function(x, ...) UseMethod("scale") # not S4, which takes the class off an error in `x`, as in a pipe

# The methods are registered in .onLoad(): a line in NAMESPACE would register them for base's
# generic. The name is not scale.default, which base's generic would find when called from here.
scale_other <- function(x, ...) base::scale(x, ...)

#' @rdname scale
#' @method scale AnnDataOOM
scale.AnnDataOOM <- function(x, zero_center = TRUE, max_value = NULL, layer = NULL, ...) {
  if (...length()) abort("parameter", "scale(): unknown argument ", some_of(...names()))
  verb("scale", x, list(zero_center = zero_center, max_value = max_value, layer = layer))
}

# The method for base::scale(), and for DelayedArray's, which masks this package's when it is
# attached later.
scale_as_base <- function(x, center = TRUE, scale = TRUE) {
  if (!isTRUE(scale)) abort("parameter", "scale: expected TRUE, found ", describe(scale), "; see ?anndataoom::scale")
  scale.AnnDataOOM(x, zero_center = center)
}
