"""The tables obs and var, read on first use."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pandas as pd

from ._categories import only_used, unused
from ._convert import column_of, frame_of, index_of, nan_texts
from ._index import compose
from ._on_disk import OnDisk


class Frame:
    """obs or var: a pandas frame that is read on first use; reading the index alone does not read
    the columns.
    """

    def __init__(self, value, pruned: bool = False):
        self.replace(value)
        # Whether unused categories are left out, as in a selection.
        self.pruned = pruned

    def replace(self, value) -> None:
        """Replaces the table, for all elements of its axis."""
        self._disk = value if isinstance(value, OnDisk) else None
        self._frame = None if self._disk is not None else value
        self._index = None
        self._name_in_file: str | None = None
        self._columns = None
        self.failed: dict[str, str] = {}
        # The columns (None is the index) whose missing texts are NaN in the file, whatever pandas
        # makes of them.
        self.nan: set[str | None] = set()

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
            name, value = self._disk.file.read_index(self._disk.element)
            self._note(None, value)
            index = text_names(index_of(name, value))
            self._name_in_file = index.name
            self._index = index if self._disk.rows is None else index[self._disk.rows]
        return self._index

    @property
    def renamed(self) -> bool:
        """Whether the index was renamed without reading the table (`obs_names.name = "cell"`)."""
        return self._frame is None and self._index is not None and self._index.name != self._name_in_file

    @property
    def columns(self) -> list[str]:
        if self._frame is not None:
            return list(self._frame.columns)
        if self._columns is None:
            self._columns = self._disk.file.column_names(self._disk.element)
        return self._columns

    def column(self, name: str) -> pd.Series:
        """Reads one column without the others."""
        if self._frame is not None:
            return self._frame[name]
        value = self._disk.file.read_column(self._disk.element, name)
        self._note(name, value)
        value = column_of(value)
        value = value if self._disk.rows is None else value[self._disk.rows]
        return pd.Series(only_used(value) if self.pruned else value, index=self.index, name=name)

    def unused(self) -> dict[str, pd.Series]:
        """Returns the columns whose copy from the file would have unused categories."""
        out = {}
        for name in self.columns if self.pruned and not self.touched else ():
            try:
                encoding, *_ = self._disk.file.describe(f"{self._disk.element}/{name}")
                # Before anndata 0.8 columns do not note their encoding.
                if encoding in ("categorical", "") and unused(
                    column_of(self._disk.file.read_column(self._disk.element, name))
                ):
                    out[name] = self.column(name)
            except (ValueError, NotImplementedError, TypeError, KeyError, OSError):
                continue
        return out

    @property
    def frame(self) -> pd.DataFrame:
        if self._frame is None:
            columns = []
            for name in self.columns:
                try:
                    columns.append((name, self.column(name)))
                except (ValueError, NotImplementedError, TypeError, KeyError, OSError) as e:
                    self.failed[name] = str(e)
                    warnings.warn(f"the column '{name}' is left out: {e}", stacklevel=3)
            self._frame = frame_of(self.index, columns)
        return self._frame

    def _note(self, name: str | None, value) -> None:
        if nan_texts(value):
            self.nan.add(name)

    def subset(self, rows, prune: bool = False) -> Frame:
        """Selects rows; `prune` drops unused categories."""
        if self._frame is not None:
            frame = self._frame.copy() if rows is None else self._frame.iloc[rows].copy()
            for name in frame.columns if prune and frame.columns.is_unique else ():
                if unused(frame[name]):
                    frame[name] = only_used(frame[name])
            out = Frame(frame)
            out.nan = set(self.nan)
            return out
        out = Frame(replace(self._disk, rows=compose(self._disk.rows, rows)), self.pruned or prune)
        if self._index is not None:
            # The index is a copy, as its name can be changed in place.
            out._index = self._index.copy() if rows is None else self._index[rows]
            out._name_in_file = self._name_in_file
            out.nan = set(self.nan)
        return out


def text_names(index: pd.Index) -> pd.Index:
    """Converts names to text, whatever their type, as anndata does.

    Raises
    ------
    ValueError
        The names are a MultiIndex.
    """
    if isinstance(index, pd.MultiIndex):
        raise ValueError("names: expected one text each, found a MultiIndex")
    if isinstance(index.dtype, pd.StringDtype):
        return index
    if index.dtype == object and pd.api.types.infer_dtype(index, skipna=False) in ("string", "empty"):
        return index
    return index.astype(str)
