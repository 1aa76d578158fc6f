"""Text and HTML of an `AnnDataOOM`: its file, the size of a chunk, the slots, the operations queued
on X.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape

from ._arrays import BackedArray, queued
from ._on_disk import OnDisk
from ._place import is_url
from ._reductions import DEFAULT_CHUNK_SIZE
from ._text import printable

SLOTS = ("obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns", "raw")
WIDTH = 78


def size_text(n: float) -> str:
    """Formats a number of bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            return f"{n:,.0f} B" if unit == "B" else f"{n:,.1f} {unit}"
        n /= 1000
    raise AssertionError


def chunk_bytes(x: BackedArray, rows: int = DEFAULT_CHUNK_SIZE) -> tuple[int, float]:
    """Returns the number of rows of a chunk, and about how many bytes its values take in memory."""
    n, m = x.shape
    info = x._m.info()
    rows = min(n, rows)
    size = rows * m * x.dtype.itemsize
    if x._m.is_sparse and info["nnz"] is not None:
        stored_rows, stored_columns = info["stored_shape"]
        per_value = info["nnz"] / max(1, stored_rows * stored_columns)
        size = min(size, rows * m * per_value * (4 + x.dtype.itemsize) + 8 * rows)
    return rows, size


def _storage(adata) -> Iterator[tuple[str, str]]:
    path = adata.filename
    if path is None:
        yield "File", "none, in memory"
    else:
        yield "File", printable(_file(adata, path))
    x = adata._X
    if not isinstance(x, BackedArray):
        yield "X", "none" if x is None else "unreadable"
        return
    info = x._m.info()
    parts = [info["layout"] if x._m.is_sparse else "dense", str(x.dtype)]
    if x._m.is_sparse and info["nnz"] is not None:
        n, m = info["stored_shape"]
        parts.append(f"{100 * info['nnz'] / max(1, n * m):.1f}% density")
    yield "X", " · ".join(parts)
    rows, size = chunk_bytes(x)
    yield "Chunk I/O", f"~{size_text(size)} per {rows:,}-row chunk"


def _keys(adata, slot: str) -> list[str]:
    if slot in ("obs", "var"):
        return [str(c) for c in getattr(adata, f"_{slot}").columns]
    if slot == "raw":
        raw = adata._raw
        return [] if raw is None else [f"{raw.n_obs:,} × {raw.n_vars:,}" if hasattr(raw, "n_obs") else "unreadable"]
    return list(getattr(adata, slot))


def _chain(adata) -> list[str]:
    return [printable(line) for line in queued(adata._X._m)] if isinstance(adata._X, BackedArray) else []


def _fit(keys: list[str], width: int) -> str:
    shown: list[str] = []
    for k in keys:
        if shown and len(" · ".join([*shown, k])) > width - 6:
            return " · ".join(shown) + f" · +{len(keys) - len(shown)}"
        shown.append(k)
    return " · ".join(shown)


def text(adata) -> str:
    chain = _chain(adata)
    tag = "[out of memory · lazy]" if chain else "[out of memory]"
    rows = list(_storage(adata))
    left, right = max(len(k) for k, _ in rows), max(len(v) for _, v in rows)
    lines = [
        "AnnDataOOM" + tag.rjust(WIDTH - len("AnnDataOOM")),
        f"Dimensions:  n_obs: {adata.n_obs:,}    n_vars: {adata.n_vars:,}",
        "",
        f"┌─{'─' * left}─┬─{'─' * right}─┐",
        *(f"│ {k.ljust(left)} │ {v.ljust(right)} │" for k, v in rows),
        f"└─{'─' * left}─┴─{'─' * right}─┘",
        "",
    ]
    for slot in SLOTS:
        keys = _keys(adata, slot)
        if slot == "raw":
            lines.append(f"▸ raw     {keys[0] if keys else '(–)'}")
        else:
            count = f"({len(keys) or '–'})"
            lines.append(f"▸ {slot:<7} {count:<6} {_fit([printable(k) for k in keys], WIDTH - 17)}".rstrip())
    if chain:
        lines += ["", "Queued on X, done when values are read:"]
        lines += [f"  {i}. {line}" for i, line in enumerate(chain, 1)]
    return "\n".join(lines)


