"""The slots of an `AnnDataOOM`: its shape, obs and var, and the matrices and arrays beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from . import _core
from ._arrays import BackedArray, as_backed, open_matrix
from ._elements import BackedLayers, Elements, Uns
from ._frame import text_names
from ._on_disk import OnDisk, read_frame
from ._raw import _FrozenRaw
from ._scanpy import for_caller, layers_for_caller, not_for_anndata
from ._text import printable
from ._values import Values


class Unreadable:
    """A matrix that could not be opened; using it raises the error.

    `kept` is its place in the file, from which it is written again: an `OnDisk`, for raw with the
    frame and the arrays of its genes; None in a selection.
    """

    def __init__(self, error: Exception, kept=None):
        self.error, self.kept = error, kept


def readable(x):
    if isinstance(x, Unreadable):
        raise x.error
    return x


def opened(file: _core.File, element: str) -> BackedArray | Unreadable:
    try:
        return open_matrix(file, element)
    except (ValueError, NotImplementedError, OSError, KeyError, TypeError) as e:
        return Unreadable(e, OnDisk(file, element))


def _elements(slot: str, doc: str) -> property:
    """Makes the property of a slot of aligned arrays: values are checked when set; deleting empties
    the slot.
    """

    def get(self):
        return getattr(self, f"_{slot}")

    def put(self, value):
        setattr(self, f"_{slot}", Elements(slot, get(self)._shape, value, names=get(self)._names))

    return property(get, put, lambda self: put(self, {}), doc)


class FileOf:
    """The file that an object reads, as `AnnData.file` of an object opened with `backed=`."""

    def __init__(self, adata):
        self._adata = adata

    @property
    def filename(self) -> str:
        """The path of the file."""
        return self._adata.filename

    @property
    def is_open(self) -> bool:
        """Whether the object holds the file open."""
        return self._adata._file is not None

    def close(self) -> None:
        """Closes the file for the object, as `AnnDataOOM.close` does."""
        self._adata.close()

    def __repr__(self) -> str:
        return f"{'open' if self.is_open else 'closed'} file {printable(repr(self.filename))}"


class Slots(Values):
    """The parts of an `AnnDataOOM`, each checked when it is set."""

    # -- shape and axes -----------------------------------------------------------------------------------------------

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self._n_obs

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return self._n_vars

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of cells and genes."""
        return self._n_obs, self._n_vars

    def __len__(self) -> int:
        return self._n_obs

    @property
    def is_view(self) -> bool:
        """Always False: subsets are objects of their own."""
        return False

    @property
    def isview(self) -> bool:
        """Always False, see `is_view`."""
        return False

    @property
    def isbacked(self) -> bool:
        """Always True: matrices stay on disk."""
        return True

    @property
    def filename(self) -> str | None:
        """Path of the file read, None for an object made in memory. Setting it writes the object
        there and reads from there.
        """
        return self._origin_file

    @filename.setter
    def filename(self, value: str | os.PathLike) -> None:
        if value is None:
            raise ValueError("filename: expected a path; to_memory() gives the object in memory")
        self._adopt(self.copy(filename=value))

    @property
    def file(self):
        """The file read, with `filename`, `is_open` and `close()`; None for an object made in memory."""
        not_for_anndata("adata.write_h5ad(path)")
        return None if self._origin_file is None else FileOf(self)

    def _table(self, axis: str) -> pd.DataFrame:
        return getattr(self, f"_{axis}").frame

    def _set_table(self, axis: str, n: int, value) -> None:
        value = read_frame(value)
        if not isinstance(value, pd.DataFrame):
            raise ValueError(f"{axis}: expected a pandas.DataFrame, found {type(value).__name__}")
        if len(value) != n:
            raise ValueError(f"{axis}: expected {n} rows, found {len(value)}")
        if isinstance(value.columns, pd.MultiIndex):
            raise ValueError(f"{axis}: expected columns with one name each, found a MultiIndex")
        table = value.copy()
        table.index = self._checked_names(axis, n, table.index)
        getattr(self, f"_{axis}").replace(table)

    def _set_names(self, axis: str, n: int, value) -> None:
        self._table(axis).index = self._checked_names(axis, n, value)

    @staticmethod
    def _checked_names(axis: str, n: int, value) -> pd.Index:
        index = value if isinstance(value, pd.Index) else pd.Index(value)
        if len(index) != n:
            raise ValueError(f"{axis}_names: expected {n} names, found {len(index)}")
        if index is value and not isinstance(index.name, str | None):
            kind = type(index.name).__name__
            raise ValueError(f"{axis}_names: expected an index named by a text, found {kind} {index.name!r}")
        index = text_names(index)
        return index if isinstance(index.name, str) else index.rename(None)

    @property
    def obs(self) -> pd.DataFrame:
        """Annotation of cells."""
        return self._table("obs")

    @obs.setter
    def obs(self, value):
        self._set_table("obs", self._n_obs, value)

    @obs.deleter
    def obs(self):
        self.obs = pd.DataFrame(index=self.obs_names)

    @property
    def var(self) -> pd.DataFrame:
        """Annotation of genes."""
        return self._table("var")

    @var.setter
    def var(self, value):
        self._set_table("var", self._n_vars, value)

    @var.deleter
    def var(self):
        self.var = pd.DataFrame(index=self.var_names)

    @property
    def obs_names(self) -> pd.Index:
        """Names of the cells; reads no other column of obs."""
        return self._obs.index

    @obs_names.setter
    def obs_names(self, value):
        self._set_names("obs", self._n_obs, value)

    @property
    def var_names(self) -> pd.Index:
        """Names of the genes; reads no other column of var."""
        return self._var.index

    @var_names.setter
    def var_names(self, value):
        self._set_names("var", self._n_vars, value)

    def obs_keys(self) -> list[str]:
        """Returns the columns of obs, in their order."""
        return list(self._obs.columns)

    def var_keys(self) -> list[str]:
        """Returns the columns of var, in their order."""
        return list(self._var.columns)

    def obsm_keys(self) -> list[str]:
        """Returns the keys of obsm, in their order."""
        return list(self._obsm)

    def varm_keys(self) -> list[str]:
        """Returns the keys of varm, in their order."""
        return list(self._varm)

    def uns_keys(self) -> list[str]:
        """Returns the keys of uns, sorted."""
        return sorted(self._uns)

    def obs_names_make_unique(self, join: str = "-") -> None:
        """Appends `join` and a number to repeated names of cells."""
        self._make_unique("obs", join)

    def var_names_make_unique(self, join: str = "-") -> None:
        """Appends `join` and a number to repeated names of genes."""
        self._make_unique("var", join)

    def _make_unique(self, axis, join) -> None:
        index = getattr(self, f"_{axis}").index
        if not index.is_unique:
            self._table(axis).index = unique_names(index, join)

    # -- slots --------------------------------------------------------------------------------------------------------

    @property
    def _X(self):
        # anndata.AnnData(adata) reads this attribute.
        return for_caller(self.__dict__["_X"])

    @_X.setter
    def _X(self, value):
        self.__dict__["_X"] = value

    @property
    def X(self) -> BackedArray | None:
        """The matrix, cells x genes."""
        return for_caller(readable(self.__dict__["_X"]))

    @X.setter
    def X(self, value):
        if value is not None:
            if not isinstance(value, BackedArray | _core.Matrix) and np.ndim(value) != 2:
                what = "a number" if np.ndim(value) == 0 else f"an array of {np.ndim(value)} dimensions"
                raise ValueError(f"X: expected a matrix of {self._n_obs} x {self._n_vars}, found {what}")
            value = as_backed(value)
            if value.shape != self.shape:
                found = " x ".join(map(str, value.shape))
                raise ValueError(f"X: expected {self._n_obs} x {self._n_vars}, found {found}")
        self._X = value

    @X.deleter
    def X(self):
        self._X = None

    @property
    def layers(self) -> BackedLayers:
        """Matrices of the shape of X, each a `BackedArray` when it comes from a file."""
        return layers_for_caller(self)

    @layers.setter
    def layers(self, value):
        new = BackedLayers(None, self.shape)
        new.update({} if value is None else value)
        if isinstance(value, Mapping) and None in value:  # X, among the layers of anndata 0.13
            self.X = value[None]
        self._layers = new

    @layers.deleter
    def layers(self):
        self.layers = {}

    obsm: Elements = _elements("obsm", "Arrays over cells (`n_obs` x any), read when touched.")
    varm: Elements = _elements("varm", "Arrays over genes (`n_vars` x any), read when touched.")
    obsp: Elements = _elements("obsp", "Graphs over cells (`n_obs` x `n_obs`), read when touched.")
    varp: Elements = _elements("varp", "Graphs over genes (`n_vars` x `n_vars`), read when touched.")

    @property
    def uns(self) -> Uns:
        """Unstructured annotation, a mapping of names to any values, read on first use."""
        return self._uns

    @uns.setter
    def uns(self, value):
        self._uns = Uns(value)

    @uns.deleter
    def uns(self):
        self.uns = {}

    @property
    def raw(self) -> _FrozenRaw | None:
        """The matrix and genes kept by `adata.raw = adata`, for the cells of this object."""
        raw = readable(self._raw)
        return None if raw is None else raw._of(self)

    @raw.setter
    def raw(self, value):
        if value is None:
            self._raw = None
            return
        if isinstance(value, _FrozenRaw):
            new = value._of(None)
        elif getattr(type(value), "_is_oom", False):
            new = _FrozenRaw.from_oom(value)
        elif hasattr(value, "X") and hasattr(value, "var"):
            new = _FrozenRaw(value.X, value.var.copy(), dict(value.varm))
        else:
            raise ValueError(f"raw: expected annotated data, found {type(value).__name__}")
        if new.n_obs != self._n_obs:
            raise ValueError(f"raw: expected {self._n_obs} cells, found {new.n_obs}")
        self._raw = new

    @raw.deleter
    def raw(self):
        self._raw = None


def unique_names(index: pd.Index, join: str) -> pd.Index:
    """Appends `join` to repeated names, and the first number that makes a new name."""
    taken, counts, out = set(index), {}, []
    seen = set()
    for name in index:
        if name not in seen:
            seen.add(name)
            out.append(name)
            continue
        k = counts.get(name, 0) + 1
        while f"{name}{join}{k}" in taken:
            k += 1
        counts[name] = k
        fresh = f"{name}{join}{k}"
        taken.add(fresh)
        seen.add(fresh)
        out.append(fresh)
    return pd.Index(out, name=index.name, dtype=object)
