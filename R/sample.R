#' Sample cells or genes
#'
#' Keeps cells (genes) drawn at random, in their order; nothing of the matrix is read. As `scanpy.pp.sample`, but for the draws.
#' For all other objects `sample()` is [base::sample()].
#'
#' @param x An [AnnDataOOM-class].
#' @param ... Not used; of other objects, arguments of [base::sample()].
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' sample(adata, n = 50)
#' sample(adata, 0.5, axis = "var")
sample <- function(x, ...) UseMethod("sample")

#' @export
sample.default <- function(x, ...) base::sample(x, ...)

#' @rdname sample
#' @param fraction,n Share of the cells (genes), or how many: exactly one of them.
#' @param rng Seed; `NULL` is 0.
#' @param replace Whether one may be drawn again; names of the repeated ones are made unique.
#' @param axis `"obs"` or `"var"`.
#' @param p What chances are in proportion to: a column of `obs` (`var`) of numbers or truth values, or such a vector.
#' @return `adata` with the cells (genes) drawn.
#' @export
sample.AnnDataOOM <- function(x, fraction = NULL, n = NULL, rng = NULL, replace = FALSE, axis = "obs", p = NULL, ...) {
  verb("sample", x, list(fraction = fraction, n = n, rng = rng, replace = replace, axis = axis, p = p))
}

#' Sketch cells
#'
#' Keeps `n` cells that stand for all, rare states among them; nothing of the matrix is read.
#'
#' @param adata An [AnnDataOOM-class] after [pca()].
#' @param n Cells to keep.
#' @param method `"geometric"`: evenly over the embedding, from boxes of one size (Hie et al. 2019); `"leverage"`: by how much a
#'   cell adds to it (Hao et al. 2023), with `obs$leverage_score`, over all cells.
#' @param n_pcs,use_rep Columns and name in `obsm` of the embedding; `NULL` is all of `X_pca`.
#' @param random_state Seed.
#' @return `adata` with the cells kept, in their order.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10)
#' table(sketch(adata, 100)$obs$cell_type)
sketch <- function(adata, n, method = "geometric", n_pcs = NULL, use_rep = NULL, random_state = 0) {
  verb("sketch", adata, arguments())
}

#' Downsample counts
#'
#' Samples counts without replacement: a cell keeps exactly as many as asked for, each with the same chance, and one that has
#' no more keeps all. One pass, then recorded and done whenever values are read; the same counts stay whatever is selected.
#' As `scanpy.pp.downsample_counts`, but for the draws.
#'
#' @param adata An [AnnDataOOM-class] of counts.
#' @param counts_per_cell Counts of a cell at most: a number, or one a cell.
#' @param total_counts Counts of all cells together, instead.
#' @param random_state Seed.
#' @param replace Only `FALSE`: counts drawn with replacement depend on all genes of a cell, and could not be recorded.
#' @return `adata` with the operation queued.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> downsample_counts(500)
#' summary(row_sums(adata$X))
downsample_counts <- function(adata, counts_per_cell = NULL, total_counts = NULL, random_state = 0, replace = FALSE) {
  verb("downsample_counts", adata, arguments())
}
