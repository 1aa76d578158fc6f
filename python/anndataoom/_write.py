"""Writes objects: unchanged elements are copied as they are, chains streamed, the rest encoded."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import pandas as pd

from . import _core
from ._arrays import BackedArray, as_backed
from ._categories import categorical
from ._convert import check_frame, column_to_core, columns_to_core, index_to_core, to_core
from ._frame import Frame
from ._on_disk import InCore, OnDisk, is_matrix
from ._raw import _FrozenRaw


@dataclass(frozen=True)
class Compression:
    """A compression of arrays, which `write_h5ad(compression=)` accepts besides a name."""

    name: str
    level: int | None = None

    @staticmethod
    def gzip(level: int = 4) -> Compression:
        """Makes a compression by deflate, level 0 to 9."""
        return Compression("gzip", level)

    @staticmethod
    def zstd(level: int = 3) -> Compression:
        """Makes a compression by Zstandard; other programs need a plugin to read it in h5ad files:
        h5py `import hdf5plugin`.
        """
        return Compression("zstd", level)


def write_h5ad(
    adata,
    path,
    compression=None,
    compression_opts=None,
    as_dense=(),
    as_csc=(),
    as_csr=(),
    *,
    recompress=False,
    convert=True,
) -> None:
    """Streams `adata` to a file; `convert` turns repeated strings of frames that were read into
    categories.
    """
    _core.write_h5ad(
        plan(adata, convert),
        os.fspath(path),
        compression=compression,
        level=compression_opts,
        as_dense=names(as_dense),
        as_csr=names(as_csr),
        as_csc=names(as_csc),
        recompress=recompress,
    )


def write_zarr(
    adata,
    path,
    chunks,
    zarr_format,
    shards,
    compression,
    compression_opts,
    as_dense,
    as_csc,
    as_csr,
    *,
    recompress,
    convert,
    consolidate,
) -> None:
    """Streams `adata` to a Zarr store, as `write_h5ad` to a file."""
    _core.write_zarr(
        plan(adata, convert),
        os.fspath(path),
        zarr_format=zarr_format,
        shards=shards,
        consolidate=consolidate,
        chunks=chunks,
        compression=compression,
        level=compression_opts,
        as_dense=names(as_dense),
        as_csr=names(as_csr),
        as_csc=names(as_csc),
        recompress=recompress,
    )


def names(elements) -> list[str]:
    """Returns one name or several as a list."""
    return [elements] if isinstance(elements, str) else list(elements or ())


def plan(adata, convert: bool = True) -> dict:
    """Returns the parts for the core to write, by slot."""
    raw_var = adata._raw._var if isinstance(adata._raw, _FrozenRaw) else None
    for holder in (adata._obs, adata._var, raw_var):
        if holder is not None and convert and holder.touched:
            strings_to_categoricals(holder.frame)
    out = {
        "obs": frame_part(adata._obs, "obs"),
        "var": frame_part(adata._var, "var"),
        "layers": mapping(adata.layers),
        "obsm": mapping(adata.obsm),
        "varm": mapping(adata.varm),
        "obsp": mapping(adata.obsp),
        "varp": mapping(adata.varp),
        "uns": mapping(adata.uns),
    }
    x, raw = adata._X, adata._raw
    if isinstance(x, BackedArray):
        out["X"] = matrix_part(x)
    elif x is not None and kept_part(x, "X"):
        out["X"] = copy_part(x.kept)
    if raw is not None and isinstance(raw, _FrozenRaw):
        out["raw"] = {"X": matrix_part(raw.X), "var": frame_part(raw._var, "raw/var"), "varm": mapping(raw.varm)}
    elif raw is not None and kept_part(raw, "raw"):
        matrix, var, varm = raw.kept
        out["raw"] = {"X": copy_part(matrix), "var": frame_part(var, "raw/var"), "varm": mapping(varm)}
    return out


def kept_part(x, name: str) -> bool:
    """Returns whether a matrix that cannot be read is copied from its file. In a selection it is left
    out, with a warning.
    """
    if x.kept is None:
        warnings.warn(f"of a selection, {name}, which cannot be read, is not written: {x.error}", stacklevel=4)
    return x.kept is not None


def copy_part(element):
    return ("copy", element.file, element.element, element.rows, element.columns)


def matrix_part(x):
    x = as_backed(x)
    # A matrix of a file that is no h5ad file cannot be copied as an element.
    return ("matrix", x._m, x._file if x._file is not None and x._file.exists("obs") else None)


def mapping(elements) -> list:
    slot = elements._slot
    return [(key, element_part(elements.stored(key), f"{slot}/{key}", slot)) for key in elements]


def element_part(value, name: str, slot: str):
    if isinstance(value, BackedArray) or (slot == "layers" and is_matrix(value)):
        return matrix_part(value)
    if isinstance(value, InCore):
        value = value.read()
    if isinstance(value, OnDisk):
        return ("copy", value.file, value.element, value.rows, value.columns)
    return ("value", to_core(value, name))


def frame_part(frame: Frame, name: str):
    disk = frame.disk
    if not frame.touched and not frame.renamed and disk.rows is None:
        unused = frame.unused()
        if not unused:
            return ("copy", disk.file, disk.element, None, None)
        # The other columns are copied from the file.
        columns = [
            (c, ("value", column_to_core(unused[c], f"{name}/{c}")) if c in unused else copied(disk, c))
            for c in frame.columns
        ]
        return ("frame", frame.index.name, ("value", index_to_core(frame.index, name, None in frame.nan)), columns)
    table = frame.frame
    check_frame(table, name)
    index_name, index, columns = columns_to_core(table, name, frame.nan)
    columns = [(c, ("value", value)) for c, value in columns]
    if disk is not None:
        # Columns that could not be read are copied, so that they are not lost.
        left = [c for c in frame.failed if c not in table.columns]
        if left and disk.rows is not None:
            text = f"{name}: of a selection, columns that cannot be read are not written: {', '.join(left)}"
            warnings.warn(text, stacklevel=2)
            left = []
        columns += [(c, copied(disk, c)) for c in left]
    return ("frame", index_name, ("value", index), columns)


def copied(disk: OnDisk, column: str):
    return ("copy", disk.file, f"{disk.element}/{column}", disk.rows, None)


def strings_to_categoricals(frame: pd.DataFrame) -> None:
    """Turns columns of strings with repeats into categories, as anndata does on writing.

    A column that has the name and the values of the index stays, as the two are one element in a
    file.
    """
    for name in frame.columns:
        column = frame[name]
        if isinstance(column, pd.DataFrame) or not pd.api.types.is_string_dtype(column.dtype):
            continue
        if isinstance(column.dtype, pd.CategoricalDtype) or name == frame.index.name:
            continue
        if pd.api.types.infer_dtype(column, skipna=True) != "string":
            continue
        categories = categorical(column)
        if len(categories.categories) < len(categories):
            frame[name] = categories
