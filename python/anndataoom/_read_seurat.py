"""Opens h5Seurat files, whose matrices, features x cells by columns, are read as cells x features
by rows.
"""

from __future__ import annotations

import os

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._foreign import of_slots


def read_h5seurat(path, assay: str | None = None, slot: str | None = None, *, external: str = "refuse") -> AnnDataOOM:
    """Opens an assay of an h5Seurat file (SeuratDisk) in place; matrices are read when values are
    needed.

    `meta.data` becomes obs, `meta.features` becomes var (with `highly_variable` for the variable
    features), reductions go to obsm and varm ("X_pca", "PCs"), graphs to obsp.

    Parameters
    ----------
    path
        The file.
    assay
        The assay; None for the active one.
    slot
        The matrix for X: "counts", "data" or "scale.data"; None for the first of them in the file.
        The others become layers, "scale.data" only if it has all features.
    external
        See `read_h5ad`.

    Returns
    -------
    The object, cells x features; its matrix stays in the file.

    Raises
    ------
    ValueError
        There is no such assay or slot; the message lists those in the file.
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
