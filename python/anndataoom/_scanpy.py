"""Hands matrices of this package to functions of scanpy and anndata, which compute on numpy arrays
and scipy matrices.

scanpy chooses its kernels by the type of the matrix and knows no other types. So a function of
scanpy that computes gets the matrix in memory, with a warning of its size, and so does a function
of anndata. The values belong to the function that asked: other functions that ask while it has them
get the same values, which are freed when it drops them. A function that asks several times reads
each time, unless `BackedArray.in_memory` holds the values for it. Plots and `scanpy.get.obs_df`,
which look at single genes, get the matrix as it is and read those genes. The caller is recognised
by its package: nothing of scanpy or anndata is imported, changed or extended.
"""

from __future__ import annotations

import functools
import sys
import warnings

from ._arrays import BackedArray

# The packages whose functions take the matrix in memory, and packages that call between them and
# their user.
TAKERS = ("scanpy", "anndata")
BETWEEN = ("legacy_api_wrap", "functools", "contextlib", "collections", "_collections_abc")
# The modules whose functions look at single genes.
LOOKS = ("scanpy.plotting", "anndata.acc")


def _module(frame) -> str:
    return frame.f_globals.get("__name__", "") if frame is not None else ""


def _package(frame) -> str:
    return _module(frame).partition(".")[0]


def memory_bytes(x: BackedArray) -> int:
    """Returns about how many bytes all values take in memory."""
    n, m = x.shape
    dense = n * m * x.dtype.itemsize
    info = x._m.info()
    if not x._m.is_sparse or info["nnz"] is None:
        return dense
    stored_rows, stored_columns = info["stored_shape"]
    return min(dense, round(info["nnz"] * n * m / max(1, stored_rows * stored_columns)) * (4 + x.dtype.itemsize))


def _taker(frame):
    """Returns the frame of scanpy or anndata that takes the matrix in memory, None if there is
    none.

    Parameters
    ----------
    frame
        The frame that asks for the matrix.
    """
    while _package(frame) in BETWEEN:  # such as items() and values() of a mapping
        frame = frame.f_back
    # scanpy.get reads for other functions of scanpy, or genes for the user.
    while _module(frame).startswith("scanpy.get"):
        frame = frame.f_back
    return frame if _package(frame) in TAKERS and not _module(frame).startswith(LOOKS) else None


def for_caller(x):
    """Returns `x` as it is, or in memory if scanpy asks for it to compute, or anndata to take it."""
    if not isinstance(x, BackedArray):
        return x
    frame = _taker(sys._getframe(2))
    return x if frame is None else _in_memory(x)


def _in_memory(x: BackedArray):
    """Returns the values in memory, with a warning at the caller of the outermost function of
    scanpy or anndata.
    """
    values = x.shared()
    if values is not None:
        return values
    package, function, level, depth = "", "", 1, 1
    inner = sys._getframe()
    while inner is not None:
        if _package(inner) in TAKERS:
            package, level = _package(inner), depth + 1
            function = function if inner.f_code.co_name == "wrapper" else inner.f_code.co_name
        elif level == depth and _package(inner) in BETWEEN:
            level += 1
        inner, depth = inner.f_back, depth + 1
    n, m = x.shape
    function = "AnnData" if function == "__init__" else function
    warnings.warn(
        f"{package}'s {function}() works in memory: all {n:,} x {m:,} values are read "
        f"({memory_bytes(x) / 2**20:,.0f} MB); see anndataoom.pp, tl and concat for what streams; "
        "within `with matrix.in_memory():` they are read once, however often they are asked for",
        stacklevel=level,
    )
    return x.share()


def layers_for_caller(adata):
    """Returns the layers; for anndata all in memory, with X if X is a layer there (from 0.13 on)."""
    frame = _taker(sys._getframe(2))
    if _package(frame) != "anndata":
        return adata._layers
    x = adata.__dict__["_X"]
    found = {None: x} if x is not None and x_is_a_layer() else {}
    found.update(adata._layers)
    return {key: _in_memory(value) if isinstance(value, BackedArray) else value for key, value in found.items()}


@functools.cache
def x_is_a_layer() -> bool:
    """Returns whether X is the layer None of an AnnData, as from version 0.13 on."""
    import anndata
    import numpy as np

    return None in anndata.AnnData(np.zeros((1, 1), dtype=np.float32)).layers


def not_for_anndata(function: str) -> None:
    """Refuses operations of anndata on files that it opened itself."""
    if _package(sys._getframe(2)) == "anndata":
        raise TypeError(f"anndata's functions write objects in memory: {function} streams this one")
