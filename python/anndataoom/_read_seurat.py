"""h5Seurat files, whose matrices of features x cells by columns are cells x features by rows."""

from __future__ import annotations

import os

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._foreign import of_slots


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

    Returns
    -------
    The object, cells x features; its matrix stays in the file.

    Raises
    ------
    ValueError
        There is no such assay or slot: the message lists those there are.
    KeyError
        It is no h5Seurat file.

    Examples
    --------
    >>> seurat = oom.read_h5seurat("small.h5Seurat")
    >>> seurat.n_obs > 0
    True
    """
    check("read_h5seurat", path=path, assay=assay, slot=slot, external=external)
    file = _core.File(os.fspath(path), False, external)
    return of_slots(file, file.read_h5seurat(assay, slot))
