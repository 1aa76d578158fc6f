"""Filters of cells and genes, by scanpy's names and parameters."""

from __future__ import annotations

from . import _core
from ._arrays import array_of
from ._convert import from_core
from ._verbs import merge, target_of


def _criterion(**given):
    given = {k: v for k, v in given.items() if v is not None}
    if len(given) != 1:
        raise ValueError("Only provide one of the optional parameters: " + ", ".join(sorted(given) or ["none given"]))
    return next(iter(given.items()))


def _filter(adata, verb, name, bound, subset, inplace, copy):
    keep, patch = verb(adata._matrix()._m, name, float(bound))
    keep = array_of(keep)
    if not inplace:
        part = "obs" if verb is _core.filter_cells else "var"
        return keep, from_core(patch[part][0][1])
    merge(adata, patch)
    subset(keep)
    return adata if copy else None


def filter_cells(adata, *, min_counts=None, min_genes=None, max_counts=None, max_genes=None, inplace=True, copy=False):
    """Keeps cells by counts or by number of genes detected (`scanpy.pp.filter_cells`).

    Adds obs `n_counts` or `n_genes`, then drops the other cells everywhere, raw included.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    min_counts, min_genes, max_counts, max_genes
        The bound, inclusive: exactly one of them.
    inplace
        Whether cells and genes are dropped from `adata`; else the mask and the numbers are returned.
    copy
        Whether a changed copy is returned.

    Raises
    ------
    ValueError
        Not exactly one bound is given.
    """
    adata = target_of(adata, copy)
    name, bound = _criterion(min_counts=min_counts, min_genes=min_genes, max_counts=max_counts, max_genes=max_genes)
    return _filter(adata, _core.filter_cells, name, bound, adata._inplace_subset_obs, inplace, copy)


def filter_genes(adata, *, min_counts=None, min_cells=None, max_counts=None, max_cells=None, inplace=True, copy=False):
    """Keeps genes by counts or by number of cells they are detected in (`scanpy.pp.filter_genes`).

    Adds var `n_counts` or `n_cells`, then drops the other genes everywhere but in raw.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    min_counts, min_cells, max_counts, max_cells
        The bound, inclusive: exactly one of them.
    inplace
        Whether cells and genes are dropped from `adata`; else the mask and the numbers are returned.
    copy
        Whether a changed copy is returned.

    Raises
    ------
    ValueError
        Not exactly one bound is given.
    """
    adata = target_of(adata, copy)
    name, bound = _criterion(min_counts=min_counts, min_cells=min_cells, max_counts=max_counts, max_cells=max_cells)
    return _filter(adata, _core.filter_genes, name, bound, adata._inplace_subset_var, inplace, copy)
