"""Highly variable genes, by scanpy's name and parameters, and ranges of genes."""

from __future__ import annotations

import numpy as np

from .._call import outcome
from .._verbs import target_of
from ._hvg_table import returned

__all__ = ["gene_ranges", "highly_variable_genes"]


def highly_variable_genes(
    adata,
    *,
    layer=None,
    n_top_genes=None,
    min_disp=0.5,
    max_disp=np.inf,
    min_mean=0.0125,
    max_mean=3.0,
    span=0.3,
    n_bins=20,
    flavor="seurat",
    subset=False,
    inplace=True,
    batch_key=None,
    check_values=True,
    theta=100.0,
    clip=None,
):
    """Finds highly variable genes (`scanpy.pp.highly_variable_genes`, and its experimental
    "pearson_residuals").

    The columns of var and `uns["hvg"]` are scanpy's.

    Parameters
    ----------
    adata
        An AnnDataOOM: log-normalised for "seurat" and "cell_ranger", counts for the others.
    layer
        Layer instead of X.
    n_top_genes
        Number of genes to choose. "pearson_residuals" needs it; "seurat_v3" and "seurat_v3_paper"
        choose 2,000 without it; "seurat" and "cell_ranger" then use the bounds.
    min_disp, max_disp, min_mean, max_mean
        Bounds of "seurat" and "cell_ranger", used without `n_top_genes`.
    span
        Share of the genes in a local fit of "seurat_v3".
    n_bins
        Number of bins of mean expression of "seurat".
    flavor
        "seurat", "cell_ranger", "seurat_v3", "seurat_v3_paper" or "pearson_residuals".
    subset
        Whether the other genes are dropped, or left out of the returned table.
    inplace
        Whether the columns are added to var; else they are returned.
    batch_key
        Column of obs: genes are ranked in every batch, then merged. In a batch of one cell no gene
        varies: it takes no part, with a warning.
    check_values
        Whether a flavor for counts warns of values that are not whole numbers.
    theta, clip
        Overdispersion and bound of Pearson residuals.

    Returns
    -------
    None, or with `inplace=False` the frame of columns for var, which includes the additional
    columns of scanpy's frame.

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
    """Finds the least and largest value of every gene, and the number of cells above a threshold,
    in one pass.

    Zeros count like any other value. NaN propagates, as in `numpy.min`, and is above no threshold.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    threshold
        Value that a cell has to exceed to be counted in `n_cells_above`.
    layer
        Layer instead of X.
    inplace
        Whether the columns are added to var; else they are returned.

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
