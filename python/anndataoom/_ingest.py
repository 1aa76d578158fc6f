"""Transfers labels and coordinates from a reference to a query, by scanpy's name and parameters."""

from __future__ import annotations

from ._call import outcome
from ._verbs import target_of


def ingest(
    adata,
    adata_ref,
    *,
    obs=None,
    embedding_method=("umap", "pca"),
    labeling_method="knn",
    neighbors_key=None,
    inplace=True,
    random_state=0,
):
    """Maps cells into a reference (`scanpy.tl.ingest`), both on disk.

    The cells are projected on the principal components of the reference, with genes matched by
    name. Their exact neighbours among its cells vote for labels. Adds obsm `X_pca` and `X_umap`,
    and for each label a column of obs and `<label>_confidence`, the share of the votes for it. If
    the reference is scaled and the query is not, the query is scaled by the means and deviations of
    the reference.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    adata_ref
        An AnnDataOOM after `pp.pca`, `pp.neighbors` and, for that embedding, `tl.umap`.
    obs
        Columns of the reference's obs to vote for.
    embedding_method
        "umap", "pca" or both. In the UMAP, cells start between their neighbours and are drawn
        towards them; the cells of the reference do not move.
    labeling_method
        Only "knn": the nearest vote.
    neighbors_key
        Name given to neighbors as key_added, in the reference.
    inplace
        Whether results are put into `adata`; else they are returned.
    random_state
        Seed of the placement in the UMAP.

    Returns
    -------
    None, or with `inplace=False` a changed copy.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> reference, query = adata[:500].copy(), adata[500:].copy()
    >>> oom.pp.pca(reference, n_comps=20)
    >>> oom.pp.neighbors(reference)
    >>> oom.tl.umap(reference)
    >>> oom.tl.ingest(query, reference, obs="cell_type")
    >>> query.obsm["X_umap"].shape
    (200, 2)
    """
    return _mapped("ingest", **locals())


def transfer_labels(adata, adata_ref, obs, *, weights="distance", neighbors_key=None, inplace=True):
    """Transfers labels from a reference, with nearer neighbours counting more than in `tl.ingest`.

    Adds for each label a column of obs, and `<label>_confidence`, the share of the votes for it.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    adata_ref
        An AnnDataOOM after `pp.pca` and `pp.neighbors`.
    obs
        Columns of the reference's obs to vote for.
    weights
        "distance" weighs a vote by exp(-(d / D)²), with D the distance of the farthest neighbour;
        "uniform" counts all alike.
    neighbors_key
        Name given to neighbors as key_added, in the reference.
    inplace
        Whether results are put into `adata`; else they are returned.

    Returns
    -------
    None, or with `inplace=False` a changed copy.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> reference, query = adata[:500].copy(), adata[500:].copy()
    >>> oom.pp.pca(reference, n_comps=20)
    >>> oom.pp.neighbors(reference)
    >>> oom.tl.transfer_labels(query, reference, obs="cell_type")
    >>> query.obs["cell_type"].dtype.name
    'category'
    """
    return _mapped("transfer_labels", **locals())


def _mapped(verb, adata, inplace, **args):
    target_of(adata, False)
    found = outcome(verb, adata, inplace=inplace, **args)
    adata = adata if inplace else adata.copy()
    found.merge(adata)
    return None if inplace else adata
