"""Opens files: their content tells which reader they need."""

from __future__ import annotations

import os

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._arrays import open_matrix
from ._convert import from_core
from ._place import named
from ._read_loom import read_loom
from ._read_mudata import read_h5mu
from ._read_seurat import read_h5seurat
from ._read_text import read_10x_mtx, read_text
from ._reductions import DEFAULT_CHUNK_SIZE


def read(
    path, backed: str = "r", *, external: str = "refuse", storage_options: dict | None = None, **kwargs
) -> AnnDataOOM:
    """Opens a file or a folder, with the reader chosen by its content.

    The kinds are h5ad (`read_h5ad`), Zarr (`read_zarr`), h5 of 10x Genomics and CellBender (`read_10x_h5`), h5mu
    (`read_h5mu`), h5Seurat (`read_h5seurat`), loom (`read_loom`), folders with a count matrix as text (`read_10x_mtx`),
    and tables of text (`read_text`).

    Parameters
    ----------
    path
        The file or folder, or a URL of one: `https://`, `s3://`, `gs://` or `az://`, of which only the bytes that are
        needed are fetched.
    backed
        "r": the file is never written to. "r+": `AnnDataOOM.save` saves changes into it (h5ad and
        h5mu).
    external
        See `read_h5ad`.
    storage_options
        Options of a URL. See `read_h5ad`.
    **kwargs
        Arguments of the reader: `mod` of an h5mu file, `assay` and `slot` of an h5Seurat file,
        `genome` of a 10x one, `sparse` of a loom file, `prefix` and `to` of a folder, `delimiter`,
        `transpose` and `to` of a table.

    Returns
    -------
    The object; its matrix stays in the file.

    Raises
    ------
    FileNotFoundError, OSError
        The path does not exist, or is of a kind that is not read; the message names the kind and
        what to do.
    ValueError
        It has several objects and none was chosen; the message lists them and names the argument.

    Examples
    --------
    >>> adata = oom.read("pbmc_like.h5ad")
    >>> adata.shape
    (700, 2000)
    """
    check("read_h5ad", path=path, backed=backed, external=external)
    path = named(path, storage_options)
    kind = _core.content(path)
    if kind == "h5ad":
        return read_h5ad(path, backed, external=external, **kwargs)
    if kind == "zarr" and backed == "r":
        return read_zarr(path, external=external, **kwargs)
    if kind == "h5mu":
        found = read_h5mu(path, backed=backed, external=external, **kwargs)
        if isinstance(found, dict):
            if len(found) != 1:
                names = ", ".join(map(repr, found))
                raise ValueError(
                    f"mod: '{os.fspath(path)}' is an h5mu file with several modalities: choose one of {names}"
                )
            (found,) = found.values()
        return found
    if backed != "r":
        raise ValueError(f"backed: '{os.fspath(path)}' is {KINDS[kind]}, which is not saved into: use \"r\"")
    if kind == "collection":
        from ._dataset import AnnDataSet

        return AnnDataSet(path, add_key=None, external=external, **{"merge": "same", "uns_merge": "same", **kwargs})
    if kind == "10x_h5":
        return read_10x_h5(path, external=external, **kwargs)
    if kind == "h5seurat":
        return read_h5seurat(path, external=external, **kwargs)
    if kind == "loom":
        return read_loom(path, external=external, **kwargs)
    if kind == "10x_mtx":
        return read_10x_mtx(path, **kwargs)
    if kind == "table":
        return read_text(path, **kwargs)
    raise OSError(f"'{os.fspath(path)}' is {KINDS[kind]}, which is not read: {REMEDIES[kind]}")


KINDS = {
    "zarr": "a Zarr store",
    "collection": "a collection of several objects",
    "10x_h5": "a file of 10x Genomics",
    "h5seurat": "an h5Seurat file",
    "10x_mtx": "a count matrix as text",
    "loom": "a loom file",
    "r": "a file of R objects (saveRDS() or save())",
    "table": "a table of text",
}
REMEDIES = {
    "r": "in R, write_h5ad(as_AnnDataOOM(readRDS(path)), 'new.h5ad') with this package makes an h5ad file of a Seurat "
    "or SingleCellExperiment object",
}


