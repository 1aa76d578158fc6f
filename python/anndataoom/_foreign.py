"""Makes objects of files of other programs, from slots that the core has read or through an h5ad
file.
"""

from __future__ import annotations

import numpy as np

from . import _core
from ._anndata import AnnDataOOM
from ._arrays import open_matrix, select
from ._convert import from_core
from ._scratch import target


def of_slots(file: _core.File, parts) -> AnnDataOOM:
    """Makes the object of a foreign file from the slots that the core has read; its matrices are
    read in place.
    """
    adata = AnnDataOOM._of_parts(file, _matrix(file, parts["X"]), from_core(parts["obs"]), from_core(parts["var"]))
    for name, layer in parts["layers"]:
        adata.layers[name] = _matrix(file, layer)
    for name in ("obsm", "varm", "obsp", "varp", "uns"):
        slot_of = getattr(adata, name)
        for key, value in parts[name]:
            slot_of[key] = from_core(value)
    return adata


def _matrix(file: _core.File, layer):
    element, columns = layer
    matrix = open_matrix(file, element)
    return matrix if columns is None else select(matrix, None, np.asarray(columns, dtype=np.uint32))


def into_h5ad(to, write) -> AnnDataOOM:
    """Opens the h5ad file that `write` makes at the place it is given: `to`, or a temporary file."""
    with target(to) as (place, opened):
        write(place)
        file = _core.File(place, False, "refuse")
        opened(file)
        return AnnDataOOM(file)
