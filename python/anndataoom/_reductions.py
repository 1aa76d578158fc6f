"""Sums, means, variances and extremes of a matrix on disk, each one pass through the core."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ._arguments import check
from ._convert import array_of

DEFAULT_CHUNK_SIZE = 1000


class Reductions:
    """The reductions of `BackedArray`. `chunk_size`, a parameter of version 0.1.8, has no effect on
    results.
    """

    def sum(self, axis=None, chunk_size: int = DEFAULT_CHUNK_SIZE, keepdims: bool = False, *, dtype=None, out=None):
        """Sums over `axis` (None, 0, 1, -1): exact int64 or uint64 for integer matrices, as in
        numpy, else float64.
        """
        axis, dtype = _checked("sum", axis=axis, chunk_size=chunk_size, keepdims=keepdims, dtype=dtype, out=out)
        sums = array_of(self._m.sums(axis))
        return self._shaped(sums[0] if axis is None else sums, axis, keepdims, dtype)

    def mean(self, axis=None, chunk_size: int = DEFAULT_CHUNK_SIZE, keepdims: bool = False, *, dtype=None, out=None):
        """Averages over `axis`, float64."""
        axis, dtype = _checked("mean", axis=axis, chunk_size=chunk_size, keepdims=keepdims, dtype=dtype, out=out)
        sums = array_of(self._m.row_sums() if axis == 1 else self._m.col_sums())
        if axis is None:
            return self._shaped(np.float64(sums.sum() / self.size if self.size else "nan"), axis, keepdims, dtype)
        n = self.shape[axis]
        return self._shaped(sums / n if n else np.full(len(sums), np.nan), axis, keepdims, dtype)

    def var(
        self,
        axis=None,
        chunk_size: int = DEFAULT_CHUNK_SIZE,
        ddof: int = 0,
        keepdims: bool = False,
        *,
        dtype=None,
        out=None,
    ):
        """Computes variances over `axis` with divisor `n - ddof`, float64."""
        given = {"axis": axis, "chunk_size": chunk_size, "keepdims": keepdims, "dtype": dtype, "out": out}
        axis, dtype = _checked("var", ddof=ddof, **given)
        ddof = int(ddof)
        if axis is None:
            mean, var = map(array_of, self._m.mean_var(0, 0))
            n, size = self.shape[0], self.size
            # Taken around one of the means, so that equal means have no variance, however their sum
            # is rounded.
            apart = mean - mean[0] if len(mean) else mean
            m2 = var.sum() * n + n * ((apart - apart.mean()) ** 2).sum() if size else 0.0
            return self._shaped(m2 / (size - ddof) if size > ddof else np.float64("nan"), axis, keepdims, dtype)
        return self._shaped(array_of(self._m.mean_var(axis, ddof)[1]), axis, keepdims, dtype)

    def getnnz(self, axis=None, chunk_size: int = DEFAULT_CHUNK_SIZE, keepdims: bool = False):
        """Counts the values that are not 0, as int64; explicit zeros of a sparse file do not count.

        Parameters
        ----------
        axis
            None for all values, 0 for each column, 1 for each row.
        keepdims
            Whether the result has two dimensions.
        """
        axis, _ = _checked("getnnz", axis=axis, chunk_size=chunk_size, keepdims=keepdims)
        by_column = np.zeros(self.shape[1], dtype=np.int64)
        by_row = np.zeros(self.shape[0], dtype=np.int64)
        for start, end, chunk in self._blocks():
            if sparse.issparse(chunk):
                chunk.eliminate_zeros()
                by_row[start:end] = np.diff(chunk.indptr)
                by_column += np.bincount(chunk.indices, minlength=self.shape[1])
            else:
                by_row[start:end] = np.count_nonzero(chunk, axis=1)
                by_column += np.count_nonzero(chunk, axis=0)
        found = by_row.sum() if axis is None else (by_column, by_row)[axis]
        return self._shaped(found, axis, keepdims)

    def max(self, axis=None, keepdims: bool = False, *, out=None):
        """Returns the largest values over `axis`; NaN if a value is NaN."""
        axis, _ = _checked("max", axis=axis, keepdims=keepdims, out=out)
        return self._extreme(np.maximum, "max", axis, keepdims)

    def min(self, axis=None, keepdims: bool = False, *, out=None):
        """Returns the smallest values over `axis`; NaN if a value is NaN."""
        axis, _ = _checked("min", axis=axis, keepdims=keepdims, out=out)
        return self._extreme(np.minimum, "min", axis, keepdims)

    def _extreme(self, of_two, name, axis, keepdims):
        if 0 in self.shape:
            raise ValueError(f"the {name} of a matrix of shape {self.shape} is not defined")
        parts = []
        for _, _, chunk in self._blocks():
            part = getattr(chunk, name)(axis=axis)
            parts.append(part.toarray().reshape(-1) if sparse.issparse(part) else np.asarray(part).reshape(-1))
        found = np.concatenate(parts) if axis == 1 else of_two.reduce(np.stack(parts), axis=0)
        return self._shaped(found[0] if axis is None else found, axis, keepdims)

    def _blocks(self):
        yield from self.chunked(self._rows_per_read())

    def _shaped(self, values, axis, keepdims, dtype=None):
        values = values if dtype is None else values.astype(dtype)
        if not keepdims:
            return values
        return np.reshape(values, {None: (1, 1), 0: (1, -1), 1: (-1, 1)}[axis])


def _checked(name: str, *, axis, dtype=None, out=None, **args):
    """Returns the axis as None, 0 or 1, and the dtype; refuses arguments outside their domains."""
    given = {"axis": axis, **args}
    check(name, **given)
    if out is not None:
        raise TypeError("out: not supported, the result is a new array")
    try:
        dtype = None if dtype is None else np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"dtype: {error}") from None
    return None if axis is None else int(axis) % 2, dtype
