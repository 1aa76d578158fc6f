"""h5Seurat files, whose matrices of features x cells by columns are cells x features by rows."""

from __future__ import annotations

import os

import numpy as np

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._arrays import open_matrix, select
from ._convert import from_core


def read_h5seurat(path, assay: str | None = None, slot: str | None = None, *, external: str = "refuse") -> AnnDataOOM:
    """Opens an assay of an h5Seurat file (SeuratDisk) in place: its matrices are read when values are asked for.

    `meta.data` is obs, `meta.features` var (with `highly_variable` for the variable features), reductions are in obsm
    and varm ("X_pca", "PCs"), graphs in obsp.

    Parameters
    ----------
    path
        The file.
    assay
        The assay; without it the active one.
    slot
        The matrix that is X: "counts", "data" or "scale.data"; without it the first of them that is there. The others
        are layers, "scale.data" where it has all features.
    external
        As in `read_h5ad`.

    Raises
    ------
    ValueError
        There is no such assay or slot: the message lists those there are.
    KeyError
        It is no h5Seurat file.
    """
    check("read_h5seurat", path=path, assay=assay, slot=slot, external=external)
    file = _core.File(os.fspath(path), False, external)
    parts = file.read_h5seurat(assay, slot)
    adata = AnnDataOOM._of_parts(file, _matrix(file, parts["X"]), from_core(parts["obs"]), from_core(parts["var"]))
    for name, layer in parts["layers"]:
        adata.layers[name] = _matrix(file, layer)
    for name in ("obsm", "varm", "obsp", "uns"):
        slot_of = getattr(adata, name)
        for key, value in parts[name]:
            slot_of[key] = from_core(value)
    return adata


def _matrix(file: _core.File, layer):
    element, columns = layer
    matrix = open_matrix(file, element)
    return matrix if columns is None else select(matrix, None, np.asarray(columns, dtype=np.uint32))
