"""`adata.raw`: a matrix with its own genes, kept as it was."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd

from ._arrays import BackedArray, as_backed, select
from ._elements import Elements
from ._frame import Frame
from ._index import compose, pair, positions
from ._reference import is_reference, referred
from ._scanpy import for_caller
from ._text import printable


class _FrozenRaw:
    """A matrix, cells x all genes, and the var of its genes.

    Parameters
    ----------
    X
        A BackedArray or a matrix in memory.
    var
        A row for each gene.
    varm
        Arrays over genes.
    obs_names
        Names of the cells, or a function that returns them.
    """

    def __init__(self, X, var, varm=None, obs_names=None):
        self._X = as_backed(X)
        self._var = var if isinstance(var, Frame) else Frame(var)
        m = self._X.shape[1]
        if isinstance(varm, Elements):
            self._varm = varm
        else:
            self._varm = Elements("varm", (m,), varm, names=self._var)
        self._obs_names = obs_names
        # The object that this is the raw of, and its selected cells. The raw that the object keeps
        # refers to neither: a cycle would keep both, and the file, alive.
        self._owner = self._rows = None

    @classmethod
    def from_oom(cls, oom) -> _FrozenRaw:
        """Freezes the current state of an `AnnDataOOM`; nothing is read."""
        var = oom._var.subset(None)
        return cls(oom.X, var, oom.varm.copy().beside(var), oom.obs_names.copy())

    def _of(self, owner) -> _FrozenRaw:
        """Returns the same as the raw of `owner`, with the names of its cells."""
        out = copy.copy(self)
        out._owner, out._rows, out._obs_names = owner, None, None
        return out

    @classmethod
    def from_adata(cls, adata) -> _FrozenRaw:
        """Freezes an anndata.AnnData."""
        return cls(adata.X, adata.var.copy(), dict(adata.varm), adata.obs_names.copy())

    @property
    def X(self) -> BackedArray:
        """The matrix, cells x all genes."""
        return for_caller(self._X)

    @property
    def var(self) -> pd.DataFrame:
        """Annotation of the genes."""
        return self._var.frame

    @property
    def var_names(self) -> pd.Index:
        """Names of the genes."""
        return self._var.index

    @property
    def obs_names(self) -> pd.Index | None:
        """Names of the cells; None if they are not known."""
        if self._owner is not None:
            names = self._owner.obs_names
            return names if self._rows is None else names[self._rows]
        return self._obs_names() if callable(self._obs_names) else self._obs_names

    @property
    def varm(self) -> Elements:
        """Arrays over the genes."""
        return self._varm

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of cells and genes."""
        return self._X.shape

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return self.shape[1]

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self.shape[0]

    def obs_vector(self, k: str) -> np.ndarray:
        """Returns the values of one gene."""
        column = positions(k, self.n_vars, self.var_names, "var")
        return dense(self._X[:, column]).reshape(-1)

    def var_vector(self, k: str) -> np.ndarray:
        """Returns a column of var, or the values of one cell."""
        if k in self._var.columns:
            return self.var[k].values
        row = positions(k, self.n_obs, lambda: self.obs_names)
        return dense(self._X[row, :]).reshape(-1)

    def __getitem__(self, index) -> _FrozenRaw:
        """Selects cells, or cells and genes, by any index; see `AnnDataOOM.__getitem__`."""
        if is_reference(index):
            return referred(self, index)
        rows, columns = pair(index)
        rows = positions(rows, self.n_obs, lambda: self.obs_names)
        columns = positions(columns, self.n_vars, lambda: self.var_names, "var")
        return self._subset(rows, columns)

    def _subset(self, rows, columns):
        names, var = self.obs_names, self._var.subset(columns)
        out = _FrozenRaw(
            select(self._X, rows, columns),
            var,
            self.varm.subset(columns, None).beside(var),
            names if rows is None or names is None else names[rows],
        )
        out._owner, out._rows = self._owner, compose(self._rows, rows)
        return out

    def copy(self) -> _FrozenRaw:
        """Copies raw on the same file, without reading the matrix."""
        return self._subset(None, None)

    def _subset_obs(self, idx):
        return self._subset(positions(idx, self.n_obs, lambda: self.obs_names), None)

    def to_adata(self):
        """Reads raw as an anndata.AnnData, with obs, obsm, obsp and uns of its object."""
        import anndata as ad

        from ._values import in_memory

        def of(elements):
            return {k: in_memory(elements[k], deep=True) for k in elements}

        names, owner = self.obs_names, self._owner
        parts = {"obs": pd.DataFrame(index=pd.RangeIndex(self.n_obs).astype(str) if names is None else names)}
        if owner is not None:
            owner = owner if self._rows is None else owner[self._rows]
            parts = {"obs": owner.obs.copy(), **{slot: of(getattr(owner, slot)) for slot in ("obsm", "obsp", "uns")}}
        return ad.AnnData(X=self._X.to_memory(), var=self.var.copy(), varm=of(self.varm), **parts)

    def close(self) -> None:
        """Does nothing: the file closes when no object refers to it."""

    def __repr__(self) -> str:
        columns = printable(", ".join(map(str, self._var.columns)))
        return f"raw {self.n_obs} x {self.n_vars}\n    X: {self._X!r}\n    var: {columns}"


def dense(values) -> np.ndarray:
    return values.toarray() if hasattr(values, "toarray") else np.asarray(values)
