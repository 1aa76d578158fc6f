"""Checks that results have the same bits with packed rows and without, and that the setting
`scratch` bounds them."""

import anndata as ad
import numpy as np
import pytest
from conftest import EXAMPLE
from scipy import sparse

import anndataoom as oom


def pipeline(path):
    """Returns the results of verbs that read the matrix, one after the other."""
    adata = oom.read(path)
    sums = [np.asarray(adata.X.sum(axis=axis)) for axis in (0, 1)]
    metrics = oom.pp.calculate_qc_metrics(adata, percent_top=[20], inplace=False)
    oom.pp.normalize_total(adata)
    oom.pp.log1p(adata)
    oom.tl.rank_genes_groups(adata, "cell_type", method="wilcoxon")
    oom.tl.score_genes(adata, list(adata.var_names[:20]), random_state=0)
    oom.pp.highly_variable_genes(adata, n_top_genes=300)
    some = adata[::2, adata.var["highly_variable"]].copy()
    oom.pp.scale(some, max_value=10)
    oom.pp.pca(some, n_comps=10)
    values = adata[5:40].X.to_memory()
    return [
        *sums,
        *(frame.to_numpy() for frame in metrics),
        adata.uns["rank_genes_groups"]["scores"],
        adata.obs["score"].to_numpy(),
        adata.var["dispersions_norm"].to_numpy(),
        some.obsm["X_pca"],
        values.toarray() if sparse.issparse(values) else values,
    ]


def same(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def test_results_are_the_same_bits(monkeypatch):
    monkeypatch.setattr(oom.settings, "scratch", 0)
    plain = pipeline(EXAMPLE)
    for scratch in (None, 1 << 30, 100_000):
        for threads in (1, 3):
            monkeypatch.setattr(oom.settings, "scratch", scratch)
            monkeypatch.setattr(oom.settings, "threads", threads)
            assert same(plain, pipeline(EXAMPLE))


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    X = sparse.random(3000, 400, 0.1, "csr", dtype=np.float32, random_state=0, data_rvs=lambda n: rng.integers(1, 9, n))
    ad.AnnData(X).write_h5ad(tmp_path / "x.h5ad", compression="gzip")
    return tmp_path / "x.h5ad"


def test_explain_says_what_is_packed(path, capsys, monkeypatch):
    def plan(adata):
        oom.explain(adata)
        return capsys.readouterr().out

    adata = oom.read(path)
    monkeypatch.setattr(oom.settings, "scratch", 0)
    assert "packed" not in plan(adata)
    monkeypatch.setattr(oom.settings, "scratch", None)
    assert "packed   the first pass leaves its rows in a scratch file of at most" in plan(adata)
    adata.X.sum(axis=0)
    assert "packed   all rows, " in plan(adata)
    # The file, opened again, is packed already.
    assert "packed   all rows, " in plan(oom.read(path))
    monkeypatch.setattr(oom.settings, "scratch", 0)
    assert "packed" not in plan(adata)
    with pytest.raises(ValueError, match="settings.scratch must be a whole number, 0 or more, or None, found -1"):
        oom.settings.scratch = -1


def test_a_copy_is_kept_in_a_folder(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(oom.settings, "scratch", 0)
    plain, adata = pipeline(EXAMPLE), oom.read(path)
    folder = tmp_path / "some" / "where"
    copy = oom.pack(adata, folder)
    assert copy == adata.pack(folder) == oom.read(path).X.pack(folder) and copy.endswith(".packed")
    oom.explain(adata)
    assert f"in '{copy}', read in a quarter of the time" in capsys.readouterr().out
    assert [p.name for p in folder.iterdir()] == [copy.rpartition("/")[2]]
    kept = oom.read(EXAMPLE)
    oom.pack(kept, folder)
    assert same(plain, pipeline(EXAMPLE))
    with pytest.raises(RuntimeError, match="is in memory or in several files: only a matrix in one file can be packed"):
        oom.pack(oom.AnnDataOOM(ad.AnnData(np.eye(3))), folder)


def test_a_file_that_changed_is_read_again(path, capsys, monkeypatch):
    monkeypatch.setattr(oom.settings, "scratch", 1 << 30)
    oom.read(path).X.sum(axis=0)
    X = sparse.random(3000, 400, 0.1, "csr", dtype=np.float32, random_state=1)
    ad.AnnData(X).write_h5ad(path, compression="gzip")
    adata = oom.read(path)
    oom.explain(adata)
    assert "packed   the first pass leaves" in capsys.readouterr().out
    for _ in range(2):
        np.testing.assert_allclose(np.ravel(adata.X.sum(axis=0)), np.ravel(X.sum(axis=0)), rtol=1e-6)
