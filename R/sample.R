#' Sample cells or genes
#'
#' Keeps cells (genes) drawn at random, in their order. Reads no values. As `scanpy.pp.sample`, but
#' with other random draws. For objects of other classes `sample()` is [base::sample()].
#'
#' @param x An [AnnDataOOM-class].
#' @param ... Not used; for other objects, arguments of [base::sample()].
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' sample(adata, n = 50)
#' sample(adata, 0.5, axis = "var")
sample <- function(x, ...) UseMethod("sample")

#' @export
sample.default <- function(x, ...) base::sample(x, ...)

#' @rdname sample
#' @param fraction,n Share, or number, of the cells (genes) to draw: exactly one of the two.
#' @param rng Seed; `NULL` is 0.
#' @param replace Whether a cell (gene) may be drawn again; repeated names are made unique.
#' @param axis `"obs"` to draw cells, `"var"` to draw genes.
#' @param p Weights that the chances are proportional to: a column of `obs` (`var`) of numbers or
#'   truth values, or such a vector.
#' @return `adata` with the cells (genes) drawn.
#' @export
sample.AnnDataOOM <- function(x, fraction = NULL, n = NULL, rng = NULL, replace = FALSE, axis = "obs", p = NULL, ...) {
  verb("sample", x, list(fraction = fraction, n = n, rng = rng, replace = replace, axis = axis, p = p))
}

#' Sketch cells
#'
#' Keeps `n` cells that represent all cells, including rare states. Reads no values of the matrix.
#'
#' @param adata An [AnnDataOOM-class] after [pca()].
#' @param n Number of cells to keep.
#' @param method `"geometric"` draws evenly over the embedding, from boxes of one size (Hie et al.
#'   2019). `"leverage"` draws by the leverage of a cell in the embedding (Hao et al. 2023) and adds
#'   `obs$leverage_score`, computed over all cells.
#' @param n_pcs,use_rep Number of columns, and name in `obsm`, of the embedding; `NULL` is all of
#'   `X_pca`.
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
#' Samples counts without replacement. A cell keeps exactly as many counts as asked for, each with
#' the same chance; a cell with no more counts keeps them all. After one pass the operation is
#' recorded, and done whenever values are read. The same counts stay for any selection. As
#' `scanpy.pp.downsample_counts`, but with other random draws.
#'
#' @param adata An [AnnDataOOM-class] of counts.
#' @param counts_per_cell Most counts of a cell: one number, or a number for each cell.
#' @param total_counts Number of counts to keep in all cells together, instead of `counts_per_cell`.
#' @param random_state Seed.
#' @param replace Only `FALSE`: counts drawn with replacement depend on all genes of a cell and
#'   could not be recorded.
#' @return `adata` with the operation queued.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> downsample_counts(500)
#' summary(row_sums(adata$X))
downsample_counts <- function(adata, counts_per_cell = NULL, total_counts = NULL, random_state = 0, replace = FALSE) {
  verb("downsample_counts", adata, arguments())
}
