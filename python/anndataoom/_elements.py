"""Mappings whose elements stay in the file until they are used: layers, obsm, varm, obsp, varp,
uns.
"""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections.abc import Mapping, MutableMapping
from dataclasses import replace

import numpy as np
import pandas as pd

from . import _core
from ._arrays import open_matrix, select
from ._convert import index_of
from ._frame import Frame
from ._index import compose
from ._on_disk import OnDisk, read_frame, selected_frame, take
from ._scanpy import for_caller
from ._text import printable


class Deferred:
    """A value of uns that is computed when it is first used."""

    def __init__(self, function, *args):
        self._function, self._args = function, args

    def read(self):
        return self._function(*self._args)

    def __deepcopy__(self, memo):
        return self


def named(items) -> dict:
    """Returns the elements that have a name: in an AnnData of version 0.13, X is the layer None."""
    return {key: items[key] for key in items if key is not None}


class Elements(MutableMapping):
    """Named elements of one slot, each read from the file on first use.

    Values are checked against the axes when set. Frames have the names of `names`, the table of
    their axis.
    """

    def __init__(self, slot: str, shape=(), items=None, names: Frame | None = None):
        self._slot, self._shape, self._names = slot, tuple(shape), names
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
        elif isinstance(value, Deferred):
            value = self._items[key] = value.read()
        return self._named(value)

    def _named(self, value):
        """Gives a frame the present names, which may differ from those when it was set."""
        if self._names is not None and isinstance(value, pd.DataFrame):
            names = self._names.index
            name = None if names.name in value.columns else names.name
            if not value.index.is_(names) or value.index.name != name:
                value.index = names.rename(name)
        return value

    def stored(self, key):
        """Returns the element as it is kept: an `OnDisk` that was not used yet, else its value."""
        value = self._items[key]
        if isinstance(value, OnDisk) and value.rows is not None and self._shape and value.is_frame():
            return self[key]  # its categories may be fewer than in the file
        return self[key] if isinstance(value, Deferred) else self._named(value)

    def _fitting(self, key, stored: OnDisk):
        """Reads an element of the file and checks that it fits the axes."""
        value = self._read(stored)
        if not hasattr(value, "shape"):
            return value
        if isinstance(value, pd.DataFrame) and self._names is not None and len(value) == self._shape[0]:
            # Rows are matched by position; a file with other names was written before they were
            # checked.
            if not value.index.equals(self._names.index) and not value.index.equals(_names_beside(stored)):
                warnings.warn(
                    f"'{stored.file.path}', element '{stored.element}': its rows have other names than those of "
                    f"{self._slot[:-1]}; they are taken in their order",
                    stacklevel=4,
                )
            value.index = self._names.index
        if isinstance(value, pd.DataFrame) and stored.rows is not None:
            value = selected_frame(value)
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
        value = read_frame(value)
        if isinstance(value, pd.Series):
            value = value.to_frame()
        if isinstance(value, list | tuple):
            value = np.asarray(value)
        shape = getattr(value, "shape", None)
        if shape is None:
            if hasattr(value, "__len__") and len(value) == self._shape[0]:
                return value
            raise ValueError(f"{name}: expected an array, found {type(value).__name__}")
        if len(shape) == 1 and len(self._shape) == 1 and isinstance(value, np.ndarray) and not value.dtype.names:
            # As in anndata, where every element has columns.
            value = value.reshape(-1, 1)
            shape = value.shape
        if len(shape) < len(self._shape) or tuple(shape[: len(self._shape)]) != self._shape:
            expected = " x ".join(map(str, self._shape)) + (" x any" if len(self._shape) == 1 else "")
            raise ValueError(f"{name}: expected shape {expected}, found {' x '.join(map(str, shape))}")
        if isinstance(value, pd.DataFrame):
            if len(self._shape) > 1:
                return value.to_numpy()
            if isinstance(value.columns, pd.MultiIndex):
                raise ValueError(f"{name}: expected columns with one name each, found a MultiIndex")
            self._check_names(name, value.index)
            return value
        return np.asarray(value) if isinstance(value, np.matrix) else value

    def _check_names(self, name: str, index: pd.Index) -> None:
        """Checks that the rows of a frame have the names of the axis."""
        if self._names is None or index.equals(self._names.index):
            return
        own = self._names.index
        axis, at = self._slot[:-1], next((i for i in range(len(own)) if own[i] != index[i]), 0)
        raise ValueError(
            f"{name}: expected a frame with {axis}_names as its index, found {index[at]!r} in place of {own[at]!r} "
            f"(row {at}): put its rows in that order with .loc[adata.{axis}_names], or set its index"
        )

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

    # -- the axis, under the names of anndata's mappings
    # -----------------------------------------------------------------

    # A selection is an object of its own.
    is_view = False

    @property
    def attrname(self) -> str:
        """Name of the slot."""
        return self._slot

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the object that the elements are aligned to."""
        first = 1 if self._slot.startswith("var") else 0
        return {0: (), 1: (first,)}.get(len(self._shape), (0, 1) if self._slot == "layers" else (first, first))

    def as_dict(self) -> dict:
        """Reads all elements into a dict."""
        return dict(self)

    @property
    def dim(self) -> str:
        """The axis that the elements are aligned to: "obs" or "var"."""
        return "var" if self._slot.startswith("var") else "obs"

    @property
    def dim_names(self) -> pd.Index | None:
        """The names on that axis."""
        return None if self._names is None else self._names.index

    def to_df(self) -> pd.DataFrame:
        """Returns all columns of all elements as one frame, named by key and number from 1, as in
        anndata.
        """
        out = {}
        for key, value in self.items():
            columns = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
            out.update({f"{key}{j}": column for j, column in enumerate(columns.T, 1)})
        return pd.DataFrame(out, index=self.dim_names)

    def __repr__(self) -> str:
        return f"{self._slot} with keys: {printable(', '.join(self._items)) or '(none)'}"

    def copy(self):
        """Returns the same elements, with copies of those in memory."""
        return self.subset(None, None)

    def subset(self, rows, columns):
        """Selects positions of the axes that the elements are aligned to."""
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

    def beside(self, names: Frame) -> Elements:
        """Sets `names` as the table of the axis and returns the elements."""
        self._names = names
        return self

    def _new(self, shape):
        return type(self)(self._slot, shape, names=self._names)


def _names_beside(stored: OnDisk) -> pd.Index:
    """Reads the names in the file that belong to an element of a slot."""
    table = re.sub(r"(obs|var)m$", r"\1", stored.element.rsplit("/", 1)[0])
    index = index_of(*stored.file.read_index(table))
    return index if stored.rows is None else index[stored.rows]


class Uns(Elements):
    """Unstructured annotation: a dict, read lazily."""

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

    def __or__(self, other) -> dict:
        return dict(self) | dict(other) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other) -> dict:
        return dict(other) | dict(self) if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other):
        self.update(other)
        return self

    __hash__ = None


class BackedLayers(Elements):
    """Layers, cells x genes: a `BackedArray` for each layer of the file, other layers as they were
    set.

    Parameters
    ----------
    backing_path
        An h5ad file whose layers are shown.
    shape
        The numbers of cells and genes.
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

    def update(self, other=(), /, **items) -> None:
        """Sets layers from a mapping or pairs; the layer None of an AnnData, its X, is left out."""
        super().update(named(other) if isinstance(other, Mapping) else other, **items)

    def clear(self, *, keep_x: bool = True) -> None:
        """Removes all layers.

        Parameters
        ----------
        keep_x
            True; a parameter of anndata 0.13, where X is a layer. Here X is none: `del adata.X`
            removes it.
        """
        if not keep_x:
            raise ValueError("keep_x: X is no layer of this object; del adata.X removes it")
        super().clear()

    def subset(self, obs_indices=None, var_indices=None):
        return super().subset(obs_indices, var_indices)

    def _new(self, shape):
        return BackedLayers(None, shape)

    def close(self) -> None:
        """Does nothing: files close when no object refers to them."""
