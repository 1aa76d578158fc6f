"""Behaviour found wrong in version 0.1.8, by the labels of the list it was found under."""

import gc
import os

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import dense, rich
from scipy import sparse

import anndataoom as oom


def counts(n=80, m=30, seed=3, dtype="float32"):
    rng = np.random.default_rng(seed)
    x = rng.poisson(rng.gamma(0.8, 1.5, m), (n, m)).astype(dtype)
    x[0, :] = np.maximum(x[0, :], 1)
    x[:, 0] += 1
    adata = ad.AnnData(sparse.csr_matrix(x))
    adata.obs["k"] = rng.permutation(n)
    return adata


@pytest.fixture
def disk(on_disk):
    return on_disk(counts())


@pytest.fixture
def X():
    return dense(counts().X)


def test_w1_row_order(disk, X, tmp_path):
    order = np.argsort(disk.obs["k"].to_numpy())
    s = disk[disk.obs.sort_values("k").index]
    np.testing.assert_array_equal(np.concatenate([dense(c) for *_, c in s.X.chunked(9)]), X[order])
    np.testing.assert_array_equal(s.X.sum(axis=1), X[order].sum(1))
    oom.chunked_qc_metrics(s)
    np.testing.assert_array_equal(s.obs["nUMIs"], X[order].sum(1))
    boot = disk[[3, 3, 5]]
    np.testing.assert_array_equal(boot.X.sum(axis=1), X[[3, 3, 5]].sum(1))
    boot.write(tmp_path / "boot.h5ad")
    np.testing.assert_array_equal(dense(ad.read_h5ad(tmp_path / "boot.h5ad").X), X[[3, 3, 5]])


def scaled(X, clip=10):
    mean, std = X.mean(0), X.std(0, ddof=1)
    return np.clip((X - mean) / np.where(std == 0, 1, std), -clip, clip)


