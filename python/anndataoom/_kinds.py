"""The classes of version 0.1.8 for arrays, by the last recorded operation; each makes an array from
a parent.
"""

from __future__ import annotations

import numpy as np

from . import _core
from ._arrays import BackedArray, chain_of
from ._index import positions


class TransformedBackedArray(BackedArray, after="anything"):
    """A matrix with normalisation and logarithm queued.

    Parameters
    ----------
    parent
        The matrix.
    norm_factors
        A divisor for each cell; 0 leaves a cell as it is.
    apply_log1p
        Whether the logarithm of one plus the values is taken.
    """

    def __init__(self, parent, norm_factors=None, apply_log1p: bool = False, *, target_sum: float | None = None):
        matrix, file = chain_of(parent)
        self._set(_transformed(matrix, norm_factors, apply_log1p, target_sum), file)


class ScaledBackedArray(TransformedBackedArray, after="scale"):
    """A matrix with genes scaled, values clipped at `max_value` on both sides.

    Parameters
    ----------
    parent
        The matrix.
    mean, std
        A value for each gene; a standard deviation of 0 counts as 1.
    max_value
        Bound of values, which are clipped to `[-max_value, max_value]`; None for no clipping.
    norm_factors, apply_log1p
        See `TransformedBackedArray`; applied first.
    """

    def __init__(self, parent, mean, std, max_value: float | None = 10.0, *, norm_factors=None, apply_log1p=False):
        matrix, file = chain_of(parent)
        matrix = _transformed(matrix, norm_factors, apply_log1p, None)
        mean, std = (np.ascontiguousarray(np.asarray(v).reshape(-1), dtype=np.float64) for v in (mean, std))
        self._set(matrix.with_scale(mean, np.where(std == 0, 1.0, std), max_value, True), file)


class PearsonResidualBackedArray(TransformedBackedArray, after="normalize_pearson_residuals"):
    """A matrix of analytic Pearson residuals, computed when read."""

    def __init__(self, parent, cell_sums, gene_sums, *, theta: float = 100.0, clip: float | None = None):
        matrix, file = chain_of(parent)
        if not theta > 0:
            raise ValueError(f"theta: expected a positive number, found {theta}")
        clip = float(np.sqrt(matrix.shape[0])) if clip is None else float(clip)
        if clip < 0:
            raise ValueError(f"clip: expected a number >= 0 or None, found {clip}")
        cells, genes = (np.ascontiguousarray(v, dtype=np.float64) for v in (cell_sums, gene_sums))
        self._set(matrix.with_pearson(cells, genes, float(genes.sum()), float(theta), clip), file)


class RegressedBackedArray(TransformedBackedArray, after="regress_out"):
    """A matrix less its fit on covariates of the cells, computed when read.

    Parameters
    ----------
    parent
        The matrix, cells x genes.
    covariates
        A pandas frame with a row for each cell: columns of numbers, or a single categorical column.
    """

    def __init__(self, parent, covariates):
        from ._inputs import covariates_of

        matrix, file = chain_of(parent)
        inputs = {"matrix": ("matrix", matrix), "keys": covariates_of(covariates)}
        found = _core.check("regress_out", {"keys": [str(key) for key in covariates.columns]}).run(inputs)
        self._set(found["matrix"], file)


class _SubsetBackedArray(BackedArray, after="a selection"):
    """Rows and columns of a matrix."""

    def __init__(self, parent, obs_idx=None, var_idx=None, shape=None):
        matrix, file = chain_of(parent)
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
