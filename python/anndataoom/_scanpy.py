"""scanpy's functions compute on numpy arrays and scipy matrices: what they get when they ask for one of ours.

scanpy chooses its kernels by the type of the matrix and knows no other types, so a function of its that computes gets
the matrix in memory, with a warning of its size; plots and `scanpy.get.obs_df`, which look at single genes, get it as
it is and read those genes. The caller is told by its module: nothing of scanpy is imported or changed.
"""

from __future__ import annotations

import sys
import warnings

from ._arrays import BackedArray

# How scanpy's functions reach the matrix: who asks is their caller.
GETTERS = {"_choose_mtx_rep", "_get_obs_rep", "_check_use_raw", "<genexpr>", "<listcomp>"}
# The name under which a running function of scanpy keeps it, which is no name of its own.
KEPT = "anndataoom matrix in memory"
# What looks at single genes.
LOOKS = ("scanpy.plotting", "scanpy.get.get")


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
    """`x` as it is, or in memory where scanpy asks for it to compute."""
    if not isinstance(x, BackedArray) or "scanpy" not in sys.modules:
        return x
    frame = sys._getframe(2)
    if not _module(frame).startswith("scanpy."):
        return x
    while frame is not None and frame.f_code.co_name in GETTERS:
        frame = frame.f_back
    if not _module(frame).startswith("scanpy.") or _module(frame).startswith(LOOKS):
        return x
    function, outermost, level, outer = frame.f_code.co_name, frame, 3, sys._getframe(2)
    while outer is not None and _module(outer).startswith(("scanpy.", "legacy_api_wrap", "functools")):
        if _module(outer).startswith("scanpy.") and outer.f_code.co_name != "wrapper":
            function, outermost = outer.f_code.co_name, outer
        outer, level = outer.f_back, level + 1
    # Kept as long as the function the user called runs, so that it is read once.
    kept = outermost.f_locals.get(KEPT)
    if kept is None or kept[0] is not x:
        n, m = x.shape
        warnings.warn(
            f"scanpy's {function}() works in memory: all {n:,} x {m:,} values are read "
            f"({memory_bytes(x) / 2**20:,.0f} MB); see anndataoom.pp and anndataoom.tl for what streams",
            stacklevel=level,
        )
        kept = outermost.f_locals[KEPT] = x, x.to_memory()
    return kept[1]
