"""Mode "r+": saves changes into the file that an object was read from."""

from __future__ import annotations

import warnings
from dataclasses import replace

from . import _core
from ._arrays import BackedArray, open_matrix, wrap
from ._convert import to_core
from ._on_disk import OnDisk
from ._write import plan, strings_to_categoricals


def save(adata, *, X: bool = False, compression=None, compression_opts=None) -> list[str]:
    """Saves changes; see `AnnDataOOM.save`."""
    file = adata._file
    if file is None:
        raise ValueError("this object was not read from a file: write it with write_h5ad()")
    for holder in (adata._obs, adata._var):
        if holder.touched:
            # Columns of the file keep their type there.
            own = set() if holder.disk is None else set(holder.disk.file.column_names(holder.disk.element))
            new = holder.frame.loc[:, [c not in own for c in holder.frame.columns]].copy()
            strings_to_categoricals(new)
            for name in new.columns:
                holder.frame[name] = new[name]
    everything = plan(adata, convert=False)
    # Layers in memory become values, so that they can be compared with those in the file.
    for i, (key, value) in enumerate(adata.layers._items.items()):
        if not isinstance(value, BackedArray | OnDisk):
            everything["layers"][i] = (key, ("value", to_core(value, f"layers/{key}")))
    now, written, removed, left = _core.save_h5ad(
        everything, file, compression=compression, level=compression_opts, x=X
    )
    _rebind(adata, file, now, {*written, *removed})
    if left:
        warnings.warn("X differs from the file's and stays as it is there: save(X=True) writes it", stacklevel=3)
    return written + removed


def _rebind(adata, old: _core.File, now: _core.File, changed: set) -> None:
    """Reads elements that are still in the file from its new state."""

    def matrix(x, name: str):
        if not isinstance(x, BackedArray):
            return x
        if name in changed:
            return open_matrix(now, name)
        where = x._m.location
        if x._file is not old or where is None or where[1] in changed:
            return x
        return wrap(_core.Matrix.open(now, where[1], x._m.chain()), now)

    def elements(mapping, slot: str):
        for key, value in mapping._items.items():
            place = f"{slot}/{key}"
            if isinstance(value, OnDisk):
                if value.file is old and value.element != place and place in changed:
                    # A graph that was in uns before the save.
                    mapping._items[key] = OnDisk(now, place)
                elif value.file is old and value.element not in changed:
                    mapping._items[key] = replace(value, file=now)
            elif isinstance(value, BackedArray):
                mapping._items[key] = matrix(value, place)

    def frame(holder, name: str):
        holder._disk = OnDisk(now, name)

    adata._file = now
    adata._X = matrix(adata._X, "X")
    frame(adata._obs, "obs")
    frame(adata._var, "var")
    for slot in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
        elements(getattr(adata, f"_{slot}"), slot)
    raw = adata._raw
    if hasattr(raw, "_X"):
        raw._X = matrix(raw._X, "raw/X")
        frame(raw._var, "raw/var")
        elements(raw.varm, "raw/varm")
