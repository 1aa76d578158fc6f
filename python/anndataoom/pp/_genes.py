"""Genes by what their values are: highly variable ones, by scanpy's name and parameters, and ranges."""

from __future__ import annotations

import numpy as np

from .._call import outcome
from .._verbs import target_of
from ._hvg_table import returned

__all__ = ["gene_ranges", "highly_variable_genes"]


def highly_variable_genes(
    adata, *, layer=None, n_top_genes=None, min_disp=0.5, max_disp=np.inf, min_mean=0.0125, max_mean=3.0, span=0.3,
    n_bins=20, flavor="seurat", subset=False, inplace=True, batch_key=None, check_values=True, theta=100.0, clip=None,
):
    """Highly variable genes (`scanpy.pp.highly_variable_genes`, with flavor "pearson_residuals" of its experimental).

    Columns of var and `uns["hvg"]` are scanpy's.

    Parameters
    ----------
    adata
        An AnnDataOOM: log-normalised for "seurat" and "cell_ranger", counts for the others.
    layer
        Layer instead of X.
    n_top_genes
        How many to choose; needed for "seurat_v3", "seurat_v3_paper" and "pearson_residuals".
    min_disp, max_disp, min_mean, max_mean
        Bounds of "seurat" and "cell_ranger" without `n_top_genes`.
    span
        Share of the genes in a local fit of "seurat_v3".
    n_bins
        Bins of mean expression of "seurat".
    flavor
        "seurat", "cell_ranger", "seurat_v3", "seurat_v3_paper" or "pearson_residuals".
    subset
        Whether the other genes are dropped, or left out of what is returned.
    inplace
        Whether var gets the columns.
    batch_key
        Column of obs: genes are ranked in every batch and merged. A batch of one cell, in which nothing varies, takes
        no part, with a warning.
    check_values
        Whether a flavor for counts warns of values that are not whole numbers.
    theta, clip
        Overdispersion and bound of Pearson residuals.

    Returns
    -------
    None, or with `inplace=False` the frame of columns for var, with those more that scanpy's has.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.highly_variable_genes(adata, n_top_genes=200, flavor="pearson_residuals")
    >>> int(adata.var["highly_variable"].sum())
    200
    """
    adata = target_of(adata, False)
    found = outcome("highly_variable_genes", **locals())
    if inplace:
        return found.merge(adata)
    table = returned(found.frame("var", adata.var_names), flavor, int(n_bins))
    return table[table["highly_variable"]] if subset else table


def gene_ranges(adata, *, threshold=0.0, layer=None, inplace=True):
    """Least and largest value of every gene, and how many cells are above a threshold, in one pass.

    Zeros count as any other value. NaN propagates, as in `numpy.min`, and is above nothing.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    threshold
        What the value of a cell has to be above to be counted.
    layer
        Layer instead of X.
    inplace
        Whether var gets the columns.

    Returns
    -------
    None, or with `inplace=False` the frame of the columns: `min_expression` and `max_expression` (float32 for a float32
    matrix, else float64) and `n_cells_above` (int64).

    Raises
    ------
    ValueError
        The threshold is NaN.

    Examples
    --------
    >>> oom.pp.gene_ranges(adata)
    >>> [c for c in adata.var if c.startswith(("min", "max", "n_cells"))]
    ['min_expression', 'max_expression', 'n_cells_above']
    """
    adata = target_of(adata, False)
    found = outcome("gene_ranges", **locals())
    return found.merge(adata) if inplace else found.frame("var", adata.var_names)
