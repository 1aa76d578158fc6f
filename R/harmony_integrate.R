#' Integrate batches with Harmony
#'
#' Moves the cells of an embedding so that batches mix. Cells are assigned to soft clusters in which
#' batches should be as common as in all cells. In each cluster the shifts of the batches are
#' subtracted (Korsunsky et al. 2019), with the changes of Harmony 2 (Patikas et al. 2026). As
#' `scanpy.external.pp.harmony_integrate`, with the parameters of harmonypy 2. The result is the
#' same for any number of threads.
#'
#' @param adata An [AnnDataOOM-class] after [pca()].
#' @param key Columns of `obs` with the batches; each column has shifts of its own.
#' @param basis,adjusted_basis Names in `obsm` of the coordinates and of the result.
#' @param theta Weight of the diversity of clusters, one for each key or one for all; `NULL` is 2, 0
#'   turns it off.
#' @param lamb Ridge penalty of the shifts, one for each key or one for all; `NULL` is `alpha` times
#'   the number of cells of the batch expected in the cluster.
#' @param sigma Width of the soft clusters.
#' @param nclust Number of clusters; `NULL` is one for every 30 cells, at most 100.
#' @param tau Number of cells per cluster below which a batch has less weight; 0 for none.
#' @param block_size Share of the cells that are assigned at a time.
#' @param max_iter_harmony,max_iter_kmeans Most rounds of clustering and correction, and most passes
#'   of clustering in a round.
#' @param epsilon_cluster,epsilon_harmony Relative fall of the objective at which passes and rounds
#'   end.
#' @param alpha Ridge penalty per cell of a batch expected in a cluster, used where `lamb` is
#'   `NULL`.
#' @param batch_prop_cutoff Share of a batch in a cluster up to which it is left out of the correction there.
#' @param random_state Seed.
#' @return `adata` with the element `adjusted_basis` of `obsm`; name it in [neighbors()] as `use_rep`.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |>
#'   harmony_integrate("batch") |> neighbors(use_rep = "X_pca_harmony")
harmony_integrate <- function(
  adata, key, basis = "X_pca", adjusted_basis = "X_pca_harmony", theta = NULL, lamb = NULL, sigma = 0.1, nclust = NULL,
  tau = 0, block_size = 0.05, max_iter_harmony = 10, max_iter_kmeans = 4, epsilon_cluster = 1e-3,
  epsilon_harmony = 1e-2, alpha = 0.2, batch_prop_cutoff = 1e-5, random_state = 0
) {
  verb("harmony_integrate", adata, arguments())
}
