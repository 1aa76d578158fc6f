"""Categories as in anndata: in natural order if made from text, only used ones in a selection."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd


def categorical(values) -> pd.Categorical:
    """Makes categories: text in natural order ("2" before "10"), all else sorted; categories stay
    as they are.
    """
    out = pd.Categorical(values)
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        return out
    if pd.api.types.infer_dtype(out.categories) != "string":
        return out
    from natsort import natsorted

    return out.reorder_categories(pd.Index(natsorted(out.categories), dtype=out.categories.dtype))


def is_categorical(column) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)


def unused(column) -> bool:
    """Returns whether a column has unused categories."""
    return is_categorical(column) and len(used_codes(column)) < len(pd.Categorical(column).categories)


def used_codes(column) -> np.ndarray:
    codes = np.unique(pd.Categorical(column).codes)
    return codes[codes >= 0]


def only_used(column):
    """Returns a column (a Series or an array) without unused categories."""
    if not unused(column):
        return column
    return (column.cat if isinstance(column, pd.Series) else column).remove_unused_categories()


def drops_unused() -> bool:
    """Returns whether selections drop unused categories: anndata's setting, by default True."""
    settings = getattr(sys.modules.get("anndata"), "settings", None)
    return bool(getattr(settings, "remove_unused_categories", True))


def prune_colors(name: str, column, uns) -> None:
    """Keeps in `uns` the colours of the categories that are left, by anndata's rule.

    If the number of colours was not that of the categories, they are deleted, as they cannot be
    matched.
    """
    key = f"{name}_colors"
    if key not in uns or not is_categorical(column):
        return
    colors = np.asarray(uns[key])
    if colors.ndim == 0:
        uns[key] = colors[None]
    elif len(colors) != len(pd.Categorical(column).categories):
        del uns[key]
    elif unused(column):
        uns[key] = colors[used_codes(column)]
