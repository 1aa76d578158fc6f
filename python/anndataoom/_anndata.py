"""`AnnDataOOM`: annotated data whose matrices stay on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from . import _core
from ._arguments import check
from ._arrays import BackedArray, as_backed, select
from ._categories import drops_unused, prune_colors
from ._elements import BackedLayers, Elements, Uns, named
from ._frame import Frame
from ._index import pair, positions
from ._on_disk import OnDisk
from ._raw import _FrozenRaw
from ._reductions import DEFAULT_CHUNK_SIZE
from ._reference import is_reference, referred
from ._size import held_bytes
from ._slots import Slots, Unreadable, opened
from ._values import in_memory


class AnnDataOOM(Slots):
    """Annotated data, cells x genes, whose matrices are read from the file when values are needed.

    Parameters
    ----------
    rs_adata
        An anndata.AnnData, another AnnDataOOM, or a matrix; for a file see `read`.
    chunk_size
        Rows of a chunk of `chunked_X`, unless a call gives another number.

    Notes
    -----
    obs and var are pandas frames; obsm, varm, obsp, varp, uns and layers are mappings whose
    elements are read on first use. Subsets are objects of their own, never views; making one copies
    nothing from disk.
    """

    _is_oom = True

    def __init__(self, rs_adata=None, *, chunk_size: int = DEFAULT_CHUNK_SIZE):
        check("read_h5ad", path="-", chunk_size=chunk_size)
        self._chunk_size = int(chunk_size)
        self._origin_file = None
        self._file = None
        self._raw = None
        if isinstance(rs_adata, _core.File):
            self._from_file(rs_adata)
        elif issubclass(type(rs_adata), AnnDataOOM):
            self._adopt(rs_adata.copy())
        elif hasattr(rs_adata, "obsm"):
            self._from_anndata(rs_adata)
        else:
            X = None if rs_adata is None else as_backed(rs_adata)
            n, m = (0, 0) if X is None else X.shape
            self._empty(X, Frame(pd.DataFrame(index=_range(n))), Frame(pd.DataFrame(index=_range(m))), (n, m))

    def _empty(self, X, obs, var, shape) -> None:
        n, m = shape
        self._n_obs, self._n_vars, self._X, self._obs, self._var = n, m, X, obs, var
        self._layers = BackedLayers(None, (n, m))
        self._obsm, self._varm = Elements("obsm", (n,), names=obs), Elements("varm", (m,), names=var)
        self._obsp, self._varp = Elements("obsp", (n, n), names=obs), Elements("varp", (m, m), names=var)
        self._uns = Uns()

    def _from_file(self, file: _core.File) -> None:
        x, slots, raw = file.tree()
        self._file, self._origin_file = file, str(file.path)
        X = None if x is None else opened(file, x)
        obs, var = Frame(OnDisk(file, "obs")), Frame(OnDisk(file, "var"))
        shape = (len(obs.index), len(var.index))
        if isinstance(X, BackedArray) and X.shape != shape:
            found = " x ".join(map(str, X.shape))
            raise ValueError(
                f"'{file.path}', element 'X': expected {shape[0]} x {shape[1]}, the lengths of obs and var, "
                f"found {found}"
            )
        self._empty(X, obs, var, shape)
        for slot, entries in slots:
            getattr(self, f"_{slot}")._items.update({key: OnDisk(file, path) for key, path in entries})
        if raw is not None:
            raw_path, raw_var, entries = raw
            raw_x, raw_var = opened(file, raw_path), Frame(OnDisk(file, raw_var))
            varm = Elements("varm", (len(raw_var.index),), names=raw_var)
            varm._items.update({key: OnDisk(file, path) for key, path in entries})
            if isinstance(raw_x, BackedArray):
                raw_x = _FrozenRaw(raw_x, raw_var, varm)
            else:
                raw_x.kept = (raw_x.kept, raw_var, varm)
            self._raw = raw_x

    @classmethod
    def _of_parts(cls, file, X, obs, var):
        """Makes an object of a matrix of a foreign file, and its tables."""
        out = cls()
        out._file, out._origin_file = file, str(file.path)
        out._empty(X, Frame(obs), Frame(var), X.shape)
        return out

    def _from_anndata(self, adata) -> None:
        # The core copies matrices: a copy here would be in memory beside it.
        X = None if adata.X is None else as_backed(in_memory(adata.X, copy=False))
        self._empty(X, Frame(in_memory(adata.obs)), Frame(in_memory(adata.var)), adata.shape)
        for slot in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
            elements = getattr(self, f"_{slot}")
            for key, value in named(getattr(adata, slot)).items():
                elements[key] = in_memory(value)
        if adata.raw is not None:
            raw = adata.raw
            varm = {k: in_memory(v) for k, v in raw.varm.items()}
            self._raw = _FrozenRaw(in_memory(raw.X, copy=False), in_memory(raw.var), varm)

    @property
    def __class__(self):
        import anndata

        return anndata.AnnData

    # -- selecting ----------------------------------------------------------------------------------------------------

    def _resolve_index(self, idx, df=None, axis: str = "obs"):
        n = self._n_obs if axis == "obs" else self._n_vars
        return positions(idx, n, lambda: getattr(self, f"_{axis}").index, axis)

    def __getitem__(self, index) -> AnnDataOOM:
        """Selects cells, or cells and genes, as an object of its own; reads no matrix.

        Parameters
        ----------
        index
            One index, or two: slices (of positions or names), integers, boolean masks, names, lists
            or arrays of these, in any order, repeats allowed. A reference of `anndata.acc` returns
            the array that it refers to.

        Raises
        ------
        IndexError
            A position is out of range, or a mask has another length.
        KeyError
            A name does not exist, or exists more than once.
        """
        if is_reference(index):
            return referred(self, index)
        rows, columns = pair(index)
        rows, columns = self._resolve_index(rows), self._resolve_index(columns, axis="var")
        return self._subset(rows, columns, prune=drops_unused())

    def _subset(self, rows, columns, prune: bool = False) -> AnnDataOOM:
        """Selects these positions; `prune` drops unused categories, and their colours, on both
        axes.
        """
        out = AnnDataOOM.__new__(AnnDataOOM)
        out._chunk_size, out._origin_file, out._file = self._chunk_size, self._origin_file, self._file
        out._n_obs = self._n_obs if rows is None else len(rows)
        out._n_vars = self._n_vars if columns is None else len(columns)
        out._X = select(self._X, rows, columns) if isinstance(self._X, BackedArray) else self._X
        if isinstance(out._X, Unreadable) and not (rows is None and columns is None):
            out._X = Unreadable(out._X.error)
        out._obs, out._var = self._obs.subset(rows, prune), self._var.subset(columns, prune)
        out._layers = self._layers.subset(rows, columns)
        out._obsm = self._obsm.subset(rows, None).beside(out._obs)
        out._varm = self._varm.subset(columns, None).beside(out._var)
        out._obsp, out._varp = self._obsp.subset(rows, rows), self._varp.subset(columns, columns)
        out._uns = self._uns.subset()
        raw = self._raw
        out._raw = raw._subset(rows, None) if isinstance(raw, _FrozenRaw) and rows is not None else raw
        if isinstance(raw, Unreadable) and rows is not None:
            out._raw = Unreadable(raw.error)
        for holder, chosen in ((self._obs, rows), (self._var, columns)) if prune else ():
            if chosen is None and holder.pruned and not holder.touched:
                continue
            for name in holder.columns:
                if f"{name}_colors" in out._uns:
                    column = holder.column(name)
                    prune_colors(name, column if chosen is None else column.iloc[chosen], out._uns)
        return out

    def __setitem__(self, index, value) -> None:
        """Sets values of X, which is read into memory for it."""
        rows, columns = pair(index)
        X = self._X.to_memory()
        r, c = self._resolve_index(rows), self._resolve_index(columns, axis="var")
        r = np.arange(self._n_obs) if r is None else r
        c = np.arange(self._n_vars) if c is None else c
        if sparse.issparse(X):
            X = X.tolil()
        X[np.ix_(r, c)] = value
        self.X = X.tocsr() if sparse.issparse(X) else X

    def subset(self, obs_indices=None, var_indices=None, *, inplace: bool = True, **kwargs):
        """Keeps some cells and genes.

        Parameters
        ----------
        obs_indices, var_indices
            Any index of the axis, None for all; see `AnnDataOOM.__getitem__`.
        inplace
            Whether this object becomes the subset; else the subset is returned.
        **kwargs
            Accepted and have no effect.

        Returns
        -------
        None; with `inplace=False` the selection, as `adata[obs_indices, var_indices]` gives it.

        Raises
        ------
        IndexError, KeyError
            A position or name is not there.

        Examples
        --------
        >>> adata.subset([2, 0], ["CD3D"])
        >>> adata.shape
        (2, 1)
        """
        rows = slice(None) if obs_indices is None else obs_indices
        new = self[rows, slice(None) if var_indices is None else var_indices]
        if not inplace:
            return new
        self._adopt(new)
        return None

    def _adopt(self, other: AnnDataOOM) -> None:
        self.__dict__.update(other.__dict__)

    def _inplace_subset_obs(self, index) -> None:
        self._adopt(self[index])

    def _inplace_subset_var(self, index) -> None:
        self._adopt(self[:, index])

    # -- copies -------------------------------------------------------------------------------------------------------

    def copy(self, to_memory: bool = False, filename: str | os.PathLike | None = None):
        """Copies the object.

        Parameters
        ----------
        to_memory
            Whether the copy is an anndata.AnnData in memory; a path is taken for `filename`, as in
            anndata.
        filename
            File to write the copy to; the copy then reads from it.

        Returns
        -------
        An AnnDataOOM of its own on the same file, without reading matrices; or an anndata.AnnData.

        Raises
        ------
        OSError
            The file cannot be written.

        Examples
        --------
        >>> copy = adata.copy()
        >>> copy.obs["new"] = 1
        >>> "new" in adata.obs
        False
        """
        if isinstance(to_memory, str | os.PathLike):
            to_memory, filename = False, to_memory
        if filename is not None:
            self.write_h5ad(filename)
            return AnnDataOOM(_core.File(os.fspath(filename)), chunk_size=self._chunk_size)
        return self.to_adata() if to_memory else self._subset(None, None)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    # -- categories ---------------------------------------------------------------------------------------------------

    def strings_to_categoricals(self, df: pd.DataFrame | None = None) -> None:
        """Turns columns of repeated strings into categories.

        Parameters
        ----------
        df
            A frame to change; by default obs and var.

        Returns
        -------
        None.

        Raises
        ------
        ValueError
            `df` is no frame.

        Examples
        --------
        >>> adata.obs["letter"] = ["a", "b"] * 350
        >>> adata.strings_to_categoricals()
        >>> str(adata.obs["letter"].dtype)
        'category'
        """
        from ._write import strings_to_categoricals

        if df is not None:
            strings_to_categoricals(df)
            return
        for axis in ("obs", "var"):
            strings_to_categoricals(self._table(axis))

    _sanitize = strings_to_categoricals

    def rename_categories(self, key: str, categories) -> None:
        """Renames the categories of a column of obs or var, and the elements of uns that are named
        by them.

        Parameters
        ----------
        key
            Name of a categorical column.
        categories
            As many names as categories, in their order.

        Returns
        -------
        None.

        Raises
        ------
        ValueError
            Neither obs nor var has the column, or the number of names differs.

        Examples
        --------
        >>> adata.obs["letter"] = pd.Categorical(["a", "b"] * 350)
        >>> adata.rename_categories("letter", ["x", "y"])
        >>> list(adata.obs["letter"].cat.categories)
        ['x', 'y']
        """
        if isinstance(categories, Mapping):
            raise ValueError("categories: expected a list")
        table = self.obs if key in self._obs.columns else self.var if key in self._var.columns else None
        if table is None:
            raise ValueError(f"neither obs nor var has a column {key!r}")
        old = list(table[key].cat.categories)
        table[key] = table[key].cat.rename_categories(list(categories))
        for name in self._uns:
            value = self._uns[name]
            grouped = isinstance(value, Mapping) and isinstance(value.get("params"), Mapping)
            if grouped and value["params"].get("groupby") == key:
                self._uns[name] = {k: _renamed(v, old, list(categories)) for k, v in value.items()}

    # -- writing and life ---------------------------------------------------------------------------------------------

    def write_h5ad(
        self,
        filename: str | os.PathLike | None = None,
        compression: str | None = None,
        compression_opts: int | None = None,
        as_dense=(),
        *,
        as_csc=(),
        as_csr=(),
        recompress: bool = False,
        convert_strings_to_categoricals: bool = True,
    ) -> None:
        """Writes an h5ad file; it replaces an older file only when it is complete.

        Parameters
        ----------
        filename
            The path; by default the file that the object reads from.
        compression
            None, "gzip", "lzf" or "zstd", for elements that are not copied; unchanged elements are
            copied as they are. Other programs need a plugin to read zstd: h5py `import hdf5plugin`.
        compression_opts
            Level of gzip, 0 to 9 (4 by default), or of zstd, 1 to 22 (3).
        as_dense, as_csc, as_csr
            Matrices to write as dense, as compressed columns or as compressed rows: "X",
            "layers/counts", "raw/X".
        recompress
            Whether unchanged matrices are compressed anew too, on all threads.
        convert_strings_to_categoricals
            Whether columns of repeated strings become categories.

        Returns
        -------
        None.

        Raises
        ------
        ValueError
            There is no path, or two names cannot both be written.
        TypeError
            A value has no encoding; the message names the element.
        OSError
            The file cannot be written.

        Examples
        --------
        >>> adata[:100].write_h5ad("part.h5ad")
        >>> oom.read("part.h5ad").shape
        (100, 2000)
        """
        from ._write import Compression, write_h5ad

        if isinstance(compression, Compression):
            compression, compression_opts = compression.name, compression.level
        check(
            "write_h5ad", filename=filename, compression=compression, compression_opts=compression_opts,
            as_dense=as_dense, as_csc=as_csc, as_csr=as_csr, recompress=recompress,
            convert_strings_to_categoricals=convert_strings_to_categoricals,
        )  # fmt: skip
        if filename is None:
            filename = self._origin_file
        if filename is None:
            raise ValueError("filename: expected a path, as this object was not read from a file")
        convert = convert_strings_to_categoricals
        write_h5ad(
            self, filename, compression, compression_opts, as_dense, as_csc, as_csr, recompress=recompress,
            convert=convert,
        )  # fmt: skip

    write = write_h5ad

    def save(
        self, *, X: bool = False, compression: str | None = None, compression_opts: int | None = None
    ) -> list[str]:
        """Saves changes into the file, which was opened with `read(path, backed="r+")`; writes
        nothing else.

        Whatever happens, the file has either all changes or none. Objects made from this one
        before, and arrays, still show the former state. The space of replaced elements is not used
        again: `write` makes a compact file.

        Parameters
        ----------
        X
            Whether a changed X is saved too.
        compression, compression_opts
            Compression of new elements, see `write`.

        Returns
        -------
        Paths of the elements that were written or removed.

        Raises
        ------
        RuntimeError
            The file was opened with "r", or changed meanwhile; or this object is a selection and X
            is not saved.
        OSError
            The file is open elsewhere, or cannot be written.

        Examples
        --------
        >>> adata.write("mine.h5ad")
        >>> mine = oom.read("mine.h5ad", backed="r+")
        >>> mine.obs["new"] = 1
        >>> _ = mine.save()
        >>> int(oom.read("mine.h5ad").obs["new"].sum())
        700
        """
        from ._save import save

        check("save", X=X, compression=compression, compression_opts=compression_opts)
        return save(self, X=X, compression=compression, compression_opts=compression_opts)

    flush = save

    def close(self) -> None:
        """Closes the file for this object; arrays taken from it keep the file open.

        Returns
        -------
        None.

        Raises
        ------
        Nothing.

        Examples
        --------
        >>> adata.close()
        """
        self._file = None

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def __reduce__(self):
        state = dict(self.__dict__)
        state["_file"] = None
        return _restore_adata, (state,)

    def __sizeof__(self, show_stratified: bool = False, with_disk: bool = False) -> int:
        """Returns the bytes in memory of everything that was read or set.

        Parameters
        ----------
        show_stratified
            Whether the bytes of each slot are printed too.
        with_disk
            Whether matrices on disk are counted, with the bytes that they would have in memory.
        """
        tables = {"obs": self._obs, "var": self._var}
        parts = {"X": self.__dict__["_X"], **{name: table.frame for name, table in tables.items() if table.touched}}
        parts |= {slot: getattr(self, f"_{slot}")._items for slot in ("obsm", "varm", "obsp", "varp", "uns")}
        parts["layers"] = dict(self._layers) if with_disk else self._layers._items
        if isinstance(self._raw, _FrozenRaw):
            table = self._raw._var.frame if self._raw._var.touched else None
            parts["raw"] = [self._raw._X, table, self._raw._varm._items]
        sizes = {slot: held_bytes(part, with_disk) for slot, part in parts.items()}
        for slot, size in sizes.items() if show_stratified else ():
            if size:
                print(f"Size of {slot}: {size:,} bytes")
        return object.__sizeof__(self) + sum(sizes.values())

    def __contains__(self, key):
        raise AttributeError("AnnDataOOM has no attribute __contains__, don't check `in adata`.")

    def __iter__(self):
        raise TypeError("annotated data cannot be iterated; see chunked_X()")

    def __eq__(self, other):
        if self is other:
            return True
        raise NotImplementedError("equality of annotated data is not defined: compare slots (adata.X, adata.obs, ...)")

    __hash__ = object.__hash__

    def __delitem__(self, index):
        raise TypeError("to delete cells or genes, select what stays")

    def concatenate(self, *adatas, join="inner", batch_key="batch", batch_categories=None, **kwargs):
        """Stacks this object and others; see `anndataoom.concat`.

        Parameters
        ----------
        *adatas
            The objects to put below this one.
        join
            "inner" for genes that all have, "outer" for genes that any has.
        batch_key
            Column of obs to note the origin in.
        batch_categories
            Its values, one an object; numbers without it.
        **kwargs
            Other arguments of `anndataoom.concat`.

        Returns
        -------
        The object; its matrices stay where they are.

        Raises
        ------
        ValueError, TypeError
            An argument is outside its domain; the message names it.

        Examples
        --------
        >>> adata[:300].concatenate(adata[300:]).shape
        (700, 2000)
        """
        from ._concat import concat

        if len(adatas) == 1 and not hasattr(adatas[0], "obsm"):
            adatas = adatas[0]  # anndata accepts a list of objects too
        everything = [self, *adatas]
        keys = batch_categories or [str(i) for i in range(len(everything))]
        return concat(everything, join=join, label=batch_key, keys=keys, **{"index_unique": "-", **kwargs})

    # -- display ------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        from ._repr import text

        return text(self)

    def _repr_html_(self) -> str:
        from ._repr import html

        return html(self)


def _restore_adata(state):
    out = AnnDataOOM.__new__(AnnDataOOM)
    out.__dict__.update(state)
    return out


def _renamed(value, old: list, new: list):
    """Renames the fields of a record array (scanpy's results by group), if they are the groups."""
    names = getattr(getattr(value, "dtype", None), "names", None)
    if names is None or list(names) != [str(o) for o in old]:
        return value
    value = value.copy()
    value.dtype.names = tuple(str(n) for n in new)
    return value


def _range(n: int) -> pd.Index:
    return pd.RangeIndex(n).astype(str)
