"""References of `anndata.acc` (anndata 0.13), such as `A.obs["group"]` and `A.X[:, "CD3D"]`, used
as an index.
"""

from __future__ import annotations

import sys


def is_reference(index) -> bool:
    """Returns whether an index is a reference to an array, or to several."""
    acc = sys.modules.get("anndata.acc")
    return acc is not None and isinstance(index, acc.AdRef | acc.RefAcc | acc.MapAcc)


def referred(data, index):
    """Returns the array that a reference names: vectors in memory, a matrix as it is in its slot.

    Raises
    ------
    IndexError
        The reference names several arrays, as `A.layers` does.
    """
    acc = sys.modules["anndata.acc"]
    if isinstance(index, acc.MapAcc):
        raise IndexError(f"{index} refers to several arrays: name one of them")
    return index.get(data) if isinstance(index, acc.RefAcc) else index.acc.get(data, index.idx)
