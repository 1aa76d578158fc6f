"""Embeddings, clusters and trees, by scanpy's names and parameters, in place as in scanpy."""

from __future__ import annotations

import warnings

import numpy as np

from ._call import check, outcome, verb
from ._convert import from_core
from ._ingest import ingest, transfer_labels
from ._markers import filter_rank_genes_groups, marker_gene_overlap, rank_genes_groups
from ._scores import score_aucell, score_genes, score_genes_cell_cycle
from ._verbs import NOTHING, one_of, target_of
from .pp import pca

__all__ = [
    "dendrogram", "diffmap", "dpt", "embedding_density", "filter_rank_genes_groups", "ingest", "leiden", "louvain",
    "marker_gene_overlap", "paga", "pca", "rank_genes_groups", "score_aucell", "score_genes", "score_genes_cell_cycle",
    "transfer_labels", "umap",
]  # fmt: skip


def umap(
    adata, *, min_dist=0.5, spread=1.0, n_components=2, maxiter=None, alpha=1.0, gamma=1.0, negative_sample_rate=5,
    init_pos="spectral", random_state=0, a=None, b=None, method="umap", key_added=None, neighbors_key="neighbors",
    copy=False, parallel=True,
):
    """Computes a UMAP of the neighbour graph (`scanpy.tl.umap`), with the same result for any
    number of threads.

    Parameters
    ----------
    init_pos
        "spectral", "pca" (the first columns of `obsm["X_pca"]`), "random", a key of obsm, or an array of positions.
    method
        Only "umap".
    parallel
        Whether all points move at once, on all threads; else edges move one after the other, as in
        umap-learn.
    """
    one_of("method", method, ["umap"])
    return verb("umap", **locals())


# The partition types of leidenalg that are one of the two objectives.
_OBJECTIVES = {"RBConfigurationVertexPartition": "modularity", "CPMVertexPartition": "CPM"}


def leiden(
    adata, resolution=1.0, *, restrict_to=None, random_state=0, key_added="leiden", adjacency=None, directed=None,
    use_weights=True, n_iterations=-1, partition_type=None, neighbors_key=None, obsp=None, copy=False, flavor=None,
    objective_function="modularity",
):
    """Finds Leiden clusters of the neighbour graph (`scanpy.tl.leiden`), until nothing improves;
    each is connected.

    `flavor` and `directed` are accepted and have no effect: the graph is undirected.

    Parameters
    ----------
    restrict_to
        (column of obs, its categories): only the cells with these categories are clustered, other
        cells keep theirs.
    partition_type
        leidenalg's RBConfigurationVertexPartition or CPMVertexPartition, in place of
        `objective_function`.
    objective_function
        "modularity" (with the resolution) or "CPM" (constant Potts model).
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
    adata, resolution=None, *, random_state=0, restrict_to=None, key_added="louvain", adjacency=None, flavor="vtraag",
    directed=True, use_weights=True, partition_type=None, partition_kwargs=NOTHING, neighbors_key=None, obsp=None,
    copy=False,
):
    """Finds Louvain clusters of the neighbour graph by modularity (`scanpy.tl.louvain`); `leiden`
    finds better ones.

    `flavor` and `directed` are accepted and have no effect: the graph is undirected.
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


def paga(adata, groups=None, *, use_rna_velocity=False, model="v1.2", neighbors_key=None, copy=False):
    """Compares how often two groups are neighbours with chance (`scanpy.tl.paga`, model v1.2)."""
    check("paga", locals())
    if use_rna_velocity or model != "v1.2":
        found = f"found model={model!r}, use_rna_velocity={use_rna_velocity}"
        raise NotImplementedError(f"only model='v1.2' is supported, without use_rna_velocity; {found}")
    if groups is None:
        groups = next((key for key in ("leiden", "louvain") if key in target_of(adata, False).obs), None)
        if groups is None:
            raise ValueError("groups: obs has no column 'leiden' or 'louvain'; run tl.leiden first, or name another")
    return verb("paga", adata, groups=groups, neighbors_key=neighbors_key, copy=copy)


def dendrogram(
    adata, groupby, *, n_pcs=None, use_rep=None, var_names=None, use_raw=None, cor_method="pearson",
    linkage_method="complete", optimal_ordering=False, key_added=None, inplace=True,
):
    """Clusters groups of cells by the correlation of their means (`scanpy.tl.dendrogram`).

    Returns
    -------
    None, or with `inplace=False` the value for `uns["dendrogram_<groupby>"]`.
    """
    check("dendrogram", locals())
    if optimal_ordering:
        raise NotImplementedError("optimal_ordering is not supported")
    found = outcome("dendrogram", **locals())
    return found.merge(adata) if inplace else from_core(found.patch["uns"][0][1])


def diffmap(adata, n_comps=15, *, neighbors_key=None, random_state=0, copy=False):
    """Computes a diffusion map of the neighbour graph (`scanpy.tl.diffmap`); the first component is
    the stationary state.
    """
    return verb("diffmap", **locals())


def dpt(
    adata, n_dcs=10, *, n_branchings=0, min_group_size=0.01, allow_kendall_tau_shift=True, neighbors_key=None,
    copy=False,
):
    """Computes diffusion pseudotime from the cell `uns["iroot"]` (`scanpy.tl.dpt`, without
    branchings).
    """
    check("dpt", locals())
    if n_branchings:
        raise NotImplementedError("only n_branchings=0 is supported: paga finds branchings")
    adata = target_of(adata, copy)
    if "iroot" not in adata.uns:
        raise KeyError("uns has no element 'iroot': set adata.uns['iroot'] to the number of the root cell")
    if "X_diffmap" not in adata.obsm:
        warnings.warn("dpt: runs diffmap first, with its defaults", stacklevel=2)
        diffmap(adata, neighbors_key=neighbors_key)
    verb("dpt", adata, n_dcs=n_dcs, neighbors_key=neighbors_key)
    return adata if copy else None


def embedding_density(adata, basis="umap", *, groupby=None, key_added=None, components=None):
    """Estimates the density of cells at each cell of an embedding, from 0 to 1
    (`scanpy.tl.embedding_density`).

    It is a Gaussian kernel estimate, as `scipy.stats.gaussian_kde`; terms that add up to less than
    1e-11 are left out. Time grows with the square of the number of cells.

    Parameters
    ----------
    basis
        Element of obsm, with or without "X_".
    groupby
        Column of obs with groups: the density of each group is estimated by itself, so that
        densities do not compare between groups.
    key_added
        Name of the column of obs for the result, instead of `<basis>_density` or
        `<basis>_density_<groupby>`.
    components
        Two components, counted from 1, as numbers or as "1,2".
    """
    return verb("embedding_density", **locals())