def test_w2_scaled_rows(disk, X):
    oom.chunked_scale(disk, max_value=2)
    expected = scaled(X.astype(float), 2)
    mask = np.arange(80) % 3 == 0
    for key in ([3, 9], slice(None, None, 2), mask):
        np.testing.assert_allclose(disk.layers["scaled"][key], expected[key], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(disk[mask].layers["scaled"][:], expected[mask], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(disk[mask].obs_vector("3", layer="scaled"), expected[mask][:, 3], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(disk[mask].to_adata().layers["scaled"], expected[mask], rtol=1e-5, atol=1e-5)


def test_w3_mean_and_var(disk, X):
    for axis in (0, 1):
        np.testing.assert_allclose(disk.X.mean(axis=axis), X.mean(axis), rtol=1e-6)
        np.testing.assert_allclose(disk.X.var(axis=axis), X.astype(float).var(axis), rtol=1e-6)


@pytest.mark.parametrize("dtype, scale", [("uint8", 20), ("int32", 60000), ("float32", 1)])
def test_w4_accumulation(on_disk, dtype, scale):
    x = (dense(counts().X) % 12 * scale).astype(dtype) + (np.float32(10000) if dtype == "float32" else 0)
    x = x.astype(dtype)
    mean, var = oom.chunked_mean_var(on_disk(ad.AnnData(x)))
    np.testing.assert_allclose(mean, x.astype(float).mean(0), rtol=1e-12)
    np.testing.assert_allclose(var, x.astype(float).var(0, ddof=1), rtol=1e-9)


def test_w5_pca(disk, X):
    disk.var["highly_variable"] = np.arange(30) % 2 == 0
    oom.chunked_scale(disk, max_value=1.5)
    values = scaled(X.astype(float), 1.5)[:, ::2]
    u, s, vt = np.linalg.svd(values - values.mean(0), full_matrices=False)
    for part, expected in ((disk, s),):
        x_pca, components, ratio = oom.chunked_pca(part, n_comps=6)
        assert x_pca.shape == (80, 6) and x_pca.dtype == np.float32 and components.shape == (6, 15)
        np.testing.assert_allclose(ratio, (expected**2 / (expected**2).sum())[:6], rtol=1e-6)
        np.testing.assert_allclose(np.abs((components * vt[:6]).sum(1)), 1, rtol=1e-6)
        assert (components[np.arange(6), np.abs(components).argmax(1)] > 0).all()
    assert oom.chunked_pca(disk[:40], n_comps=3)[1].shape == (3, 15)
    with pytest.raises(KeyError):
        oom.chunked_pca(disk, layer="nothing")


def test_w6_explicit_zeros(on_disk):
    x = sparse.csr_matrix(np.array([[1.0, 2.0, 3.0], [0.0, 4.0, 0.0]]))
    x.data[0] = 0
    disk = on_disk(ad.AnnData(x))
    oom.chunked_qc_metrics(disk)
    assert disk.obs["detected_genes"].tolist() == [2, 1] and disk.var["n_cells"].tolist() == [0, 2, 1]
    assert disk.X.getnnz(axis=1).tolist() == [2, 1] and disk.X.nnz == 3


def test_w7_pearson(disk, X):
    disk.layers["counts"] = disk.X
    for n_top in (1, 7):
        oom.chunked_highly_variable_genes_pearson(disk, n_top_genes=n_top)
        assert disk.var["highly_variable"].sum() == n_top
    rank = disk.var["highly_variable_rank"]
    assert sorted(rank.dropna()) == list(range(7)) and rank.isna().sum() == 23
    np.testing.assert_allclose(disk.var["variances"], X.astype(float).var(0, ddof=1), rtol=1e-6)
    assert disk.uns["hvg"]["flavor"] == "pearson_residuals"
    chosen = set(disk.var_names[disk.var["highly_variable"]])
    # After normalisation X is no longer counts: they are found where normalize_total left them.
    oom.chunked_normalize_total(disk)
    oom.chunked_log1p(disk)
    oom.chunked_highly_variable_genes_pearson(disk, n_top_genes=7)
    assert set(disk.var_names[disk.var["highly_variable"]]) == chosen
    mu = np.outer(X.sum(1), X.sum(0)) / X.sum()
    residuals = np.clip((X - mu) / np.sqrt(mu + mu**2 / 100), -np.sqrt(80), np.sqrt(80))
    variance, mean, var0 = oom.chunked_pearson_residual_variance(disk.layers["counts"])
    np.testing.assert_allclose(variance, residuals.var(0), rtol=1e-5)
    np.testing.assert_allclose(var0, X.astype(float).var(0), rtol=1e-6)


def test_w8_metadata(on_disk, tmp_path):
    adata = rich()
    adata.obs["numbers"] = pd.Categorical(np.arange(60) % 3, categories=[2, 0, 1])
    adata.obs["obs_names"] = adata.obs["id"]
    disk = on_disk(adata)
    assert list(disk.obs["group"].cat.categories) == ["c", "b", "a", "unused"] and disk.obs["group"].cat.ordered
    assert list(disk.obs["numbers"].cat.categories) == [2, 0, 1]
    assert disk.obs["nullable"].iloc[1] == 2**60 + 1
    assert disk.obs["id"].iloc[0] + "_x" == "id0_x" and not isinstance(disk.obs["id"].dtype, pd.CategoricalDtype)
    assert disk.obs.index.name == "barcode"
    part = disk[disk.obs["group"] != "b"]
    assert list(part.obs["group"].cat.categories) == ["c", "a"]
    assert list(part.uns["group_colors"]) == ["#000001", "#000003"]
    assert list(disk.uns["group_colors"]) == ["#000001", "#000002", "#000003", "#000004"]
    disk.write(tmp_path / "out.h5ad")
    assert ad.read_h5ad(tmp_path / "out.h5ad").obs.index.name == "barcode"


def test_w9_log1p_and_dtypes(on_disk, disk, X):
    oom.chunked_log1p(disk)
    oom.chunked_log1p(disk)
    np.testing.assert_allclose(dense(disk.X[:]), np.log1p(np.log1p(X)), rtol=1e-6)
    whole = on_disk(counts(dtype="int32"))
    oom.chunked_log1p(whole)
    assert whole.X[:].dtype == whole.X.dtype == next(whole.X.chunked())[2].dtype == np.float32
    double = on_disk(counts(dtype="float64"))
    oom.chunked_log1p(double)
    assert double.X[:].dtype == np.float64
    big = on_disk(ad.AnnData(np.full((2, 2), 16777217, dtype="float64")))
    assert big.obs_vector("0")[0] == 16777217
    nan = on_disk(ad.AnnData(np.array([[1, np.nan], [1, 1]], dtype="float32")))
    with pytest.raises(ValueError, match="row 0, column 1"):
        oom.chunked_normalize_total(nan)


def test_w10_no_stale_cache(disk, X):
    disk.cache_X()
    oom.chunked_normalize_total(disk, target_sum=10)
    np.testing.assert_allclose(disk.obs_vector("12"), X[:, 12] / X.sum(1) * 10, rtol=1e-5)
    disk._inplace_subset_var(np.arange(30) >= 10)
    np.testing.assert_allclose(disk.obs_vector("12"), X[:, 12] / X.sum(1) * 10, rtol=1e-5)
    disk._inplace_subset_obs(np.arange(80) < 7)
    assert len(disk.obs_vector("12")) == 7


def test_w11_raw_follows_cells(disk):
    disk.raw = disk
    disk._inplace_subset_obs(np.arange(80) < 40)
    assert disk.raw.shape == (40, 30)
    disk._inplace_subset_obs(np.array(["3", "1"]))
    assert list(disk.obs_names) == ["3", "1"] and disk.raw.shape == (2, 30)


def test_w12_centered_sparse_clips_both_sides(X):
    mean, std = X.mean(0), X.std(0, ddof=1)
    array = oom.CenteredSparseArray(sparse.csr_matrix(X), mean, std, max_value=0.5)
    expected = scaled(X.astype(float), 0.5)
    np.testing.assert_allclose(array.toarray(), expected, atol=1e-6)
    b = np.random.default_rng(0).normal(size=(30, 4))
    np.testing.assert_allclose(array @ b, expected @ b, atol=1e-5)
    np.testing.assert_allclose(b.T[:, :30] @ array.T, b.T @ expected.T, atol=1e-5)
    c = np.random.default_rng(0).normal(size=(4, 80))
    np.testing.assert_allclose(array.__rmatmul__(c), c @ expected, atol=1e-5)
    np.testing.assert_allclose(array[:, [3, 1]].toarray(), expected[:, [3, 1]], atol=1e-6)


def test_d1_write_over_the_source(disk, X):
    disk.obs["new"] = 1
    disk.write(disk.filename)
    assert ad.read_h5ad(disk.filename).obs["new"].sum() == 80
    np.testing.assert_array_equal(dense(disk.X[:]), X)  # still reads what it had open


def test_d2_raw_survives_subsets(disk, X, tmp_path):
    disk.raw = disk
    disk.write(tmp_path / "raw.h5ad")
    disk = oom.read(tmp_path / "raw.h5ad")
    disk[:10]
    gc.collect()
    np.testing.assert_array_equal(dense(disk.raw.X[:]), X)
    disk.write(tmp_path / "again.h5ad")
    np.testing.assert_array_equal(dense(ad.read_h5ad(tmp_path / "again.h5ad").raw.X), X)


def test_d3_write_keeps_everything(on_disk, tmp_path):
    disk = on_disk(rich(dtype="int8"))
    disk[::2].write(tmp_path / "out.h5ad")
    again = ad.read_h5ad(tmp_path / "out.h5ad")
    assert sparse.issparse(again.X) and again.X.dtype == np.int8
    assert sparse.issparse(again.layers["counts"]) and again.layers["counts"].dtype == np.int8
    assert "genes" in again.varp and isinstance(again.obsm["frame"], pd.DataFrame)
    assert isinstance(again.uns["nested"]["frame"], pd.DataFrame)


def test_d4_no_sidecars(disk):
    folder = os.path.dirname(disk.filename)
    before = sorted(os.listdir(folder))
    assert "x" not in disk.layers
    disk.layers["x"] = np.ones((80, 30))
    for _ in range(3):
        disk[:10].layers["x"]
    assert sorted(os.listdir(folder)) == before


def test_d5_modes_that_persist_nothing_are_refused(disk):
    with pytest.raises(ValueError, match="backed"):
        oom.read(disk.filename, backed="r+")


def test_l1_arrays_keep_their_file(on_disk, X):
    np.testing.assert_array_equal(dense(on_disk(counts()).X[:]), X)
    o = on_disk(counts())
    o = o[:50]
    gc.collect()
    np.testing.assert_array_equal(dense(o.X[:]), X[:50])
    part = o[:5].copy()
    o.close()
    del o
    gc.collect()
    np.testing.assert_array_equal(dense(part.X[:]), X[:5])


def test_l2_copies_are_separate(disk):
    disk.obsm["a"] = np.zeros((80, 2))
    disk.uns["d"] = {"x": [1]}
    for other in (disk.copy(), disk[:, :], disk[:, :10]):
        other.layers["new"] = other.X
        other.obsm["a"][:] = 7
        other.uns["d"]["x"].append(2)
        other.obs["new"] = 1
    assert "new" not in disk.layers and "new" not in disk.obs
    assert (disk.obsm["a"] == 0).all() and disk.uns["d"]["x"] == [1]


@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
def test_f1_filters(on_disk, X, compression):
    np.testing.assert_array_equal(dense(on_disk(counts(), compression=compression).X[:]), X)


def test_f2_damage_is_an_exception(tmp_path, on_disk):
    for path in (tmp_path / "none.h5ad", tmp_path):
        with pytest.raises(Exception, match=str(path)):
            oom.read(path)
    o = on_disk(counts())
    name = o.filename
    with pytest.raises(IndexError):
        o.X[80]
    assert o.X[-1].shape == (1, 30)
    del o
    gc.collect()
    with h5py.File(name, "r+") as f:
        start, end = f["X/indptr"][:2]
        f["X/indices"][start:end] = f["X/indices"][start:end][::-1]
        f["uns"].create_group("odd").attrs["encoding-type"] = "made-up"
    unsorted = oom.read(name)
    np.testing.assert_array_equal(np.sort(dense(unsorted.X[0]).ravel()), np.sort(dense(counts().X[0]).ravel()))
    with pytest.raises(Exception, match="made-up") as e:
        unsorted.uns["odd"]
    assert name in str(e.value) and "uns/odd" in str(e.value)


def test_f3_nothing_is_dropped(on_disk, tmp_path):
    adata = rich()
    disk = on_disk(adata)
    assert disk.uns["nested"]["rec"].dtype.names == ("a", "b") and "cat" in disk.uns["nested"]
    name = disk.filename
    del disk
    gc.collect()
    with h5py.File(name, "r+") as f:
        f["obs/score"].attrs["encoding-type"] = "made-up"
    broken = oom.read(name)
    with pytest.warns(UserWarning, match="score"):
        obs = broken.obs
    assert "score" not in obs and {"group", "count", "flag"} <= set(obs.columns)


def test_b1_iteration_ends(disk, X):
    assert len(list(disk.X)) == 80
    np.testing.assert_array_equal(np.asarray(disk.X), X)
    for call in (lambda: iter(disk), lambda: disk == 3):
        with pytest.raises((TypeError, NotImplementedError)):
            call()


def test_b2_isinstance(disk):
    import functools

    @functools.singledispatch
    def kind(x):
        return "other"

    kind.register(ad.AnnData, lambda x: "anndata")
    assert isinstance(disk, ad.AnnData) and kind(disk) == "anndata" and type(disk).__name__ == "AnnDataOOM"


def test_b3_guard(disk):
    @oom.oom_guard(result_keys_uns=["*"], result_keys_obs=["made"], result_keys_obsp=["*"], result_keys_obsm=["*"])
    def tool(adata, value):
        adata.uns["result"] = value
        adata.obs["made"] = value
        adata.obsp["g"] = sparse.eye(adata.n_obs, format="csr") * value
        adata.obsm["s"] = sparse.csr_matrix(np.full((adata.n_obs, 2), value))

    for value in (1, 2):
        with pytest.warns(UserWarning, match="80 x 30"):
            tool(disk, value)
        assert disk.uns["result"] == value and (disk.obs["made"] == value).all()
        assert sparse.issparse(disk.obsp["g"]) and disk.obsp["g"].sum() == 80 * value
        assert sparse.issparse(disk.obsm["s"])

    @oom.oom_guard(materialize=False, suggest="use pp.pca")
    def refused(adata):
        raise AssertionError

    with pytest.raises(NotImplementedError, match="use pp.pca"):
        refused(disk)


def test_robust_genes_keep_the_object(on_disk):
    adata = counts()
    x = adata.X.tolil()
    x[:, 4] = 0
    adata.X = x.tocsr()
    disk = on_disk(adata)
    same = disk
    disk.layers["counts"] = disk.X
    oom.chunked_identify_robust_genes(disk, percent_cells=0.05)
    assert same is disk and disk.n_vars == 29 and disk.layers["counts"].shape == (80, 29)
    assert {"n_cells", "percent_cells", "robust", "highly_variable_features"} <= set(disk.var)


def test_scrublet_prepare(disk, X):
    part, mask, n = oom.chunked_scrublet_prepare(disk, n_top_genes=10)
    assert type(part).__name__ == "AnnData" and mask.sum() == n == part.n_vars >= 10
    np.testing.assert_array_equal(dense(part.X), X[:, [int(v) for v in part.var_names]])


def test_dispersion_and_residual_layers(disk, X):
    oom.chunked_normalize_total(disk)
    oom.chunked_log1p(disk)
    oom.chunked_highly_variable_genes_dispersion(disk, flavor="seurat", n_top_genes=9)
    # As scanpy does, genes that tie with the last one chosen are chosen too.
    chosen, score = disk.var["highly_variable"], disk.var["dispersions_norm"]
    assert (chosen == (score >= score.nlargest(9).iloc[-1])).all()
    oom.chunked_normalize_pearson_residuals(disk, layer="counts")
    mu = np.outer(X.sum(1), X.sum(0)) / X.sum()
    expected = np.clip((X - mu) / np.sqrt(mu + mu**2 / 100), -np.sqrt(80), np.sqrt(80))
    np.testing.assert_allclose(disk.layers["counts"][:], expected, rtol=1e-4, atol=1e-5)


def test_gene_groups(disk, X):
    mask = np.arange(30) < 5
    np.testing.assert_allclose(oom.chunked_gene_group_pct(disk, mask), X[:, :5].sum(1) / X.sum(1), rtol=1e-6)