def read_h5ad(
    path, backed: str = "r", *, external: str = "refuse", storage_options: dict | None = None, **kwargs
) -> AnnDataOOM:
    """Opens an h5ad file: reads names and shapes, no values.

    Parameters
    ----------
    path
        The file, or a URL of one: `https://`, `s3://`, `gs://` or `az://`.
    backed
        "r": the file is never written to. "r+": `AnnDataOOM.save` saves changes into it; not for a
        URL.
    external
        Other files that this one may take parts from (external links, external storage, virtual
        datasets): "refuse" none, "same-folder" those in its folder, "follow" any. With "follow", a
        file can show the contents of any path that it names.
    storage_options
        Options of a URL by name, with the names of the crate object_store (`region`, `endpoint`,
        `skip_signature`, ...). Credentials are options too; by default they come from the
        environment (`AWS_ACCESS_KEY_ID`, ...). For `https://`: `bearer_token`, or `username` and
        `password`. For all: `timeout`, the seconds to wait for an answer (20), and `retries`, the
        repeated requests where that may help (5, within three times `timeout`). Secrets stay in
        this process. They are in no message and in no pickle; another process takes those of its
        environment.
    **kwargs
        `chunk_size`; `backend` of version 0.1.8 is accepted and ignored.

    Returns
    -------
    The object; its matrix stays in the file.

    Raises
    ------
    FileNotFoundError, OSError
        The file does not exist, or is no HDF5 file.
    PermissionError
        A part is in another file that must not be opened; raised when the part is read.
    KeyError, ValueError
        It is no h5ad file, or its parts contradict each other.

    Examples
    --------
    >>> adata = oom.read_h5ad("pbmc_like.h5ad")
    >>> adata.obs["batch"].nunique()
    2
    """
    chunk_size = kwargs.pop("chunk_size", DEFAULT_CHUNK_SIZE)
    backed = "r" if backed is True else backed
    check("read_h5ad", path=path, backed=backed, external=external, chunk_size=chunk_size)
    path = named(path, storage_options)
    kwargs.pop("backend", None)
    if kwargs:
        raise TypeError(f"read_h5ad() got an unexpected argument '{next(iter(kwargs))}'")
    return AnnDataOOM(_core.File(path, backed == "r+", external, "", "hdf5"), chunk_size=chunk_size)


def read_zarr(
    path, *, external: str = "refuse", storage_options: dict | None = None, chunk_size: int = DEFAULT_CHUNK_SIZE
) -> AnnDataOOM:
    """Opens a Zarr store that anndata wrote: reads names and shapes, no values.

    Versions 2 and 3 are read, with and without shards and consolidated metadata, with the codecs zstd, blosc, gzip,
    zlib, lz4, shuffle and crc32c. The store is never written to.

    Parameters
    ----------
    path
        The folder, or a zip archive of it; or a URL of one. A server that does not say which files there are
        (`https://`) serves stores with consolidated metadata.
    external
        Symbolic links out of the folder that are followed: "refuse" none, "same-folder" those into
        the folder of the store, "follow" any. With "follow", a store can show the contents of any
        path that its links name.
    storage_options
        Options of a URL. See `read_h5ad`.
    chunk_size
        Rows of a block of `chunked_X`.

    Returns
    -------
    The object; its matrix stays in the store.

    Raises
    ------
    FileNotFoundError, OSError
        The path does not exist, or is no Zarr store.
    PermissionError
        A part is behind a link that must not be followed; raised when the part is read.
    KeyError, ValueError
        It is no AnnData, or its parts contradict each other.

    Examples
    --------
    >>> adata.write_zarr("cells.zarr")
    >>> oom.read_zarr("cells.zarr").shape
    (700, 2000)
    """
    check("read_zarr", path=path, external=external, chunk_size=chunk_size)
    path = named(path, storage_options)
    return AnnDataOOM(_core.File(path, False, external, "", "zarr"), chunk_size=chunk_size)


