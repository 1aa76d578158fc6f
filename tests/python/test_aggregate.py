"""Compares aggregation by groups with scanpy's, and pseudobulk samples with pandas."""

import warnings
from importlib.metadata import version

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE
from scipy import sparse

import anndataoom as oom

FUNCTIONS = ["sum", "mean", "var", "count_nonzero", "median"]
# scanpy 1.11 puts cells without a group into the last group.
NEW = tuple(map(int, version("scanpy").split(".")[:2])) >= (1, 12)


def example(fmt="csr", dtype=np.float64):
    adata = ad.read_h5ad(EXAMPLE)[:, :300].copy()
    x = adata.X.toarray().astype(dtype)
    adata.X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[fmt](x)
    rng = np.random.default_rng(1)
    donors = ["x", "d2", "d10", "d1"]
    adata.obs["donor"] = pd.Categorical(rng.choice(donors[1:], adata.n_obs), categories=donors)
    adata.obs["whole"] = rng.integers(0, 4, adata.n_obs)
    adata.obs["some"] = rng.random(adata.n_obs) < 0.6
    adata.var["kind"] = pd.Categorical(rng.choice(["a", "b", "c"], adata.n_vars))
    adata.var["part"] = rng.random(adata.n_vars) < 0.5
    adata.obsm["X_two"] = rng.normal(size=(adata.n_obs, 2))
    adata.varm["PCs"] = rng.normal(size=(adata.n_vars, 3))
    logarithms = np.log1p(x.astype(np.float32))
    adata.layers["log"] = logarithms if fmt == "dense" else type(adata.X)(logarithms)
    return adata


