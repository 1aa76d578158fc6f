"""Embedding, clustering and trees, by scanpy's names and parameters, in place as scanpy does."""

from __future__ import annotations

import warnings

import numpy as np

from . import _core
from ._categories import categorical
from ._convert import to_core
from ._verbs import NOTHING, groups_of, merge, one_of, representation, target_of, tell
from .pp import pca

__all__ = ["dendrogram", "diffmap", "dpt", "leiden", "louvain", "paga", "pca", "umap"]


def _graph(adata, neighbors_key, obsp=None, what="connectivities"):
    if obsp is None:
        key = neighbors_key or "neighbors"
        if key not in adata.uns:
            raise KeyError(f"uns has no element {key!r}: run anndataoom.pp.neighbors first")
        obsp = adata.uns[key].get(f"{what}_key", what)
    return to_core(adata.obsp[obsp].tocsr(), what)


def umap(
    adata, *, min_dist=0.5, spread=1.0, n_components=2, maxiter=None, alpha=1.0, gamma=1.0, negative_sample_rate=5,
    init_pos="spectral", random_state=0, a=None, b=None, method="umap", key_added=None, neighbors_key="neighbors",
    copy=False, parallel=True,
):
    """UMAP of the neighbour graph (`scanpy.tl.umap`), the same for any number of threads.

    Parameters
    ----------
    init_pos
        "spectral", "pca" (the first columns of `obsm["X_pca"]`), "random", a key of obsm, or an array of positions.
    method
        Only "umap".
    parallel
        Whether all points move at once, on all threads; otherwise one edge after the other, as in umap-learn.
    """
    adata = target_of(adata, copy)
    one_of("method", method, ["umap"])
    start = None
    if isinstance(init_pos, str) and init_pos == "pca":
        start = representation(adata, None, None)
    elif isinstance(init_pos, str) and init_pos in adata.obsm:
        start, init_pos = np.ascontiguousarray(adata.obsm[init_pos]), "given"
    elif not isinstance(init_pos, str):
        start, init_pos = np.ascontiguousarray(init_pos), "given"
    elif init_pos not in ("spectral", "random"):
        expected = "'spectral', 'pca', 'random', a key of obsm or an array"
        raise ValueError(f"init_pos: expected {expected}, found {init_pos!r}")
    patch, notes = _core.umap(
        _graph(adata, neighbors_key), min_dist=float(min_dist), spread=float(spread), n_components=int(n_components),
        maxiter=maxiter, alpha=float(alpha), gamma=float(gamma), negative_sample_rate=int(negative_sample_rate),
        a=a, b=b, init=init_pos, start=start, seed=int(random_state), key_added=key_added, parallel=bool(parallel),
    )
    tell(notes)
    merge(adata, patch)
    return adata if copy else None


# leidenalg's partition types that are one of the two objectives.
_OBJECTIVES = {"RBConfigurationVertexPartition": "modularity", "CPMVertexPartition": "CPM"}


def leiden(
    adata, resolution=1.0, *, restrict_to=None, random_state=0, key_added="leiden", adjacency=None, directed=None,
    use_weights=True, n_iterations=-1, partition_type=None, neighbors_key=None, obsp=None, copy=False, flavor=None,
    objective_function="modularity",
):
    """Leiden clusters of the neighbour graph (`scanpy.tl.leiden`), until nothing improves; each is connected.

    `flavor` and `directed` are accepted and have no effect: the graph is undirected.

    Parameters
    ----------
    restrict_to
        (column of obs, its categories): only their cells are clustered, the others keep theirs.
    partition_type
        leidenalg's RBConfigurationVertexPartition or CPMVertexPartition: another way to say `objective_function`.
    objective_function
        "modularity" (with the resolution) or "CPM" (constant Potts model).
    """
    one_of("flavor", flavor, [None, "leidenalg", "igraph"])
    if partition_type is not None:
        name = getattr(partition_type, "__name__", str(partition_type))
        if name not in _OBJECTIVES:
            raise NotImplementedError(f"partition_type: expected one of {', '.join(_OBJECTIVES)}, found {name}")
        objective_function = _OBJECTIVES[name]
    return _cluster(
        adata, "leiden", resolution, restrict_to, random_state, key_added, adjacency, use_weights, n_iterations,
        neighbors_key, obsp, copy, objective_function,
    )


def louvain(
    adata, resolution=None, *, random_state=0, restrict_to=None, key_added="louvain", adjacency=None, flavor="vtraag",
    directed=True, use_weights=True, partition_type=None, partition_kwargs=NOTHING, neighbors_key=None, obsp=None,
    copy=False,
):
    """Louvain clusters of the neighbour graph by modularity (`scanpy.tl.louvain`); `leiden` finds better ones.

    `flavor` and `directed` are accepted and have no effect: the graph is undirected.
    """
    one_of("flavor", flavor, [None, "vtraag", "igraph", "rapids"])
    if partition_type is not None or partition_kwargs:
        raise NotImplementedError("partition_type and partition_kwargs are not supported")
    return _cluster(
        adata, "louvain", 1.0 if resolution is None else resolution, restrict_to, random_state, key_added, adjacency,
        use_weights, -1, neighbors_key, obsp, copy, "modularity",
    )


