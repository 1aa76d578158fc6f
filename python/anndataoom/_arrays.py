"""Matrices that stay on disk: `BackedArray` and its kinds, all views of one chain of the core."""

from __future__ import annotations

import os
import uuid
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from scipy import sparse

from . import _core
from ._arithmetic import Arithmetic
from ._convert import array_of, from_core, to_core
from ._index import is_pointwise, only, positions
from ._reductions import DEFAULT_CHUNK_SIZE, Reductions
from ._settings import settings
from ._text import printable

NO_LIMIT = 2**63
# From this size on, an array made behind the user's back is worth a word.
WARN_BYTES = 1 << 20


class BackedArray(Reductions, Arithmetic):
    """An expression matrix, cells x genes, read from its file when values are asked for.

    Parameters
    ----------
    backed_elem
        A BackedArray, a numpy array or a scipy sparse matrix.
    shape
        Checked against the shape found, where given.
    """

    _file: _core.File | None = None
    _shared: weakref.ref | None = None

    def __init__(self, backed_elem, shape=None):
        self._set(*_chain_of(backed_elem))
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
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (only(key), slice(None))
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

    def chunked(self, chunk_size: int = DEFAULT_CHUNK_SIZE) -> Iterator[tuple]:
        """Rows in turn.

        Parameters
        ----------
        chunk_size
            Rows of a chunk, at least 1. Larger runs are read at a time, within the working memory.

        Yields
        ------
        start, end, chunk
            The chunk is a CSR matrix, or an array where the matrix is dense, in the order of the rows.
        """
        chunk_size = _whole(chunk_size, "chunk_size")
        n = self.shape[0]
        per_read = max(chunk_size, self._rows_per_read() // chunk_size * chunk_size)
        for begin in range(0, n, per_read):
            stop = min(n, begin + per_read)
            block = self._collect(self._m.select(np.arange(begin, stop, dtype=np.uint32), None))
            for start in range(begin, stop, chunk_size):
                end = min(stop, start + chunk_size)
                whole = start == begin and end == stop
                yield start, end, block if whole else block[start - begin : end - begin]

    def chunked_columns(self, chunk_size: int = DEFAULT_CHUNK_SIZE) -> Iterator[tuple]:
        """The same as `chunked`; the name is that of version 0.1.8."""
        yield from self.chunked(chunk_size)

    def _rows_per_read(self) -> int:
        """Rows read at a time, so that what is read stays within the working memory."""
        n, m = self.shape
        info = self._m.info()
        stored = max(1, info["stored_shape"][0])
        per_row = m * self.dtype.itemsize
        if self._m.is_sparse and info["nnz"] is not None:
            per_row = min(per_row, info["nnz"] / stored * (4 + self.dtype.itemsize)) + 8
        # Compressed columns are decoded whole for every read: read as much as may be held.
        share = 1 if info["layout"] == "csc" else 4
        return max(1, int(settings.memory / share / max(1, per_row)))

    # -- cost ---------------------------------------------------------------------------------------------------------

    def plan(self) -> str:
        """What going through it would cost: see `anndataoom.explain`."""
        return self._m.explain()

    def index_columns(self, dir) -> str:
        """Makes selections of a few genes readable in milliseconds: see `anndataoom.index_columns`."""
        os.makedirs(dir, exist_ok=True)
        path, _, _ = self._m.index_columns(os.fspath(dir))
        return str(path)

    # -- leaving the process ------------------------------------------------------------------------------------------

    def to_dask(self, chunk_size: int = 10_000):
        """A dask array of row blocks, read through the core when computed. Needs dask.

        Parameters
        ----------
        chunk_size
            Rows of a block.

        Returns
        -------
        dask.array.Array, cells x genes
            Its blocks are scipy CSR matrices, or numpy arrays where the matrix is dense. Workers of other processes
            open the file by its path.

        Raises
        ------
        ImportError
            dask is not installed.
        """
        import dask.array as da

        chunk_size = _whole(chunk_size, "chunk_size")
        n, m = self.shape
        starts = range(0, n, chunk_size) if n else [0]
        name = f"anndataoom-{uuid.uuid4().hex}"
        graph = {(name, i, 0): (_rows, self, s, min(n, s + chunk_size)) for i, s in enumerate(starts)}
        meta = sparse.csr_matrix((0, 0), dtype=self.dtype) if self._m.is_sparse else np.empty((0, 0), self.dtype)
        lengths = tuple(min(n, s + chunk_size) - s for s in starts)
        return da.Array(graph, name, chunks=(lengths, (m,)), meta=meta)

    def __reduce__(self):
        stacked = _core.stack_members(self._m)
        if stacked is None:
            return _restore, _state(self)
        along, members, aligned, fill = stacked
        members = [(wrap(m, None), None if own is None else array_of(own)) for m, own in members]
        return _restore_stack, (along, members, aligned, fill, self._m.chain())

    def __deepcopy__(self, memo):
        return self.copy()


class TransformedBackedArray(BackedArray):
    """A matrix with normalisation and logarithm queued.

    Parameters
    ----------
    parent
        The matrix.
    norm_factors
        One divisor a cell; 0 leaves a cell as it is.
    apply_log1p
        Whether the logarithm of one plus the values is taken.
    """

    def __init__(self, parent, norm_factors=None, apply_log1p: bool = False, *, target_sum: float | None = None):
        matrix, file = _chain_of(parent)
        self._set(_transformed(matrix, norm_factors, apply_log1p, target_sum), file)


class ScaledBackedArray(TransformedBackedArray):
    """A matrix with genes scaled, values clipped at `max_value` on both sides.

    Parameters
    ----------
    parent
        The matrix.
    mean, std
        One a gene; a standard deviation of 0 counts as 1.
    max_value
        Clip to `[-max_value, max_value]`; None for no clipping.
    norm_factors, apply_log1p
        As in `TransformedBackedArray`, applied first.
    """

    def __init__(self, parent, mean, std, max_value: float | None = 10.0, *, norm_factors=None, apply_log1p=False):
        matrix, file = _chain_of(parent)
        matrix = _transformed(matrix, norm_factors, apply_log1p, None)
        mean, std = (np.ascontiguousarray(np.asarray(v).reshape(-1), dtype=np.float64) for v in (mean, std))
        self._set(matrix.with_scale(mean, np.where(std == 0, 1.0, std), max_value, True), file)


class PearsonResidualBackedArray(TransformedBackedArray):
    """A matrix of analytic Pearson residuals, computed when read."""

    def __init__(self, parent, cell_sums, gene_sums, *, theta: float = 100.0, clip: float | None = None):
        matrix, file = _chain_of(parent)
        if not theta > 0:
            raise ValueError(f"theta: expected a positive number, found {theta}")
        clip = float(np.sqrt(matrix.shape[0])) if clip is None else float(clip)
        if clip < 0:
            raise ValueError(f"clip: expected a number >= 0 or None, found {clip}")
        cells, genes = (np.ascontiguousarray(v, dtype=np.float64) for v in (cell_sums, gene_sums))
        self._set(matrix.with_pearson(cells, genes, float(genes.sum()), float(theta), clip), file)


class RegressedBackedArray(TransformedBackedArray):
    """A matrix less what covariates of the cells explain, computed when read.

    Parameters
    ----------
    parent
        The matrix, cells x genes.
    covariates
        A pandas frame of one row a cell: columns of numbers, or a single categorical one.
    """

    def __init__(self, parent, covariates):
        from ._inputs import covariates_of

        matrix, file = _chain_of(parent)
        inputs = {"matrix": ("matrix", matrix), "keys": covariates_of(covariates)}
        found = _core.check("regress_out", {"keys": [str(key) for key in covariates.columns]}).run(inputs)
        self._set(found["matrix"], file)


class _SubsetBackedArray(BackedArray):
    """Rows and columns of a matrix."""

    def __init__(self, parent, obs_idx=None, var_idx=None, shape=None):
        matrix, file = _chain_of(parent)
        rows = positions(obs_idx, matrix.shape[0])
        columns = positions(var_idx, matrix.shape[1], axis="var")
        self._set(matrix.select(rows, columns), file)


def _transformed(matrix, norm_factors, apply_log1p, target_sum):
    if norm_factors is not None:
        factors = np.array(np.asarray(norm_factors).reshape(-1), dtype=np.float64)
        if not np.isfinite(factors).all():
            raise ValueError("norm_factors: expected finite numbers, found NaN or infinite ones")
        factors[factors == 0] = 1.0
        matrix = matrix.with_divisors(factors, float("nan") if target_sum is None else float(target_sum))
    return matrix.log1p() if apply_log1p else matrix


# What the last operation makes of an array.
_KINDS = {
    "scale": ScaledBackedArray,
    "normalize_pearson_residuals": PearsonResidualBackedArray,
    "regress_out": RegressedBackedArray,
}


def queued(matrix: _core.Matrix) -> list[str]:
    """What is recorded on a matrix, a line each, as one would call it."""
    return matrix.info()["queued"]


def wrap(matrix: _core.Matrix, file: _core.File | None) -> BackedArray:
    """A matrix of the core as the kind of array that fits its chain."""
    ops = matrix.ops
    if ops:
        kind = _KINDS.get(ops[-1], TransformedBackedArray)
    else:
        kind = _SubsetBackedArray if matrix.info()["selected"] else BackedArray
    out = kind.__new__(kind)
    out._set(matrix, file)
    return out


def open_matrix(file: _core.File, element: str) -> BackedArray:
    """The matrix at `element` of a file."""
    return wrap(_core.Matrix.open(file, element), file)


def as_backed(x) -> BackedArray:
    """`x`, in memory or not, as a BackedArray."""
    return x if isinstance(x, BackedArray) else wrap(*_chain_of(x))


def select(x: BackedArray, rows, columns) -> BackedArray:
    """Positions of both axes (uint32 or None) of `x`: nothing is read."""
    return x if rows is None and columns is None else wrap(x._m.select(rows, columns), x._file)


def _rows(x: BackedArray, start: int, end: int):
    return x[start:end]


def _chain_of(x):
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
        return None, None, None, x._m.chain(), from_core(x._m.stored().collect(NO_LIMIT)), "refuse"
    path, element = str(where[0]), where[1]
    external = "refuse" if x._file is None else x._file.external
    return path, element, os.path.getsize(path), x._m.chain(), None, external


def open_file(path, size: int | None = None, external: str = "refuse") -> _core.File:
    """A file as pickled objects refer to it."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"'{path}' is not there any more: the saved object reads its matrix from it")
    found = os.path.getsize(path)
    if size is not None and size != found:
        raise OSError(f"'{path}' has changed since the object was saved ({size} bytes then, {found} now)")
    return _core.File(path, False, external)


def _restore(path, element, size, chain, values, external="refuse"):
    if path is None:
        return wrap(_core.Matrix.memory(to_core(values), chain), None)
    file = open_file(path, size, external)
    return wrap(_core.Matrix.open(file, element, chain), file)


def _whole(x, name: str) -> int:
    if isinstance(x, bool) or not isinstance(x, int | np.integer) or x < 1:
        raise ValueError(f"{name}: expected a whole number of 1 or more, found {x!r}")
    return int(x)
