"""Mappings whose elements stay in the file until they are touched: layers, obsm, varm, obsp, varp, uns."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse

from . import _core
from ._arrays import BackedArray, open_file, open_matrix, select
from ._convert import column_of, frame_of, from_core, index_of
from ._index import compose
from ._scanpy import for_caller
from ._text import printable


@dataclass(frozen=True)
class OnDisk:
    """An element nobody touched yet; `rows` and `columns` are positions in it, None for all."""

    file: _core.File
    element: str
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None

    def read(self):
        return from_core(self.file.read(self.element, self.rows, self.columns))

    def describe(self) -> str:
        try:
            encoding, shape, _ = self.file.describe(self.element)
        except Exception as e:  # shown to the user as it is: listing must not fail
            return f"unreadable ({e})"
        shape = list(shape)
        for i, chosen in enumerate((self.rows, self.columns)):
            if chosen is not None and i < len(shape):
                shape[i] = len(chosen)
        return f"{encoding} {' x '.join(map(str, shape))}".rstrip() + ", on disk"

    def __reduce__(self):
        path = str(self.file.path)
        return _restore_on_disk, (path, os.path.getsize(path), self.element, self.rows, self.columns, self.file.external)


def _restore_on_disk(path, size, element, rows, columns, external="refuse"):
    return OnDisk(open_file(path, size, external), element, rows, columns)


def take(value, rows, columns=None):
    """Rows and columns of a value in memory, copied."""
    if isinstance(value, BackedArray):
        return select(value, rows, columns)
    if isinstance(value, pd.DataFrame):
        return value.copy() if rows is None else value.iloc[rows]
    if rows is None and columns is None:
        return copy.deepcopy(value) if not hasattr(value, "copy") else value.copy()
    if rows is not None:
        value = value[rows]
    if columns is not None:
        value = value[:, columns]
    return value.copy() if hasattr(value, "copy") else value


class Elements(MutableMapping):
    """Named elements of one slot, each read from the file when first touched.

    Values are checked against the axes when set.
    """

    def __init__(self, slot: str, shape=(), items=None):
        self._slot, self._shape = slot, tuple(shape)
        self._items: dict = {}
        for key, value in (items or {}).items():
            self[key] = value

    def __getitem__(self, key):
        try:
            value = self._items[key]
        except KeyError:
            there = ", ".join(self._items) or "nothing"
            raise KeyError(f"{self._slot} has no element {key!r}; there is {there}") from None
        if isinstance(value, OnDisk):
            value = self._items[key] = self._fitting(key, value)
        return value

    def _fitting(self, key, stored: OnDisk):
        """The value of an element of the file, which may hold one that does not fit the axes."""
        value = self._read(stored)
        if not hasattr(value, "shape"):
            return value
        try:
            return self._checked(key, value)
        except ValueError as e:
            raise ValueError(f"'{stored.file.path}', element '{stored.element}': {e}") from None

    def _read(self, value: OnDisk):
        return value.read()

    def __setitem__(self, key, value) -> None:
        if not isinstance(key, str) or not key or "/" in key:
            raise ValueError(f"{self._slot}: expected a name without '/', found {key!r}")
        self._items[key] = value if isinstance(value, OnDisk) else self._checked(key, value)

    def _checked(self, key, value):
        if not self._shape:
            return value
        name = f"{self._slot}[{key!r}]"
        if isinstance(value, pd.Series):
            value = value.to_frame()
        if isinstance(value, list | tuple):
            value = np.asarray(value)
        shape = getattr(value, "shape", None)
        if shape is None:
            if hasattr(value, "__len__") and len(value) == self._shape[0]:
                return value
            raise ValueError(f"{name}: expected an array, found {type(value).__name__}")
        if len(shape) < len(self._shape) or tuple(shape[: len(self._shape)]) != self._shape:
            expected = " x ".join(map(str, self._shape)) + (" x any" if len(self._shape) == 1 else "")
            raise ValueError(f"{name}: expected shape {expected}, found {' x '.join(map(str, shape))}")
        if isinstance(value, pd.DataFrame):
            return value
        return np.asarray(value) if isinstance(value, np.matrix) else value

    def __delitem__(self, key) -> None:
        if key not in self._items:
            raise KeyError(f"{self._slot} has no element {key!r}")
        del self._items[key]

    def __iter__(self):
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key) -> bool:
        return key in self._items

    def __repr__(self) -> str:
        return f"{self._slot} with keys: {printable(', '.join(self._items)) or '(none)'}"

    def copy(self):
        """The same elements; what is in memory is copied."""
        return self.subset(None, None)

    def subset(self, rows, columns):
        """Positions of the axes the elements are aligned to."""
        n = [s if p is None else len(p) for s, p in zip(self._shape, (rows, columns))]
        out = self._new(n)
        second = columns if len(self._shape) == 2 else None
        for key, value in self._items.items():
            if isinstance(value, OnDisk):
                value = replace(value, rows=compose(value.rows, rows), columns=compose(value.columns, second))
            else:
                value = take(value, rows, second)
            out._items[key] = value
        return out

    def _new(self, shape):
        return type(self)(self._slot, shape)


class Uns(Elements):
    """Unstructured annotation; a dict, lazily read."""

    def __init__(self, items=None):
        super().__init__("uns", (), items)

    def _new(self, shape):
        return Uns()

    def subset(self, rows=None, columns=None):
        out = Uns()
        out._items = {k: v if isinstance(v, OnDisk) else copy.deepcopy(v) for k, v in self._items.items()}
        return out

    def __eq__(self, other):
        return isinstance(other, Mapping) and dict(self) == dict(other)

    __hash__ = None


class BackedLayers(Elements):
    """Layers, cells x genes: those of the file as `BackedArray`, others as they were set.

    Parameters
    ----------
    backing_path
        An h5ad file whose layers to show.
    shape
        Cells, genes.
    """

    def __init__(self, backing_path=None, shape=None):
        super().__init__("layers", shape or ())
        if backing_path is not None:
            file = _core.File(os.fspath(backing_path))
            for key in file.keys("layers") if file.exists("layers") else []:
                self._items[key] = open_matrix(file, f"layers/{key}")

    def __getitem__(self, key):
        return for_caller(super().__getitem__(key))

    def _read(self, value: OnDisk):
        return select(open_matrix(value.file, value.element), value.rows, value.columns)

    def __setitem__(self, key, value) -> None:
        if value is None:
            self._items.pop(key, None)
        else:
            super().__setitem__(key, value)

    def _checked(self, key, value):
        return super()._checked(key, value.to_numpy() if isinstance(value, pd.DataFrame) else value)

    def subset(self, obs_indices=None, var_indices=None):
        return super().subset(obs_indices, var_indices)

    def _new(self, shape):
        return BackedLayers(None, shape)

    def close(self) -> None:
        """There is nothing to close: files close when nothing refers to them."""


class Frame:
    """obs or var: a pandas frame that is read when it is touched; its index alone costs the index."""

    def __init__(self, value):
        self._disk = value if isinstance(value, OnDisk) else None
        self._frame = None if self._disk is not None else value
        self._index = None
        self._columns = None
        self.failed: dict[str, str] = {}

    @property
    def touched(self) -> bool:
        return self._frame is not None

    @property
    def disk(self) -> OnDisk | None:
        return self._disk

    @property
    def index(self) -> pd.Index:
        if self._frame is not None:
            return self._frame.index
        if self._index is None:
            index = index_of(*self._disk.file.read_index(self._disk.element))
            self._index = index if self._disk.rows is None else index[self._disk.rows]
        return self._index

    @property
    def columns(self) -> list[str]:
        if self._frame is not None:
            return list(self._frame.columns)
        if self._columns is None:
            self._columns = self._disk.file.column_names(self._disk.element)
        return self._columns

    def column(self, name: str) -> pd.Series:
        """One column, without reading the others."""
        if self._frame is not None:
            return self._frame[name]
        value = column_of(self._disk.file.read_column(self._disk.element, name))
        value = value if self._disk.rows is None else value[self._disk.rows]
        return pd.Series(value, index=self.index, name=name)

    @property
    def frame(self) -> pd.DataFrame:
        if self._frame is None:
            import warnings

            columns = []
            for name in self.columns:
                try:
                    columns.append((name, self.column(name)))
                except (ValueError, NotImplementedError, TypeError, KeyError, OSError) as e:
                    self.failed[name] = str(e)
                    warnings.warn(f"the column '{name}' is left out: {e}", stacklevel=3)
            self._frame = frame_of(self.index, columns)
        return self._frame

    def subset(self, rows) -> Frame:
        if self._frame is not None:
            out = Frame(self._frame.copy() if rows is None else self._frame.iloc[rows].copy())
            return out
        out = Frame(replace(self._disk, rows=compose(self._disk.rows, rows)))
        if self._index is not None:
            out._index = self._index if rows is None else self._index[rows]
        return out


def is_matrix(value) -> bool:
    return isinstance(value, BackedArray | np.ndarray) or sparse.issparse(value)
