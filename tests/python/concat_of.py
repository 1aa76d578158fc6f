"""Compares h5ad files with `anndata.concat` of others: python concat_of.py CASES.json

A case has `found` (a file), `options` and `files`. The R tests use it. R has only one type of whole
number, so dtypes of tables may differ; values may not.
"""

import json
import sys
import warnings

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

warnings.simplefilter("ignore")


def dense(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def same_frame(found, expected, where):
    assert list(found.index) == list(expected.index), (where, found.index, expected.index)
    assert sorted(found.columns) == sorted(expected.columns), (where, found.columns, expected.columns)
    for name in expected.columns:
        a, b = found[name], expected[name]
        if isinstance(b.dtype, pd.CategoricalDtype):
            assert list(a.cat.categories) == list(b.cat.categories), (where, name, a.cat.categories, b.cat.categories)
            assert a.cat.ordered == b.cat.ordered, (where, name)
        a, b = (pd.Series(x.astype(object).to_numpy()) for x in (a, b))
        assert (a.isna() == b.isna()).all() and (a[~a.isna()] == b[~b.isna()]).all(), (where, name, a, b)


def same_value(found, expected, where):
    if isinstance(expected, dict):
        assert sorted(found) == sorted(expected), (where, sorted(found), sorted(expected))
        for key in expected:
            same_value(found[key], expected[key], f"{where}/{key}")
    elif isinstance(expected, pd.DataFrame):
        same_frame(found, expected, where)
    else:
        np.testing.assert_array_equal(dense(found), dense(expected), where)


def same_file(found, options, files):
    found = ad.read_h5ad(found)
    expected = ad.concat([ad.read_h5ad(f) for f in files], **options)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    assert sparse.issparse(found.X) == sparse.issparse(expected.X)
    assert found.X.dtype == expected.X.dtype, (found.X.dtype, expected.X.dtype)
    same_value(found.X, expected.X, "X")
    same_frame(found.obs, expected.obs, "obs")
    same_frame(found.var, expected.var, "var")
    for slot in ["layers", "obsm", "varm", "obsp", "varp", "uns"]:
        same_value(dict(getattr(found, slot)), dict(getattr(expected, slot)), slot)
    assert (found.raw is None) == (expected.raw is None)
    if expected.raw is not None:
        same_value(found.raw.X, expected.raw.X, "raw/X")
        same_frame(found.raw.var, expected.raw.var, "raw/var")


with open(sys.argv[1]) as f:
    for case in json.load(f):
        print(case["options"])
        same_file(**case)
