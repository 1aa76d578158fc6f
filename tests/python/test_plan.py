"""Tests explain, index_columns, and obs_vector with several names."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import anndataoom as oom


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    X = sparse.random(200, 40, 0.3, "csr", dtype=np.float32, random_state=0, data_rvs=lambda n: rng.integers(1, 9, n))
    adata = ad.AnnData(X)
    adata.var_names = [f"g{i}" for i in range(40)]
    adata.layers["counts"] = X.copy()
    adata.obs["score"] = np.arange(200.0)
    adata.write_h5ad(tmp_path / "x.h5ad", compression="gzip")
    return tmp_path / "x.h5ad"


def test_explain_prints_the_plan(path, capsys):
    adata = oom.read(path)
    assert oom.explain(adata) is None
    text = capsys.readouterr().out
    assert "plan for" in text and "200 x 40 csr float32" in text and "pca" in text
    oom.pp.calculate_qc_metrics(adata, percent_top=None, inplace=True)
    adata.explain()
    assert "known" in capsys.readouterr().out
    adata.explain("counts")
    assert "layers/counts" in capsys.readouterr().out


def test_several_names(path):
    adata, memory = oom.read(path), ad.read_h5ad(path)
    found = adata.obs_vector(["g7", "score", "g3"])
    assert list(found.columns) == ["g7", "score", "g3"] and found.index.equals(memory.obs_names)
    for name in found:
        np.testing.assert_array_equal(found[name], memory.obs_vector(name))
    with pytest.raises(KeyError, match="nothing"):
        adata.obs_vector(["g7", "nothing"])


def test_the_index_changes_no_value(path, tmp_path):
    adata, memory = oom.read(path), ad.read_h5ad(path)
    beside = sorted(p.name for p in path.parent.iterdir())
    folder = tmp_path / "elsewhere" / "index"
    index = oom.index_columns(adata, folder)
    assert index == oom.index_columns(oom.read(path), folder)
    oom.index_columns(adata, folder, layer="counts")
    for layer in (None, "counts"):
        found = adata[::-3].obs_vector(["g7", "g3"], layer=layer)
        np.testing.assert_array_equal(found["g7"], memory[::-3].obs_vector("g7"))
    assert sorted(p.name for p in path.parent.iterdir()) == sorted([*beside, "elsewhere"])
    with pytest.raises(RuntimeError, match="in memory"):
        oom.index_columns(oom.AnnDataOOM(memory), folder)
