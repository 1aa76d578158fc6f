"""Tests numbers that version 0.1.8 computed wrongly, and its functions, by the labels of the list
of faults."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from conftest import counts, dense
from scipy import sparse

import anndataoom as oom


def test_row_order(disk, X, tmp_path):
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


def test_scaled_rows(disk, X):
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


def test_mean_and_var(disk, X):
    for axis in (0, 1):
        np.testing.assert_allclose(disk.X.mean(axis=axis), X.mean(axis), rtol=1e-6)
        np.testing.assert_allclose(disk.X.var(axis=axis), X.astype(float).var(axis), rtol=1e-6)


@pytest.mark.parametrize("dtype, scale", [("uint8", 20), ("int32", 60000), ("float32", 1)])
def test_accumulation(on_disk, dtype, scale):
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


def test_pca(disk, X):
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
    # The genes used depend neither on a subset of cells nor on the size of the matrix.
    assert oom.chunked_pca(disk[:40], n_comps=3)[1].shape == (3, 15)
    for options in ({"materialize_threshold_gb": 0.0}, {"use_implicit_centering": False}):
        found = oom.chunked_pca(disk, n_comps=6, **options)
        np.testing.assert_allclose(found[1], components, atol=1e-6)
        np.testing.assert_allclose(found[0], x_pca, atol=1e-5)
    with pytest.raises(KeyError):
        oom.chunked_pca(disk, layer="nothing")


def test_explicit_zeros(on_disk):
    x = sparse.csr_matrix(np.array([[1.0, 2.0, 3.0], [0.0, 4.0, 0.0]]))
    x.data[0] = 0
    disk = on_disk(ad.AnnData(x))
    oom.chunked_qc_metrics(disk)
    assert disk.obs["detected_genes"].tolist() == [2, 1] and disk.var["n_cells"].tolist() == [0, 2, 1]
    assert disk.X.getnnz(axis=1).tolist() == [2, 1] and disk.X.nnz == 3


def test_pearson(disk, X):
    disk.layers["counts"] = disk.X
    for n_top in (1, 7):
        oom.chunked_highly_variable_genes_pearson(disk, n_top_genes=n_top)
        assert disk.var["highly_variable"].sum() == n_top
    rank = disk.var["highly_variable_rank"]
    assert sorted(rank.dropna()) == list(range(7)) and rank.isna().sum() == 23
    np.testing.assert_allclose(disk.var["variances"], X.astype(float).var(0, ddof=1), rtol=1e-6)
    assert disk.uns["hvg"]["flavor"] == "pearson_residuals"
    chosen = set(disk.var_names[disk.var["highly_variable"]])
    # After normalisation X no longer has counts: they are found where normalize_total left them.
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
    """Computes the residual variances of a batch by closed form, clipped at the square root of its
    own number of cells."""
    mu = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    clip = np.sqrt(len(counts))
    # Without counts there is nothing to explain, so the residual is 0.
    residuals = np.divide(counts - mu, np.sqrt(mu + mu**2 / 100), out=np.zeros_like(mu), where=mu > 0)
    return np.clip(residuals, -clip, clip).var(0)


def test_pearson_batches(on_disk):
    """Checks that variances are the means over batches. Each batch clips at its own size, as the
    paper and scanpy's documentation say; scanpy 1.11 clips every batch at the size of the first."""
    adata = counts()
    adata.obs["batch"] = pd.Categorical(np.where(np.arange(80) % 2, "b", "a"))
    disk = on_disk(adata)
    oom.chunked_highly_variable_genes_pearson(disk, n_top_genes=7, batch_key="batch")
    X = dense(adata.X).astype(float)
    expected = np.mean([residual_variances(X[::2]), residual_variances(X[1::2])], axis=0)
    np.testing.assert_allclose(disk.var["residual_variances"], expected, rtol=1e-5)
    assert disk.var["highly_variable"].sum() == 7 and disk.var["highly_variable_nbatches"].max() == 2


def test_sums_are_those_of_the_matrix(disk, X):
    """Checks that the sums that normalising recorded are used for its cells only: another block of
    the same shape gets its own."""
    oom.chunked_normalize_total(disk)
    noted = dict(disk.uns["_pearson_precompute"])
    first, second = disk[:40], disk[40:]
    noted.update(n_obs=40, sums_cells=noted["sums_cells"][:40])
    second.uns["_pearson_precompute"] = noted
    oom.chunked_highly_variable_genes_pearson(second, n_top_genes=7, layer="counts")
    np.testing.assert_allclose(second.var["residual_variances"], residual_variances(X[40:].astype(float)), rtol=1e-5)
    found, _, _ = oom.chunked_pearson_residual_variance(first.layers["counts"], precomputed=noted)
    np.testing.assert_allclose(found, residual_variances(X[:40].astype(float)), rtol=1e-5)


def test_log1p_and_dtypes(on_disk, disk, X):
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


def test_no_stale_cache(disk, X):
    disk.cache_X()
    oom.chunked_normalize_total(disk, target_sum=10)
    np.testing.assert_allclose(disk.obs_vector("12"), X[:, 12] / X.sum(1) * 10, rtol=1e-5)
    disk._inplace_subset_var(np.arange(30) >= 10)
    np.testing.assert_allclose(disk.obs_vector("12"), X[:, 12] / X.sum(1) * 10, rtol=1e-5)
    disk._inplace_subset_obs(np.arange(80) < 7)
    assert len(disk.obs_vector("12")) == 7


def test_centered_sparse_clips_both_sides(X):
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
    # As in scanpy, genes that tie with the last chosen one are chosen too.
    chosen, score = disk.var["highly_variable"], disk.var["dispersions_norm"]
    assert (chosen == (score >= score.nlargest(9).iloc[-1])).all()
    oom.chunked_normalize_pearson_residuals(disk, layer="counts")
    mu = np.outer(X.sum(1), X.sum(0)) / X.sum()
    expected = np.clip((X - mu) / np.sqrt(mu + mu**2 / 100), -np.sqrt(80), np.sqrt(80))
    np.testing.assert_allclose(disk.layers["counts"][:], expected, rtol=1e-4, atol=1e-5)


def test_gene_groups(disk, X):
    mask = np.arange(30) < 5
    np.testing.assert_allclose(oom.chunked_gene_group_pct(disk, mask), X[:, :5].sum(1) / X.sum(1), rtol=1e-6)
