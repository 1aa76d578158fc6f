"""Compares the elements written with the original ones:

    python compare.py EXPECTED FOUND FACE MODE RESULTS.json

FACE is core, python or r. MODE is copy (elements were copied undecoded), touch (every element was
read into the language and written from there) or select (cells and genes in reverse order). anndata
reads the elements; `anndata.tests.helpers.assert_equal` compares them, and so do stricter checks
here, as that function ignores dtypes. R has fewer types than a file, so elements that went through
R are compared by value, without dtypes. A difference listed in known_issues.json is no failure; a
listed difference that does not occur is one.
"""

import json
import sys
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from anndata.tests.helpers import assert_equal
from cases import M, N, SLOTS, cases_of
from scipy import sparse

warnings.simplefilter("ignore")
HERE = Path(__file__).resolve().parent


def strict(a, b, where):
    """Checks properties that `assert_equal` ignores."""
    if isinstance(a, dict):
        assert list(a) == list(b), (where, list(a), list(b))
        for k in a:
            strict(a[k], b[k], f"{where}/{k}")
        return
    assert type(a) is type(b), f"{where}: {type(b).__name__} where {type(a).__name__} was"
    if sparse.issparse(a):
        assert a.format == b.format and a.dtype == b.dtype, f"{where}: {b.format} {b.dtype} for {a.format} {a.dtype}"
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part), f"{where}/{part}")
    elif isinstance(a, np.ndarray | np.generic):
        assert a.dtype == b.dtype and a.shape == b.shape, f"{where}: {b.dtype} {b.shape} for {a.dtype} {a.shape}"
        np.testing.assert_array_equal(a, b, where)
    elif isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_exact=True, check_names=True, obj=where)
    elif isinstance(a, pd.Categorical):
        assert a.dtype == b.dtype, f"{where}: {b.dtype} for {a.dtype}"
        np.testing.assert_array_equal(a.codes, b.codes, where)


def loose(x):
    """Removes distinctions that R does not make: widths of numbers, sparse formats, complex64."""
    if isinstance(x, dict):
        return {k: loose(x[k]) for k in sorted(x)}
    if isinstance(x, pd.DataFrame):
        return pd.DataFrame({c: loose(x[c].array) for c in x.columns}, index=x.index)
    if isinstance(x, pd.Categorical):
        return pd.Categorical.from_codes(x.codes, [str(c) for c in x.categories], ordered=x.ordered)
    if sparse.issparse(x):
        x = x.tocsr().astype("f8" if x.dtype.kind != "c" else "c16")
        x.sum_duplicates()
        return x.toarray()
    if isinstance(x, pd.arrays.IntegerArray | pd.arrays.BooleanArray):
        return np.where(x._mask, np.nan, x._data.astype("f8"))
    if isinstance(x, pd.api.extensions.ExtensionArray):
        return np.array(["NA" if pd.isna(v) else v for v in x], dtype=object)
    if isinstance(x, np.ndarray) and x.dtype.names:
        return {k: loose(x[k]) for k in sorted(x.dtype.names)}
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biuf":
        return np.asarray(x, dtype="f8")
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "c":
        return np.asarray(x, dtype="c16")
    if isinstance(x, str):
        return str(x)
    return x


def native(x):
    """Converts an array to the machine's byte order, which elements have that are written anew."""
    return x.astype(x.dtype.newbyteorder("=")) if isinstance(x, np.ndarray) and x.dtype.kind in "iufc" else x


def on_disk(node):
    """Returns encodings, dtypes and shapes of everything below an element."""
    out = {}

    def visit(name, x):
        data = isinstance(x, h5py.Dataset)
        out[name] = (x.attrs.get("encoding-type"), x.attrs.get("encoding-version"), x.dtype if data else None,
                     x.shape if data else None)

    visit("", node)
    if isinstance(node, h5py.Group):
        node.visititems(visit)
    return out


def reverse(x, slot):
    place = SLOTS[slot][0]
    # The genes of raw are not selected.
    if place == "any" or slot in ("raw/var", "raw/varm"):
        return x
    if isinstance(x, pd.DataFrame):
        return x.iloc[::-1]
    x = x[::-1]
    if isinstance(x, pd.Categorical):
        return x.remove_unused_categories()
    return x[:, ::-1] if place in ("square", "matrix") and slot != "raw/X" else x


