"""Draws cells, genes or counts at random: selections and a recorded operation."""

from __future__ import annotations

import numpy as np

from .._call import verb

__all__ = ["downsample_counts", "sample", "sketch"]


def sample(adata, fraction=None, *, n=None, rng=None, copy=False, replace=False, axis="obs", p=None):
    """Keeps cells or genes drawn at random (`scanpy.pp.sample`), in their order; reads no values.

    The random draws differ from those of numpy's generator with the same seed.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    fraction, n
        Share, or number, of the cells (genes) to draw: exactly one of the two.
    rng
        Seed, or a generator of numpy, from which a seed is drawn.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    replace
        Whether a cell (gene) may be drawn again; it then occurs several times.
    axis
        "obs" (0) to draw cells, "var" (1) to draw genes.
    p
        Weights that the chances are proportional to: a column of obs (var) of numbers or truth
        values, or an array of them.

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
    adata,
    counts_per_cell=None,
    total_counts=None,
    *,
    random_state=0,
    replace=False,
    copy=False,
):
    """Samples counts without replacement (`scanpy.pp.downsample_counts`), recorded after one pass.

    A cell keeps exactly as many of its counts as asked for, each with the same chance; a cell with
    no more counts keeps them all. The same counts stay for any selection before they are read.
    Values come as float32. The random draws differ from numpy's.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    counts_per_cell
        Most counts of a cell: one number, or a number for each cell.
    total_counts
        Number of counts to keep in all cells together, instead of `counts_per_cell`.
    random_state
        Seed of every random number.
    replace
        Only False: counts drawn with replacement depend on all genes of a cell and could not be
        recorded.
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
    """Keeps `n` cells that represent all cells, including rare states; reads no values of the
    matrix.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    n
        Number of cells to keep.
    method
        "geometric" draws evenly over the embedding, from boxes of one size (Hie et al. 2019).
        "leverage" draws by the leverage of a cell in the embedding (Hao et al. 2023) and adds obs
        `leverage_score`, computed over all cells.
    n_pcs, use_rep
        Number of columns, and name, of the embedding; by default all of `obsm["X_pca"]`.
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
