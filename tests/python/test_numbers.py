"""Tests numbers that are easily wrong: local regression with equal means, sums of integers, columns
that do not vary."""

import warnings
from importlib.metadata import version

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import dense
from scipy import sparse

import anndataoom as oom

LAYOUTS = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}


@pytest.fixture
def on_disk(tmp_path):
    def write(matrix, obs=None, **parts):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.h5ad"
        ad.AnnData(matrix, obs=obs, **parts).write_h5ad(path)
        return oom.read(path)

    return write


def low_counts(seed, n=200, m=300):
    r = np.random.default_rng(seed)
    counts = r.poisson(np.outer(r.gamma(5, 0.2, n), r.gamma(0.6, 1.5, m))).astype("f4")
    batch = pd.Categorical(r.choice(["a", "b"], n))
    return counts, pd.DataFrame({"batch": batch}, index=[f"c{i}" for i in range(n)])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_key", [None, "batch"])
@pytest.mark.parametrize("flavor", ["seurat_v3", "seurat_v3_paper"])
def test_seurat_v3_with_equal_means(on_disk, layout, batch_key, flavor):
    for seed in range(3):
        counts, obs = low_counts(seed)
        memory = ad.AnnData(sparse.csr_matrix(counts), obs=obs.copy())
        disk = on_disk(LAYOUTS[layout](counts), obs.copy())
        for pp, a in ((sc.pp, memory), (oom.pp, disk)):
            pp.highly_variable_genes(a, flavor=flavor, n_top_genes=40, batch_key=batch_key)
        wanted = memory.var["variances_norm"].to_numpy()
        if batch_key and version("scanpy") >= "1.12":
            # With batches, scanpy 1.12.4 differs by up to 0.8 % from the mean of its own scores for
            # each batch alone.
            alone = [
                ad.AnnData(sparse.csr_matrix(counts[(obs[batch_key] == b).to_numpy()])) for b in obs[batch_key].unique()
            ]
            for a in alone:
                sc.pp.highly_variable_genes(a, flavor=flavor, n_top_genes=40)
            wanted = np.mean([a.var["variances_norm"] for a in alone], axis=0)
            np.testing.assert_allclose(disk.var["variances_norm"], wanted, rtol=1e-9, atol=1e-12)
            continue
        np.testing.assert_allclose(disk.var["variances_norm"], wanted, rtol=1e-9, atol=1e-12)
        # Genes with the same counts tie, and numpy orders ties arbitrarily.
        assert sorted(wanted[disk.var["highly_variable"]]) == pytest.approx(
            sorted(wanted[memory.var["highly_variable"]]), rel=1e-9
        )
        apart = pd.Series(wanted).round(9).duplicated(keep=False).to_numpy()
        same = (disk.var["highly_variable"] == memory.var["highly_variable"]).to_numpy()
        assert same[~apart].all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_sums_of_integers(on_disk, layout, dtype):
    if dtype == "bool":
        x = np.array([[True, False], [True, True]])
    else:
        info = np.iinfo(dtype)
        x = np.array([[info.max, info.min], [info.max - 1, 1]], dtype)
    if dtype in ("i8", "u8"):
        # Integers that a double cannot hold; numpy's sums wrap around at the end of the type.
        x = np.array([[2**53 + 1, 2**62 + 3], [2**62, 5]], dtype)
    disk = on_disk(LAYOUTS[layout](x)).X
    for axis in (0, 1, None):
        wanted, found = x.sum(axis=axis), disk.sum(axis=axis)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    wrapped = np.array([[2**63], [2**63 - 1]], "u8")
    assert on_disk(LAYOUTS[layout](wrapped)).X.sum() == wrapped.sum() == 2**64 - 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [None, 0, 1, -1, -2])
def test_reductions_are_numpys(on_disk, layout, axis):
    x = np.random.default_rng(0).poisson(2, (7, 5)).astype("f4")
    disk = on_disk(LAYOUTS[layout](x)).X
    for keepdims in (False, True):
        for dtype in (None, "f4"):
            for ddof in (0, 1, np.int64(3)):
                wanted = x.astype("f8").var(axis=axis, ddof=ddof, keepdims=keepdims)
                found = disk.var(axis=axis, ddof=ddof, keepdims=keepdims, dtype=dtype)
                assert found.shape == wanted.shape and found.dtype == (dtype or "f8")
                np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype else 1e-12)
            for name in ("sum", "mean"):
                wanted = getattr(x.astype("f8"), name)(axis=axis, keepdims=keepdims)
                found = getattr(disk, name)(axis=axis, keepdims=keepdims, dtype=dtype)
                assert found.shape == wanted.shape and found.dtype == (dtype or "f8")
                np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype else 1e-12)
    with pytest.raises(ValueError, match="var: ddof must be a whole number, 0 or more, found -1"):
        disk.var(axis=axis, ddof=-1)
    with pytest.raises(TypeError, match="dtype: .*nonsense"):
        disk.mean(axis=axis, dtype="nonsense")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "u4", "i8", "u8"])