def read(node):
    """Reads an element as anndata does; a sparse matrix of float16, which anndata cannot read,
    becomes one of float32."""
    if isinstance(node, h5py.Group) and "data" in node and node["data"].dtype == "f2":
        parts = node["data"][()].astype("f4"), node["indices"][()], node["indptr"][()]
        return sparse.csr_matrix(parts, shape=tuple(node.attrs["shape"]))
    return read_elem(node)


def check(expected, found, slot, face, mode):
    a, b = read(expected), read(found)
    if mode == "select":
        a = reverse(a, slot)
        # As in anndata, frames of a selection have only the categories that occur.
        if face == "python" and isinstance(a, pd.Categorical) and slot in ("obs", "var"):
            a = a.remove_unused_categories()
        # Selecting a sparse matrix also sorts its columns and adds up duplicates.
        if sparse.issparse(a):
            a.sum_duplicates()
            a.sort_indices()
            b.sort_indices()
    if face == "r" and mode != "copy" and not (mode == "select" and slot == "uns"):
        a, b = loose(a), loose(b)
        return assert_equal(b, a)
    if mode != "copy":
        a, b = native(a), native(b)
        if sparse.issparse(a):
            # Indices have 64 bits only where that is necessary, as scipy does it.
            for x in (a, b):
                x.indices, x.indptr = x.indices.astype("i4"), x.indptr.astype("i4")
    # Two NaN are equal here, unlike in `assert_equal` for arrays.
    if not (isinstance(a, np.ndarray) and a.dtype.kind == "f"):
        assert_equal(b, a, exact=True)
    if mode == "select" and not sparse.issparse(a):
        strict(a, b, slot)
    if mode == "copy" or (mode == "touch" and not sparse.issparse(a)):
        strict(a, b, slot)
        x, y = on_disk(expected), on_disk(found)
        if mode != "copy":
            # Elements written anew have the machine's byte order and texts of variable length.
            plain = lambda t: t and ("text" if t.kind in "SO" else t.newbyteorder("=").str)
            x, y = ({k: (*v[:2], plain(v[2]), v[3]) for k, v in z.items()} for z in (x, y))
        assert x == y, "on disk: " + str([(k, x.get(k), y.get(k)) for k in {*x, *y} if x.get(k) != y.get(k)][:3])


def main(expected_dir, found_dir, face, mode, results_path):
    known = {
        (i["face"], i["mode"], slot, c): i["issue"]
        for i in json.loads((HERE / "known_issues.json").read_text())
        for slot in i["slots"]
        for c in i["cases"]
    }
    results, wrong = [], []
    for slot in SLOTS:
        for case, _, _ in cases_of(slot):
            file = slot.replace("/", "_")
            if slot in ("X", "raw/X"):
                file, element = f"{file}-{case.name}", slot
            else:
                element = f"{slot}/{case.name}"
            try:
                if not (Path(found_dir) / f"{file}.h5ad").exists():
                    raise FileNotFoundError(f"{file}.h5ad was not written")
                with h5py.File(Path(expected_dir) / f"{file}.h5ad") as e, h5py.File(Path(found_dir) / f"{file}.h5ad") as f:
                    check(e[element], f[element], slot, face, mode)
                problem = None
            except Exception as e:  # the test reports whatever it is
                problem = f"{type(e).__name__}: {e}"[:600]
            listed = known.get((face, mode, slot, case.name))
            if problem and not listed:
                wrong.append(f"{face} {mode} {slot} {case.name}: {problem}")
            if listed and not problem:
                wrong.append(f"{face} {mode} {slot} {case.name}: works, although known_issues.json says '{listed}'")
            results.append({"face": face, "mode": mode, "slot": slot, "case": case.name, "encoding": case.encoding,
                            "ok": problem is None, "issue": listed})
    Path(results_path).write_text(json.dumps(results))
    print(f"{face} {mode}: {sum(r['ok'] for r in results)} of {len(results)} elements are the same")
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
