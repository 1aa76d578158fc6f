"""Compares two h5ad files as anndata sees them: python compare_h5ad.py EXPECTED FOUND

The Rust test `element_roundtrip` uses it: the core has read EXPECTED and written FOUND.
"""

import sys
import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.tests.helpers import assert_equal
from scipy import sparse


def check(expected, found, where):
    """Checks properties that `assert_equal` ignores: dtypes, sparse formats, index names, order of
    columns and categories."""
    if isinstance(expected, dict):
        assert set(expected) == set(found), (where, set(expected) ^ set(found))
        for k in expected:
            check(expected[k], found[k], f"{where}/{k}")
        return
    assert type(expected) is type(found), (where, type(expected), type(found))
    if sparse.issparse(expected):
        assert expected.format == found.format and expected.dtype == found.dtype, where
        assert expected.indptr.dtype == found.indptr.dtype and expected.indices.dtype == found.indices.dtype, where
        for part in ["data", "indices", "indptr"]:
            np.testing.assert_array_equal(getattr(expected, part), getattr(found, part), where)
    elif isinstance(expected, np.ndarray):
        assert expected.dtype == found.dtype and expected.shape == found.shape, (where, expected.dtype, found.dtype)
        np.testing.assert_array_equal(expected, found, where)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(expected, found, check_exact=True, check_names=True, obj=where)
        assert list(expected.columns) == list(found.columns) and expected.index.name == found.index.name, where
    elif isinstance(expected, pd.Categorical):
        assert list(expected.categories) == list(found.categories) and expected.ordered == found.ordered, where
        np.testing.assert_array_equal(expected.codes, found.codes, where)


def encodings(path):
    """Returns encoding attributes and dtypes of every object, so that files are compared on disk as
    well."""
    out = {}

    def visit(name, node):
        dtype = str(node.dtype) if isinstance(node, h5py.Dataset) else None
        shape = node.shape if isinstance(node, h5py.Dataset) else None
        kind = node.attrs.get("encoding-type"), node.attrs.get("encoding-version")
        out[name] = (*kind, dtype, shape, sorted(node.attrs))

    with h5py.File(path) as f:
        f.visititems(visit)
    return out


def main(expected_path, found_path):
    warnings.simplefilter("ignore")
    expected, found = ad.read_h5ad(expected_path), ad.read_h5ad(found_path)
    assert_equal(found, expected, exact=True)
    for slot in ["obs", "var", "X"]:
        check(getattr(expected, slot), getattr(found, slot), slot)
    for slot in ["obsm", "varm", "obsp", "varp", "layers", "uns"]:
        check(dict(getattr(expected, slot)), dict(getattr(found, slot)), slot)
    if expected.raw is not None:
        check(expected.raw.X, found.raw.X, "raw/X")
        check(expected.raw.var, found.raw.var, "raw/var")
    a, b = encodings(expected_path), encodings(found_path)
    assert set(a) == set(b), set(a) ^ set(b)
    for name in a:
        assert a[name] == b[name], (name, a[name], b[name])
    print("equal:", expected_path, found_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
