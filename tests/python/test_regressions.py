"""Behaviour found wrong in version 0.1.8, by the labels of the list it was found under."""

import gc
import os
import shutil

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
    oom.chunked_normalize_total(disk, target_sum=20)
    oom.chunked_log1p(disk)
    oom.chunked_scale(disk, max_value=2)
    expected = scaled(np.log1p(X.astype(float) / X.sum(1, keepdims=True) * 20), 2)
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
    x = (dense(counts().X) % 12 * scale).astype(dtype)
    if dtype == "float32":
        x[:, ::2] += 2000  # an offset whose squares are not exact in float32
    disk = on_disk(ad.AnnData(sparse.csr_matrix(x)))
    exact = x.astype(float)
    mean, var = oom.chunked_mean_var(disk)
    np.testing.assert_allclose(mean, exact.mean(0), rtol=1e-12)
    np.testing.assert_allclose(var, exact.var(0, ddof=1), rtol=1e-7)
    np.testing.assert_allclose(disk.X.var(axis=1), exact.var(1), rtol=1e-7)
    oom.chunked_normalize_total(disk)
    sums = disk.uns["_pearson_precompute"]
    np.testing.assert_allclose(sums["sq_sums_genes"], (exact**2).sum(0), rtol=1e-9)
    np.testing.assert_allclose(sums["sums_genes"], exact.sum(0), rtol=1e-12)


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
    # Neither a subset of cells nor the size of the matrix changes which genes are used.
    assert oom.chunked_pca(disk[:40], n_comps=3)[1].shape == (3, 15)
    for options in ({"materialize_threshold_gb": 0.0}, {"use_implicit_centering": False}):
        found = oom.chunked_pca(disk, n_comps=6, **options)
        np.testing.assert_allclose(found[1], components, atol=1e-6)
        np.testing.assert_allclose(found[0], x_pca, atol=1e-5)
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


def residual_variances(counts):
    """Of a batch, by closed form, clipped at the square root of its own number of cells."""
    mu = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    clip = np.sqrt(len(counts))
    # Without counts there is nothing to explain: 0.
    residuals = np.divide(counts - mu, np.sqrt(mu + mu**2 / 100), out=np.zeros_like(mu), where=mu > 0)
    return np.clip(residuals, -clip, clip).var(0)


def test_w7_pearson_batches(on_disk):
    """Variances are the means over batches. Each batch clips at its own size, as the paper and scanpy's text have it;
    scanpy 1.11 clips every batch at the size of the first."""
    adata = counts()
    adata.obs["batch"] = pd.Categorical(np.where(np.arange(80) % 2, "b", "a"))
    disk = on_disk(adata)
    oom.chunked_highly_variable_genes_pearson(disk, n_top_genes=7, batch_key="batch")
    X = dense(adata.X).astype(float)
    expected = np.mean([residual_variances(X[::2]), residual_variances(X[1::2])], axis=0)
    np.testing.assert_allclose(disk.var["residual_variances"], expected, rtol=1e-5)
    assert disk.var["highly_variable"].sum() == 7 and disk.var["highly_variable_nbatches"].max() == 2


def test_w7_sums_are_those_of_the_matrix(disk, X):
    """What normalising noted belongs to its cells: another block of the same shape gets its own sums."""
    oom.chunked_normalize_total(disk)
    noted = dict(disk.uns["_pearson_precompute"])
    first, second = disk[:40], disk[40:]
    noted.update(n_obs=40, sums_cells=noted["sums_cells"][:40])
    second.uns["_pearson_precompute"] = noted
    oom.chunked_highly_variable_genes_pearson(second, n_top_genes=7, layer="counts")
    np.testing.assert_allclose(second.var["residual_variances"], residual_variances(X[40:].astype(float)), rtol=1e-5)
    found, _, _ = oom.chunked_pearson_residual_variance(first.layers["counts"], precomputed=noted)
    np.testing.assert_allclose(found, residual_variances(X[:40].astype(float)), rtol=1e-5)


