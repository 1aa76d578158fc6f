#' Detect doublets
#'
#' Scores every cell by how many of its neighbours are simulated doublets, which are sums of two
#' cells' counts (Scrublet: Wolock, Lopez and Klein 2019), as `scanpy.pp.scrublet`, with the pairs
#' of cells that scanpy draws with the same seed. The doublets are projected on the components of
#' the cells and never stored.
#'
#' @param adata An [AnnDataOOM-class] of counts.
#' @param batch_key Column of `obs` with batches, each of which is scored by itself.
#' @param sim_doublet_ratio Number of simulated doublets for each cell.
#' @param expected_doublet_rate Share of doublets among the cells.
#' @param stdev_doublet_rate Accepted and has no effect on scores.
#' @param synthetic_doublet_umi_subsampling Share of the counts of a simulated doublet that is kept,
#'   at random.
#' @param knn_dist_metric Distance between cells; names as in [neighbors()].
#' @param normalize_variance,log_transform,mean_center Whether, before components are computed,
#'   genes are scaled to variance 1, counts logarithmised, and genes centred.
#' @param n_prin_comps Number of components in which cells are compared.
#' @param use_approx_neighbors Whether the search for neighbours is approximate, with a measured
#'   recall; `NULL` for yes above 20,000 cells and doublets.
#' @param n_neighbors Number of neighbours among the cells; `NULL` is half the square root of the
#'   number of cells.
#' @param threshold Score above which a cell is called a doublet; `NULL` is the least frequent score
#'   between the two modes of the simulated doublets.
#' @param random_state Seed of the pairs, as for numpy.
#' @return `adata` with `obs$doublet_score`, `obs$predicted_doublet` (`NA` for cells with fewer than 3 genes) and
#'   `uns$scrublet`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> scrublet(n_prin_comps = 20)
#' table(adata$obs$predicted_doublet)
scrublet <- function(
  adata, batch_key = NULL, sim_doublet_ratio = 2, expected_doublet_rate = 0.05, stdev_doublet_rate = 0.02,
  synthetic_doublet_umi_subsampling = 1, knn_dist_metric = "euclidean", normalize_variance = TRUE,
  log_transform = FALSE, mean_center = TRUE, n_prin_comps = 30, use_approx_neighbors = NULL, n_neighbors = NULL,
  threshold = NULL, random_state = 0
) {
  verb("scrublet", adata, arguments())
}
