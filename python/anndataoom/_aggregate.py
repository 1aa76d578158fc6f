"""Aggregates of groups of cells or genes: sums, means and the like, and pseudobulk samples."""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._arrays import as_backed, wrap
from ._verbs import mask_over, matrix_at, target_of, tell


def aggregate(
    adata, by, func, *, axis=None, mask=None, dof=1, layer=None, obsm=None, varm=None,
) -> AnnDataOOM:  # fmt: skip
    """Aggregates groups of cells or genes (`scanpy.get.aggregate`).

    All functions but the median share one pass over the values; medians take another.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    by
        Column of obs (of var along "var"), or several. Each combination that occurs is a group.
        Cells with a missing value are in no group.
    func
        One or several of "sum", "mean", "var", "count_nonzero" and "median".
    axis
        "obs" (0) for groups of cells, "var" (1) for groups of genes; by default "obs", with `varm`
        "var".
    mask
        Cells (genes) to use: a column of obs (var), or a boolean mask.
    dof
        Delta degrees of freedom: the divisor of variances is the size of a group less this.
    layer, obsm, varm
        Name of the layer or element to use instead of X; at most one of them.

    Returns
    -------
    A small object in memory, groups x genes (cells x groups along "var"). It has a layer for each
    function, the columns of `by` and `n_obs_aggregated`, the number of members of each group. Sums
    of integers and counts are int64, all else is float64. Layers are dense up to 2^25 values,
    sparse beyond.

    Raises
    ------
    ValueError, TypeError
        An argument is outside its domain; the message names the parameter and the domain.

    Examples
    --------
    >>> found = oom.get.aggregate(adata, "cell_type", ["sum", "mean"])
    >>> sorted(found.layers)
    ['mean', 'sum']
    """
    check("aggregate", by=by, func=func, axis=axis, mask=mask, dof=dof, layer=layer, obsm=obsm, varm=varm)
    adata = target_of(adata, False)
    along = ("obs", "var")[bool(varm)] if axis is None else {0: "obs", 1: "var"}.get(axis, axis)
    given = {k: v for k, v in {"layer": layer, "obsm": obsm, "varm": varm}.items() if v is not None}
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}: expected one of them, found both")
    for key, needed in (("obsm", "obs"), ("varm", "var")):
        if key in given and along != needed:
            raise ValueError(f"{key}: expected axis={needed!r} with it, found axis={axis!r}")
    if obsm is None and varm is None:
        x = matrix_at(adata, layer, None)
    else:
        elements, key = (adata.obsm, obsm) if varm is None else (adata.varm, varm)
        if key not in elements:
            there = ", ".join(map(repr, elements)) or "none"
            raise KeyError(f"{'obsm' if varm is None else 'varm'}: there is no element {key!r}; there are {there}")
        values = elements[key]
    codes, groups = groups_of(getattr(adata, along), by, along)
    if mask is not None:
        codes = np.where(mask_over(adata, mask, along, "mask"), codes, -1).astype(np.int32)
    groups["n_obs_aggregated"] = sizes(codes, len(groups))
    other, rows = getattr(adata, "var" if along == "obs" else "obs"), along == "obs"
    if obsm is not None or varm is not None:
        rows = True
        names = getattr(values, "columns", pd.RangeIndex(values.shape[1]))
        other = pd.DataFrame(index=names.astype(str))
        x = as_backed(values.to_numpy() if isinstance(values, pd.DataFrame) else values)
    functions = [func] if isinstance(func, str) else list(func)
    found = _core.aggregate(x._m, rows, codes, len(groups), functions, int(dof))
    out = annotated(groups, other) if along == "obs" else annotated(other, groups)
    for name, matrix in found:
        values = wrap(matrix, None)
        # In an element of varm, genes are the rows.
        out.layers[name] = as_backed(np.ascontiguousarray(values.T)) if rows and along == "var" else values
    return out


