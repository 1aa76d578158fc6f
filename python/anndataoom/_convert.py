"""Converts values of the core to numpy, scipy and pandas objects, and back. No other module knows
both.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from ._categories import categorical

INT32_MAX = np.iinfo(np.int32).max
# Whether pandas has texts whose missing values are NaN; before version 3 anndata reads all as
# `pandas.NA`.
NAN_TEXTS = int(pd.__version__.split(".")[0]) >= 3


# -- from the core ----------------------------------------------------------------------------------------------------


def array_of(buffer) -> np.ndarray:
    """Returns a buffer of the core as an array, without a copy."""
    return np.asarray(buffer)


def from_core(x):
    """Converts a tagged tuple of the core to a Python object."""
    return _FROM[x[0]](*x[1:])


def _plain(v):
    return v


def _scalar(buffer):
    return array_of(buffer).reshape(())[()]


def _complex(buffer, shape, single):
    values = array_of(buffer).view(np.complex128).reshape(shape)
    return (values.astype(np.complex64) if single else values)[()]


def _strings(items, shape):
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out.reshape(shape)


def _categorical(codes, categories, ordered):
    values = pd.Index(from_core(categories))
    return pd.Categorical.from_codes(array_of(codes), categories=values, ordered=ordered)


def _nullable(values, mask, nan=False):
    values, mask = from_core(values), array_of(mask)
    if values.dtype == object:
        out = values.copy()
        out[mask] = pd.NA
        return pd.array(out, dtype=pd.StringDtype(na_value=np.nan) if nan and NAN_TEXTS else "string")
    if values.dtype == bool:
        return pd.arrays.BooleanArray(values, mask)
    return pd.arrays.IntegerArray(values, mask)


def _sparse(format, shape, indptr, indices, data):
    indptr = array_of(indptr).view(np.int64)
    indices = array_of(indices).view(np.int32)
    if len(indices) <= INT32_MAX:
        indptr = indptr.astype(np.int32)
    else:
        indices = indices.astype(np.int64)
    kind = sparse.csr_matrix if format == "csr" else sparse.csc_matrix
    out = kind(tuple(shape), dtype=array_of(data).dtype)
    # Assigned one by one: the constructor would check every index.
    out.data, out.indices, out.indptr = array_of(data), indices, indptr
    return out


def nan_texts(value) -> bool:
    """Returns whether the missing texts of a value of the core are NaN in its file."""
    return value[0] == "nullable" and value[3]


def index_of(name, value) -> pd.Index:
    """Makes the index of a dataframe."""
    return pd.Index(from_core(value), name=name)


def column_of(value):
    """Makes a column of a dataframe."""
    return from_core(value)


def _frame(name, index, columns):
    return frame_of(index_of(name, index), [(k, column_of(v)) for k, v in columns])


def frame_of(index: pd.Index, columns) -> pd.DataFrame:
    frame = pd.DataFrame(dict(columns), index=index)
    if columns:
        frame.columns = pd.Index([k for k, _ in columns], dtype=str)
    return frame


def _dict(items):
    return {k: from_core(v) for k, v in items}


def _recarray(items):
    fields = [(k, from_core(v)) for k, v in items]
    dtype = [(k, v.dtype, v.shape[1:]) for k, v in fields]
    out = np.empty(len(fields[0][1]) if fields else 0, dtype=dtype)
    for k, v in fields:
        out[k] = v
    return out


class AwkwardBuffers:
    """An awkward array without the package awkward: it is kept so that it can be written again."""

    def __init__(self, length, form, buffers):
        self.length, self.form, self.buffers = length, form, buffers

    def __len__(self):
        return self.length


def _awkward(length, form, buffers):
    held = AwkwardBuffers(length, form, _dict(buffers))
    try:
        import awkward as ak
    except ImportError:
        return held
    return ak.from_buffers(ak.forms.from_json(form), length, held.buffers)


_FROM = {
    "null": lambda: None,
    "scalar": _scalar,
    "plain": _plain,
    "array": array_of,
    "complex": _complex,
    "strings": _strings,
    "categorical": _categorical,
    "nullable": _nullable,
    "sparse": _sparse,
    "frame": _frame,
    "dict": _dict,
    "recarray": _recarray,
    "awkward": _awkward,
    "kept": lambda value: from_core(value.read()),
}


# -- to the core ------------------------------------------------------------------------------------------------------


def to_core(x, name: str = "value"):
    """Converts a Python object to a tagged tuple; `name` names it in errors."""
    if x is None:
        return ("null",)
    if isinstance(x, str | bytes):
        return ("plain", str(x) if isinstance(x, str) else bytes(x))
    if isinstance(x, bool | int | float | np.bool_ | np.integer | np.floating):
        return ("scalar", _plain_array(np.asarray(x), name))
    if isinstance(x, np.complex64):
        return array_to_core(np.asarray(x), name)
    if isinstance(x, complex | np.complexfloating):
        return ("plain", complex(x))
    if isinstance(x, pd.DataFrame):
        return frame_to_core(x, name)
    if isinstance(x, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return column_to_core(x, name)
    if sparse.issparse(x):
        return sparse_to_core(x, name)
    if isinstance(x, Mapping):
        bad = next((k for k in x if not isinstance(k, str)), None)
        if bad is not None:
            raise TypeError(f"{name}: expected keys that are strings, found {bad!r}")
        return ("dict", [(k, to_core(v, f"{name}/{k}")) for k, v in x.items()])
    if isinstance(x, AwkwardBuffers):
        return ("awkward", x.length, x.form, [(k, to_core(v)) for k, v in x.buffers.items()])
    if type(x).__module__.startswith("awkward"):
        import awkward as ak

        form, length, buffers = ak.to_buffers(ak.to_packed(x))
        return ("awkward", length, form.to_json(), [(k, to_core(np.asarray(v))) for k, v in buffers.items()])
    if isinstance(x, np.ndarray) and x.dtype.names:
        return ("recarray", [(k, array_to_core(np.asarray(x[k]), f"{name}/{k}")) for k in x.dtype.names])
    if isinstance(x, list | tuple | np.ndarray):
        try:
            return array_to_core(np.asarray(x), name)
        except ValueError as e:
            if isinstance(x, np.ndarray):
                raise
            hint = f"cannot be written to h5ad ({e}); give an array, or a dict with a name for each entry"
            raise ValueError(f"{name}: a list whose entries are not alike {hint}") from e
    if hasattr(x, "obsm"):
        raise TypeError(f"{name}: annotated data cannot be written inside another; give it a file of its own")
    if hasattr(x, "to_memory"):
        return to_core(x.to_memory(), name)
    raise TypeError(f"{name}: a value of type {type(x).__module__}.{type(x).__qualname__} cannot be written to h5ad")


def _plain_array(x: np.ndarray, name: str) -> np.ndarray:
    if x.dtype.kind not in "biuf" or x.dtype.itemsize > 8:
        raise TypeError(f"{name}: an array of dtype {x.dtype} cannot be written to h5ad")
    # ascontiguousarray() would make a scalar one-dimensional.
    return np.asarray(x, dtype=x.dtype.newbyteorder("="), order="C")


def array_to_core(x: np.ndarray, name: str = "array"):
    x = np.asarray(x)
    if x.dtype.kind == "c":
        flat = np.ascontiguousarray(x, dtype=np.complex128).reshape(-1).view(np.float64)
        return ("complex", flat, x.shape, x.dtype.itemsize == 8)
    if x.dtype.kind in "UO" or x.dtype.kind == "T":
        items = x.reshape(-1).tolist()
        if x.ndim == 0:
            return to_core(items[0], name)
        if any(not isinstance(s, str) for s in items):
            if x.ndim == 1:
                return column_to_core(pd.Series(x), name)
            raise TypeError(f"{name}: expected strings or numbers, found an object array of others")
        return ("strings", items, x.shape)
    if x.dtype.kind == "S":
        return ("strings", [s.decode() for s in x.reshape(-1).tolist()], x.shape)
    if x.ndim == 0:
        return ("scalar", _plain_array(x, name))
    return ("array", _plain_array(x, name))


def sparse_to_core(x, name: str = "matrix"):
    if x.format not in ("csr", "csc"):
        x = x.tocsr()
    if max(x.shape) > np.iinfo(np.uint32).max:
        raise ValueError(f"{name}: a matrix of {x.shape} is too large")
    return (
        "sparse",
        x.format,
        tuple(x.shape),
        np.ascontiguousarray(x.indptr, dtype=np.uint64),
        # Seen as unsigned: a copy of the graph of a million cells is 90 MB.
        np.ascontiguousarray(x.indices).view(np.uint32)
        if x.indices.dtype == np.int32
        else np.ascontiguousarray(x.indices, dtype=np.uint32),
        _plain_array(x.data, name),
    )


def column_to_core(x, name: str = "column", nan: bool = False):
    """Converts a column as anndata writes it: strings with missing values become categories.

    `nan` is for a column whose missing texts are NaN in its file, where pandas has no such texts.
    """
    values = x.array if isinstance(x, pd.Series | pd.Index) else x
    if isinstance(values, pd.Categorical):
        categories = values.categories
        # Categories are never missing, so that texts are written as plain ones, as anndata does,
        # whatever their dtype in pandas.
        if isinstance(categories.dtype, pd.StringDtype):
            categories = categories.astype(object)
        categories = column_to_core(categories, f"{name} (categories)")
        return ("categorical", np.ascontiguousarray(values.codes, dtype=np.int32), categories, bool(values.ordered))
    if isinstance(values, pd.arrays.IntegerArray | pd.arrays.BooleanArray):
        return ("nullable", ("array", np.ascontiguousarray(values._data)), np.ascontiguousarray(values._mask), False)
    if isinstance(values.dtype, pd.StringDtype):
        mask = np.asarray(pd.isna(values))
        items = ["" if m else s for s, m in zip(values, mask)]
        strings = ("strings", items, (len(items),))
        nan = nan or values.dtype.na_value is not pd.NA
        return ("nullable", strings, mask, nan) if nullable_texts(values.dtype, mask, name) else strings
    plain = np.asarray(values)
    if plain.dtype == object:
        missing = pd.isna(plain)
        if missing.any() and all(isinstance(s, str) for s in plain[~missing]):
            return column_to_core(categorical(plain), name)
        inferred = pd.api.types.infer_dtype(plain, skipna=False)
        if inferred == "boolean":
            return ("array", plain.astype(bool))
        if not all(isinstance(s, str) for s in plain):
            raise TypeError(f"{name}: expected strings, numbers or categories, found objects ({inferred})")
        return ("strings", plain.tolist(), (len(plain),))
    return array_to_core(plain, name)


def nullable_texts(dtype: pd.StringDtype, mask, name: str) -> bool:
    """Returns whether texts are written with a mask of missing ones; under pandas 3 as anndata and
    its settings do.
    """
    if not NAN_TEXTS:
        return bool(mask.any()) or dtype.na_value is pd.NA
    import anndata

    if getattr(anndata.settings, "allow_write_nullable_strings", None) is not False:
        return True
    if mask.any():
        raise ValueError(
            f"{name}: texts are missing, and anndata.settings.allow_write_nullable_strings is False: set it to True, "
            "or fill them"
        )
    return False


def check_frame(frame: pd.DataFrame, name: str):
    """Refuses a frame that an h5ad dataframe cannot hold."""
    columns = [c for c in frame.columns]
    bad = next((c for c in columns if not isinstance(c, str)), None)
    if bad is not None:
        raise TypeError(f"{name}: expected column names that are strings, found {bad!r}")
    if len(set(columns)) != len(columns):
        twice = next(c for c in columns if columns.count(c) > 1)
        raise ValueError(f"{name}: the column '{twice}' is there more than once")
    if frame.index.name in columns and not _same(frame.index, frame[frame.index.name]):
        raise ValueError(
            f"{name}: its index and a column are both called '{frame.index.name}', with different values, and a file "
            "has one place for both: rename the column or the index (frame.index.name = None)"
        )


def _same(index: pd.Index, column: pd.Series) -> bool:
    """Returns whether the names equal a column, by value or as text."""
    column = pd.Index(column)
    return index.equals(column) or index.astype(str).equals(column.astype(str))


def index_to_core(index: pd.Index, name: str, nan: bool = False):
    if index.dtype == object and not all(isinstance(s, str) for s in index):
        return column_to_core(index.astype(str), name)
    return column_to_core(index, name, nan)


def columns_to_core(frame: pd.DataFrame, name: str, nan=frozenset()):
    """Returns the name of the index, the index and the columns; `nan` as in `Frame`.

    A column of text with the name of the index is in the file once, as the index. If the column is
    of another kind, which names cannot be, the index loses its name.
    """
    index_name = None if frame.index.name is None else str(frame.index.name)
    index = index_to_core(frame.index, f"{name} index", None in nan)
    columns = [(c, column_to_core(frame[c], f"{name}/{c}", c in nan)) for c in frame.columns]
    twin = dict(columns).get(index_name)
    if twin is not None and twin[0] not in ("strings", "nullable"):
        index_name = None
    return index_name, index, [(c, index if c == index_name else value) for c, value in columns]


def frame_to_core(x: pd.DataFrame, name: str = "frame"):
    check_frame(x, name)
    return ("frame", *columns_to_core(x, name))