def test_w8_colours_stay_with_their_clusters(on_disk):
    """Categories in an order of their own keep it: colours are matched by position."""
    adata = counts()
    names = [str(i) for i in range(12)]
    adata.obs["leiden"] = pd.Categorical([str((i * 5 + 5) % 12) for i in range(80)], categories=names)
    adata.uns["leiden_colors"] = [f"#0000{i:02d}" for i in range(12)]
    disk = on_disk(adata)
    assert list(disk.obs["leiden"].cat.categories) == names
    colors = dict(zip(disk.obs["leiden"].cat.categories, disk.uns["leiden_colors"]))
    assert colors == {n: f"#0000{int(n):02d}" for n in names}


def test_w8_metadata(on_disk, tmp_path):
    adata = rich()
    adata.obs["numbers"] = pd.Categorical(np.arange(60) % 3, categories=[2, 0, 1])
    adata.obs["truth"] = pd.Categorical(np.arange(60) % 2 == 0, categories=[True, False])
    adata.obs["obs_names"] = adata.obs["id"]
    disk = on_disk(adata)
    assert list(disk.obs["truth"].cat.categories) == [True, False]
    assert disk.obs["maybe"].dtype == "boolean" and disk.obs["nullable"].dtype == "Int64"
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


def test_d5_r_plus_persists(disk, tmp_path):
    path = shutil.copy(disk.filename, tmp_path / "copy.h5ad")
    changed = oom.read(path, backed="r+")
    changed.obs["new"] = 1
    changed.save()
    assert (ad.read_h5ad(path).obs["new"] == 1).all()


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
    disk = on_disk(counts(), compression=compression)
    np.testing.assert_array_equal(dense(disk.X[:]), X)


@pytest.mark.parametrize(
    "name", ["zstd", "lz4", "blosc-lz4", "blosc-blosclz", "blosc-zstd", "fletcher32", "bitshuffle", "blosc2"]
)
def test_f1_filters_of_plugins(tmp_path, X, name):
    plugin = pytest.importorskip("hdf5plugin")
    options = {
        "zstd": lambda: plugin.Zstd(),
        "lz4": lambda: plugin.LZ4(),
        "bitshuffle": lambda: plugin.Bitshuffle(),
        "blosc2": lambda: plugin.Blosc2(),
        "blosc": lambda: plugin.Blosc(cname=name.partition("-")[2], shuffle=plugin.Blosc.SHUFFLE),
        "fletcher32": lambda: {"fletcher32": True},
    }[name.partition("-")[0]]()
    counts().write_h5ad(tmp_path / "f.h5ad")
    recompress(tmp_path / "f.h5ad", **options)
    disk = oom.read(tmp_path / "f.h5ad")
    np.testing.assert_array_equal(dense(disk.X[:]), X)


def test_f1_filters_not_covered_say_so(tmp_path):
    """A filter that is not built in is an exception that names filter, file and element."""
    plugin = pytest.importorskip("hdf5plugin")
    counts().write_h5ad(tmp_path / "f.h5ad")
    recompress(tmp_path / "f.h5ad", **plugin.BZip2())
    whole = oom.read(tmp_path / "f.h5ad")
    disk = whole[:5]
    assert disk.obs["k"].shape == (5,) and "unreadable" in repr(disk)  # what can be read is read
    with pytest.raises(Exception, match="f.h5ad") as e:
        disk.X[:]
    assert "X/" in str(e.value) and "filter" in str(e.value)


def recompress(path, **options):
    """The arrays of X once more, with other filters."""
    with h5py.File(path, "r+") as f:
        for part in ("data", "indices"):
            values = f[f"X/{part}"][:]
            del f[f"X/{part}"]
            f["X"].create_dataset(part, data=values, chunks=(500,), **options)


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