def pseudobulk(
    adata, sample_col, groups_col=None, *, layer=None, use_raw=False, min_cells=0,
) -> AnnDataOOM:  # fmt: skip
    """Sums the counts of each sample, or of each sample and cell type, for packages for bulk
    samples.

    The result goes into PyDESeq2 as `DeseqDataSet(counts=bulk.to_df(), metadata=bulk.obs,
    design="~condition")`.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    sample_col
        Column of obs with the samples.
    groups_col
        Column, or several, of obs with the cell types; without it, each sample is one sum.
    layer, use_raw
        The place of the counts: a layer, or raw, instead of X.
    min_cells
        Least number of cells of a sum; sums of fewer cells are left out.

    Returns
    -------
    A small object in memory, sums x genes: X with the sums (int64 where they are whole numbers), and in obs
    `sample_col`, `groups_col`, `n_obs_aggregated` and each column of obs that is constant within all groups.

    Raises
    ------
    ValueError, TypeError
        An argument is outside its domain; the message names the parameter and the domain.

    Examples
    --------
    >>> bulk = oom.get.pseudobulk(adata, "batch", "cell_type")
    >>> bool(bulk.X.sum() == adata.X.sum())
    True
    """
    given = {k: v for k, v in locals().items() if k != "adata"}
    check("pseudobulk", **given)
    adata = target_of(adata, False)
    if use_raw and layer is not None:
        raise ValueError(f"layer and use_raw: expected one of them, found layer={layer!r}, use_raw=True")
    if use_raw and adata.raw is None:
        raise ValueError("use_raw: this object has no raw")
    source = adata.raw if use_raw else adata
    more = [] if groups_col is None else [groups_col] if isinstance(groups_col, str) else list(groups_col)
    codes, groups = groups_of(adata.obs, sample_col, "obs", "sample_col")
    if more:
        groups_of(adata.obs, more, "obs", "groups_col")
        codes, groups = groups_of(adata.obs, list(dict.fromkeys([sample_col, *more])), "obs", "groups_col")
    n = sizes(codes, len(groups))
    constant = _constant(adata.obs.drop(columns=groups.columns), codes, len(groups))
    groups = groups.assign(n_obs_aggregated=n)
    for name, values in constant.items():
        groups[name] = values
    kept = n >= max(min_cells, 1)
    if not kept.any():
        most = f"{n.max()}, the largest number of cells of a sum"
        raise ValueError(f"min_cells: expected at most {most}, found {min_cells}")
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    codes = np.where(codes >= 0, place[codes], -1).astype(np.int32)
    groups = groups[kept]
    for column in groups.columns:
        if isinstance(groups[column].dtype, pd.CategoricalDtype):
            groups[column] = groups[column].cat.remove_unused_categories()
    x = source.X if use_raw else matrix_at(adata, layer, None)
    ((_, matrix),) = _core.aggregate(x._m, True, codes, len(groups), ["sum"], 1)
    values = wrap(matrix, None).to_memory()
    flat = values.data if hasattr(values, "indptr") else values
    whole = flat.dtype.kind == "i" or bool((flat == np.rint(flat)).all())
    if not whole or (np.size(flat) and flat.min() < 0):
        tell([
            "pseudobulk: sums that are no counts (negative, or not whole numbers): packages for bulk samples want "
            "counts; name the layer that has them, or use_raw=True"
        ])  # fmt: skip
    out = annotated(groups, source.var)
    out.X = values.astype(np.int64) if whole else values
    return out


def groups_of(table: pd.DataFrame, by, axis: str, what: str = "by") -> tuple[np.ndarray, pd.DataFrame]:
    """Finds the combinations of some columns that occur.

    Returns a code for each row (-1 where a value is missing), and a table with the values of each
    combination.
    """
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise ValueError(f"{what}: expected at least one column of {axis}, found none")
    for name in names:
        if name not in table:
            there = ", ".join(map(str, table.columns)) or "none"
            raise KeyError(f"{what}: {axis} has no column {name!r}; there are {there}")
    columns = {name: pd.Categorical(table[name]).remove_unused_categories() for name in names}
    codes, missing = np.zeros(len(table), dtype=np.int64), np.zeros(len(table), dtype=bool)
    for column in columns.values():
        missing |= column.codes < 0
        # Codes are replaced by ranks of the combinations so far, so that products stay small.
        codes = np.unique(codes * (len(column.categories) + 1) + column.codes, return_inverse=True)[1].reshape(-1)
    _, first, inverse = np.unique(codes[~missing], return_index=True, return_inverse=True)
    if not len(first):
        raise ValueError(f"{what}: expected {axis} with values in {', '.join(map(repr, names))}, found none")
    first = np.flatnonzero(~missing)[first]
    codes = np.full(len(table), -1, dtype=np.int32)
    codes[~missing] = inverse.reshape(-1)
    labels = {k: pd.Categorical.from_codes(c.codes[first], categories=c.categories) for k, c in columns.items()}
    index = pd.Index(["_".join(map(str, values)) for values in zip(*labels.values())])
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise ValueError(f"{what}: two combinations of {', '.join(map(repr, names))} would both be named {twice!r}")
    return codes, pd.DataFrame(labels, index=index)


def sizes(codes: np.ndarray, n: int) -> np.ndarray:
    """Returns the number of members of each group."""
    return np.bincount(codes[codes >= 0], minlength=n)


def annotated(obs: pd.DataFrame, var: pd.DataFrame) -> AnnDataOOM:
    """Makes an object without a matrix."""
    import anndata as ad

    return AnnDataOOM(ad.AnnData(obs=obs, var=var.copy()))


def _constant(table: pd.DataFrame, codes: np.ndarray, n: int) -> dict:
    """Returns the columns that have one value in each group, as a value for each group."""
    members = np.flatnonzero(codes >= 0)
    first = np.zeros(n, dtype=np.int64)
    first[codes[members[::-1]]] = members[::-1]
    of_group = first[codes[members]]
    out = {}
    for name in table.columns:
        values = pd.factorize(table[name])[0]
        if (values[members] == values[of_group]).all():
            out[name] = table[name].iloc[first].array
    return out
