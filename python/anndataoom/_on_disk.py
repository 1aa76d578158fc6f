"""Elements that stay in the file until they are used, and selections of values in memory."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from . import _core
from ._arrays import BackedArray, select
from ._categories import drops_unused, only_used, unused
from ._convert import from_core
from ._place import mark, open_file


@dataclass(frozen=True)
class OnDisk:
    """An element that was not used yet; `rows` and `columns` are positions in it, None for all."""

    file: _core.File
    element: str
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None

    def read(self):
        return from_core(self.file.read(self.element, self.rows, self.columns))

    def describe(self) -> str:
        try:
            encoding, shape, _ = self.file.describe(self.element)
        except Exception as e:  # the message is shown to the user: listing must not fail
            return f"unreadable ({e})"
        shape = list(shape)
        for i, chosen in enumerate((self.rows, self.columns)):
            if chosen is not None and i < len(shape):
                shape[i] = len(chosen)
        return f"{encoding} {' x '.join(map(str, shape))}".rstrip() + ", on disk"

    def is_frame(self) -> bool:
        try:
            return self.file.describe(self.element)[0] == "dataframe"
        except (ValueError, NotImplementedError, TypeError, KeyError, OSError):
            return False

    def __reduce__(self):
        path = str(self.file.path)
        place = (path, mark(path, self.file), self.element)
        return _restore_on_disk, (*place, self.rows, self.columns, self.file.external, self.file.group)


@dataclass(frozen=True)
class InCore(OnDisk):
    """An element that a verb made and nobody touched yet, which the core keeps in a scratch file."""

    file: None = None
    element: str = ""
    value: _core.KeptValue | None = None

    def read(self):
        value = from_core(self.value.read())
        return value if self.whole else take(value, self.rows, self.columns)

    def describe(self) -> str:
        shape = [n if chosen is None else len(chosen) for n, chosen in zip(self.value.shape, (self.rows, self.columns))]
        return f"{'graph' if self.value.is_graph else 'array'} {' x '.join(map(str, shape))}, in a scratch file"

    def is_frame(self) -> bool:
        return False

    @property
    def whole(self) -> bool:
        return self.rows is None and self.columns is None

    def __reduce__(self):
        # Scratch files stay with their process.
        return _itself, (self.read(),)


def _itself(value):
    return value


def _restore_on_disk(path, size, element, rows, columns, external="refuse", group=""):
    return OnDisk(open_file(path, size, external, group), element, rows, columns)


def take(value, rows, columns=None):
    """Selects rows and columns of a value in memory, as a copy."""
    if isinstance(value, BackedArray):
        return select(value, rows, columns)
    if isinstance(value, pd.DataFrame):
        return value.copy() if rows is None else selected_frame(value.iloc[rows].copy())
    if rows is None and columns is None:
        return copy.deepcopy(value) if not hasattr(value, "copy") else value.copy()
    if rows is not None:
        value = value[rows]
    if columns is not None:
        value = value[:, columns]
    return value.copy() if hasattr(value, "copy") else value


def read_frame(value):
    """Reads a lazy table of anndata (of `read_lazy`) into a frame; other values stay as they are."""
    return value.to_memory() if type(value).__name__ == "Dataset2D" else value


def selected_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Drops unused categories from a selection of a frame of obsm or varm, as anndata does."""
    for name in frame.columns if drops_unused() and frame.columns.is_unique else ():
        if unused(frame[name]):
            frame[name] = only_used(frame[name])
    return frame


def is_matrix(value) -> bool:
    return isinstance(value, BackedArray | np.ndarray) or sparse.issparse(value)
