"""Concatenates objects as `anndata.concat` does, with matrices that stay where they are."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._arrays import BackedArray, as_backed, stack
from ._compat import is_oom
from ._raw import _FrozenRaw


def concat(
    adatas,
    *,
    axis="obs",
    join: str = "inner",
    merge=None,
    uns_merge=None,
    label: str | None = None,
    keys=None,
    index_unique: str | None = None,
    fill_value=None,
    pairwise: bool = False,
    force_lazy: bool = False,
    file=None,
    backend=None,
) -> AnnDataOOM:
    """Concatenates objects along an axis, as `anndata.concat`; X, layers and raw are stacked
    lazily, without reading.

    Names, tables, embeddings and uns are combined in memory; an embedding of 50 float32 columns
    takes 200 bytes a cell.

    Parameters
    ----------
    adatas
        AnnDataOOM or AnnData objects, or a mapping of keys to them.
    axis
        "obs" (0) to stack cells, "var" (1) to join genes of the same cells.
    join
        "inner" keeps entries of the other axis that all objects have, "outer" those that any has.
    merge, uns_merge
        Rule for elements of the other axis, and of uns: None, "same", "unique", "first", "only", or
        a function.
    label, keys
        Name of a new column for the origin of each entry, and its value for each object.
    index_unique
        Separator between names and keys, which makes names unique; None keeps the names.
    fill_value
        Value for entries that an object does not have; by default 0 in a sparse result and NaN in a
        dense one.
    pairwise
        Whether obsp (varp along var) are kept, as blocks on the diagonal.
    force_lazy
        Accepted and has no effect: matrices are never read, and tables are always in memory.
    file
        File to write the result to, streamed; the result then reads from it.
    backend
        Accepted and has no effect.

    Returns
    -------
    The object; its matrices stay where they are.

    Raises
    ------
    ValueError
        There are no objects, some have X and some do not, or names on the other axis are not
        unique.

    Examples
    --------
    >>> both = oom.concat([adata[:300], adata[300:]], label="part", keys=["a", "b"])
    >>> both.shape
    (700, 2000)
    >>> both.obs["part"].value_counts().to_dict()
    {'b': 400, 'a': 300}
    """
    import anndata as ad

    check(
        "concat", axis=axis, join=join, merge=merge, uns_merge=uns_merge, label=label, index_unique=index_unique,
        fill_value=fill_value, pairwise=pairwise, force_lazy=force_lazy, file=file,
    )  # fmt: skip
    if fill_value is pd.NA:
        fill_value = np.nan
    for parameter, value in (("merge", merge), ("uns_merge", uns_merge)):
        if value is not None and not isinstance(value, str) and not callable(value):
            raise ValueError(f"concat: {parameter} must be a rule's name, a function, or None, found {value!r:.80}")
    if isinstance(adatas, Mapping):
        if keys is not None:
            raise TypeError("keys: not together with a mapping of objects")
        keys, adatas = list(adatas), list(adatas.values())
    adatas = [a if is_oom(a) else AnnDataOOM(_annotated(i, a)) for i, a in enumerate(adatas)]
    if not adatas:
        raise ValueError("adatas: expected at least one object, found none")
    along, across = _axes(axis)
    _check_names(adatas, across)
    inner = join == "inner"
    frames = [_annotation(a, along, inner, merge, uns_merge, pairwise) for a in adatas]
    whole = AnnDataOOM(
        ad.concat(
            frames,
            # anndata 0.10 knows axes by number alone.
            axis=("obs", "var").index(along),
            join=join,
            merge=merge,
            uns_merge=uns_merge,
            label=label,
            keys=keys,
            index_unique=index_unique,
            fill_value=fill_value,
            pairwise=pairwise,
        )
    )
    names = getattr(whole, f"{across}_names")
    matrices = [a.X for a in adatas]
    if any(x is not None for x in matrices):
        if any(x is None for x in matrices):
            raise NotImplementedError("some of the objects have X and some have none: remove it, or set it everywhere")
        whole.X = _stacked(adatas, matrices, along, across, names, fill_value)
    for key in _keys([a.layers for a in adatas], inner):
        layers = [as_backed(a.layers[key]) if key in a.layers else None for a in adatas]
        whole.layers[key] = _stacked(adatas, layers, along, across, names, None if inner else fill_value)
    raws = [a.raw for a in adatas]
    if all(raw is not None for raw in raws):
        objects = [_raw_object(a) for a in adatas]
        options = {"label": label, "keys": keys, "index_unique": index_unique, "fill_value": fill_value}
        raw = concat(objects, axis=axis, join=join, **options)
        whole._raw = _FrozenRaw(raw.X, raw._var, raw.varm)
    elif any(raw is not None for raw in raws):
        import warnings

        warnings.warn("only some of the objects have raw: it is left out", UserWarning, stacklevel=2)
    if file is None:
        return whole
    whole.write_h5ad(file)
    return AnnDataOOM(_core.File(os.fspath(file)))


def _axes(axis) -> tuple[str, str]:
    return ("obs", "var") if axis in ("obs", 0) else ("var", "obs")


def _check_names(adatas, across: str) -> None:
    indices = [getattr(a, f"{across}_names") for a in adatas]
    for i, index in enumerate(indices):
        if not index.is_unique:
            twice = index[index.duplicated()][0]
            raise pd.errors.InvalidIndexError(
                f"{across}_names of object {i} are not unique ('{twice}'): {across}_names_make_unique() makes them so"
            )


def _keys(mappings, inner: bool) -> list:
    """Returns the keys that all have, or that any has, in the order of first appearance."""
    if inner:
        return [k for k in mappings[0] if all(k in m for m in mappings)]
    return list(dict.fromkeys(k for m in mappings for k in m))


def _annotation(adata, along: str, inner: bool, merge, uns_merge, pairwise: bool):
    """Reads everything but X, layers and raw that `merge` and `join` need."""
    import anndata as ad

    across = "var" if along == "obs" else "obs"
    slots = [f"{along}m"]
    slots += [f"{along}p"] if pairwise else []
    slots += [f"{across}m", f"{across}p"] if merge is not None else []
    kept = {slot: dict(getattr(adata, slot)) for slot in slots}
    uns = dict(adata.uns) if uns_merge is not None else {}
    return ad.AnnData(obs=adata.obs.copy(), var=adata.var.copy(), uns=uns, **kept)


def _stacked(adatas, matrices, along: str, across: str, names: pd.Index, fill_value) -> BackedArray:
    """Stacks matrices along an axis, with the other axis brought to `names`; None stands for a
    matrix without entries of it.
    """
    members = []
    for adata, matrix in zip(adatas, matrices):
        own = getattr(adata, f"{across}_names")
        if matrix is None:
            n = len(getattr(adata, f"{along}_names"))
            empty = np.zeros((n, 0) if along == "obs" else (0, n), dtype=bool)
            members.append((as_backed(empty), np.full(len(names), -1)))
        else:
            members.append((matrix, None if names.equals(own) else own.get_indexer(names)))
    return stack(along, members, len(names), fill_value)


def _raw_object(adata) -> AnnDataOOM:
    raw = adata.raw
    out = AnnDataOOM(raw.X)
    out.obs = pd.DataFrame(index=adata.obs_names)
    out.var = raw.var
    for key in raw.varm:
        out.varm[key] = raw.varm[key]
    return out


def _annotated(i: int, adata):
    if not hasattr(adata, "obsm"):
        raise TypeError(f"adatas: expected AnnDataOOM or AnnData objects, found {type(adata).__name__} at position {i}")
    return adata
