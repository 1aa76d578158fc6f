"""Removes differences between batches, by the names and parameters of scanpy and harmonypy."""

from __future__ import annotations

from .._call import outcome, verb

__all__ = ["combat", "harmony_integrate"]


def harmony_integrate(
    adata,
    key,
    *,
    basis="X_pca",
    adjusted_basis="X_pca_harmony",
    theta=None,
    lamb=None,
    sigma=0.1,
    nclust=None,
    tau=0.0,
    block_size=0.05,
    max_iter_harmony=10,
    max_iter_kmeans=4,
    epsilon_cluster=1e-3,
    epsilon_harmony=1e-2,
    alpha=0.2,
    batch_prop_cutoff=1e-5,
    random_state=0,
):
    """Moves cells so that batches mix (`scanpy.external.pp.harmony_integrate`), the same for any number of threads.

    This is Harmony (Korsunsky et al. 2019) with the changes of Harmony 2 (Patikas et al. 2026).
    Cells are assigned to soft clusters in which batches should be as common as in all cells. In
    each cluster the shifts of the batches are subtracted. Adds `obsm[adjusted_basis]` (cells x
    dimensions, float32).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    key
        Columns of obs with the batches; each column has shifts of its own.
    basis, adjusted_basis
        Elements of obsm: the coordinates, and the result.
    theta
        Weight of the diversity of clusters, one for each key or one for all; 2 by default, 0 turns
        it off.
    lamb
        Ridge penalty of the shifts, one for each key or one for all; by default `alpha` times the
        number of cells of the batch expected in the cluster.
    sigma
        Width of the soft clusters.
    nclust
        Number of clusters; by default one for every 30 cells, at most 100.
    tau
        Number of cells per cluster below which a batch has less weight; 0 for none.
    block_size
        Share of the cells that are assigned at a time.
    max_iter_harmony, max_iter_kmeans
        Most rounds of clustering and correction, and most passes of clustering in a round.
    epsilon_cluster, epsilon_harmony
        Relative fall of the objective at which passes and rounds end.
    alpha
        Ridge penalty in cells expected of a batch in a cluster.
    batch_prop_cutoff
        Share of a batch in a cluster up to which it is left out of the correction there.
    random_state
        Seed of every random number.

    Returns
    -------
    None. Sets `obsm["<adjusted_basis>"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.harmony_integrate(adata, "batch")
    >>> adata.obsm["X_pca_harmony"].shape
    (700, 20)
    """
    verb("harmony_integrate", **locals())


def combat(adata, key="batch", *, covariates=None, inplace=True):
    """Removes differences of location and scale between batches, gene by gene (`scanpy.pp.combat`).

    One pass finds the estimates; the correction is computed when values are read. Values come as
    float32 (float64 for float64 input), where scanpy gives float64. Genes without variation count
    in the estimates, as in scanpy; filter them first.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    key
        Column of obs with the batches, each of at least two cells.
    covariates
        Columns of obs, numbers or groups, that explain values too. Their effects stay in the
        values.
    inplace
        Whether results are put into `adata`; else they are returned.

    Returns
    -------
    None, or with `inplace=False` the corrected matrix, on disk as X is.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> oom.pp.log1p(adata)
    >>> oom.pp.combat(adata, key="batch")
    >>> adata.shape
    (700, 2000)
    """
    found = outcome("combat", **locals())
    return found.merge(adata) if inplace else found.matrix
