"""Computes how much of an object is in memory."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
from scipy import sparse

from . import _core
from ._arrays import BackedArray
from ._on_disk import OnDisk


def held_bytes(x, with_disk: bool = False) -> int:
    """Returns the bytes that a value, or all in a mapping or list, holds in memory; `with_disk`
    counts matrices on disk as read.
    """
    if x is None or isinstance(x, OnDisk):
        return 0
    if isinstance(x, BackedArray):
        return matrix_bytes(x._m, with_disk)
    if sparse.issparse(x):
        return sum(getattr(x, part).nbytes for part in ("data", "indices", "indptr") if hasattr(x, part))
    if isinstance(x, Mapping):
        return sum(held_bytes(value, with_disk) for value in x.values())
    if isinstance(x, list):
        return sum(held_bytes(value, with_disk) for value in x)
    return x.nbytes if isinstance(x, np.ndarray) else sys.getsizeof(x)


def matrix_bytes(matrix: _core.Matrix, with_disk: bool) -> int:
    """Returns the bytes of a matrix of the core, including the matrices that it is stacked from."""
    if matrix.location is not None and not with_disk:
        return 0
    stacked = _core.stack_members(matrix)
    if stacked is not None:
        return sum(matrix_bytes(member, with_disk) for member, _ in stacked[1])
    info = matrix.info()
    item = np.dtype(info["stored_dtype"]).itemsize
    if info["layout"] == "dense":
        return int(np.prod(info["stored_shape"])) * item
    # Column indices have 32 bits, row starts 64.
    return int(info["nnz"]) * (item + 4) + 8 * (info["stored_shape"][0] + 1)