def same(ours, theirs):
    for found, expected in ((ours.obs, theirs.obs), (ours.var, theirs.var)):
        # scanpy 1.11 has no count of observations.
        pd.testing.assert_frame_equal(found[expected.columns], expected, check_names=False)
        assert set(found) - set(expected) <= {"n_obs_aggregated"}
    assert set(ours.layers) == set(theirs.layers)
    for name, expected in theirs.layers.items():
        found = ours.layers[name].to_memory()
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
def test_values_are_scanpys(on_disk, fmt, dtype):
    adata = example(fmt, dtype)
    opened = on_disk(adata)
    # The comparison is in float64, because scanpy adds up float32 in float32 for some layouts.
    precise = adata.copy()
    precise.X = precise.X.astype(np.float64)
    for args in [
        {"by": "cell_type"},
        {"by": ["donor", "cell_type"], "dof": 0},
        {"by": ["whole", "donor"], "mask": "some"},
        {"by": "kind", "axis": "var"},
        {"by": "kind", "axis": 1, "mask": "part"},
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = sc.get.aggregate(precise, func=FUNCTIONS, **args)
        if "mask" in args and not NEW:
            continue
        found = oom.get.aggregate(opened, func=FUNCTIONS, **args)
        same(found, expected)
        whole = np.dtype(dtype).kind in "iu"
        assert found.layers["sum"].dtype == (np.int64 if whole else np.float64)
        assert found.layers["count_nonzero"].dtype == np.int64
        for name in FUNCTIONS:
            alone = oom.get.aggregate(opened, func=name, **args).layers[name].to_memory()
            np.testing.assert_allclose(alone, found.layers[name].to_memory(), rtol=1e-12)


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
def test_lazy_chains_layers_and_embeddings(on_disk, fmt):
    adata = example(fmt, np.float32)
    opened = on_disk(adata)
    for args in [
        {"by": "donor", "obsm": "X_two"},
        {"by": "kind", "varm": "PCs"},
        {"by": ["kind"], "axis": "var", "layer": "log"},
        {"by": "donor", "layer": "log"},
    ]:
        exact = adata.copy()
        exact.layers["log"] = exact.layers["log"].astype(np.float64)
        same(oom.get.aggregate(opened, func=FUNCTIONS, **args), sc.get.aggregate(exact, func=FUNCTIONS, **args))
    oom.pp.normalize_total(opened, target_sum=1e4)
    oom.pp.log1p(opened)
    part = opened[::-2, [7, 3, 250]]
    # The logarithms are ours, read as float64.
    precise = part.to_adata()
    precise.X = precise.X.astype(np.float64)
    same(
        oom.get.aggregate(part, ["donor", "cell_type"], FUNCTIONS),
        sc.get.aggregate(precise, ["donor", "cell_type"], FUNCTIONS),
    )


def test_cells_without_a_group_are_in_none(on_disk):
    adata = example()
    adata.obs.loc[adata.obs_names[::3], "donor"] = np.nan
    x = adata.X.toarray()
    x[4, :] = np.nan
    adata.X = sparse.csr_matrix(x)
    opened, by = on_disk(adata), ["donor", "cell_type"]
    kept = adata[adata.obs["donor"].notna()].copy()
    # scanpy's medians of compressed rows treat NaN as a number.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(oom.get.aggregate(opened, by, FUNCTIONS[:4]), sc.get.aggregate(kept, by, FUNCTIONS[:4]))
        kept.X = kept.X.toarray()
        same(oom.get.aggregate(opened, by, "median"), sc.get.aggregate(kept, by, "median"))
        if NEW:
            same(oom.get.aggregate(opened, by, FUNCTIONS[:4]), sc.get.aggregate(adata, by, FUNCTIONS[:4]))


def test_many_groups_are_sparse(on_disk):
    rng = np.random.default_rng(3)
    n, m, groups = 20_000, 4_000, 9_500
    x = sparse.random(n, m, density=0.002, format="csr", random_state=rng)
    x.data = rng.integers(1, 9, x.nnz).astype(np.float32)
    codes = np.concatenate([np.arange(groups), rng.integers(0, groups, n - groups)])
    obs = pd.DataFrame({"group": pd.Categorical(codes)}, index=np.arange(n).astype(str))
    opened = on_disk(ad.AnnData(x.astype(np.float32), obs=obs))
    found = oom.get.aggregate(opened, "group", ["sum", "mean", "var", "count_nonzero", "median"], dof=0)
    assert all(sparse.issparse(found.layers[k].to_memory()) for k in found.layers)
    to = sparse.csr_matrix((np.ones(n), (codes, np.arange(n))), shape=(groups, n))
    size = np.bincount(codes)[:, None]
    total, squares = to @ x.astype(float), to @ x.astype(float).power(2)
    count = to @ (x != 0).astype(float)
    mean = total.toarray() / size
    some = rng.choice(groups, 300, replace=False)
    np.testing.assert_array_equal(found.layers["sum"].to_memory().toarray(), total.toarray())
    np.testing.assert_array_equal(found.layers["count_nonzero"].to_memory().toarray(), count.toarray())
    np.testing.assert_allclose(found.layers["mean"].to_memory().toarray(), mean, rtol=1e-12)
    var = squares.toarray() / size - mean**2
    np.testing.assert_allclose(found.layers["var"].to_memory().toarray(), var, atol=1e-9)
    medians = found.layers["median"].to_memory()[some].toarray()
    for row, g in zip(medians, some):
        np.testing.assert_array_equal(row, np.median(x[codes == g].toarray(), axis=0))


def test_pseudobulk_is_a_sum_of_counts(on_disk):
    adata = example("csr", np.float32)
    adata.obs["age"] = adata.obs["donor"].map({"d1": 30, "d2": 41, "d10": 30}).astype(int)
    adata.obs["sex"] = adata.obs["donor"].map({"d1": "f", "d2": None, "d10": "m"})
    adata.raw = adata.copy()
    opened = on_disk(adata)
    bulk = oom.get.pseudobulk(opened, "donor", "cell_type")
    assert bulk.X.dtype == np.int64
    counts = pd.DataFrame(adata.X.toarray(), columns=adata.var_names)
    expected = counts.groupby([adata.obs["donor"].to_numpy(), adata.obs["cell_type"].to_numpy()], observed=True).sum()
    names = [f"{a}_{b}" for a, b in expected.index]
    frame = bulk.to_df()
    pd.testing.assert_frame_equal(frame.loc[names], expected.set_axis(names).astype(np.int64), check_names=False)
    assert list(bulk.obs.columns) == ["donor", "cell_type", "n_obs_aggregated", "age", "sex"]
    assert (bulk.obs["age"] == bulk.obs["donor"].map({"d1": 30, "d2": 41, "d10": 30}).astype(int)).all()
    assert bulk.obs["sex"].isna().sum() == (bulk.obs["donor"] == "d2").sum()
    few = oom.get.pseudobulk(opened, "donor", "cell_type", min_cells=20, use_raw=True)
    assert set(few.obs_names) == set(bulk.obs_names[bulk.obs["n_obs_aggregated"] >= 20])
    np.testing.assert_array_equal(few.to_df(), frame.loc[few.obs_names])
    samples = oom.get.pseudobulk(opened, "donor")
    assert list(samples.obs_names) == ["d2", "d10", "d1"]
    np.testing.assert_array_equal(samples.to_df().sum(), adata.X.sum(axis=0).A1.astype(np.int64))
    with pytest.warns(UserWarning, match="no counts"):
        oom.get.pseudobulk(opened, "donor", layer="log")


def test_what_is_refused(on_disk):
    opened = on_disk(example())
    for args, message in [
        ({"by": "nobody"}, "by: obs has no column 'nobody'"),
        ({"by": []}, "by: expected at least one column"),
        ({"func": "max"}, "func"),
        ({"func": []}, "func"),
        ({"layer": "log", "obsm": "X_two"}, "layer and obsm: expected one of them"),
        ({"obsm": "X_two", "axis": "var"}, "obsm: expected axis='obs'"),
        ({"varm": "PCs", "axis": "obs"}, "varm: expected axis='var'"),
        ({"mask": np.zeros(opened.n_obs, bool)}, "mask: expected at least one True"),
        ({"mask": [True]}, "mask: expected True or False"),
        ({"layer": "nobody"}, "nobody"),
        ({"obsm": "nobody"}, "obsm"),
    ]:
        with pytest.raises((ValueError, KeyError), match=message):
            oom.get.aggregate(opened, **{"by": "donor", "func": "sum", **args})
    for args, message in [
        ({"sample_col": "nobody"}, "sample_col: obs has no column 'nobody'"),
        ({"groups_col": "nobody"}, "groups_col: obs has no column 'nobody'"),
        ({"layer": "log", "use_raw": True}, "layer and use_raw"),
        ({"use_raw": True}, "use_raw: this object has no raw"),
        ({"min_cells": 10**6}, "min_cells: expected at most"),
    ]:
        with pytest.raises((ValueError, KeyError), match=message):
            oom.get.pseudobulk(opened, **{"sample_col": "donor", **args})
    opened.obs["one"], opened.obs["two"] = ["a_b"] + ["a"] * (opened.n_obs - 1), ["c"] + ["b_c"] * (opened.n_obs - 1)
    with pytest.raises(ValueError, match="would both be named 'a_b_c'"):
        oom.get.aggregate(opened, ["one", "two"], "sum")
