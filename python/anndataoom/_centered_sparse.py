"""A scaled matrix in memory whose sparse part stays sparse."""

from __future__ import annotations

import numpy as np
from scipy import sparse


class CenteredSparseArray:
    """`clip((X - mean) / std, -max_value, max_value)` without making it dense.

    Parameters
    ----------
    X
        A scipy sparse matrix, cells x genes.
    mean, std
        A value for each gene; a standard deviation of 0 counts as 1.
    max_value
        Bound of values on both sides, as in `scanpy.pp.scale`; None for no clipping.
    """

    def __init__(self, X, mean, std, max_value: float | None = 10.0):
        X = sparse.csr_matrix(X)
        mean = np.asarray(mean, dtype=np.float64).reshape(-1)
        std = np.asarray(std, dtype=np.float64).reshape(-1)
        if not len(mean) == len(std) == X.shape[1]:
            raise ValueError(f"mean and std: expected {X.shape[1]} values, found {len(mean)} and {len(std)}")
        self._mean, self._std, self._max_value = mean, np.where(std == 0, 1.0, std), max_value
        base = -self._mean / self._std
        clipped = base if max_value is None else np.clip(base, -max_value, max_value)
        # The value is base + delta, and delta is not 0 only for stored values.
        scaled = X.multiply(1.0 / self._std).tocsr().astype(np.float64)
        delta = scaled.copy()
        values = scaled.data + base[scaled.indices]
        if max_value is not None:
            values = np.clip(values, -max_value, max_value)
        delta.data = values - clipped[scaled.indices]
        self._from_parts(delta, clipped, X)

    def _from_parts(self, delta, base, X) -> None:
        self._delta, self._base, self._X = delta, base, X

    @property
    def _x_over_sigma(self):
        return self._X.multiply(1.0 / self._std).tocsr()

    @property
    def _mu_over_sigma(self):
        return self._mean / self._std

    @property
    def shape(self):
        return self._delta.shape

    @property
    def ndim(self) -> int:
        return 2

    @property
    def dtype(self):
        return np.dtype(np.float32) if self._X.dtype == np.float32 else np.dtype(np.float64)

    @property
    def nnz(self) -> int:
        return self._X.nnz

    @property
    def has_clip(self) -> bool:
        return self._max_value is not None

    @property
    def T(self):
        return self.toarray().T

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key):
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        rows, columns = (slice(k, k + 1 or None) if isinstance(k, int | np.integer) else k for k in (rows, columns))
        if hasattr(rows, "to_numpy"):
            rows = rows.to_numpy()
        if hasattr(columns, "to_numpy"):
            columns = columns.to_numpy()
        X = self._X[rows][:, columns]
        return CenteredSparseArray(X, self._mean[columns], self._std[columns], self._max_value)

    def __matmul__(self, other):
        other = np.asarray(other)
        return np.asarray(self._delta @ other) + self._base @ other

    def __rmatmul__(self, other):
        other = np.asarray(other)
        return np.asarray((self._delta.T @ other.T).T) + np.multiply.outer(other.sum(axis=-1), self._base)

    def toarray(self) -> np.ndarray:
        return (self._delta.toarray() + self._base).astype(self.dtype)

    def copy(self):
        return self[:]

    def __array__(self, dtype=None, copy=None):
        values = self.toarray()
        return values if dtype is None else values.astype(dtype)