def _cluster(
    adata, algorithm, resolution, restrict_to, random_state, key_added, adjacency, use_weights, n_iterations,
    neighbors_key, obsp, copy, objective_function,
):
    adata = target_of(adata, copy)
    graph = to_core(adjacency.tocsr()) if adjacency is not None else _graph(adata, neighbors_key, obsp)
    restrict = None
    if restrict_to is not None:
        key, chosen = restrict_to
        if key not in adata.obs:
            raise KeyError(f"restrict_to: obs has no column {key!r}; there are {', '.join(adata.obs.columns)}")
        old = categorical(adata.obs[key])
        chosen = [chosen] if isinstance(chosen, str) else list(chosen)
        restrict = (key, np.ascontiguousarray(old.codes, dtype=np.int32), [str(c) for c in old.categories], chosen)
    patch = _core.cluster(
        graph, algorithm=algorithm, resolution=float(resolution), objective_function=objective_function,
        seed=int(random_state), n_iterations=-1 if n_iterations is None else int(n_iterations),
        use_weights=bool(use_weights), key_added=key_added, restrict=restrict,
    )
    merge(adata, patch)
    return adata if copy else None


def paga(adata, groups=None, *, use_rna_velocity=False, model="v1.2", neighbors_key=None, copy=False):
    """How much more often two groups are neighbours than by chance (`scanpy.tl.paga`, model v1.2)."""
    adata = target_of(adata, copy)
    if use_rna_velocity or model != "v1.2":
        found = f"found model={model!r}, use_rna_velocity={use_rna_velocity}"
        raise NotImplementedError(f"only model='v1.2' is supported, without use_rna_velocity; {found}")
    if groups is None:
        groups = next((key for key in ("leiden", "louvain") if key in adata.obs), None)
        if groups is None:
            raise ValueError("groups: obs has no column 'leiden' or 'louvain'; run tl.leiden first, or name another")
    codes, names = groups_of(adata, groups, "groups")
    merge(adata, _core.paga(_graph(adata, neighbors_key, what="distances"), codes, len(names), groups))
    return adata if copy else None


def dendrogram(
    adata, groupby, *, n_pcs=None, use_rep=None, var_names=None, use_raw=None, cor_method="pearson",
    linkage_method="complete", optimal_ordering=False, key_added=None, inplace=True,
):
    """Tree of groups of cells by the correlation of their means (`scanpy.tl.dendrogram`).

    Returns
    -------
    None, or with `inplace=False` what goes to `uns["dendrogram_<groupby>"]`.
    """
    adata = target_of(adata, False)
    if optimal_ordering:
        raise NotImplementedError("optimal_ordering is not supported")
    groupby = [groupby] if isinstance(groupby, str) else list(groupby)
    codes, names = groups_of(adata, groupby[0], "groupby")
    for other in groupby[1:]:
        more_codes, more = groups_of(adata, other, "groupby")
        joined = categorical([f"{names[a]}_{more[b]}" for a, b in zip(codes, more_codes)])
        codes, names = np.ascontiguousarray(joined.codes, dtype=np.int32), list(joined.categories)
    if var_names is None:
        points = representation(adata, use_rep, n_pcs)
    else:
        var_names = [var_names] if isinstance(var_names, str) else list(var_names)
        source = adata.raw if (adata.raw is not None if use_raw is None else use_raw) else adata
        values = source[:, var_names].X[:]
        points = np.ascontiguousarray(values.toarray() if hasattr(values, "toarray") else values)
    patch = _core.dendrogram(
        points, codes, categories=names, groupby=groupby, use_rep=use_rep, cor_method=cor_method,
        linkage_method=linkage_method, key_added=key_added,
    )
    if inplace:
        merge(adata, patch)
        return None
    from ._convert import from_core

    return from_core(patch["uns"][0][1])


def diffmap(adata, n_comps=15, *, neighbors_key=None, random_state=0, copy=False):
    """Diffusion map of the neighbour graph (`scanpy.tl.diffmap`); its first component is the stationary state."""
    adata = target_of(adata, copy)
    patch, notes = _core.diffmap(_graph(adata, neighbors_key), int(n_comps), int(random_state))
    tell(notes)
    merge(adata, patch)
    return adata if copy else None


def dpt(
    adata, n_dcs=10, *, n_branchings=0, min_group_size=0.01, allow_kendall_tau_shift=True, neighbors_key=None,
    copy=False,
):
    """Diffusion pseudotime from the cell `uns["iroot"]` (`scanpy.tl.dpt`, without branchings)."""
    adata = target_of(adata, copy)
    if n_branchings:
        raise NotImplementedError("only n_branchings=0 is supported: paga finds branchings")
    if "iroot" not in adata.uns:
        raise KeyError("uns has no element 'iroot': set adata.uns['iroot'] to the number of the root cell")
    if "X_diffmap" not in adata.obsm:
        warnings.warn("dpt: runs diffmap first, with its defaults", stacklevel=2)
        diffmap(adata, neighbors_key=neighbors_key)
    components = np.ascontiguousarray(adata.obsm["X_diffmap"])
    values = np.asarray(adata.uns["diffmap_evals"], dtype=np.float32).tolist()
    root = int(adata.uns["iroot"])
    if not 0 <= root < adata.n_obs:
        raise IndexError(f"uns['iroot']: expected a number from 0 to {adata.n_obs - 1}, found {root}")
    merge(adata, _core.dpt(_graph(adata, neighbors_key), components, values, int(n_dcs), root))
    return adata if copy else None