@pytest.mark.parametrize("damage", ["missing", "text", "directory", "truncated", "no obs"])
def test_f2_not_an_h5ad(tmp_path, damage):
    """Whatever the file is, `except Exception` catches it and its name is in the message."""
    path = tmp_path / "bad.h5ad"
    if damage == "text":
        path.write_text("not HDF5")
    elif damage == "directory":
        path.mkdir()
        (path / ".zgroup").write_text('{"zarr_format": 2}')
    elif damage == "truncated":
        counts().write_h5ad(path)
        path.write_bytes(path.read_bytes()[:3000])
    elif damage == "no obs":
        h5py.File(path, "w").close()
    with pytest.raises(Exception, match="bad.h5ad"):
        oom.read(path)


def test_f2_legacy_and_unusual(on_disk):
    """No encoding attributes; record arrays and nothing at the top of uns; unsorted rows."""
    name = on_disk(counts()).filename
    gc.collect()
    with h5py.File(name, "r+") as f:
        f["uns"].create_dataset("rec", data=np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]))
        empty = f["uns"].create_dataset("none", data=h5py.Empty("f4"))
        empty.attrs["encoding-type"], empty.attrs["encoding-version"] = "null", "0.1.0"
        for group in ("X", "obs", "var"):
            for key in ("encoding-type", "encoding-version"):
                del f[group].attrs[key]
        f["X"].attrs["h5sparse_format"], f["X"].attrs["h5sparse_shape"] = "csr", (80, 30)
    disk = oom.read(name)
    np.testing.assert_array_equal(dense(disk.X[:]), dense(counts().X))
    assert disk.uns["rec"]["b"][0] == 2.5 and disk.uns["none"] is None
    np.testing.assert_array_equal(dense(disk[[-1, -2]].X[:]), dense(counts().X)[[-1, -2]])


def test_f3_results_of_scanpy_survive(on_disk, tmp_path):
    """A test of differential expression is a nested record array."""
    adata = rich()
    table = np.array([("g1", "g2"), ("g3", "g4")], dtype=[("a", "O"), ("b", "O")])
    adata.uns["rank_genes_groups"] = {"params": {"groupby": "group"}, "names": table}
    adata.uns["kinds"] = pd.Categorical(["x", "y", "x"])
    adata.uns["missing"] = pd.array([1, None, 3], dtype="Int64")
    disk = on_disk(adata)
    for again in (disk, oom.read(written(disk, tmp_path))):
        found = again.uns["rank_genes_groups"]["names"]
        assert found.dtype.names == ("a", "b") and [tuple(r) for r in found.tolist()] == [("g1", "g2"), ("g3", "g4")]
        assert list(again.uns["kinds"]) == ["x", "y", "x"]
        assert again.uns["missing"].dtype == "Int64" and pd.isna(again.uns["missing"][1])


def written(disk, folder):
    disk.write(folder / "written.h5ad")
    return folder / "written.h5ad"


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
    part, mask, n = oom.chunked_scrublet_prepare(disk, min_cells=3, min_genes=3)
    assert type(part) is ad.AnnData and 0 < mask.sum() == n == part.n_vars < 30
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


@pytest.fixture
def named(on_disk):
    """Cells c0, c1, ..., genes g0, g1, ... with graphs over both."""
    adata = counts()
    adata.obs_names, adata.var_names = [f"c{i}" for i in range(80)], [f"g{j}" for j in range(30)]
    adata.obsp["graph"] = sparse.random(80, 80, 0.2, format="csr", random_state=1)
    adata.varp["graph"] = sparse.random(30, 30, 0.2, format="csr", random_state=1)
    adata.raw = adata.copy()
    return on_disk(adata)


def test_indexing_of_one_cell(named, X):
    for one, row in ((5, 5), (np.int64(3), 3), (-1, 79), ("c5", 5)):
        np.testing.assert_array_equal(dense(named[one].X[:]), X[[row]])
    np.testing.assert_array_equal(dense(named[0, 0].X[:]), X[:1, :1])
    np.testing.assert_array_equal(dense(named["c2", ["g4", "g1"]].X[:]), X[[2]][:, [4, 1]])


