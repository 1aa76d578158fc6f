"""Common parts of the verbs of pp and tl: their target, the values they read, and their messages."""

from __future__ import annotations

import os
import sys
import warnings
from types import MappingProxyType

import numpy as np
import pandas as pd

from ._arrays import BackedArray, as_backed
from ._categories import categorical
from ._convert import from_core
from ._on_disk import InCore

# The default of parameters for keyword arguments of other functions, as in scanpy.
NOTHING = MappingProxyType({})


def one_of(parameter: str, value, allowed) -> None:
    """Refuses a value outside the allowed ones, which would otherwise silently mean one of them."""
    if not any(value is a or (isinstance(value, str) and value == a) for a in allowed):
        raise ValueError(f"{parameter}: expected {', '.join(map(repr, allowed))}, found {value!r}")


def raw_is_used(adata, use_raw, layer) -> bool:
    """Returns whether a verb reads raw: by default where there is one and no layer is named, as in
    scanpy.
    """
    if use_raw is None:
        return layer is None and adata.raw is not None
    if use_raw and layer is not None:
        raise ValueError(f"layer and use_raw: expected one of them, found layer={layer!r}, use_raw=True")
    return use_raw


def target_of(adata, copy: bool):
    from ._compat import is_oom

    if not is_oom(adata):
        raise TypeError(f"adata: expected an AnnDataOOM (see anndataoom.read), found {type(adata).__name__}")
    return adata.copy() if copy else adata


def mask_of(adata, name: str, what: str) -> np.ndarray:
    if name not in adata.var:
        raise KeyError(f"{what}: var has no column {name!r}; there are {', '.join(adata.var.columns) or 'none'}")
    values = adata.var[name]
    if values.isna().any() or not set(np.unique(values.to_numpy())) <= {False, True}:
        raise ValueError(f"{what}: expected True and False in var[{name!r}]")
    return np.ascontiguousarray(values.to_numpy().astype(bool))


def mask_over(adata, mask, axis: str, what: str) -> np.ndarray:
    """Returns a column of obs or var, or a mask of its length, as a boolean array with at least one
    True.
    """
    n, table = getattr(adata, "n_obs" if axis == "obs" else "n_vars"), getattr(adata, axis)
    if isinstance(mask, str):
        if mask not in table:
            raise KeyError(f"{what}: {axis} has no column {mask!r}; there are {', '.join(table.columns) or 'none'}")
        mask = table[mask].to_numpy()
    mask = np.ascontiguousarray(mask)
    if mask.dtype != bool or mask.shape != (n,):
        raise ValueError(f"{what}: expected True or False for each of {n} {'cells' if axis == 'obs' else 'genes'}")
    if not mask.any():
        raise ValueError(f"{what}: expected at least one True, found none")
    return mask


def matrix_at(adata, layer, obsm) -> BackedArray:
    """Returns X, a layer, or an array of obsm."""
    if obsm is None:
        return adata._matrix(layer)
    if layer is not None:
        raise ValueError(f"layer and obsm: expected one of them, found {layer!r} and {obsm!r}")
    return as_backed(adata.obsm[obsm])


def set_matrix(adata, layer, obsm, x: BackedArray) -> None:
    """Replaces the matrix that `matrix_at` returns; arrays of obsm are kept in memory."""
    if obsm is None:
        adata._set_matrix(layer, x)
    else:
        adata.obsm[obsm] = x.to_memory()


def representation(adata, use_rep, n_pcs) -> np.ndarray:
    """Returns the first `n_pcs` columns of an element of obsm, by default of X_pca."""
    rep = use_rep or "X_pca"
    if rep not in adata.obsm:
        raise KeyError(f"use_rep: obsm has no element {rep!r}; run anndataoom.pp.pca first, or name one")
    points = np.asarray(adata.obsm[rep])
    if n_pcs is not None:
        if not 0 < n_pcs <= points.shape[1]:
            raise ValueError(f"n_pcs: expected 1 to {points.shape[1]}, found {n_pcs}")
        points = points[:, :n_pcs]
    return np.ascontiguousarray(points)


def kept(adata, slot: str, key: str):
    """An element that stayed with the core, as an input of a verb; None where it is anything else."""
    elements = getattr(adata, slot)
    value = elements.stored(key) if key in elements else None
    return ("kept", value.value) if isinstance(value, InCore) and value.whole else None


def groups_of(adata, name, what) -> tuple[np.ndarray, list[str]]:
    """Returns a column of obs as codes, with the names of the groups."""
    if name not in adata.obs:
        there = ", ".join(adata.obs.columns) or "none"
        raise KeyError(f"{what}: obs has no column {name!r}; there are {there}")
    values = categorical(adata.obs[name])
    if (values.codes < 0).any():
        raise ValueError(f"{what}: obs[{name!r}] has missing values")
    return np.ascontiguousarray(values.codes, dtype=np.int32), [str(c) for c in values.categories]


# The folder of this package: warnings point to a caller outside it.
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def tell(notes) -> None:
    """Warns with each note, at the place outside the package that called it."""
    if not notes:
        return
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    for note in notes:
        warnings.warn(note, stacklevel=level)


def merge(adata, patch: dict) -> None:
    """Adds the results of a verb of the core, by slot and name."""
    for axis in ("obs", "var"):
        if patch[axis]:
            table = adata._table(axis)
            for name, value in patch[axis]:
                table[name] = pd.Series(from_core(value), index=table.index)
    for slot in ("obsm", "varm", "obsp", "uns"):
        for name, value in patch[slot]:
            getattr(adata, slot)[name] = InCore(value=value[1]) if value[0] == "kept" else from_core(value)