def convert(
    path,
    to,
    *,
    zarr_format: int = 3,
    shards: int = 1024,
    chunks: int | None = None,
    compression: str | None = None,
    compression_opts: int | None = None,
    external: str = "refuse",
) -> None:
    """Writes everything in a file or store into another, element by element, without loading a
    whole matrix.

    Parameters
    ----------
    path
        An h5ad file or Zarr store, recognised by its content.
    to
        The target, a path that ends in ".h5ad" or ".zarr"; an older file there is replaced when the
        new one is complete.
    zarr_format, shards
        See `AnnDataOOM.write_zarr`; for a Zarr store only.
    chunks
        Number of values of a chunk of a matrix.
    compression
        "zstd" (a Zarr store's default), "gzip" (an h5ad file's default), "lzf" (h5ad only) or "none".
    compression_opts
        Level of zstd, 1 to 22, or of gzip, 0 to 9.
    external
        See `read_h5ad` and `read_zarr`.

    Returns
    -------
    None.

    Raises
    ------
    FileNotFoundError, OSError
        The source does not exist, or is of another kind; or the target cannot be written.
    ValueError
        An option is outside its domain, or parts of an element contradict each other.

    Examples
    --------
    >>> oom.convert("pbmc_like.h5ad", "pbmc_like.zarr")
    >>> oom.read("pbmc_like.zarr").shape
    (700, 2000)
    """
    check(
        "convert", path=path, to=to, zarr_format=zarr_format, shards=shards, chunks=chunks, compression=compression,
        compression_opts=compression_opts, external=external,
    )  # fmt: skip
    _core.convert(
        _core.File(os.fspath(path), False, external), os.fspath(to), zarr_format=zarr_format, shards=shards,
        chunks=chunks, compression=compression, level=compression_opts,
    )  # fmt: skip


def read_10x_h5(filename, *, genome: str | None = None, gex_only: bool = True, external: str = "refuse") -> AnnDataOOM:
    """Opens a file of 10x Genomics (Cell Ranger 2 and later) as scanpy's function of this name,
    lazily.

    Parameters
    ----------
    filename
        The file.
    genome
        Keep only features of this genome; needed for a file of Cell Ranger 2 with several genomes.
    gex_only
        Whether to keep only features of the type "Gene Expression".
    external
        See `read_h5ad`.

    Returns
    -------
    Cells x features, with barcodes, gene names, `var["gene_ids"]` and, from Cell Ranger 3 on,
    `var["feature_types"]`, `var["genome"]` and the other columns in the file. Names may repeat: see
    `var_names_make_unique`. Counts stay integers.

    Raises
    ------
    FileNotFoundError, OSError
        There is no such file, or it is no file of 10x Genomics.
    ValueError
        It has several genomes and none was chosen.

    Examples
    --------
    >>> oom.write_10x_h5(adata, "filtered.h5")
    >>> oom.read_10x_h5("filtered.h5").shape
    (700, 2000)
    """
    check("read_10x_h5", filename=filename, genome=genome, gex_only=gex_only, external=external)
    file = _core.File(os.fspath(filename), False, external)
    element, obs, var = file.read_10x(genome)
    adata = AnnDataOOM._of_parts(file, open_matrix(file, element), from_core(obs), from_core(var))
    if "feature_types" not in adata.var:
        return adata
    if genome is not None:
        if "genome" not in adata.var or not (adata.var["genome"] == genome).any():
            there = ", ".join(map(repr, adata.var.get("genome", []).unique()))
            raise ValueError(f"genome: expected one of those of '{file.path}' ({there}), found {genome!r}")
        adata = adata[:, adata.var["genome"] == genome]
    return adata[:, adata.var["feature_types"] == "Gene Expression"] if gex_only else adata
