"""Compares scores of gene sets with scanpy's, with the control genes that scanpy samples."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE
from test_markers import logarithms

import anndataoom as oom


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
def test_scores_are_scanpys(on_disk, fmt):
    adata = logarithms(EXAMPLE, fmt)
    if fmt != "csr":
        # scanpy adds up float32 in float32 for these layouts.
        adata.X = adata.X.astype(np.float64)
    adata.layers["double"] = adata.X * 2
    opened = on_disk(adata)
    genes, rng = list(adata.var_names), np.random.default_rng(0)
    sets = {f"set{k}": list(rng.choice(genes, 5 + 9 * k, replace=False)) for k in range(6)}
    pool = list(rng.choice(genes, 900, replace=False))
    for args in [
        {},
        {"random_state": 7, "n_bins": 10, "ctrl_size": 20},
        {"ctrl_as_ref": False},
        {"gene_pool": [*pool, *sets["set0"], *sets["set1"]], "ctrl_size": 5},
        {"layer": "double"},
    ]:
        some = dict(list(sets.items())[:2]) if "gene_pool" in args else sets
        oom.tl.score_genes(opened, some, **args)
        for name, members in some.items():
            sc.tl.score_genes(adata, members, score_name=name, **args)
            found, expected = opened.obs[name], adata.obs[name]
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
            assert found.dtype == expected.dtype == np.float64
    oom.tl.score_genes(opened, sets["set3"])
    np.testing.assert_array_equal(opened.obs["score"], oom.tl.score_genes(opened, sets["set3"], copy=True).obs["score"])


def test_cell_cycle_is_scanpys(on_disk):
    adata = logarithms(EXAMPLE)
    opened = on_disk(adata)
    s, g2m = list(adata.var_names[5:30]), list(adata.var_names[40:80])
    sc.tl.score_genes_cell_cycle(adata, s_genes=s, g2m_genes=g2m)
    oom.tl.score_genes_cell_cycle(opened, s_genes=s, g2m_genes=g2m)
    for key in ("S_score", "G2M_score"):
        np.testing.assert_allclose(opened.obs[key], adata.obs[key], rtol=1e-6, atol=1e-6)
    assert (opened.obs["phase"].astype(str) == adata.obs["phase"].astype(str)).all()
    assert set(opened.obs["phase"]) == {"S", "G2M", "G1"}


def test_raw_and_genes_that_are_missing(on_disk):
    adata = logarithms(EXAMPLE)
    adata.raw = adata.copy()
    small = adata[:, :200].copy()
    opened = on_disk(small)
    genes = [*adata.var_names[300:310], "nobody"]
    with pytest.warns(UserWarning, match="1 gene is not in the matrix and left out: 'nobody'"):
        oom.tl.score_genes(opened, genes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.score_genes(small, genes)
    np.testing.assert_allclose(opened.obs["score"], small.obs["score"], rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="at least one in the set 'score', found 'nobody'"):
        oom.tl.score_genes(opened, ["nobody"])
    with pytest.raises(ValueError, match="random_state must be a whole number up to 4294967295"):
        oom.tl.score_genes(opened, genes[:3], random_state=2**32)
    with pytest.raises(ValueError, match="n_bins"):
        oom.tl.score_genes(opened, genes[:3], n_bins=10_000)
    with pytest.raises(ValueError, match="gene_list: expected names of genes"):
        oom.tl.score_genes(opened, {"a": [1, 2]})
    bad = adata.X.toarray()
    bad[2, 3] = np.nan
    bad = on_disk(sc.AnnData(bad, obs=pd.DataFrame(index=adata.obs_names), var=pd.DataFrame(index=adata.var_names)))
    with pytest.raises(ValueError, match="finite"):
        oom.tl.score_genes(bad, list(adata.var_names[:3]))


def test_rank_scores_are_areas_of_recovery(on_disk):
    """Compares scores with their definition, as the mean over all orders of genes of equal value."""
    adata = logarithms(EXAMPLE)[:60, :400].copy()
    genes, rng = list(adata.var_names), np.random.default_rng(0)
    sets = {f"set{k}": list(rng.choice(genes, 4 + 7 * k, replace=False)) for k in range(4)}
    opened = on_disk(adata)
    oom.tl.score_aucell(opened, sets, auc_threshold=0.1)
    last, x = 40, adata.X.toarray()

    def area(ranks):
        ranks = np.sort(ranks[ranks < last])
        return float((np.diff(np.r_[ranks, last]) * np.arange(1, len(ranks) + 1)).sum())

    for name, members in sets.items():
        at = adata.var_names.get_indexer(members)
        most = area(np.arange(1, len(at) + 1))
        mean = np.zeros(adata.n_obs)
        for _ in range(300):
            order = rng.permutation(adata.n_vars)
            ranks = np.empty(x.shape, dtype=int)
            for i, row in enumerate(x):
                ranks[i, order[np.argsort(-row[order], kind="stable")]] = np.arange(1, adata.n_vars + 1)
            mean += [area(row[at]) / most / 300 for row in ranks]
        np.testing.assert_allclose(opened.obs[name], mean, atol=0.06)
        assert abs((opened.obs[name] - mean).mean()) < 0.005
    one = oom.tl.score_aucell(opened, sets["set2"], auc_threshold=0.1, copy=True)
    np.testing.assert_array_equal(one.obs["aucell"], opened.obs["set2"])
    with pytest.warns(UserWarning, match="score_aucell: 1 gene is not in the matrix and left out: 'nobody'"):
        oom.tl.score_aucell(opened, ["nobody", *sets["set0"]])
    with pytest.raises(ValueError, match="gene_list .*at least one in the set 'aucell'"):
        oom.tl.score_aucell(opened, ["nobody"])
    with pytest.raises(ValueError, match="auc_threshold"):
        oom.tl.score_aucell(opened, sets, auc_threshold=0)
