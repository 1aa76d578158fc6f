"""Opens files of several modalities (MuData): each is read, and saved into, in its place."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._convert import from_core
from ._write import Compression, plan


def read_h5mu(path, mod: str | None = None, *, backed: str = "r", external: str = "refuse"):
    """Opens the modalities of an h5mu file in place: reads names and shapes, no values, and copies
    nothing.

    Parameters
    ----------
    path
        The file.
    mod
        The modality; None for all of them.
    backed
        "r": the file is never written to, and obs of each modality gains the file's columns about
        all cells. "r+": obs is the modality's own, and `AnnDataOOM.save` saves changes into the
        modality.
    external
        See `read_h5ad`.

    Returns
    -------
    An AnnDataOOM, or without `mod` a dict of them by modality, in the file's order.

    Raises
    ------
    ValueError
        There is no such modality; the message lists the modalities.
    KeyError
        It is no h5mu file.

    Examples
    --------
    >>> oom.write_h5mu({"rna": adata}, "multiome.h5mu")
    >>> oom.read_h5mu("multiome.h5mu", mod="rna").shape
    (700, 2000)
    """
    check("read_h5mu", path=path, mod=mod, backed=backed, external=external)
    file = _core.File(os.fspath(path), backed == "r+", external)
    if mod is not None:
        return _modality(file, file.modality(mod), mod, backed)
    names = file.modalities()
    if names is None:
        file.modality(None)
    return {name: _modality(file, f"mod/{name}", name, backed) for name in names}


def _modality(file: _core.File, group: str, name: str, backed: str) -> AnnDataOOM:
    adata = AnnDataOOM(file.subgroup(group))
    if backed == "r":
        shared = from_core(file.shared_frame("obs", name))
        for column in shared.columns:
            if column not in adata.obs:
                adata.obs[column] = shared[column].array
    return adata


def write_h5mu(adatas, path, *, compression=None, compression_opts=None) -> None:
    """Streams objects into one h5mu file, as its modalities.

    The file also has the names of all cells (cells of the same name are the same cell) and of all
    genes, and the positions of these in each modality, as `mudata` writes them.

    Parameters
    ----------
    adatas
        A mapping of names to AnnDataOOM or AnnData objects. Names of cells must not repeat within
        an object.
    path
        The file to write; it appears at this path only when it is complete.
    compression, compression_opts
        See `AnnDataOOM.write_h5ad`.

    Returns
    -------
    None.

    Raises
    ------
    ValueError
        No modality is given, or one is no object; the message names it.

    Examples
    --------
    >>> oom.write_h5mu({"rna": adata, "half": adata[:, :1000]}, "two.h5mu")
    >>> sorted(oom.read_h5mu("two.h5mu"))
    ['half', 'rna']
    """
    if isinstance(compression, Compression):
        compression, compression_opts = compression.name, compression.level
    check("write_h5mu", path=path, compression=compression, compression_opts=compression_opts)
    if not isinstance(adatas, Mapping):
        raise TypeError(f"adatas: expected a mapping of names to objects, found {type(adatas).__name__}")
    plans = [(str(name), plan(as_oom(adata, f"adatas[{name!r}]"))) for name, adata in adatas.items()]
    _core.write_h5mu(plans, os.fspath(path), compression=compression, level=compression_opts)


def as_oom(adata, name: str) -> AnnDataOOM:
    """Returns an AnnDataOOM for an object of either class."""
    if type(adata) is AnnDataOOM or issubclass(type(adata), AnnDataOOM):
        return adata
    if not hasattr(adata, "obsm"):
        raise TypeError(f"{name}: expected an AnnDataOOM or AnnData object, found {type(adata).__name__}")
    return AnnDataOOM(adata)
