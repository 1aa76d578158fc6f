"""Filters of cells and genes, by scanpy's names and parameters."""

from __future__ import annotations

from .._call import check, outcome, verb
from .._convert import from_core

__all__ = ["filter_cells", "filter_genes"]


def _filter(name, inplace, **args):
    check(name, dict(args, inplace=inplace))
    if inplace:
        return verb(name, **args)
    found = outcome(name, **args)
    return found.keep, from_core(found.patch["obs" if found.cells else "var"][0][1])


def filter_cells(adata, *, min_counts=None, min_genes=None, max_counts=None, max_genes=None, inplace=True, copy=False):
    """Keeps cells by counts or by the number of genes detected (`scanpy.pp.filter_cells`).

    Adds obs `n_counts` or `n_genes`, then drops the other cells everywhere, raw included.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    min_counts, min_genes, max_counts, max_genes
        Bounds, inclusive; exactly one is given.
    inplace
        Whether cells are dropped from `adata`; else the mask and the numbers are returned.
    copy
        Whether a changed copy is returned.

    Returns
    -------
    None, or a changed copy with `copy=True`; with `inplace=False` the mask of cells to keep
    (bool, n_obs) and their numbers.

    Raises
    ------
    ValueError
        None, or more than one, of the bounds is given.

    Examples
    --------
    >>> oom.pp.filter_cells(adata, min_genes=200)
    >>> adata.n_obs
    671
    """
    return _filter("filter_cells", **locals())


def filter_genes(adata, *, min_counts=None, min_cells=None, max_counts=None, max_cells=None, inplace=True, copy=False):
    """Keeps genes by counts or by the number of cells that they are detected in
    (`scanpy.pp.filter_genes`).

    Adds var `n_counts` or `n_cells`, then drops the other genes everywhere but in raw.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    min_counts, min_cells, max_counts, max_cells
        Bounds, inclusive; exactly one is given.
    inplace
        Whether genes are dropped from `adata`; else the mask and the numbers are returned.
    copy
        Whether a changed copy is returned.

    Returns
    -------
    None, or a changed copy with `copy=True`; with `inplace=False` the mask of genes to keep
    (bool, n_vars) and their numbers.

    Raises
    ------
    ValueError
        None, or more than one, of the bounds is given.

    Examples
    --------
    >>> oom.pp.filter_genes(adata, min_cells=3)
    >>> adata.n_vars
    1912
    """
    return _filter("filter_genes", **locals())