@pytest.mark.parametrize(
    "index, error",
    [
        ("typo", KeyError),
        (np.ones(10, dtype=bool), IndexError),
        ([True, False], IndexError),
        ([0.5], IndexError),
        (np.array([1.7, 2.0]), IndexError),
        ([80], IndexError),
        (-81, IndexError),
    ],
    ids=["name", "short mask", "short list of bools", "fraction", "fractions", "too large", "too small"],
)
def test_indexing_that_is_refused(named, index, error):
    with pytest.raises(error):
        named[index].X[:]


def test_indexing_by_objects_and_duplicate_names(on_disk, named, X):
    mask = np.array([i % 2 == 0 for i in range(80)], dtype=object)
    np.testing.assert_array_equal(dense(named[mask].X[:]), X[::2])
    adata = counts()
    adata.var_names = ["d", "g1", "d", *(f"g{j}" for j in range(3, 30))]
    disk = on_disk(adata)
    np.testing.assert_array_equal(dense(disk[:, ["g5", "g1"]].X[:]), X[:, [5, 1]])
    for call in (lambda: disk[:, ["d", "g1"]], lambda: disk.obs_vector("d")):
        with pytest.raises(KeyError, match="d"):
            call()


def test_indexing_of_raw(named, X):
    np.testing.assert_array_equal(dense(named.raw[:, ["g3", "g1"]].X[:]), X[:, [3, 1]])
    np.testing.assert_array_equal(dense(named.raw[:5].X[:]), X[:5])
    assert named.raw[:5].to_adata().shape == (5, 30)


def test_indexing_of_arrays(named, X):
    np.testing.assert_array_equal(np.asarray(named.X[[1, 2], [3, 4]]).ravel(), X[[1, 2], [3, 4]])
    np.testing.assert_array_equal(dense(named.X[-1]), X[[-1]])
    for axis in (None, -1, 0, 1):
        np.testing.assert_allclose(named.X.sum(axis=axis), X.sum(axis=axis), rtol=1e-6)
    assert named.X.sum() == X.sum()
    with pytest.raises(ValueError):
        list(zip(range(3), named.X.chunked(0)))


def test_indexing_takes_graphs_along(named):
    part = named[[4, 1, 7], ["g9", "g2"]]
    np.testing.assert_array_equal(dense(part.obsp["graph"]), dense(named.obsp["graph"])[np.ix_([4, 1, 7], [4, 1, 7])])
    np.testing.assert_array_equal(dense(part.varp["graph"]), dense(named.varp["graph"])[np.ix_([9, 2], [9, 2])])


def test_indexing_setters_validate(named):
    for slot, value in {
        "obs": pd.DataFrame(index=["a"]),
        "var": pd.DataFrame(index=["a"]),
        "X": np.ones((2, 2)),
        "obs_names": ["a"],
        "var_names": ["a"],
    }.items():
        with pytest.raises(ValueError):
            setattr(named, slot, value)
    for slot in ("obsm", "varm", "obsp", "varp", "layers"):
        with pytest.raises(ValueError):
            getattr(named, slot)["bad"] = np.ones((2, 3))


def test_indexing_names_become_unique(on_disk):
    adata = ad.AnnData(sparse.csr_matrix(np.eye(3)))
    adata.var_names = ["a", "a", "a-1"]
    disk = on_disk(adata)
    disk.var_names_make_unique()
    assert disk.var_names.is_unique and {"a", "a-1"} <= set(disk.var_names)


def test_chunks_of_rows_cost_their_rows(disk, X):
    """Chunks of a subset are those of its rows, each once, however the file stores the matrix."""
    part = disk[disk.obs["k"].to_numpy() % 2 == 0]
    kept = X[disk.obs["k"].to_numpy() % 2 == 0]
    assert [(s, e) for s, e, _ in part.X.chunked(15)] == [(0, 15), (15, 30), (30, 40)]
    np.testing.assert_array_equal(np.concatenate([dense(c) for *_, c in part.X.chunked(15)]), kept)