STYLE = """<style>
.oom-card {font-family: system-ui, sans-serif; font-size: 13px; line-height: 1.45; max-width: 760px;
  border: 1px solid rgba(128,128,128,.35); border-radius: 6px; padding: 10px 14px; color: inherit}
.oom-card .oom-head {display: flex; justify-content: space-between; align-items: baseline; margin-bottom: 6px}
.oom-card .oom-head b {font-size: 15px}
.oom-card .oom-tag {font-size: 11px; opacity: .65}
.oom-card table {border-collapse: collapse; margin: 4px 0 8px 0; width: 100%; table-layout: auto !important}
.oom-card tr {background: transparent !important}
.oom-card th, .oom-card td {text-align: left !important; vertical-align: top; padding: 2px 10px 2px 0;
  border: 0; border-bottom: 1px solid rgba(128,128,128,.18)}
.oom-card th {font-weight: 600; white-space: nowrap; width: 90px; min-width: 90px}
.oom-card details > summary {cursor: pointer}
.oom-card .oom-count {opacity: .6; font-weight: 400}
.oom-card code {font-family: ui-monospace, monospace; font-size: 12px; background: rgba(128,128,128,.12);
  border-radius: 3px; padding: 0 4px; margin: 0 4px 2px 0; display: inline-block}
.oom-card small {opacity: .6}
.oom-card ol {margin: 2px 0 0 0; padding-left: 22px}
</style>"""


def _item(adata, slot: str, key: str) -> str:
    note = ""
    if slot not in ("obs", "var", "raw"):
        value = getattr(adata, slot)._items.get(key)
        if isinstance(value, OnDisk):
            note = value.describe()
        elif isinstance(value, BackedArray):
            note = f"{value.shape[0]} x {value.shape[1]} {value.dtype}, lazy"
        elif getattr(value, "shape", ()):
            note = f"{type(value).__name__} {' x '.join(map(str, value.shape))}"
    return f"<code>{escape(printable(key))}</code>" + (f"<small>{escape(printable(note))}</small> " if note else "")


def html(adata) -> str:
    chain = _chain(adata)
    storage = "".join(f"<tr><th>{k}</th><td>{escape(v)}</td></tr>" for k, v in _storage(adata))
    slots = ""
    for slot in SLOTS:
        keys = _keys(adata, slot)
        if not keys:
            continue
        items = "".join(_item(adata, slot, k) for k in keys)
        if len(keys) > 12:
            first = "".join(_item(adata, slot, k) for k in keys[:6])
            items = f"<details><summary>{first}… {len(keys) - 6} more</summary>{items}</details>"
        count = "" if slot == "raw" else f" <span class='oom-count'>({len(keys)})</span>"
        slots += f"<tr><th>{slot}{count}</th><td>{items}</td></tr>"
    steps = "".join(f"<li>{escape(line)}</li>" for line in chain)
    if chain:
        steps = f"<div><b>Queued on X</b> <small>done when values are read</small><ol>{steps}</ol></div>"
    return (
        f"{STYLE}<div class='oom-card'><div class='oom-head'><b>AnnDataOOM&ensp;"
        f"{adata.n_obs:,} cells × {adata.n_vars:,} genes</b>"
        f"<span class='oom-tag'>out of memory{' · lazy' if chain else ''}</span></div>"
        f"<table>{storage}</table><table>{slots}</table>{steps}</div>"
    )


def _file(adata, path) -> str:
    """A file by its name and size."""
    if is_url(path):
        traffic = None if adata._file is None else adata._file.traffic()
        read = "" if traffic is None else f"  ({size_text(traffic[1])} read in {traffic[0]:,} requests)"
        return path.split("?")[0].split("#")[0] + read
    size = f"  ({size_text(_bytes(path))} on disk)" if os.path.exists(path) else "  (not there any more)"
    return os.path.basename(path) + size


def _bytes(path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(path) for name in names)
