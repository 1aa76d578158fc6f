"""The neighbour graph, by scanpy's name and parameters."""

from __future__ import annotations

from collections.abc import Mapping

from .._call import verb
from .._verbs import NOTHING

__all__ = ["neighbors"]


def neighbors(
    adata,
    n_neighbors=15,
    n_pcs=None,
    *,
    use_rep=None,
    knn=True,
    method="umap",
    transformer=None,
    metric="euclidean",
    metric_kwds=NOTHING,
    random_state=0,
    key_added=None,
    copy=False,
    search="auto",
    recall=0.99,
    batch_key=None,
    neighbors_within_batch=3,
    trim=None,
):
    """Finds nearest neighbours and makes their graph (`scanpy.pp.neighbors`; with `batch_key`
    `scanpy.external.pp.bbknn`).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    n_neighbors
        Neighbours of a cell, itself counted.
    n_pcs
        Number of columns of it to use; 0 means `use_rep="X"`.
    use_rep
        Element of obsm, or "X" for the matrix itself, made dense. By default X_pca. Without X_pca
        it is X for up to 50 genes; for more genes, `pca` is run first, with a warning, as in
        scanpy.
    knn
        Whether only the `n_neighbors` nearest cells are linked; False, with `method="gauss"`, links all pairs with
        kernels of that width, for up to 20,000 cells.
    method
        Method that turns distances into weights: "umap" or "gauss". A value of `search` is accepted
        too and means "umap" with that search.
    transformer
        Only "sklearn": exact search.
    metric
        "euclidean", "cosine", "correlation" or "inner_product"; or, compared pair by pair at any number of cells, one
        of scikit-learn's others: "manhattan" ("cityblock", "l1"), "chebyshev", "minkowski", "sqeuclidean",
        "seuclidean", "mahalanobis", "canberra", "braycurtis", "hamming", "jaccard", "dice", "rogerstanimoto",
        "russellrao", "sokalsneath" or "yule". Not a function: it would be called for every pair of cells.
    metric_kwds
        For "minkowski", its power: `{"p": 3}`.
    random_state
        Seed of every random number.
    key_added
        Name of the results.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    search
        Method that finds neighbours: "auto" (exact up to 20,000 cells, then "ivf"), "exact", "ivf"
        or "hnsw" (slower than both on 20,000 and on 100,000 cells).
    recall
        Share of the true neighbours that "ivf" has to find. It is measured on a sample; the recall
        reached is noted in `uns["neighbors"]["params"]["recall"]`.
    batch_key
        Column of obs: every cell gets `neighbors_within_batch` neighbours from each batch, instead
        of the `n_neighbors` nearest of all cells.
    neighbors_within_batch
        Neighbours from each batch.
    trim
        With `batch_key`, the number of strongest links of a cell that stay: ten times its
        neighbours by default, 0 keeps all.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obsp["distances"]`, `obsp["connectivities"]`,
    `uns["neighbors"]`, `obsp["<key_added>_distances"]`, `obsp["<key_added>_connectivities"]`,
    `uns["<key_added>"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.neighbors(adata, n_neighbors=15)
    >>> adata.obsp["connectivities"].shape
    (700, 700)
    """
    if transformer is not None and not (isinstance(transformer, str) and transformer == "sklearn"):
        raise NotImplementedError(
            f"transformer: expected None or 'sklearn' (exact), found {transformer!r}; see search and recall"
        )
    search = "exact" if transformer == "sklearn" else search
    if not isinstance(metric, str):
        raise TypeError(
            f"metric: expected a name such as 'manhattan', found {metric!r}: a function of Python would be called for "
            "every pair of cells; compute distances yourself and put them into obsp"
        )
    if metric_kwds is not None and not isinstance(metric_kwds, Mapping):
        raise TypeError(f"metric_kwds: expected a mapping such as {{'p': 3}}, found {metric_kwds!r}")
    other = [key for key in metric_kwds or () if key != "p"]
    if other:
        found = ", ".join(map(repr, other))
        raise NotImplementedError(f"metric_kwds: expected {{'p': ...}} for 'minkowski', found {found}")
    args = dict(locals(), metric_kwds=(metric_kwds or {}).get("p"))
    del args["other"]
    return verb("neighbors", **args)
