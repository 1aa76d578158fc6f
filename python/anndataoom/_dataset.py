"""`AnnDataSet`: many files as one object."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import _core
from ._anndata import AnnDataOOM
from ._concat import concat


class AnnDataSet(AnnDataOOM):
    """Files below one another as one lazy object: cells of all, genes that all have (or any has).

    Parameters
    ----------
    adatas
        Pairs of a name and a file or object, or a mapping of them; without names files are called as they are.
    filename
        Where to write the whole, streamed; it is then read from there. Without it matrices stay where they are.
    add_key
        Column of obs that says which of them a cell is from; None for none.
    use_absolute_path, backend
        Of version 0.1.8; paths are always absolute.
    join, index_unique, **kwargs
        As in `concat`.
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
        **kwargs,
    ):
        members = _members(adatas)
        if not members:
            raise ValueError("adatas: expected at least one file, found none")
        whole = concat(
            members, join=join, label=add_key, index_unique=index_unique, file=filename, **kwargs
        )
        super().__init__()
        self._adopt(whole)
        self._members = members

    @property
    def adatas(self) -> dict[str, AnnDataOOM]:
        """The objects, by name."""
        return dict(self._members)


def _members(adatas) -> dict[str, AnnDataOOM]:
    pairs = list(adatas.items()) if isinstance(adatas, Mapping) else list(adatas)
    out: dict[str, AnnDataOOM] = {}
    for pair in pairs:
        name, value = pair if isinstance(pair, tuple) else (None, pair)
        if isinstance(value, str | os.PathLike):
            if name is None:
                name = os.path.splitext(os.path.basename(os.fspath(value)))[0]
            value = AnnDataOOM(_core.File(os.fspath(value)))
        name = str(len(out)) if name is None else str(name)
        if name in out:
            raise ValueError(f"adatas: the name '{name}' is there twice; give pairs of a name and a file")
        out[name] = value
    return out
