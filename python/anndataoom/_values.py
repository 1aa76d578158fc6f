"""The values of an `AnnDataOOM`: vectors, chunks, frames, everything in memory, and formats other than h5ad."""

from __future__ import annotations

import copy as copying
import math
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from ._arguments import check
from ._arrays import BackedArray, as_backed
from ._index import positions
from ._raw import dense
from ._scanpy import memory_bytes

if TYPE_CHECKING:
    import anndata


class Values:
    """The part of `AnnDataOOM` that reads values."""

    def _matrix(self, layer: str | None = None) -> BackedArray:
        """Returns X or a layer as a BackedArray."""
        if layer is None or (layer == "X" and "X" not in self._layers):
            if self.X is None:
                raise KeyError("this object has no X; name a layer")
            return self.X
        return as_backed(self._layers[layer])

    def _set_matrix(self, layer: str | None, value) -> None:
        if layer is None:
            self.X = value
        else:
            self._layers[layer] = value

    def explain(self, layer: str | None = None) -> None:
        """Prints the cost of passes over X or a layer; see `anndataoom.explain`."""
        check("explain", layer=layer)
        print(self._matrix(layer).plan(), end="")

    def index_columns(self, dir: str | os.PathLike, layer: str | None = None) -> str:
        """Makes an index of X or a layer by gene; see `anndataoom.index_columns`."""
        check("index_columns", dir=dir, layer=layer)
        return self._matrix(layer).index_columns(dir)

    def pack(self, dir: str | os.PathLike, layer: str | None = None) -> str:
        """Keeps a packed copy in a folder, which all passes read; see `anndataoom.pack`."""
        check("pack", dir=dir, layer=layer)
        return self._matrix(layer).pack(dir)

    def obs_vector(self, k: str | list[str], *, layer: str | None = None) -> np.ndarray | pd.DataFrame:
        """Returns a column of obs or the values of a gene; for several names a frame, whose genes
        are read in one pass.

        Parameters
        ----------
        k
            Name of a column of obs, else of a gene; or a list of such names.
        layer
            Layer instead of X, to take the gene from.

        Returns
        -------
        Array of `n_obs` values, in the dtype of the column or matrix; for a list a frame with a column for each.

        Raises
        ------
        KeyError
            There is no such column or gene, or several genes have the name.
        """
        check("obs_vector", k=k, layer=layer)
        if not isinstance(k, str):
            keys = list(k)
            genes = [key for key in keys if key not in self._obs.columns]
            self._expect("obs", "var", genes)
            frame = {key: self._obs.column(key).values for key in keys if key not in genes}
            if genes:
                values = dense(self._matrix(layer)[:, self._resolve_index(genes, axis="var")])
                frame.update(zip(genes, values.T, strict=True))
            return pd.DataFrame(frame, index=self.obs_names)[keys]
        if k in self._obs.columns:
            return self._obs.column(k).values
        self._expect("obs", "var", [k])
        column = self._resolve_index(k, axis="var")
        return dense(self._matrix(layer)[:, column]).reshape(-1)

    def var_vector(self, k: str, *, layer: str | None = None) -> np.ndarray:
        """Returns a column of var, or the values of one cell.

        Parameters
        ----------
        k
            Name of a column of var, else of a cell.
        layer
            Layer instead of X, to take the cell from.

        Returns
        -------
        Array of `n_vars` values.
        """
        check("var_vector", k=k, layer=layer)
        if k in self._var.columns:
            return self._var.column(k).values
        self._expect("var", "obs", [k])
        row = self._resolve_index(k)
        return dense(self._matrix(layer)[row, :]).reshape(-1)

    def _expect(self, table: str, other: str, keys: list[str]) -> None:
        """Refuses keys that are neither columns of one table nor names of the other."""
        there = getattr(self, f"_{other}").index
        for key in keys:
            if key not in there:
                noun = {"var": "gene", "obs": "cell"}[other]
                raise KeyError(f"no column of {table} and no {noun} named {key!r}")

    def chunked_X(self, chunk_size: int | None = None) -> Iterator[tuple]:
        """Iterates over the rows of X in chunks.

        Parameters
        ----------
        chunk_size
            Rows of a chunk; 1000 unless the object was opened with another number.

        Yields
        ------
        chunk, start, end
            The order of anndata, which scanpy's functions for chunks rely on (`X.chunked` yields
            start, end, chunk). The chunk is a CSR matrix or an array.
        """
        check("chunked_X", chunk_size=chunk_size)
        for start, end, chunk in self._matrix().chunked(self._chunk_size if chunk_size is None else chunk_size):
            yield chunk, start, end

    def chunk_X(self, select=None, replace: bool = False) -> np.ndarray:
        """Reads the values of some cells, dense.

        Parameters
        ----------
        select
            Positions of cells, or a number of cells to draw at random (`numpy.random`).
        replace
            Whether a cell may be drawn again.

        Returns
        -------
        Array, cells x genes.

        Raises
        ------
        IndexError
            A position is out of range, or a mask has another length.
        """
        check("chunk_X", select=select, replace=replace)
        if select is None:
            select = self._chunk_size
        if isinstance(select, int | float | np.integer | np.floating):
            select = np.random.choice(self._n_obs, min(int(select), self._n_obs), replace)
        try:
            select = positions(np.asarray(select), self._n_obs)
        except IndexError as error:
            raise IndexError(f"select: {error}") from None
        return dense(self._matrix()[select])

    # -- into memory --------------------------------------------------------------------------------------------------

    def to_df(self, layer: str | None = None) -> pd.DataFrame:
        """Reads X or a layer as a dense frame, cells x genes.

        Raises
        ------
        ValueError
            There is no X.
        KeyError
            There is no such layer.
        """
        if layer is None and self.X is None:
            raise ValueError("to_df: this object has no X; name a layer")
        return pd.DataFrame(self._matrix(layer).toarray(), index=self.obs_names, columns=self.var_names)

    def to_adata(self) -> anndata.AnnData:
        """Reads everything as an anndata.AnnData in memory, in its dtype and sparsity."""
        import anndata as ad

        def of(elements):
            return {k: in_memory(elements[k], deep=True) for k in elements}

        out = ad.AnnData(
            X=None if self.X is None else self.X.to_memory(),
            obs=self.obs.copy(),
            var=self.var.copy(),
            uns=of(self._uns),
            obsm=of(self._obsm),
            varm=of(self._varm),
            obsp=of(self._obsp),
            varp=of(self._varp),
            layers=of(self._layers),
        )
        raw = self.raw
        if raw is not None:
            source = ad.AnnData(raw.X.to_memory(), obs=pd.DataFrame(index=self.obs_names), var=raw.var.copy())
            for k in raw.varm:
                source.varm[k] = raw.varm[k]
            out.raw = source
        return out

    def to_memory(self, *, copy: bool = False) -> anndata.AnnData:
        """Does the same as `to_adata`; values in memory are copied whatever `copy` is."""
        return self.to_adata()

    @property
    def T(self) -> anndata.AnnData:
        """The transposed object, genes x cells, in memory and without raw."""
        return self.to_adata().T

    def transpose(self) -> anndata.AnnData:
        """Returns the transposed object, genes x cells, in memory and without raw."""
        return self.T

    def cache_X(self, layer: str | None = None, force: bool = False) -> None:
        """Does nothing: reading columns needs no cache that could become stale."""

    def clear_cache(self, layer: str | None = None) -> None:
        """Does nothing, see `cache_X`."""

    # -- other formats, by anndata ------------------------------------------------------------------------------------

    def _through_memory(self, method: str) -> anndata.AnnData:
        x = self.X
        if x is not None:
            n, m = self.shape
            warnings.warn(
                f"{method}() works in memory: all {n:,} x {m:,} values are read ({memory_bytes(x) / 2**20:,.0f} MB)",
                stacklevel=3,
            )
        return self.to_adata()

    def unwriteable(self, *, store_type=None) -> bool:
        """Returns whether some element cannot be written; encodes every value in memory to find out.

        Parameters
        ----------
        store_type
            "h5", "zarr" or None, as in `anndata.AnnData.unwriteable`; the encodings of both are the same.
        """
        from ._write import plan

        try:
            plan(self, convert=False)
        except (TypeError, ValueError):
            return True
        return False

    def write_zarr(
        self,
        store,
        *,
        chunks=None,
        zarr_format: int = 3,
        shards: int = 1024,
        compression: str | None = "zstd",
        compression_opts: int | None = None,
        as_dense=(),
        as_csc=(),
        as_csr=(),
        recompress: bool = False,
        convert_strings_to_categoricals: bool = True,
        consolidate_metadata: bool = True,
    ) -> None:
        """Writes a Zarr store; it replaces an older one only when it is complete.

        Matrices are streamed, and unchanged elements are copied from a store of the same version.
        An object that reads from the store that is replaced has to be opened again.

        Parameters
        ----------
        store
            The folder. A Zarr store there is replaced; anything else is refused. A store object of
            the package zarr is written by `anndata.AnnData.write_zarr`, for which everything is
            read into memory, with a warning.
        chunks
            Number of values of a chunk: stored values of a sparse matrix (65,536 by default), or
            about as many values in whole rows of a dense one. A tuple, as in anndata, counts as its
            product.
        zarr_format
            Version of the format, 3 or 2.
        shards
            Number of chunks of a matrix that share a file, in version 3; 0 for a file for each
            chunk.
        compression
            "zstd", "gzip" or None.
        compression_opts
            Level of zstd, 1 to 22 (default 3), or of gzip, 0 to 9 (default 4).
        as_dense, as_csc, as_csr, recompress
            See `write_h5ad`.
        convert_strings_to_categoricals
            Whether columns of repeated strings become categories.
        consolidate_metadata
            Whether the metadata of all elements are also written in one place.

        Raises
        ------
        ValueError
            Two names cannot both be written, or an option is outside its domain.
        TypeError
            A value has no encoding; the message names the element.
        OSError
            The store cannot be written, or the path is something other than a Zarr store.
        """
        if isinstance(store, str | os.PathLike) or not hasattr(store, "read_only"):
            from ._write import write_zarr

            if isinstance(chunks, tuple) and all(isinstance(n, int) and n > 0 for n in chunks):
                chunks = math.prod(chunks)
            compression = "none" if compression is None else compression
            check(
                "write_zarr", store=store, chunks=chunks, zarr_format=zarr_format, shards=shards,
                compression=compression, compression_opts=compression_opts, as_dense=as_dense, as_csc=as_csc,
                as_csr=as_csr, recompress=recompress,
                convert_strings_to_categoricals=convert_strings_to_categoricals,
                consolidate_metadata=consolidate_metadata,
            )  # fmt: skip
            write_zarr(
                self, store, chunks, zarr_format, shards, compression, compression_opts, as_dense, as_csc, as_csr,
                recompress=recompress, convert=convert_strings_to_categoricals, consolidate=consolidate_metadata,
            )  # fmt: skip
            return
        options = {"chunks": chunks, "convert_strings_to_categoricals": convert_strings_to_categoricals}
        if not consolidate_metadata:
            options["consolidate_metadata"] = False
        if convert_strings_to_categoricals:
            self.strings_to_categoricals()  # as writing an h5ad file does
        self._through_memory("write_zarr").write_zarr(store, **options)

    def write_csvs(self, dirname: str | os.PathLike, *, skip_data: bool = True, sep: str = ",") -> None:
        """Writes obs, var, obsm, varm and uns as text, by `anndata.AnnData.write_csvs`.

        Parameters
        ----------
        dirname
            Directory to make.
        skip_data
            Whether X is left out; else everything is read into memory, with a warning.
        sep
            Separator.
        """
        whole = self._without_matrices() if skip_data else self._through_memory("write_csvs")
        whole.write_csvs(dirname, skip_data=skip_data, sep=sep)

    def write_loom(self, filename: str | os.PathLike, *, write_obsm_varm: bool = False) -> None:
        """Writes a loom file by `anndata.AnnData.write_loom` (needs loompy), for which everything
        is read into memory.

        Parameters
        ----------
        filename
            Path.
        write_obsm_varm
            Whether obsm and varm are written too.
        """
        self._through_memory("write_loom").write_loom(filename, write_obsm_varm=write_obsm_varm)

    def _without_matrices(self) -> anndata.AnnData:
        import anndata as ad

        parts = {
            s: {k: in_memory(v, deep=True) for k, v in getattr(self, f"_{s}").items()} for s in ("obsm", "varm", "uns")
        }
        return ad.AnnData(obs=self.obs.copy(), var=self.var.copy(), shape=None, **parts)


def in_memory(x, deep: bool = False, copy: bool = True):
    """Returns `x` with its values in memory, as a copy; without `copy`, values that are there
    already are `x` itself, for a caller that copies them.
    """
    if isinstance(x, BackedArray):
        return x.to_memory()
    if type(x).__module__.startswith("anndata._core") and hasattr(x, "to_memory"):
        x = x.to_memory()
    if hasattr(x, "__dask_graph__"):
        return x.compute()
    if type(x).__module__.startswith("h5py."):
        return x[()]
    if not copy:
        return x
    if isinstance(x, sparse.spmatrix | sparse.sparray | np.ndarray | pd.DataFrame) or not deep:
        return x.copy() if hasattr(x, "copy") else x
    return copying.deepcopy(x)
