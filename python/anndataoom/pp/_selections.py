"""Cells, genes and counts drawn at random: selections and a recorded operation."""

from __future__ import annotations

import numpy as np

from .._call import verb

__all__ = ["downsample_counts", "sample", "sketch"]


def sample(adata, fraction=None, *, n=None, rng=None, copy=False, replace=False, axis="obs", p=None):
    """Keeps cells or genes drawn at random (`scanpy.pp.sample`), in their order; nothing of the matrix is read.

    The draws are not those of numpy's generator with the same seed.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    fraction, n
        Share of the cells (genes), or how many: exactly one of them.
    rng
        Seed, or a generator of numpy, which is asked for one.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    replace
        Whether one may be drawn again; it is then there several times.
    axis
        "obs" (0) or "var" (1).
    p
        What chances are in proportion to: a column of obs (var) of numbers or truth values, or an array of them.

    Returns
    -------
    None; a changed copy with `copy=True`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.sample(adata, n=100, rng=0)
    >>> adata.n_obs
    100
    """
    axis = {0: "obs", 1: "var"}.get(axis, axis) if isinstance(axis, int) and not isinstance(axis, bool) else axis
    if isinstance(rng, np.random.Generator):
        rng = int(rng.integers(np.iinfo(np.int64).max))
    return verb("sample", **locals())


def downsample_counts(
    adata, counts_per_cell=None, total_counts=None, *, random_state=0, replace=False, copy=False,
):
    """Samples counts without replacement (`scanpy.pp.downsample_counts`): recorded after a pass, done when values are
    read.

    A cell keeps exactly as many of its counts as asked for, each with the same chance; one that has no more keeps
    all. The same counts stay whatever is selected before they are read. Values come as float32. The draws are not
    numpy's.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    counts_per_cell
        Counts of a cell at most: a number, or one a cell.
    total_counts
        Counts of all cells together, instead.
    random_state
        Seed.
    replace
        Only False: counts drawn with replacement depend on all genes of a cell, and could not be recorded.
    copy
        Whether a changed copy is returned and `adata` stays as it is.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `X`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.downsample_counts(adata, counts_per_cell=100)
    >>> bool(adata.X.sum(axis=1).max() <= 100)
    True
    """
    return verb("downsample_counts", **locals())


def sketch(adata, n, *, method="geometric", n_pcs=None, use_rep=None, copy=False, random_state=0):
    """Keeps `n` cells that stand for all, rare states among them; nothing of the matrix is read.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    n
        Cells to keep.
    method
        "geometric": evenly over the embedding, from boxes of one size (Hie et al. 2019); "leverage": by how much a
        cell adds to it (Hao et al. 2023), with obs `leverage_score`, over all cells.
    n_pcs, use_rep
        Columns and name of the embedding; all of `obsm["X_pca"]` by default.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    random_state
        Seed of every random number.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obs["leverage_score"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.sketch(adata, 100)
    >>> adata.shape
    (100, 2000)
    """
    return verb("sketch", **locals())
