"""Writes count matrices in the formats of Cell Ranger, for other programs."""

from __future__ import annotations

import os

from . import _core
from ._arguments import check
from ._read_mudata import as_oom
from ._write import frame_part, matrix_part


def write_10x_mtx(adata, path, layer: str | None = None) -> None:
    """Streams a matrix into a folder as text, as Cell Ranger 3 lays it out.

    `matrix.mtx.gz` is genes x cells sorted by cell, without zeros; `features.tsv.gz` has `var["gene_ids"]` (else the
    names), the names and `var["feature_types"]` (else "Gene Expression"); `barcodes.tsv.gz` the names of cells.

    Parameters
    ----------
    adata
        An AnnDataOOM or AnnData object.
    path
        The folder, which is made if it does not exist.
    layer
        Layer instead of X.

    Returns
    -------
    None.

    Raises
    ------
    RuntimeError
        The folder has a matrix in another layout.

    Examples
    --------
    >>> oom.write_10x_mtx(adata, "filtered")
    >>> oom.read("filtered").shape
    (700, 2000)
    """
    check("write_10x_mtx", path=path, layer=layer)
    _core.write_10x_mtx(_plan(adata, layer), os.fspath(path))


def write_10x_h5(adata, path, layer: str | None = None) -> None:
    """Streams counts into an HDF5 file as Cell Ranger 3 lays it out (`filtered_feature_bc_matrix.h5`).

    Parameters
    ----------
    adata
        An AnnDataOOM or AnnData object. Its var columns `gene_ids`, `feature_types` and `genome`
        are written if they exist.
    path
        The file to write; it appears at this path only when it is complete.
    layer
        Layer instead of X.

    Returns
    -------
    None.

    Raises
    ------
    ValueError
        A value is not a count, that is a whole number from 0 to 2147483647.

    Examples
    --------
    >>> oom.write_10x_h5(adata, "filtered.h5")
    >>> oom.read("filtered.h5").shape
    (700, 2000)
    """
    check("write_10x_h5", path=path, layer=layer)
    _core.write_10x_h5(_plan(adata, layer), os.fspath(path))


def _plan(adata, layer) -> dict:
    adata = as_oom(adata, "adata")
    X = adata.X if layer is None else adata.layers[layer]
    if X is None:
        raise ValueError("adata: expected an object with X, found one without")
    nothing = {slot: [] for slot in ("layers", "obsm", "varm", "obsp", "varp", "uns")}
    obs, var = frame_part(adata._obs, "obs"), frame_part(adata._var, "var")
    return {"X": matrix_part(X), "obs": obs, "var": var, **nothing}
