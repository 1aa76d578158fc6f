"""Lists every encoding and dtype that an h5ad file can hold, as values to put into its slots.

A case has a name, its encoding on disk, the first anndata that writes it, the places where it may
be, and a function that makes it:

    column   one axis, of the length of the table (obs, var, raw/var)
    aligned  the first axis is that of cells or genes (obsm, varm, raw/varm)
    square   both axes are (obsp, varp)
    matrix   cells x genes (X, layers, raw/X)
    any      uns
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

N, M = 7, 5


@dataclass(frozen=True)
class Case:
    name: str
    encoding: str
    since: str
    places: frozenset
    make: Callable  # (rows, columns) -> value, or a function that writes into an h5py group under a key
    raw: bool = False


CASES: list[Case] = []


def case(name, encoding, since, places, make, raw=False):
    CASES.append(Case(name, encoding, since, frozenset(places.split()), make, raw))


def numbers(n, m, dtype):
    """Returns n x m values, a third of them not zero, with signs, fractions and extremes where the
    dtype has them."""
    k = np.arange(n * m).reshape(n, m)
    dtype = np.dtype(dtype)
    x = np.where(k % 3 == 0, k % 100 + 1, 0)
    if dtype.kind == "b":
        return (x > 0).astype(dtype)
    if dtype.kind == "c":
        return (x + 1j * (x % 5)).astype(dtype)
    x = x.astype(dtype)
    if dtype.kind == "i":
        x[0, 0], x[-1, -1] = np.iinfo(dtype.newbyteorder("=")).min, np.iinfo(dtype.newbyteorder("=")).max
    if dtype.kind == "u":
        x[-1, -1] = np.iinfo(dtype.newbyteorder("=")).max
    if dtype.kind == "f":
        x[0, 0], x[-1, -1] = -0.5, np.finfo(dtype.newbyteorder("=")).max
    return x


REAL = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?"]
WIDE = [f">{t}" for t in ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8")]


def name_of(t):
    d = np.dtype(t)
    return d.name + ("_be" if str(t).startswith(">") else "")


def column(n):
    return [f"text {i}" if i else "" for i in range(n)]


# -- array ------------------------------------------------------------------------------------------------------------
for t in [*REAL, *WIDE, "c8", "c16"]:
    case(f"array_{name_of(t)}", "array", "0.5", "aligned square matrix any", lambda n, m, t=t: numbers(n, m, t))
    case(f"vector_{name_of(t)}", "array", "0.5", "column any", lambda n, m, t=t: numbers(1, n, t)[0])
case("array_nan_inf", "array", "0.5", "aligned any", lambda n, m: np.tile([np.nan, np.inf, -np.inf, -0.0], (n, 1)))
case("array_cube", "array", "0.5", "aligned any", lambda n, m: np.arange(n * 2 * 3, dtype="f4").reshape(n, 2, 3))
case("array_no_columns", "array", "0.5", "aligned any", lambda n, m: np.zeros((n, 0)))
case("array_no_values", "array", "0.5", "any", lambda n, m: np.zeros(0, "i4"))
case("array_one_value", "array", "0.5", "any", lambda n, m: np.array([4.5]))
case("array_fortran", "array", "0.5", "aligned any", lambda n, m: np.asfortranarray(numbers(n, 3, "f8")))

# -- sparse -----------------------------------------------------------------------------------------------------------
for fmt, make in (("csr", sparse.csr_matrix), ("csc", sparse.csc_matrix)):
    for t in [x for x in REAL if x != "f2"]:
        case(
            f"{fmt}_{name_of(t)}", f"{fmt}_matrix", "0.5", "aligned square matrix any",
            lambda n, m, t=t, make=make: make(numbers(n, m, t)),
        )
    case(f"{fmt}_empty", f"{fmt}_matrix", "0.5", "aligned square matrix any", lambda n, m, make=make: make((n, m), dtype="f4"))
    case(f"{fmt}_complex128", f"{fmt}_matrix", "0.7", "aligned any", lambda n, m, make=make: make(numbers(n, m, "c16")))

    def wide(n, m, make=make):
        x = make(numbers(n, m, "f4"))
        x.indices, x.indptr = x.indices.astype("i8"), x.indptr.astype("i8")
        return x

    case(f"{fmt}_int64_indices", f"{fmt}_matrix", "0.5", "aligned square matrix any", wide)

    def zeros(n, m, make=make):
        x = make(numbers(n, m, "f4"))
        x.data[::2] = 0
        return x

    case(f"{fmt}_explicit_zeros", f"{fmt}_matrix", "0.5", "aligned square matrix any", zeros)

    def unsorted(n, m, make=make):
        x = make(np.ones((n, m), "f4"))
        x.data[:] = np.arange(len(x.data)) + 1
        x.indices = x.indices.reshape(x.shape if x.format == "csr" else x.shape[::-1])[:, ::-1].reshape(-1).copy()
        x.has_sorted_indices = False
        return x

    case(f"{fmt}_unsorted", f"{fmt}_matrix", "0.5", "aligned square matrix any", unsorted)


def repeated(n, m):
    """Makes a matrix in which every row stores its first column twice."""
    indices, data = np.tile([0, 1, 0], n), np.arange(3 * n, dtype="f8") + 1
    return sparse.csr_matrix((data, indices, np.arange(n + 1) * 3), shape=(n, m))


case("csr_repeated", "csr_matrix", "0.5", "aligned square matrix any", repeated)


def half(group, key, n, m):
    x = sparse.csr_matrix(numbers(n, m, "f4"))
    g = group.create_group(key)
    g.attrs["encoding-type"], g.attrs["encoding-version"], g.attrs["shape"] = "csr_matrix", "0.1.0", (n, m)
    g["data"] = np.minimum(x.data, 1000).astype("f2")
    g["indices"], g["indptr"] = x.indices, x.indptr


case("csr_float16", "csr_matrix", "0.5", "aligned square matrix any", half, raw=True)
case("csr_array", "csr_matrix", "0.11", "aligned matrix any", lambda n, m: sparse.csr_array(numbers(n, m, "f8")))

# -- text -------------------------------------------------------------------------------------------------------------
case("strings", "string-array", "0.5", "column any", lambda n, m: np.array(column(n), dtype=object))
case("strings_unicode", "string-array", "0.7", "column any", lambda n, m: np.array([f"ä{i} 語 🧬" for i in range(n)], dtype=object))
case("strings_2d", "string-array", "0.5", "aligned any", lambda n, m: np.array([column(3)] * n, dtype=object))
case("strings_none", "string-array", "0.5", "any", lambda n, m: np.array([], dtype=object))
case("strings_one", "string-array", "0.5", "any", lambda n, m: np.array(["one"], dtype=object))


def texts(dtype):
    def write(group, key, n, m):
        d = group.create_dataset(key, data=np.array([f"t{i}".encode() for i in range(n)], dtype=dtype), dtype=dtype)
        d.attrs["encoding-type"], d.attrs["encoding-version"] = "string-array", "0.2.0"

    return write


case("strings_fixed_ascii", "string-array", "0.5", "column any", texts(h5py.string_dtype("ascii", 4)), raw=True)
case("strings_fixed_utf8", "string-array", "0.5", "column any", texts(h5py.string_dtype("utf-8", 4)), raw=True)
case("strings_ascii", "string-array", "0.5", "column any", texts(h5py.string_dtype("ascii")), raw=True)

# -- categorical ------------------------------------------------------------------------------------------------------
def categories(values, ordered=False, missing=False):
    def make(n, m):
        codes = np.arange(n) % len(values)
        return pd.Categorical.from_codes(np.where(codes == 0, -1, codes) if missing else codes, values, ordered=ordered)

    return make


for name, make in {
    "text": categories(["b", "a", "ü"]),
    "ordered": categories(["low", "mid", "high"], ordered=True),
    "missing": categories(["x", "y", "z"], missing=True),
    "int": categories([10, 5, -7]),
    "float": categories([0.5, 1.25, 3.0]),
    "bool": categories([True, False]),
    "many": lambda n, m: pd.Categorical.from_codes(np.arange(n) * 40, [f"c{i}" for i in range(300)]),
    "more": lambda n, m: pd.Categorical.from_codes(np.arange(n) * 5000, [f"c{i}" for i in range(40000)]),
    "unused": lambda n, m: pd.Categorical.from_codes(np.arange(n) % 2, ["a", "b", "never"]),
    "none": lambda n, m: pd.Categorical.from_codes([-1] * n, np.array([], dtype=object)),
}.items():
    case(f"categorical_{name}", "categorical", "0.8 (0.5 in tables)", "column any", make)

# -- nullable ---------------------------------------------------------------------------------------------------------
for t in ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"]:
    case(f"nullable_{t}", "nullable-integer", "0.8", "column any",
         lambda n, m, t=t: pd.array([None if i == 1 else i for i in range(n)], dtype=t))
case("nullable_Int64_large", "nullable-integer", "0.8", "column any",
     lambda n, m: pd.array([None if i == 1 else 2**60 + i for i in range(n)], dtype="Int64"))
case("nullable_boolean", "nullable-boolean", "0.8", "column any",
     lambda n, m: pd.array([None if i == 2 else i % 2 == 0 for i in range(n)], dtype="boolean"))
case("nullable_boolean_full", "nullable-boolean", "0.8", "column any",
     lambda n, m: pd.array([i % 2 == 0 for i in range(n)], dtype="boolean"))
case("nullable_Int32_full", "nullable-integer", "0.8", "column any", lambda n, m: pd.array(range(n), dtype="Int32"))
case("nullable_string", "nullable-string-array", "0.12", "column any",
     lambda n, m: pd.array([None if i == 3 else f"s{i}" for i in range(n)], dtype="string"))
case("nullable_string_full", "nullable-string-array", "0.12", "column any",
     lambda n, m: pd.array([f"s{i}" for i in range(n)], dtype="string"))

# -- dataframe --------------------------------------------------------------------------------------------------------
def frame(n, m):
    return pd.DataFrame(
        {
            "zeta": np.arange(n, dtype="f4"),
            "alpha": column(n),
            "kind": pd.Categorical.from_codes(np.arange(n) % 2, ["q", "p"], ordered=True),
            "maybe": pd.array([None if i == 0 else i for i in range(n)], dtype="Int16"),
            "whole": np.arange(n, dtype="u2"),
            "näme with space": np.arange(n) % 2 == 0,
        },
    )


case("frame", "dataframe", "0.7", "aligned any", frame)
case("frame_no_columns", "dataframe", "0.7", "aligned any", lambda n, m: pd.DataFrame(index=range(n)))
case("frame_named_index", "dataframe", "0.7", "any", lambda n, m: frame(n, m).set_index("alpha"))
case("frame_int_index", "dataframe", "0.7", "any",
     lambda n, m: pd.DataFrame({"a": [1.5, 2.5]}, index=pd.Index([20, 10], name="key")))
case("frame_no_rows", "dataframe", "0.7", "any", lambda n, m: frame(n, m).iloc[:0].set_axis(pd.Index([], dtype=object)))

# -- what only uns holds ----------------------------------------------------------------------------------------------
for t in [*REAL, "c8", "c16"]:
    case(f"scalar_{name_of(t)}", "numeric-scalar", "0.5", "any", lambda n, m, t=t: numbers(1, 4, t)[0, 3:][0])
case("scalar_text", "string", "0.5", "any", lambda n, m: "näme")
case("scalar_text_empty", "string", "0.5", "any", lambda n, m: "")
case("scalar_text_number", "string", "0.5", "any", lambda n, m: "12")
case("null", "null", "0.11", "any", lambda n, m: None)
case("dict_empty", "dict", "0.5", "any", lambda n, m: {})
case("dict_nested", "dict", "0.5", "any", lambda n, m: {
    "zeta": {"deep": {"deeper": {"x": np.arange(3), "none": {}}}}, "alpha": "text", "frame": frame(n, m),
    "sparse": sparse.csc_matrix(numbers(n, m, "f8")), "kinds": pd.Categorical(["u", None, "v"])})
case("records", "rec-array", "0.5", "any", lambda n, m: np.array(
    [(1, 0.5, True), (2, 1.5, False)], dtype=[("i", "i4"), ("f", "f8"), ("b", "?")]))
case("records_text", "rec-array", "0.5", "any", lambda n, m: np.array(
    [(1, "x"), (2, "yy")], dtype=[("i", "u2"), ("s", "U4")]))
case("records_shaped", "rec-array", "0.5", "any", lambda n, m: np.array(
    [(1, [[1, 2], [3, 4]])] * 3, dtype=[("i", "i8"), ("grid", "f4", (2, 2))]))
# The records of scanpy's rank_genes_groups.
case("records_groups", "rec-array", "0.5", "any", lambda n, m: np.array(
    [("A", "B"), ("C", "D")], dtype=[("g0", "O"), ("g1", "O")]))


def awkward(n, m):
    import awkward as ak

    return ak.Array([list(range(i % 4)) for i in range(n)])


def awkward_records(n, m):
    import awkward as ak

    return ak.Array([{"x": i, "y": [f"s{j}" for j in range(i % 3)]} for i in range(n)])


case("awkward", "awkward-array", "0.9", "aligned any", awkward)
case("awkward_records", "awkward-array", "0.9", "aligned any", awkward_records)

# -- slots ------------------------------------------------------------------------------------------------------------
SLOTS = {
    # slot: place, rows, columns
    "obs": ("column", N, 1),
    "var": ("column", M, 1),
    "raw/var": ("column", M, 1),
    "obsm": ("aligned", N, 4),
    "varm": ("aligned", M, 4),
    "raw/varm": ("aligned", M, 4),
    "obsp": ("square", N, N),
    "varp": ("square", M, M),
    "layers": ("matrix", N, M),
    "X": ("matrix", N, M),
    "raw/X": ("matrix", N, M),
    "uns": ("any", N, 4),
}


def cases_of(slot):
    place, n, m = SLOTS[slot]
    return [(c, n, m) for c in CASES if place in c.places]
