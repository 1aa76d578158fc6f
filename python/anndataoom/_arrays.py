"""Matrices that stay on disk: `BackedArray` and its kinds, each a view of a chain of the core."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from scipy import sparse

from . import _core
from ._arguments import check
from ._arithmetic import Arithmetic
from ._chunks import Chunks
from ._convert import array_of, from_core, to_core
from ._index import is_pointwise, pair, positions
from ._place import mark, open_file
from ._reductions import Reductions
from ._settings import settings
from ._text import printable

NO_LIMIT = 2**63
# The bytes from which making an array without being asked is worth a warning.
WARN_BYTES = 1 << 20


# The class of array for each last operation of a chain; see `_kinds.py`.
_KINDS: dict[str, type] = {}


class BackedArray(Reductions, Chunks, Arithmetic):
    """An expression matrix, cells x genes, read from its file when values are needed.

    Parameters
    ----------
    backed_elem
        A BackedArray, a numpy array or a scipy sparse matrix.
    shape
        Expected shape; another shape is an error.
    """

    def __init_subclass__(cls, after: str | None = None, **kwargs):
        super().__init_subclass__(**kwargs)
        if after is not None:
            _KINDS[after] = cls

    _file: _core.File | None = None
    _shared: weakref.ref | None = None

    def __init__(self, backed_elem, shape=None):
        self._set(*chain_of(backed_elem))
        if shape is not None and tuple(shape) != self.shape:
            raise ValueError(f"shape: expected {self.shape}, found {tuple(shape)}")

    def _set(self, matrix: _core.Matrix, file: _core.File | None) -> None:
        self._m, self._file = matrix, file

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows (cells) and columns (genes)."""
        return tuple(self._m.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions, 2."""
        return 2

    @property
    def dtype(self) -> np.dtype:
        """The dtype of values when read: as stored, or float32 (float64 for float64 input) once
        transformed.
        """
        return np.dtype(self._m.dtype)

    @property
    def size(self) -> int:
        """Number of rows times number of columns."""
        return self.shape[0] * self.shape[1]

    @property
    def nnz(self) -> int:
        """Number of values that are not 0."""
        return int(self.getnnz())

    @property
    def T(self):
        """The transposed values, in memory."""
        return self.to_memory().T

    def __len__(self) -> int:
        return self.shape[0]

    def _place(self) -> str:
        where = self._m.location
        if where is not None:
            return f"'{os.path.basename(str(where[0]))}', {where[1]}"
        stacked = _core.stack_members(self._m)
        return "in memory" if stacked is None else f"{len(stacked[1])} matrices along {stacked[0]}"

    def __repr__(self) -> str:
        n, m = self.shape
        place = printable(self._place())
        steps = "".join(f"\n    {i}. {printable(line)}" for i, line in enumerate(queued(self._m), 1))
        return f"{type(self).__name__} {n} x {m}, {self.dtype}, {self._m.info()['layout']}, {place}{steps}"

    # -- reading ------------------------------------------------------------------------------------------------------

    def _collect(self, matrix: _core.Matrix, limit: int = NO_LIMIT):
        return from_core(matrix.collect(limit))

    def __getitem__(self, key):
        """Reads the values of a selection.

        Parameters
        ----------
        key
            One index of the rows, or two: slices, integers, boolean masks, lists or arrays of
            integers, in any order, repeats allowed.

        Returns
        -------
        A CSR matrix, or an array where the matrix is dense; two-dimensional for integers too. Two
        lists of positions select pointwise, as in numpy, and return a one-dimensional array.

        Raises
        ------
        IndexError
            A position is out of range, or a mask has another length.
        """
        rows, columns = pair(key)
        n, m = self.shape
        if is_pointwise(rows, columns):
            r, c = positions(rows, n), positions(columns, m, axis="var")
            if len(r) != len(c):
                raise IndexError(f"two lists select pointwise: lengths {len(r)} and {len(c)} differ; see numpy.ix_")
            ur, ri = np.unique(r, return_inverse=True)
            uc, ci = np.unique(c, return_inverse=True)
            block = self._collect(self._m.select(ur.astype(np.uint32), uc.astype(np.uint32)))
            return np.asarray(block[ri, ci]).reshape(-1)
        r = positions(rows, n)
        c = positions(columns, m, axis="var")
        if r is None and c is None:
            return self.to_memory()
        return self._collect(self._m.select(r, c))

    def __setitem__(self, key, value):
        raise TypeError(
            f"{printable(self._place())}: a matrix is not changed in place; change its values in memory and set them "
            "again (x = adata.X.to_memory(); x[...] = ...; adata.X = x), or use adata[rows, columns] = values for X"
        )

    def __iter__(self) -> Iterator:
        """Iterates over single rows, read in chunks."""
        for _, _, chunk in self.chunked():
            for i in range(chunk.shape[0]):
                yield chunk[i : i + 1] if sparse.issparse(chunk) else chunk[i]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Reads all values, dense; refused above `anndataoom.settings.array_limit` bytes, with a
        warning above 1 MiB.
        """
        needed = self.size * self.dtype.itemsize
        if needed > settings.array_limit:
            raise MemoryError(
                f"{self!r}\nas an array needs {needed:,} bytes, anndataoom.settings.array_limit is "
                f"{settings.array_limit:,}: select rows or columns, use chunked(), or raise the limit"
            )
        if copy is False:
            raise ValueError("a matrix on disk cannot become an array without a copy")
        if needed >= WARN_BYTES:
            n, m = self.shape
            warnings.warn(
                f"{self._place()}: {n:,} x {m:,} values ({needed / 2**20:,.0f} MB) are read into memory as an array; "
                "toarray() does so without this warning",
                stacklevel=2,
            )
        values = self.toarray()
        return values if dtype is None else values.astype(dtype, copy=False)

    def to_memory(self):
        """Reads all values: a scipy matrix (CSC if the file has one) or a numpy array."""
        values = self._collect(self._m)
        return values.tocsc() if sparse.issparse(values) and self._m.info()["layout"] == "csc" else values

    def toarray(self) -> np.ndarray:
        """Reads all values, dense."""
        values = self._collect(self._m)
        return values.toarray() if sparse.issparse(values) else values

    def ravel(self) -> np.ndarray:
        """Reads all values as one vector, row by row."""
        return self.toarray().ravel()

    def shared(self):
        """Returns the values that `share` read, None if nothing holds them any more."""
        return None if self._shared is None else self._shared()

    def share(self):
        """Reads all values, for several callers in turn: the array itself does not keep them."""
        values = self.to_memory()
        self._shared = weakref.ref(values)
        return values

    @contextmanager
    def in_memory(self):
        """Holds all values in memory within a `with` block, so that functions of scanpy that
        compute need not read them.

        Changes in place by such a function are seen by the next one in the block; the file and this
        array stay as they are.

        Yields
        ------
        The values, as `to_memory` returns them.
        """
        values = self.shared()
        if values is None:
            values = self.share()
        # This frame keeps the values alive until the block ends, whether or not the block names
        # them.
        yield values

    def astype(self, dtype):
        """Reads all values as `dtype`."""
        return self.to_memory().astype(dtype)

    def copy(self) -> BackedArray:
        """Returns the same matrix without reading it."""
        return wrap(self._m, self._file)

    def _read_rows(self, start, end):
        return self[start:end]

    def _read_row_indices(self, indices):
        return self[np.asarray(indices)]

    # -- cost ---------------------------------------------------------------------------------------------------------

    def plan(self) -> str:
        """Returns the plan of the matrix; see `anndataoom.explain`."""
        return self._m.explain()

    def index_columns(self, dir) -> str:
        """Makes an index by gene and returns its path; see `anndataoom.index_columns`."""
        check("index_columns", dir=dir)
        os.makedirs(dir, exist_ok=True)
        path, _, _ = self._m.index_columns(os.fspath(dir))
        return str(path)

    def pack(self, dir) -> str:
        """Keeps a packed copy in a folder, which all passes read: see `anndataoom.pack`."""
        check("pack", dir=dir)
        os.makedirs(dir, exist_ok=True)
        path, _, _ = self._m.pack(os.fspath(dir))
        return str(path)

    # -- leaving the process ------------------------------------------------------------------------------------------

    def __reduce__(self):
        stacked = _core.stack_members(self._m)
        if stacked is None:
            return _restore, _state(self)
        along, members, aligned, fill = stacked
        members = [(wrap(m, None), None if own is None else array_of(own)) for m, own in members]
        return _restore_stack, (along, members, aligned, fill, self._m.chain())

    def __deepcopy__(self, memo):
        return self.copy()


def queued(matrix: _core.Matrix) -> list[str]:
    """Returns the transforms recorded on a matrix, each as a call."""
    return matrix.info()["queued"]


def wrap(matrix: _core.Matrix, file: _core.File | None) -> BackedArray:
    """Wraps a matrix of the core in the class of array for its chain."""
    ops = matrix.ops
    if ops:
        kind = _KINDS.get(ops[-1], _KINDS["anything"])
    else:
        kind = _KINDS["a selection"] if matrix.info()["selected"] else BackedArray
    out = kind.__new__(kind)
    out._set(matrix, file)
    return out


def open_matrix(file: _core.File, element: str) -> BackedArray:
    """Opens the matrix at `element` of a file."""
    return wrap(_core.Matrix.open(file, element), file)


def as_backed(x) -> BackedArray:
    """Returns `x`, in memory or not, as a BackedArray."""
    return x if isinstance(x, BackedArray) else wrap(*chain_of(x))


def select(x: BackedArray, rows, columns) -> BackedArray:
    """Selects positions of both axes (uint32 or None) of `x` without reading."""
    return x if rows is None and columns is None else wrap(x._m.select(rows, columns), x._file)


def chain_of(x):
    if isinstance(x, BackedArray):
        return x._m, x._file
    if isinstance(x, _core.Matrix):
        return x, None
    if hasattr(x, "__dask_graph__"):
        x = x.compute()
    if hasattr(x, "to_numpy") and not sparse.issparse(x):
        x = x.to_numpy()
    if not sparse.issparse(x):
        x = np.asarray(x)
        if x.ndim != 2:
            raise ValueError(f"expected a matrix of two dimensions, found {x.ndim}")
    return _core.Matrix.memory(to_core(x, "matrix")), None


def stack(along: str, members, aligned: int, fill_value=None) -> BackedArray:
    """Stacks matrices along "obs" or "var" without reading.

    `members` are pairs of a matrix and its position for each of the `aligned` entries of the other
    axis (-1 for none), or None if these are the same.
    """
    fill = None
    if fill_value is not None:
        fill = (float(fill_value), isinstance(fill_value, int | np.integer))
    parts = []
    for x, own in members:
        own = None if own is None else np.where(own < 0, 2**32 - 1, own).astype(np.uint32)
        parts.append((as_backed(x)._m, own))
    return wrap(_core.stack(along, parts, aligned, fill), None)


def _restore_stack(along, members, aligned, fill, chain):
    return wrap(_core.stack(along, [(x._m, own) for x, own in members], aligned, fill, chain), None)


def _state(x: BackedArray):
    where = x._m.location
    if where is None:
        return None, None, None, x._m.chain(), from_core(x._m.stored().collect(NO_LIMIT)), "refuse", ""
    path, element = str(where[0]), where[1]
    external, group = ("refuse", "") if x._file is None else (x._file.external, x._file.group)
    return path, element, mark(path, x._file), x._m.chain(), None, external, group


def _restore(path, element, size, chain, values, external="refuse", group=""):
    if path is None:
        return wrap(_core.Matrix.memory(to_core(values), chain), None)
    file = open_file(path, size, external, group)
    return wrap(_core.Matrix.open(file, element, chain), file)
