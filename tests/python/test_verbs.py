"""Compares `pp` and `tl` on the example file with scanpy if it is installed, else with closed
forms."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE, dense
from scipy import sparse
from skmisc import loess

import anndataoom as oom


@pytest.fixture
def disk():
    return oom.read(EXAMPLE)


@pytest.fixture
def memory():
    return ad.read_h5ad(EXAMPLE)


def frames_close(found, expected):
    assert list(found.columns) == list(expected.columns)
    for name in expected.columns:
        if expected[name].dtype.kind in "fiu":
            np.testing.assert_allclose(found[name], expected[name], rtol=2e-5, atol=1e-6, err_msg=name)
        else:
            assert (found[name] == expected[name]).all(), name


def test_qc_metrics(disk, memory):
    for a in (disk, memory):
        a.var["mt"] = a.var_names.str.startswith("MT-")
    oom.pp.calculate_qc_metrics(disk, qc_vars=["mt"], inplace=True)
    sc.pp.calculate_qc_metrics(memory, qc_vars=["mt"], inplace=True)
    frames_close(disk.obs, memory.obs)
    frames_close(disk.var, memory.var)


def test_filters(disk, memory):
    counts = dense(memory.X)
    oom.pp.filter_cells(disk, min_genes=500)
    keep = (counts > 0).sum(1) >= 500
    assert list(disk.obs_names) == list(memory.obs_names[keep])
    oom.pp.filter_genes(disk, min_cells=20)
    keep_genes = (counts[keep] > 0).sum(0) >= 20
    assert list(disk.var_names) == list(memory.var_names[keep_genes])
    np.testing.assert_array_equal(dense(disk.X[:]), counts[keep][:, keep_genes])
    assert disk.obs["n_genes"].tolist() == (counts[keep] > 0).sum(1).tolist()
    with pytest.raises(ValueError, match="one of"):
        oom.pp.filter_cells(disk, min_genes=1, min_counts=1)


@pytest.mark.parametrize("fmt", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
def test_gene_ranges(tmp_path, fmt, dtype):
    random = np.random.default_rng(3)
    values = random.poisson(0.7, (150, 20)).astype(dtype)
    values[:, 3], values[:, 4], values[:, 5] = 0, 7, np.maximum(values[:, 5], 1)
    if dtype.startswith("float"):
        values[:, 6] -= 2
        values[3, 7], values[4, 8], values[5, 9] = np.nan, np.inf, -np.inf
        values[6, 10] = 1e300 if dtype == "float64" else 1e38
    path = tmp_path / "x.h5ad"
    ad.AnnData(fmt(values)).write_h5ad(path)
    for threshold in (0, 1.5, -1, -np.inf):
        a = oom.read(path)
        assert oom.pp.gene_ranges(a, threshold=threshold) is None
        with np.errstate(invalid="ignore"):
            want = values.min(0), values.max(0), (values > threshold).sum(0)
        for name, numbers in zip(("min_expression", "max_expression", "n_cells_above"), want, strict=True):
            np.testing.assert_array_equal(a.var[name], numbers)
        assert a.var["max_expression"].dtype == ("float32" if dtype == "float32" else "float64")
    part = oom.read(path)[::-3, [4, 2]]
    found = oom.pp.gene_ranges(part, inplace=False)
    np.testing.assert_array_equal(found["max_expression"], values[::-3][:, [4, 2]].max(0))
    assert list(found.index) == list(part.var_names) and "max_expression" not in part.var
    with pytest.raises(ValueError, match="threshold"):
        oom.pp.gene_ranges(part, threshold=np.nan)


def test_normalize_log_scale(disk, memory):
    for pp, a in ((oom.pp, disk), (sc.pp, memory)):
        pp.normalize_total(a, target_sum=1e4)
        pp.log1p(a)
    np.testing.assert_allclose(dense(disk.X[:]), dense(memory.X), rtol=1e-5, atol=1e-6)
    assert disk.uns["log1p"] == {"base": None}
    oom.pp.scale(disk, max_value=3)
    sc.pp.scale(memory, max_value=3)
    np.testing.assert_allclose(disk.X[:], memory.X, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(disk.var["std"], memory.var["std"], rtol=1e-5)


@pytest.mark.parametrize("flavor", ["seurat", "cell_ranger"])
def test_highly_variable_genes(disk, memory, flavor):
    for pp, a in ((oom.pp, disk), (sc.pp, memory)):
        pp.normalize_total(a, target_sum=1e4)
        pp.log1p(a)
        pp.highly_variable_genes(a, n_top_genes=200, flavor=flavor, batch_key="batch")
    assert (disk.var["highly_variable"] == memory.var["highly_variable"]).all()
    assert disk.uns["hvg"]["flavor"] == flavor


def test_pearson_residuals(disk, memory):
    oom.pp.highly_variable_genes(disk, n_top_genes=200, flavor="pearson_residuals")
    sc.experimental.pp.highly_variable_genes(memory, n_top_genes=200, flavor="pearson_residuals")
    frames_close(disk.var, memory.var)
    oom.pp.normalize_pearson_residuals(disk)
    sc.experimental.pp.normalize_pearson_residuals(memory)
    # Where the expected and the observed count are 0, scanpy divides 0 by 0.
    np.testing.assert_allclose(disk.X[:], np.nan_to_num(dense(memory.X)), rtol=1e-3, atol=1e-4)


def test_pipeline(disk, tmp_path):
    """Checks the pipeline to clusters, written and read again, and PCA against a dense
    decomposition."""
    oom.pp.normalize_total(disk, target_sum=1e4)
    oom.pp.log1p(disk)
    disk.raw = disk
    oom.pp.highly_variable_genes(disk, n_top_genes=300)
    disk = disk[:, disk.var["highly_variable"]]
    oom.pp.scale(disk, max_value=10)
    oom.pp.pca(disk, n_comps=20)
    values = disk.X.toarray().astype(float)
    _, s, vt = np.linalg.svd(values - values.mean(0), full_matrices=False)
    np.testing.assert_allclose(disk.uns["pca"]["variance"], (s**2 / (disk.n_obs - 1))[:20], rtol=1e-5)
    np.testing.assert_allclose(disk.uns["pca"]["variance_ratio"], (s**2 / (s**2).sum())[:20], rtol=1e-5)
    assert (np.abs((disk.varm["PCs"] * vt[:20].T).sum(0)) > 0.999).all()
    oom.pp.neighbors(disk, n_neighbors=15)
    oom.tl.umap(disk, random_state=1)
    oom.tl.leiden(disk, resolution=1.0)
    assert disk.obsm["X_umap"].shape == (700, 2) and disk.obsm["X_umap"].dtype == np.float32
    assert isinstance(disk.obs["leiden"].dtype, pd.CategoricalDtype)
    table = pd.crosstab(disk.obs["leiden"], disk.obs["cell_type"])
    assert table.max(axis=1).sum() / len(disk) > 0.9  # clusters are cell types
    disk.write(tmp_path / "done.h5ad")
    again = ad.read_h5ad(tmp_path / "done.h5ad")
    assert again.raw.shape == (700, 2000) and again.uns["neighbors"]["params"]["n_neighbors"] == 15
    np.testing.assert_array_equal(again.obsm["X_umap"], disk.obsm["X_umap"])


@pytest.fixture
def logged(disk, memory):
    """Log-normalises both objects, the one on disk lazily."""
    for adata in (disk, memory):
        adata.obs["total"] = dense(memory.X).sum(1)
        adata.obs["share"] = dense(memory.X)[:, :50].sum(1) / adata.obs["total"]
    oom.pp.normalize_total(disk, target_sum=1e4)
    oom.pp.log1p(disk)
    memory.X = np.log1p(dense(memory.X) / dense(memory.X).sum(1, keepdims=True) * 1e4).astype("float32")
    return disk, memory


def test_regress_out(logged, tmp_path):
    disk, memory = logged
    y = memory.X.astype(float)
    design = np.column_stack([np.ones(len(y)), memory.obs[["total", "share"]]])
    expected = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    oom.chunked_regress(disk, keys=("total", "share"))
    oom.pp.regress_out(disk, ["total", "share"])
    assert isinstance(disk.X, oom.RegressedBackedArray) and disk.X.dtype == np.float32
    for x in (disk.X, disk.layers["regressed"]):
        np.testing.assert_allclose(x[:], expected, atol=1e-5)
    part = disk[[5, 2, 2], 10:20]
    np.testing.assert_allclose(part.X[:], expected[[5, 2, 2], 10:20], atol=1e-5)
    oom.pp.scale(disk, max_value=10)
    scaled = (expected - expected.mean(0)) / np.where((s := expected.std(0, ddof=1)) > 1e-9, s, 1)
    np.testing.assert_allclose(disk.X[:], np.clip(scaled, -10, 10), atol=1e-3)
    disk.write(tmp_path / "regressed.h5ad")
    np.testing.assert_allclose(ad.read_h5ad(tmp_path / "regressed.h5ad").layers["regressed"], expected, atol=1e-5)


def test_regress_out_groups(logged):
    disk, memory = logged
    expected = memory.X - memory.to_df().groupby(memory.obs["batch"].to_numpy()).transform("mean").to_numpy()
    for adata in (disk, memory):
        adata.obs["batch"] = adata.obs["batch"].astype("category")
    found = oom.pp.regress_out(disk, "batch", copy=True)
    np.testing.assert_allclose(found.X[:], expected, atol=1e-5)
    assert disk.X._m.ops == ["normalize_total", "log1p"]
    with pytest.raises(ValueError, match="single categorical"):
        oom.pp.regress_out(disk, ["batch", "total"])
    disk.obs["word"] = "w"
    with pytest.raises(ValueError, match="numbers or categories"):
        oom.pp.regress_out(disk, "word")
    disk.obs.loc[disk.obs_names[3], "total"] = np.nan
    with pytest.raises(ValueError, match="NaN in 'total'"):
        oom.chunked_regress(disk, keys=["total"])
    assert "regressed" not in disk.layers


@pytest.mark.parametrize("keys", [["total", "share"], ["batch"]])
def test_regress_out_as_scanpy(logged, keys):
    disk, memory = logged
    for pp, adata in ((oom.pp, disk), (sc.pp, memory)):
        adata.obs["batch"] = adata.obs["batch"].astype("category")
        adata._inplace_subset_var(np.arange(adata.n_vars) < 300)
        pp.regress_out(adata, keys)
    np.testing.assert_allclose(disk.X[:], memory.X, atol=1e-4)


def test_pegasus(logged):
    """Compares with the local regression that pegasus itself uses."""
    disk, memory = logged
    oom.chunked_identify_robust_genes(disk, percent_cells=5)
    oom.chunked_highly_variable_features_pegasus(disk, n_top=100, span=0.1)
    robust = disk.var["robust"].to_numpy()
    y = memory[:, disk.var_names].X.astype(float)
    np.testing.assert_allclose(disk.var["mean"], y.mean(0), rtol=1e-5)
    np.testing.assert_allclose(disk.var["var"], y.var(0, ddof=1), rtol=1e-5)
    fit = loess.loess(y.mean(0)[robust], y.var(0, ddof=1)[robust], span=0.1, degree=2)
    fit.fit()
    np.testing.assert_allclose(disk.var["hvf_loess"][robust], fit.outputs.fitted_values, rtol=1e-3)
    assert (disk.var["hvf_rank"][~robust] == -1).all() and disk.var["highly_variable_features"].sum() == 100


def test_pegasus_widens_its_span(logged):
    disk, _ = logged
    oom.chunked_identify_robust_genes(disk, percent_cells=50)
    oom.chunked_highly_variable_features_pegasus(disk, n_top=10, span=1e-6)
    assert disk.var["highly_variable_features"].sum() == min(10, disk.var["robust"].sum())
    del disk.var["robust"]
    with pytest.raises(KeyError, match="robust"):
        oom.chunked_highly_variable_features_pegasus(disk)


def test_parameters_are_checked(disk):
    for call in [
        lambda: oom.pp.normalize_total(disk, target_sum=-1),
        lambda: oom.pp.highly_variable_genes(disk, flavor="none"),
        lambda: oom.pp.scale(disk, max_value=0),
        lambda: oom.pp.pca(disk, mask_var=np.ones(3, dtype=bool)),
    ]:
        with pytest.raises(ValueError):
            call()
    for call in [
        lambda: oom.pp.neighbors(disk, use_rep="X_nothing"),
        lambda: oom.tl.umap(disk),
        lambda: oom.pp.highly_variable_genes(disk, batch_key="nothing"),
        lambda: oom.pp.calculate_qc_metrics(disk, qc_vars=["nothing"]),
        lambda: oom.pp.log1p(disk, layer="nothing"),
    ]:
        with pytest.raises(KeyError):
            call()
    with pytest.raises(TypeError, match="AnnDataOOM"):
        oom.pp.log1p(disk[:3].to_adata())
