"""Resolves every form of index to positions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse


def positions(idx, n: int, names=None, axis: str = "obs") -> np.ndarray | None:
    """Returns the positions (uint32) that an index selects on an axis of length `n`; None for all
    in order.

    Parameters
    ----------
    idx
        Slice, integer, boolean mask, integers, a name, names; arrays may be lists, numpy or pandas.
    names
        The names on the axis, or a function that returns them; None if there are none.

    Raises
    ------
    IndexError
        A position is out of range, a mask has another length, or the index is of another kind.
    KeyError
        A name does not exist, or exists more than once.
    """
    if idx is None or idx is Ellipsis or (isinstance(idx, slice) and idx == slice(None)):
        return None
    if isinstance(idx, slice):
        if isinstance(idx.start, str) or isinstance(idx.stop, str):
            index = _names(names, axis)
            start = None if idx.start is None else _locate(index, [idx.start], axis)[0]
            stop = None if idx.stop is None else _locate(index, [idx.stop], axis)[0] + 1
            idx = slice(start, stop, idx.step)
        return np.ascontiguousarray(np.arange(n, dtype=np.uint32)[idx])
    if isinstance(idx, str):
        return _locate(_names(names, axis), [idx], axis).astype(np.uint32)
    if sparse.issparse(idx):
        idx = idx.toarray()
    if isinstance(getattr(idx, "dtype", None), pd.BooleanDtype):
        if pd.isna(idx).any():
            raise IndexError(f"a mask for {axis} with missing values")
        idx = idx.astype(bool)
    values = np.asarray(idx)
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim == 0:
        values = values.reshape(1)
        if values.dtype.kind == "b":
            raise IndexError(f"{axis}: a single boolean selects nothing in particular; give one per {axis}")
    if values.ndim != 1:
        raise IndexError(f"{axis}: expected an index of one dimension, found {values.ndim}")
    if values.dtype == object:
        values = _from_objects(values, axis)
    if values.dtype.kind == "b":
        if len(values) != n:
            raise IndexError(f"a mask of length {len(values)} for {axis} of length {n}")
        return np.flatnonzero(values).astype(np.uint32)
    if values.size == 0:
        return np.zeros(0, dtype=np.uint32)
    if values.dtype.kind == "f":
        whole = values.astype(np.int64)
        if not np.array_equal(whole, values):
            raise IndexError(f"{axis}: expected whole numbers, found {values[whole != values][0]}")
        values = whole
    if values.dtype.kind in "iu":
        values = values.astype(np.int64)
        bad = (values < -n) | (values >= n)
        if bad.any():
            raise IndexError(f"index {values[bad][0]} is out of range for {axis} of length {n}")
        return np.where(values < 0, values + n, values).astype(np.uint32)
    if values.dtype.kind in "UT":
        return _locate(_names(names, axis), values.tolist(), axis).astype(np.uint32)
    raise IndexError(f"{axis}: cannot select by {type(idx).__name__} of {values.dtype}")


def _from_objects(values, axis):
    kinds = {type(v) for v in values.tolist()}
    if kinds <= {bool, np.bool_}:
        return values.astype(bool) if kinds else np.zeros(0, dtype=np.int64)
    if all(issubclass(k, str) for k in kinds):
        return values.astype(str)
    if all(issubclass(k, int | np.integer) for k in kinds):
        return values.astype(np.int64)
    raise IndexError(f"{axis}: expected one kind of index, found {', '.join(sorted(k.__name__ for k in kinds))}")


def _names(names, axis) -> pd.Index:
    names = names() if callable(names) else names
    if names is None:
        raise IndexError(f"{axis}: cannot select by name here")
    return names


def _locate(index: pd.Index, wanted: list, axis: str) -> np.ndarray:
    if index.is_unique:
        found = index.get_indexer(pd.Index(wanted, dtype=object))
        if (found < 0).any():
            raise KeyError(_missing([w for w, f in zip(wanted, found) if f < 0], index, axis))
        return found
    table: dict = {}
    for i, name in enumerate(index):
        table.setdefault(name, []).append(i)
    missing = [w for w in wanted if w not in table]
    if missing:
        raise KeyError(_missing(missing, index, axis))
    for w in wanted:
        if len(table[w]) > 1:
            raise KeyError(
                f"'{w}' is the name of {len(table[w])} {axis}: make names unique ({axis}_names_make_unique()), or "
                "select by position"
            )
    return np.array([table[w][0] for w in wanted])


def _missing(missing, index, axis) -> str:
    shown = ", ".join(repr(str(m)) for m in missing[:5]) + (", ..." if len(missing) > 5 else "")
    few = ", ".join(map(str, index[:3]))
    return f"{shown} not among the {len(index)} names of {axis} ({few}, ...)"


def compose(first: np.ndarray | None, then: np.ndarray | None) -> np.ndarray | None:
    """Returns the positions that `then` selects from the selection `first`."""
    if first is None:
        return then
    return first if then is None else first[then]


def pair(key) -> tuple:
    """Splits a key into the indices of both axes; an axis without an index, or with "...", is
    whole.

    Raises
    ------
    IndexError
        There are more than two indices, or two ellipses.
    """
    if not isinstance(key, tuple):
        return key, slice(None)
    dots = [at for at, i in enumerate(key) if i is Ellipsis]
    if len(dots) > 1:
        raise IndexError(f"an index can have one ellipsis ('...'), found {len(dots)}")
    if dots:
        missing = (slice(None),) * max(0, 3 - len(key))
        key = (*key[: dots[0]], *missing, *key[dots[0] + 1 :])
    if len(key) > 2:
        raise IndexError(f"there are two axes, cells and genes, found {len(key)} indices")
    return (*key, *(slice(None),) * (2 - len(key)))


def is_pointwise(rows, columns) -> bool:
    """Returns whether two lists of positions mean pairs of them, as in numpy."""

    def listed(x):
        return isinstance(x, list | np.ndarray) and np.ndim(x) == 1

    if not (listed(rows) and listed(columns)):
        return False
    return all(np.asarray(x).dtype.kind in "iu" for x in (rows, columns))
