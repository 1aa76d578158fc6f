"""Text and HTML of an `AnnDataOOM`."""

from __future__ import annotations

import html as escape_html
import os

from ._elements import OnDisk


def _slots(adata):
    for slot, keys in (("obs", adata._obs.columns), ("var", adata._var.columns)):
        if keys:
            yield slot, list(keys)
    for slot in ("uns", "obsm", "varm", "layers", "obsp", "varp"):
        keys = list(getattr(adata, slot))
        if keys:
            yield slot, keys
    if adata.raw is not None:
        yield "raw", [f"{adata.raw.n_obs} x {adata.raw.n_vars}"]


def _matrix_line(adata) -> str:
    x = adata.X
    if x is None:
        return "no X"
    info = x._m.info()
    stored = "" if info["nnz"] is None else f", {info['nnz']:,} stored values"
    return f"{x.dtype} {info['layout']}{stored}"


def text(adata) -> str:
    lines = [f"AnnDataOOM object with n_obs × n_vars = {adata.n_obs} × {adata.n_vars}"]
    if adata.filename:
        lines[0] += f" backed at '{os.path.basename(adata.filename)}'"
    lines.append(f"    X: {_matrix_line(adata)}")
    if adata.X is not None:
        lines += [f"        {i}. {line}" for i, line in enumerate(adata.X._m.info()["queued"], 1)]
    for slot, keys in _slots(adata):
        lines.append(f"    {slot}: " + ", ".join(repr(k) if slot != "raw" else k for k in keys))
    return "\n".join(lines)


def _row(name: str, value: str) -> str:
    return f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{value}</td></tr>"


def html(adata) -> str:
    def e(x) -> str:
        return escape_html.escape(str(x))

    rows = [_row("file", e(adata.filename or "in memory")), _row("X", e(_matrix_line(adata)))]
    if adata.X is not None:
        n, m = adata.shape
        size = adata.X.dtype.itemsize
        rows.append(_row("1000 rows, dense", f"{min(n, 1000) * m * size / 2**20:.1f} MB"))
        queued = adata.X._m.info()["queued"]
        if queued:
            rows.append(_row("queued", "<ol>" + "".join(f"<li>{e(q)}</li>" for q in queued) + "</ol>"))
    for slot, keys in _slots(adata):
        holder = getattr(adata, slot, None)
        shown = []
        for k in keys:
            item = getattr(holder, "_items", {}).get(k)
            note = f" <small>({e(item.describe())})</small>" if isinstance(item, OnDisk) else ""
            shown.append(e(k) + note)
        rows.append(_row(slot, ", ".join(shown)))
    title = f"AnnDataOOM, {adata.n_obs:,} cells × {adata.n_vars:,} genes"
    return f"<div><strong>{title}</strong><table>{''.join(rows)}</table></div>"
