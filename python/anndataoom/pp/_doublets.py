"""Doublets, by scanpy's name and parameters."""

from __future__ import annotations

from .._call import check, verb

__all__ = ["scrublet"]


def scrublet(
    adata,
    adata_sim=None,
    *,
    batch_key=None,
    sim_doublet_ratio=2.0,
    expected_doublet_rate=0.05,
    stdev_doublet_rate=0.02,
    synthetic_doublet_umi_subsampling=1.0,
    knn_dist_metric="euclidean",
    normalize_variance=True,
    log_transform=False,
    mean_center=True,
    n_prin_comps=30,
    use_approx_neighbors=None,
    n_neighbors=None,
    threshold=None,
    verbose=True,
    copy=False,
    random_state=0,
):
    """Scores cells by how many of their neighbours are simulated doublets (`scanpy.pp.scrublet`), from counts.

    The pairs of cells are those that scanpy draws with the same seed. The doublets are projected
    and never stored. Adds obs `doublet_score` and `predicted_doublet` (missing for cells with fewer
    than 3 genes), and `uns["scrublet"]`.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    adata_sim
        Not supported: doublets are simulated here.
    batch_key
        Column of obs with batches, each of which is scored by itself.
    sim_doublet_ratio
        Number of simulated doublets for each cell.
    expected_doublet_rate
        Share of doublets among the cells.
    stdev_doublet_rate, verbose
        Accepted and have no effect.
    synthetic_doublet_umi_subsampling
        Share of the counts of a simulated doublet that is kept, at random.
    knn_dist_metric
        Distance between cells; names as in `pp.neighbors`.
    normalize_variance, log_transform, mean_center
        Whether, before components are computed, genes are scaled to variance 1, counts
        logarithmised, and genes centred.
    n_prin_comps
        Number of components in which cells are compared.
    use_approx_neighbors
        Whether the search for neighbours is approximate, with a measured recall; by default above
        20,000 cells and doublets.
    n_neighbors
        Number of neighbours among the cells; by default half the square root of the number of
        cells.
    threshold
        Score above which a cell is called a doublet; by default the least frequent score between
        the two modes of the simulated doublets.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    random_state
        Seed of every random number.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obs["doublet_score"]`,
    `obs["predicted_doublet"]`, `uns["scrublet"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.scrublet(adata, n_prin_comps=20)
    >>> int(adata.obs["doublet_score"].notna().sum())
    700
    """
    args = dict(locals())
    check("scrublet", args)
    if adata_sim is not None:
        raise NotImplementedError("adata_sim is not supported: doublets are simulated here and never kept")
    return verb("scrublet", **args)
