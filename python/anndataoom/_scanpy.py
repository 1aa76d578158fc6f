"""What functions of scanpy and anndata, which compute on numpy arrays and scipy matrices, get for a matrix of ours.

scanpy chooses its kernels by the type of the matrix and knows no other types, so a function of its that computes gets
the matrix in memory, with a warning of its size, and so does one of anndata. As long as the function runs, whoever
asks gets the same one, and `BackedArray.in_memory` holds it for several functions. Plots and `scanpy.get.obs_df`, which
look at single genes, get it as it is and read those genes. The caller is told by its module: nothing of scanpy or
anndata is imported or changed.
"""

from __future__ import annotations

import functools
import sys
import warnings

from ._arrays import BackedArray

# How scanpy's functions reach the matrix: who asks is their caller.
GETTERS = {"_choose_mtx_rep", "_get_obs_rep", "_check_use_raw", "<genexpr>", "<listcomp>"}
# The name under which a running function of scanpy holds the values, which is no name of its own.
HELD = "anndataoom matrix in memory"
# What looks at single genes.
LOOKS = ("scanpy.plotting", "scanpy.get.get")
# Where anndata takes the parts of an object: its class, concat, and what writes.
TAKES = ("anndata._core", "anndata._io")


def _module(frame) -> str:
    return frame.f_globals.get("__name__", "") if frame is not None else ""


def memory_bytes(x: BackedArray) -> int:
    """Bytes of all values in memory, about."""
    n, m = x.shape
    dense = n * m * x.dtype.itemsize
    info = x._m.info()
    if not x._m.is_sparse or info["nnz"] is None:
        return dense
    stored_rows, stored_columns = info["stored_shape"]
    return min(dense, round(info["nnz"] * n * m / max(1, stored_rows * stored_columns)) * (4 + x.dtype.itemsize))


def for_caller(x):
    """`x` as it is, or in memory where scanpy asks for it to compute, or anndata to take it."""
    if not isinstance(x, BackedArray):
        return x
    frame = sys._getframe(2)
    while _module(frame) in ("collections.abc", "_collections_abc"):  # items() and values() of a mapping
        frame = frame.f_back
    if _module(frame).startswith(TAKES):
        return _shared(x, "anndata", frame.f_code.co_name, ("anndata.", "legacy_api_wrap"))
    if not _module(frame).startswith("scanpy."):
        return x
    while frame is not None and frame.f_code.co_name in GETTERS:
        frame = frame.f_back
    if not _module(frame).startswith("scanpy.") or _module(frame).startswith(LOOKS):
        return x
    return _shared(x, "scanpy", frame.f_code.co_name, ("scanpy.", "legacy_api_wrap", "functools"))


def _shared(x: BackedArray, package: str, function: str, within):
    """The values in memory, with a warning to the first caller outside the modules `within`."""
    values = x.shared()
    if values is not None:
        return values
    level, outer = 4, sys._getframe(3)
    outermost = outer
    while outer is not None and _module(outer).startswith(within):
        if _module(outer).startswith(f"{package}.") and outer.f_code.co_name != "wrapper":
            function, outermost = outer.f_code.co_name, outer
        outer, level = outer.f_back, level + 1
    n, m = x.shape
    function = "AnnData" if function == "__init__" else function
    warnings.warn(
        f"{package}'s {function}() works in memory: all {n:,} x {m:,} values are read "
        f"({memory_bytes(x) / 2**20:,.0f} MB); see anndataoom.pp, tl and concat for what streams, and in_memory() of "
        "the matrix to read it once for several functions",
        stacklevel=level,
    )
    values = x.share()
    if package == "scanpy":
        # Read once, however often the function the user called asks for them.
        outermost.f_locals[f"{HELD} {id(x)}"] = values
    return values


def layers_for_caller(adata):
    """The layers; for anndata all in memory, with X where it has X among them (from 0.13 on)."""
    caller = sys._getframe(2)
    if not _module(caller).startswith(TAKES):
        return adata._layers
    x = adata.__dict__["_X"]
    found = {None: x} if x is not None and x_is_a_layer() else {}
    found.update(adata._layers)
    for key, value in found.items():
        if isinstance(value, BackedArray):
            found[key] = _shared(value, "anndata", caller.f_code.co_name, ("anndata.", "legacy_api_wrap"))
    return found


@functools.cache
def x_is_a_layer() -> bool:
    """Whether X is the layer None of an AnnData, as from version 0.13 on."""
    import anndata
    import numpy as np

    return None in anndata.AnnData(np.zeros((1, 1), dtype=np.float32)).layers


def not_for_anndata(function: str) -> None:
    """Refuses what anndata does with files it opened itself."""
    if _module(sys._getframe(2)).startswith("anndata."):
        raise TypeError(f"anndata's functions write objects in memory: {function} streams this one")
