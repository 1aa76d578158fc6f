"""Normalises, scales and regresses: operations are recorded and computed when values are read."""

from __future__ import annotations

import numpy as np

from .._arrays import select, stack
from .._call import check, outcome, run, verb
from .._verbs import mask_over, matrix_at, set_matrix, target_of

__all__ = ["normalize_pearson_residuals", "normalize_total", "regress_out", "scale"]


def normalize_total(
    adata,
    *,
    target_sum=None,
    exclude_highly_expressed=False,
    max_fraction=0.05,
    key_added=None,
    layer=None,
    inplace=True,
    copy=False,
):
    """Scales the counts of each cell to the same total (`scanpy.pp.normalize_total`); divides when
    values are read.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    target_sum
        Total of each cell afterwards; by default the median total of cells with counts.
    exclude_highly_expressed
        Whether genes with more than `max_fraction` of the counts of any cell are left out of the totals.
    max_fraction
        Largest share of a cell's counts for `exclude_highly_expressed`.
    key_added
        Name of a column of obs for the totals over the target.
    layer
        Layer instead of X.
    inplace
        Whether X (or the layer) is replaced; else a dict of `X` (a lazy array) and `norm_factor` is returned.
    copy
        Whether a changed copy is returned.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `X`, `obs["<key_added>"]`.

    Raises
    ------
    ValueError
        A value is negative, NaN or infinite (the message names it), or a parameter is out of its
        domain.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> bool(np.allclose(adata.X[:5].sum(axis=1), 1e4))
    True
    """
    args = dict(locals())
    check("normalize_total", args)
    if inplace:
        return verb("normalize_total", **args)
    found = outcome("normalize_total", **args)
    return {"X": found.matrix, "norm_factor": found.values["norm_factor"]}


def scale(adata, *, zero_center=True, max_value=None, copy=False, layer=None, obsm=None, mask_obs=None):
    """Scales genes to unit variance and, if asked, mean 0 (`scanpy.pp.scale`); stays implicit, also
    in `pca`.

    Adds var `mean` and `std` (float64, divisor n - 1); with `mask_obs` they are called `mean of <mask_obs>` and `std of
    <mask_obs>`, or `mean with mask` and `std with mask`, as in scanpy.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    zero_center
        Whether means are subtracted; with False zeros stay zero.
    max_value
        Bound of values, which are clipped to `[-max_value, max_value]`; without centring only from
        above.
    copy
        Whether a changed copy is returned.
    layer
        Layer instead of X.
    obsm
        Array of obsm instead of X; it is changed in memory, and var gets no columns.
    mask_obs
        Column of obs, or mask, of the cells to scale, by their own means and deviations; the other
        cells stay as they are.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `X`, `var["mean"]`, `var["std"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> oom.pp.log1p(adata)
    >>> oom.pp.scale(adata, max_value=10)
    >>> bool(abs(adata.X[:].mean(axis=0)).max() < 1)
    True
    """
    if obsm is None and mask_obs is None:
        return verb("scale", **locals())
    check("scale", locals())
    adata = target_of(adata, copy)
    x = matrix_at(adata, layer, obsm)
    mask = None if mask_obs is None else mask_over(adata, mask_obs, "obs", "mask_obs")
    rows = None if mask is None else np.flatnonzero(mask).astype(np.uint32)
    inputs = {"matrix": ("matrix", select(x, rows, None)._m)}
    found = run("scale", inputs, x._file, zero_center=zero_center, max_value=max_value)
    scaled = found.matrix
    if mask is not None:
        others = np.flatnonzero(~mask).astype(np.uint32)
        both = stack("obs", [(scaled, None), (select(x, others, None), None)], x.shape[1])
        scaled = select(both, np.argsort(np.concatenate([rows, others])).astype(np.uint32), None)
    set_matrix(adata, layer, obsm, scaled)
    if obsm is None:
        end = "" if mask is None else f" of {mask_obs}" if isinstance(mask_obs, str) else " with mask"
        columns = found.frame("var", adata.var_names)
        adata.var[f"mean{end}"], adata.var[f"std{end}"] = columns["mean"], columns["std"]
    return adata if copy else None


def normalize_pearson_residuals(
    adata, *, theta=100.0, clip=None, check_values=True, layer=None, inplace=True, copy=False
):
    """Computes analytic Pearson residuals (`scanpy.experimental.pp.normalize_pearson_residuals`)
    when values are read.

    Parameters
    ----------
    adata
        An AnnDataOOM with counts.
    theta
        Overdispersion of the negative binomial.
    clip
        Bound of residuals, which are clipped to `[-clip, clip]`; by default the square root of the
        number of cells.
    check_values
        Whether to warn if values are not whole numbers.
    layer
        Layer instead of X.
    inplace
        Whether X (or the layer) is replaced; else a dict of `X` (a lazy array) and the settings is returned.
    copy
        Whether a changed copy is returned.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `X`, `uns["pearson_residuals_normalization"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.normalize_pearson_residuals(adata)
    >>> adata.X[:2].shape
    (2, 2000)
    """
    args = dict(locals())
    check("normalize_pearson_residuals", args)
    if inplace:
        return verb("normalize_pearson_residuals", **args)
    found = outcome("normalize_pearson_residuals", **args)
    return {"X": found.matrix, **found.values}


def regress_out(adata, keys, *, layer=None, n_jobs=None, copy=False):
    """Subtracts from every gene its fit on columns of obs (`scanpy.pp.regress_out`), computed when
    values are read.

    One pass finds the least-squares coefficients; only they and the columns are kept. Residuals
    equal scanpy's.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    keys
        Column of obs, or several: columns of numbers (an intercept is added), or a single
        categorical one, whose group means are subtracted.
    layer
        Layer instead of X.
    n_jobs
        Accepted and has no effect; see `anndataoom.settings.threads`.
    copy
        Whether a changed copy is returned.

    Returns
    -------
    None, or the copy. The matrix is dense float32 (float64 for float64 input) when it is read.

    Raises
    ------
    KeyError
        A key is not in obs.
    ValueError
        A key is neither numeric nor categorical, has missing values, or is categorical and not the
        only key.

    Examples
    --------
    >>> small = adata[:, :50]
    >>> oom.pp.calculate_qc_metrics(small, inplace=True, percent_top=None)
    >>> oom.pp.regress_out(small, ["total_counts"])
    >>> small.X[:2].shape
    (2, 50)
    """
    return verb("regress_out", **locals())
