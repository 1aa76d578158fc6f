"""Clusters of the neighbour graph."""

from __future__ import annotations

import numpy as np

from ._call import verb
from ._verbs import NOTHING, one_of

# leidenalg's partition types that are one of the two objectives.
_OBJECTIVES = {"RBConfigurationVertexPartition": "modularity", "CPMVertexPartition": "CPM"}


def leiden(
    adata,
    resolution=1.0,
    *,
    restrict_to=None,
    random_state=0,
    key_added="leiden",
    adjacency=None,
    directed=None,
    use_weights=True,
    n_iterations=-1,
    partition_type=None,
    neighbors_key=None,
    obsp=None,
    copy=False,
    flavor=None,
    objective_function="modularity",
):
    """Finds Leiden clusters of the neighbour graph (`scanpy.tl.leiden`), until nothing improves;
    each is connected.

    `flavor` and `directed` are accepted and have no effect: the graph is undirected.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    resolution
        Higher gives more clusters.
    restrict_to
        (column of obs, its categories): only the cells with these categories are clustered, other
        cells keep theirs.
    random_state
        Seed of every random number.
    key_added
        Column of obs for the clusters; gets _R with restrict_to.
    adjacency
        The graph, instead of that of obsp.
    directed
        Accepted and has no effect: the graph is undirected.
    use_weights
        Whether the connectivities weigh the edges.
    n_iterations
        Iterations; -1 until nothing improves.
    partition_type
        leidenalg's RBConfigurationVertexPartition or CPMVertexPartition, in place of
        `objective_function`.
    neighbors_key
        Name given to neighbors as key_added.
    obsp
        Element of obsp to use as the graph.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    flavor
        Accepted and has no effect.
    objective_function
        "modularity" (with the resolution) or "CPM" (constant Potts model).

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obs["<key_added>"]`, `uns["<key_added>"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.neighbors(adata)
    >>> oom.tl.leiden(adata, resolution=0.5)
    >>> adata.obs["leiden"].dtype.name
    'category'
    """
    one_of("flavor", flavor, [None, "leidenalg", "igraph"])
    restrict_to = _flat(restrict_to)
    args = dict(locals())
    if partition_type is not None:
        name = getattr(partition_type, "__name__", str(partition_type))
        if name not in _OBJECTIVES:
            raise NotImplementedError(f"partition_type: expected one of {', '.join(_OBJECTIVES)}, found {name}")
        args["objective_function"] = _OBJECTIVES[name]
    return verb("leiden", **args)


def louvain(
    adata,
    resolution=None,
    *,
    random_state=0,
    restrict_to=None,
    key_added="louvain",
    adjacency=None,
    flavor="vtraag",
    directed=True,
    use_weights=True,
    partition_type=None,
    partition_kwargs=NOTHING,
    neighbors_key=None,
    obsp=None,
    copy=False,
):
    """Finds Louvain clusters of the neighbour graph by modularity (`scanpy.tl.louvain`); `leiden`
    finds better ones.

    `flavor` and `directed` are accepted and have no effect: the graph is undirected.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    resolution
        Higher gives more clusters; 1 without it.
    random_state
        Seed of every random number.
    restrict_to
        A column of obs and some of its groups: only their cells are clustered.
    key_added
        Column of obs for the clusters; gets _R with restrict_to.
    adjacency
        The graph, instead of that of obsp.
    flavor
        Accepted and has no effect.
    directed
        Accepted and has no effect.
    use_weights
        Whether the connectivities weigh the edges.
    partition_type
        leidenalg's way to say objective_function.
    partition_kwargs
        Not supported.
    neighbors_key
        Name given to neighbors as key_added.
    obsp
        Element of obsp to use as the graph.
    copy
        Whether a changed copy is returned and `adata` stays as it is.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obs["<key_added>"]`, `uns["<key_added>"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.neighbors(adata)
    >>> oom.tl.louvain(adata)
    >>> adata.obs["louvain"].dtype.name
    'category'
    """
    one_of("flavor", flavor, [None, "vtraag", "igraph", "rapids"])
    if partition_type is not None or (partition_kwargs is not None and partition_kwargs is not NOTHING):
        raise NotImplementedError("partition_type and partition_kwargs are not supported")
    restrict_to = _flat(restrict_to)
    return verb("louvain", **locals())


def _flat(restrict_to):
    """Turns (column, its groups) into one list."""
    if restrict_to is None:
        return None
    if not isinstance(restrict_to, tuple | list) or len(restrict_to) != 2 or not np.iterable(restrict_to[1]):
        raise ValueError(f"restrict_to: expected a column of obs and its groups, found {restrict_to!r}")
    key, chosen = restrict_to
    return [key, *([chosen] if isinstance(chosen, str) else map(str, chosen))]
