"""Matrices that stay on disk: `BackedArray` and its kinds, all views of one chain of the core."""

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
# From this size on, an array made behind the user's back is worth a word.
WARN_BYTES = 1 << 20


# The kind of array that an operation, the last of a chain, makes; see `_kinds.py`.
_KINDS: dict[str, type] = {}


class BackedArray(Reductions, Chunks, Arithmetic):
    """An expression matrix, cells x genes, read from its file when values are asked for.

    Parameters
    ----------
    backed_elem
        A BackedArray, a numpy array or a scipy sparse matrix.
    shape
        Checked against the shape found, where given.
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
        """Rows (cells), columns (genes)."""
        return tuple(self._m.shape)

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def dtype(self) -> np.dtype:
        """Of the values read: as stored, or float32 (float64 for float64 input) once transformed."""
        return np.dtype(self._m.dtype)

    @property
    def size(self) -> int:
        """Rows times columns."""
        return self.shape[0] * self.shape[1]

    @property
    def nnz(self) -> int:
        """Values that are not 0."""
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
        """Values of a selection.

        Parameters
        ----------
        key
            One index of the rows, or two: slices, integers, boolean masks, lists or arrays of integers; in any order,
            with repeats.

        Returns
        -------
        CSR matrix, or array where the matrix is dense; two-dimensional also for integers. Two lists of positions select
        pointwise, as in numpy, and give a one-dimensional array.

        Raises
        ------
        IndexError
            A position out of range, a mask of another length.
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
        """Rows one by one, read in chunks."""
        for _, _, chunk in self.chunked():
            for i in range(chunk.shape[0]):
                yield chunk[i : i + 1] if sparse.issparse(chunk) else chunk[i]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """All values, dense; refused above `anndataoom.settings.array_limit` bytes, with a warning above 1 MiB."""
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
        """All values: a scipy matrix (CSC where the file has one) or a numpy array."""
        values = self._collect(self._m)
        return values.tocsc() if sparse.issparse(values) and self._m.info()["layout"] == "csc" else values

    def toarray(self) -> np.ndarray:
        """All values, dense."""
        values = self._collect(self._m)
        return values.toarray() if sparse.issparse(values) else values

    def ravel(self) -> np.ndarray:
        """All values in memory, row by row as one vector."""
        return self.toarray().ravel()

    def shared(self):
        """The values in memory that `share` gave, None where nobody holds them any more."""
        return None if self._shared is None else self._shared()

    def share(self):
        """All values in memory, for several who ask in turn: the array itself does not keep them."""
        values = self.to_memory()
        self._shared = weakref.ref(values)
        return values

    @contextmanager
    def in_memory(self):
        """Holds all values in memory within a `with` block: functions of scanpy that compute get them unread.

        What such a function changes in place, the next one in the block sees; the file and this array stay as they are.

        Yields
        ------
        The values, as `to_memory` gives them.
        """
        values = self.shared()
        if values is None:
            values = self.share()
        # Until the block ends this frame owns them, whether or not the block names them.
        yield values

    def astype(self, dtype):
        """All values in memory, as `dtype`."""
        return self.to_memory().astype(dtype)

    def copy(self) -> BackedArray:
        """The same matrix: nothing is read."""
        return wrap(self._m, self._file)

    def _read_rows(self, start, end):
        return self[start:end]

    def _read_row_indices(self, indices):
        return self[np.asarray(indices)]

    # -- cost ---------------------------------------------------------------------------------------------------------

    def plan(self) -> str:
        """Returns the cost of a pass over the matrix: see `anndataoom.explain`."""
        return self._m.explain()

    def index_columns(self, dir) -> str:
        """Makes selections of a few genes readable in milliseconds: see `anndataoom.index_columns`."""
        check("index_columns", dir=dir)
        os.makedirs(dir, exist_ok=True)
        path, _, _ = self._m.index_columns(os.fspath(dir))
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
    """Returns the transforms recorded on a matrix, a line each, as calls."""
    return matrix.info()["queued"]


def wrap(matrix: _core.Matrix, file: _core.File | None) -> BackedArray:
    """A matrix of the core as the kind of array that fits its chain."""
    ops = matrix.ops
    if ops:
        kind = _KINDS.get(ops[-1], _KINDS["anything"])
    else:
        kind = _KINDS["a selection"] if matrix.info()["selected"] else BackedArray
    out = kind.__new__(kind)
    out._set(matrix, file)
    return out


def open_matrix(file: _core.File, element: str) -> BackedArray:
    """The matrix at `element` of a file."""
    return wrap(_core.Matrix.open(file, element), file)


def as_backed(x) -> BackedArray:
    """`x`, in memory or not, as a BackedArray."""
    return x if isinstance(x, BackedArray) else wrap(*chain_of(x))


def select(x: BackedArray, rows, columns) -> BackedArray:
    """Positions of both axes (uint32 or None) of `x`: nothing is read."""
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
    """Matrices along "obs" or "var": pairs of one and, for each of the `aligned` entries of the other axis, its own (-1
    for none); None when they are the same. Nothing is read."""
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
