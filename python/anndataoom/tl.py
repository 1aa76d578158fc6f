"""Embedding and clustering, by scanpy's names and parameters, in place as scanpy does."""

from __future__ import annotations

import warnings

import numpy as np

from . import _core
from ._anndata import merge
from ._convert import to_core
from .pp import _target, pca

__all__ = ["umap", "leiden", "pca"]


def _graph(adata, neighbors_key, obsp=None):
    if obsp is None:
        key = neighbors_key or "neighbors"
        if key not in adata.uns:
            raise KeyError(f"uns has no element {key!r}: run anndataoom.pp.neighbors first")
        obsp = adata.uns[key].get("connectivities_key", "connectivities")
    return to_core(adata.obsp[obsp].tocsr(), "connectivities")


def umap(
    adata, *, min_dist=0.5, spread=1.0, n_components=2, maxiter=None, alpha=1.0, gamma=1.0, negative_sample_rate=5,
    init_pos="spectral", random_state=0, a=None, b=None, key_added=None, neighbors_key=None, copy=False,
):
    """UMAP of the neighbour graph (`scanpy.tl.umap`), the same for any number of threads."""
    adata = _target(adata, copy)
    start = None
    if isinstance(init_pos, str) and init_pos in adata.obsm:
        start, init_pos = np.ascontiguousarray(adata.obsm[init_pos]), "given"
    elif not isinstance(init_pos, str):
        start, init_pos = np.ascontiguousarray(init_pos), "given"
    elif init_pos not in ("spectral", "random"):
        raise ValueError(f"init_pos: expected 'spectral', 'random', a key of obsm or an array, found {init_pos!r}")
    patch, notes = _core.umap(
        _graph(adata, neighbors_key), min_dist=float(min_dist), spread=float(spread), n_components=int(n_components),
        maxiter=maxiter, alpha=float(alpha), gamma=float(gamma), negative_sample_rate=int(negative_sample_rate),
        a=a, b=b, init=init_pos, start=start, seed=int(random_state), key_added=key_added,
    )
    for note in notes:
        warnings.warn(note, stacklevel=2)
    merge(adata, patch)
    return adata if copy else None


def leiden(
    adata, resolution=1.0, *, restrict_to=None, random_state=0, key_added="leiden", adjacency=None, directed=None,
    use_weights=True, n_iterations=-1, partition_type=None, neighbors_key=None, obsp=None, copy=False, flavor=None,
):
    """Leiden clusters of the neighbour graph (`scanpy.tl.leiden`), by modularity.

    `flavor` and `directed` are accepted and have no effect: the graph is undirected.
    """
    adata = _target(adata, copy)
    if restrict_to is not None or partition_type is not None:
        raise NotImplementedError("restrict_to and partition_type are not supported")
    graph = to_core(adjacency.tocsr()) if adjacency is not None else _graph(adata, neighbors_key, obsp)
    n_iterations = -1 if n_iterations is None else int(n_iterations)
    merge(adata, _core.leiden(graph, float(resolution), int(random_state), n_iterations, bool(use_weights), key_added))
    return adata if copy else None
