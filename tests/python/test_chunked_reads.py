"""Counts how often the functions of version 0.1.8 read the matrix, beside the verbs of pp."""

import pickle

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import anndataoom as oom


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(oom.settings, "scratch", 0)
    rng = np.random.default_rng(0)
    counts = sparse.random(3000, 390, 0.2, dtype=np.float32, random_state=0, data_rvs=lambda n: rng.integers(1, 9, n))
    # The last genes have no counts.
    X = sparse.hstack([counts, sparse.csr_matrix((3000, 10), dtype=np.float32)], "csr")
    ad.AnnData(X).write_h5ad(tmp_path / "x.h5ad", compression="gzip")
    return tmp_path / "x.h5ad"


def passes(adata, function, *args, **kwargs):
    """Returns how many times a call decoded all chunks of X."""

    def decoded():
        return adata.X._m.info()["decoded"]

    before = decoded()
    function(adata, *args, **kwargs)
    return (decoded() - before) / adata.X._m.info()["chunks"]


def test_quality_control_reads_once_and_what_follows_nothing(path):
    adata = oom.read(path)
    adata.var["mt"], adata.var["ribo"] = np.arange(400) % 9 == 0, np.arange(400) % 11 == 0
    assert passes(adata, oom.chunked_qc_metrics) == 1
    for name in ("mt", "ribo"):
        mask = adata.var[name].to_numpy()
        assert passes(adata, oom.chunked_gene_group_pct, mask) == 0
        x = ad.read_h5ad(path).X.astype(float)
        expected = np.ravel(x[:, mask].sum(1)) / np.ravel(x.sum(1))
        np.testing.assert_allclose(oom.chunked_gene_group_pct(adata, mask), expected, rtol=1e-12)
    assert passes(adata, oom.chunked_gene_group_pct, np.arange(400) < 7) == 1
    assert passes(adata, oom.pp.filter_cells, min_genes=10) == 0
    adata._inplace_subset_obs(np.arange(adata.n_obs) % 10 > 0)
    # The genes without counts go, which changes no sum of a cell.
    assert 0.9 < passes(adata, oom.chunked_identify_robust_genes) <= 1 and adata.n_vars == 390
    assert passes(adata, oom.chunked_normalize_total) == 0
    assert passes(adata, lambda adata: adata.uns["_pearson_precompute"]) == 0
    assert passes(adata, oom.chunked_highly_variable_genes_pearson, n_top_genes=50) <= 1


def test_sums_for_pearson_residuals_are_computed_when_they_are_used(path, tmp_path):
    adata = oom.read(path)
    assert passes(adata, oom.chunked_normalize_total) == 1
    kept, part = adata.copy(), adata[:100]
    saved = pickle.loads(pickle.dumps(adata))
    assert passes(adata, lambda adata: adata.uns["_pearson_precompute"]) == 1
    assert passes(adata, lambda adata: adata.uns["_pearson_precompute"]) == 0
    x = ad.read_h5ad(path).X.astype(float)
    for other in (adata, kept, part, saved):
        sums = other.uns["_pearson_precompute"]
        assert type(sums) is dict and (sums["n_obs"], sums["n_vars"]) == (3000, 400)
        np.testing.assert_array_equal(sums["sums_cells"], np.ravel(x.sum(1)))
        np.testing.assert_allclose(sums["sq_sums_genes"], np.ravel(x.multiply(x).sum(0)), rtol=1e-12)
    fresh = oom.read(path)
    oom.chunked_normalize_total(fresh)
    fresh.write(tmp_path / "y.h5ad")
    written = ad.read_h5ad(tmp_path / "y.h5ad").uns["_pearson_precompute"]
    np.testing.assert_array_equal(written["sums_genes"], np.ravel(x.sum(0)))


def test_the_same_file_is_not_read_again_for_the_same_metrics(path):
    first, second = oom.read(path), oom.read(path)
    for adata, expected in ((first, 1), (second, 0)):
        metrics = dict(percent_top=None, inplace=True)
        assert passes(adata, oom.pp.calculate_qc_metrics, **metrics) == expected
    assert first.obs.equals(second.obs) and first.var.equals(second.var)
    assert passes(second, oom.pp.normalize_total) == 0


def test_a_selection_of_all_is_none(path, capsys):
    adata = oom.read(path)
    oom.pp.filter_cells(adata, min_genes=0)
    assert adata[:, np.ones(400, dtype=bool)].X._m.info()["queued"] == []
    oom.explain(adata)
    assert "queued" not in capsys.readouterr().out