def test_totals_of_integers_are_scanpys(on_disk, layout, dtype):
    """Checks dtypes and values beyond 2^53 in quality control and in filters."""
    most = np.iinfo(dtype).max // 4
    x = np.array([[most, 1, 3], [most - 1, 0, 5]], dtype)
    memory, disk = ad.AnnData(LAYOUTS[layout](x)), on_disk(LAYOUTS[layout](x))
    for a in (memory, disk):
        a.var["mt"] = [True, True, False]
    options = {"qc_vars": ["mt"], "percent_top": None}
    wanted = sc.pp.calculate_qc_metrics(memory, **options)
    found = oom.pp.calculate_qc_metrics(disk, **options)
    for theirs, ours, names in zip(wanted, found, (["total_counts", "total_counts_mt"], ["total_counts"]), strict=True):
        for name in names:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name].to_numpy(), theirs[name].to_numpy())
        np.testing.assert_allclose(ours["log1p_total_counts"], theirs["log1p_total_counts"], rtol=1e-12)
    for verb in ("filter_cells", "filter_genes"):
        theirs = getattr(sc.pp, verb)(memory, min_counts=1, inplace=False)[1]
        ours = getattr(oom.pp, verb)(disk, min_counts=1, inplace=False)[1]
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("value", [0.1, 1 / 3, 8.112, 123456.7])
def test_columns_that_do_not_vary(on_disk, layout, value):
    x = np.random.default_rng(0).poisson(2, (400, 6)).astype("f8")
    x[:, 2] = value
    for steps in ([], ["log1p"]):
        disk = on_disk(LAYOUTS[layout](x))
        for step in steps:
            getattr(oom.pp, step)(disk)
        assert disk.X.var(axis=0)[2] == 0
        oom.pp.scale(disk)
        assert (dense(disk.X[:])[:, 2] == 0).all() and disk.var["std"].iloc[2] == 1
    assert on_disk(LAYOUTS[layout](np.full((7, 3), value))).X.var() == 0


def test_counts_that_are_not_whole_are_told(on_disk):
    counts, _ = low_counts(1)
    logged = on_disk(sparse.csr_matrix(np.log1p(counts)))
    whole = on_disk(sparse.csr_matrix(counts))
    for flavor in ("seurat_v3", "pearson_residuals"):
        told = f"`flavor='{flavor}'` expects raw count data, but non-integers were found."
        with pytest.warns(UserWarning) as warned:
            oom.pp.highly_variable_genes(logged, flavor=flavor, n_top_genes=10)
        assert [str(w.message) for w in warned] == [told] and warned[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            oom.pp.highly_variable_genes(logged, flavor=flavor, n_top_genes=10, check_values=False)
            oom.pp.highly_variable_genes(whole, flavor=flavor, n_top_genes=10)
        with pytest.warns(UserWarning) as warned:
            oom.pp.highly_variable_genes(logged, flavor=flavor, n_top_genes=10, inplace=False)
        assert [str(w.message) for w in warned] == [told] and warned[0].filename == __file__
    for inplace in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            oom.pp.normalize_pearson_residuals(whole.copy(), inplace=inplace)
            oom.pp.normalize_pearson_residuals(logged.copy(), inplace=inplace, check_values=False)
        with pytest.warns(UserWarning, match="`normalize_pearson_residuals.*expects raw count data") as warned:
            oom.pp.normalize_pearson_residuals(logged, inplace=inplace)
        assert [w.filename for w in warned] == [__file__]


def test_a_batch_of_one_cell_is_named(on_disk):
    counts, obs = low_counts(2)
    obs["batch"] = obs["batch"].cat.add_categories("alone")
    obs.loc["c7", "batch"] = "alone"
    disk = on_disk(sparse.csr_matrix(counts), obs)
    with pytest.warns(UserWarning, match="batch 'alone'"):
        oom.pp.highly_variable_genes(disk, flavor="seurat_v3", n_top_genes=10, batch_key="batch")
    assert np.isfinite(disk.var["variances_norm"]).all() and disk.var["highly_variable"].sum() == 10


def test_a_constant_matrix_has_nothing_to_explain(on_disk):
    disk = on_disk(np.full((10, 6), 0.1, "f4"))
    with pytest.warns(UserWarning, match="every gene is constant"):
        oom.pp.pca(disk, n_comps=2)
    assert (disk.uns["pca"]["variance_ratio"] == 0).all() and np.isfinite(disk.obsm["X_pca"]).all()


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_dtype_of_the_factors(on_disk, dtype):
    disk = on_disk(sparse.csr_matrix(low_counts(3)[0].astype(dtype)))
    wanted = "f8" if dtype == "f8" else "f4"
    assert oom.pp.normalize_total(disk, inplace=False)["norm_factor"].dtype == wanted
    oom.pp.normalize_total(disk, key_added="factor")
    assert disk.obs["factor"].dtype == wanted
