"""`AnnDataSet`: many files as one object."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import _core
from ._anndata import AnnDataOOM
from ._concat import concat
from ._place import is_url
from ._read import read
from ._read_text import read_10x_mtx


class AnnDataSet(AnnDataOOM):
    """Many files as one lazy object: the cells of all, the genes that all have (or any has).

    Parameters
    ----------
    adatas
        Pairs of a name and a file, folder or object, or a mapping of them. Files and folders are of
        any kind that `read` opens; without a name they are named by their path. A folder with
        several count matrices, as GEO has them, gives an object for each, named by the prefix of
        its files; a collection of annbatch gives an object for each part.
    filename
        File to write the whole to, streamed; the object then reads from it. Without it matrices
        stay where they are.
    add_key
        Name of the column of obs for the origin of each cell; None for none.
    use_absolute_path, backend
        Parameters of version 0.1.8; paths are always absolute.
    join, index_unique, **kwargs
        See `concat`.
    external
        See `read`; used for files given by their path.
    """

    def __init__(
        self,
        adatas,
        *,
        filename=None,
        add_key: str | None = "sample",
        use_absolute_path: bool = False,
        backend=None,
        join: str = "inner",
        index_unique: str | None = None,
        external: str = "refuse",
        **kwargs,
    ):
        members = _members(adatas, external)
        if not members:
            raise ValueError("adatas: expected at least one file, found none")
        whole = concat(members, join=join, label=add_key, index_unique=index_unique, file=filename, **kwargs)
        super().__init__()
        self._adopt(whole)
        self._members, self._closed = members, False

    @property
    def adatas(self) -> dict[str, AnnDataOOM]:
        """The objects, by name."""
        return dict(self._members)

    @property
    def backend(self) -> str:
        """The backend, always "hdf5"."""
        return "hdf5"

    def is_closed(self) -> bool:
        """Returns whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Closes the files for this object; arrays taken from it keep theirs open."""
        super().close()
        self._members, self._closed = {}, True

    def obs_ix(self, names) -> list[int]:
        """Returns the positions of cells by name."""
        return self._resolve_index(names).tolist()

    def var_ix(self, names) -> list[int]:
        """Returns the positions of genes by name."""
        return self._resolve_index(names, axis="var").tolist()

    def to_adata(self, obs_indices=None, var_indices=None, copy_x: bool = True, file=None, backed=None):
        """Reads some cells and genes as an anndata.AnnData, or streams them to `file` and opens
        that.

        Without `copy_x` the result has no X.
        """
        rows = slice(None) if obs_indices is None else obs_indices
        part = self[rows, slice(None) if var_indices is None else var_indices]
        if not copy_x:
            part.X = None
        return part.to_adata() if file is None else part.copy(filename=file)

    def split_obs_by(self, key: str, out_dir="./") -> dict[str, AnnDataOOM]:
        """Writes a file in `out_dir` for each value of a column of obs, and names it by the value."""
        os.makedirs(out_dir, exist_ok=True)
        values = self.obs[key].astype(str)
        parts = {}
        for value in dict.fromkeys(values):
            if os.path.basename(value) != value:
                raise ValueError(f"'{value}' of obs['{key}'] cannot be the name of a file")
            path = os.path.join(out_dir, f"{value}.h5ad")
            parts[value] = self[(values == value).to_numpy()].copy(filename=path)
        return parts


def _members(adatas, external: str) -> dict[str, AnnDataOOM]:
    if isinstance(adatas, str | os.PathLike):
        adatas = [adatas]
    pairs = list(adatas.items()) if isinstance(adatas, Mapping) else list(adatas)
    out: dict[str, AnnDataOOM] = {}
    for pair in pairs:
        name, value = pair if isinstance(pair, tuple) else (None, pair)
        name = None if name is None else str(name)
        if isinstance(value, str | os.PathLike):
            opened = _opened(os.fspath(value), name, external)
        else:
            opened = {str(len(out)) if name is None else name: value}
        for name, value in opened.items():
            if name in out:
                raise ValueError(f"adatas: the name '{name}' is there twice; give pairs of a name and a file")
            out[name] = value
    return out


def _opened(path: str, name: str | None, external: str) -> dict[str, AnnDataOOM]:
    """Reads the file or folder at a path and names the object; a folder with several matrices gives
    an object for each.
    """
    if is_url(path):
        if _core.content(path) != "collection":
            last = path.split("?")[0].split("#")[0].rstrip("/").rsplit("/", 1)[-1]
            return {os.path.splitext(last)[0] if name is None else name: read(path, external=external)}
    elif prefixes := _core.prefixes(path):
        before = "" if name is None else f"{name}_"
        return {f"{before}{prefix.rstrip('_.-')}": read_10x_mtx(path, prefix=prefix) for prefix in prefixes}
    parts = _core.collection(path)
    if parts:
        before = "" if name is None else f"{name}_"
        return {f"{before}dataset_{i}": read(part, external=external) for i, part in enumerate(parts)}
    if name is None:
        name = os.path.basename(os.path.abspath(path))
        name = name if os.path.isdir(path) else os.path.splitext(name)[0]
    return {name: read(path, external=external)}
