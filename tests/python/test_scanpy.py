"""Checks that scanpy's own functions on an `AnnDataOOM` give the results in memory, and that none
hangs.

A function that looks at single genes reads these genes. A function that computes gets the matrix in
memory once, with a warning of its size.
"""

import signal
import warnings

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE, dense

import anndataoom as oom

matplotlib.use("Agg")
SECONDS = 120


@pytest.fixture(autouse=True)
def ends():
    """Checks that no call takes longer than `SECONDS`."""

    def late(*_):
        raise TimeoutError(f"no end after {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    matplotlib.pyplot.close("all")


def prepared(adata, pp):
    pp.normalize_total(adata, target_sum=1e4)
    pp.log1p(adata)
    adata.obs["cell_type"] = adata.obs["cell_type"].astype("category")
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(adata.n_obs, 2)).astype("float32")
    return adata


@pytest.fixture
def both():
    return prepared(ad.read_h5ad(EXAMPLE), sc.pp), prepared(oom.read(EXAMPLE), oom.pp)


GENES = [0, 5, 30, 60]
COMPUTE = {
    "calculate_qc_metrics": lambda a, g: sc.pp.calculate_qc_metrics(a, inplace=True, percent_top=[20], log1p=False),
    "score_genes": lambda a, g: sc.tl.score_genes(a, g),
    "rank_genes_groups": lambda a, g: sc.tl.rank_genes_groups(a, "cell_type", method="t-test", n_genes=10),
    "rank_genes_groups wilcoxon": lambda a, g: sc.tl.rank_genes_groups(a, "cell_type", method="wilcoxon", n_genes=10),
    "highly_variable_genes": lambda a, g: sc.pp.highly_variable_genes(a, n_top_genes=50),
    "normalize_total": lambda a, g: sc.pp.normalize_total(a, target_sum=1),
    "log1p": lambda a, g: sc.pp.log1p(a),
    "scale": lambda a, g: sc.pp.scale(a, max_value=3),
    "filter_genes": lambda a, g: sc.pp.filter_genes(a, min_cells=60),
    "filter_cells": lambda a, g: sc.pp.filter_cells(a, min_genes=400),
    "dendrogram": lambda a, g: sc.tl.dendrogram(a, "cell_type", use_rep="X_umap"),
}


@pytest.mark.parametrize("name", COMPUTE)
def test_what_computes(both, name):
    memory, disk = both
    genes = list(memory.var_names[GENES])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        COMPUTE[name](memory, genes)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        COMPUTE[name](disk, genes)
    ours = [w for w in seen if "works in memory" in str(w.message)]
    # There is one warning for each time that X is read. Some functions ask several times; `with
    # disk.X.in_memory():` reads X once.
    assert ours and all("700 x 2,000 values are read (" in str(w.message) for w in ours)
    assert {w.filename for w in ours} == {__file__}
    assert oom.is_oom(disk) and disk.shape == memory.shape
    np.testing.assert_allclose(dense(disk.X[:]), dense(memory.X), rtol=2e-4, atol=2e-5)
    for axis in ("obs", "var"):
        found, expected = getattr(disk, axis), getattr(memory, axis)
        assert list(found.columns) == list(expected.columns)
        for column in expected.select_dtypes("number"):
            np.testing.assert_allclose(found[column], expected[column], rtol=1e-3, atol=1e-4, err_msg=column)
    if "rank_genes_groups" in memory.uns:
        tables = (pd.DataFrame(a.uns["rank_genes_groups"]["names"]) for a in both)
        assert (next(tables) == next(tables)).to_numpy().mean() > 0.97


LOOK = {
    "obs_df": lambda a, g: sc.get.obs_df(a, [*g, "cell_type"]),
    "umap": lambda a, g: sc.pl.umap(a, color=["cell_type", g[0]], show=False),
    "dotplot": lambda a, g: sc.pl.dotplot(a, g, "cell_type", show=False),
    "violin": lambda a, g: sc.pl.violin(a, g[:2], "cell_type", show=False),
    "stacked_violin": lambda a, g: sc.pl.stacked_violin(a, g, "cell_type", show=False),
    "heatmap": lambda a, g: sc.pl.heatmap(a, g, "cell_type", show=False),
    "matrixplot": lambda a, g: sc.pl.matrixplot(a, g, "cell_type", show=False),
    "tracksplot": lambda a, g: sc.pl.tracksplot(a, g, "cell_type", show=False),
    "scatter": lambda a, g: sc.pl.scatter(a, g[0], g[1], show=False),
}


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("name", LOOK)
def test_what_looks_at_genes(both, name, raw):
    """Checks that functions that look at single genes agree and do not read X into memory."""
    memory, disk = both
    genes = list(memory.var_names[GENES])
    if raw:
        memory.raw, disk.raw = memory, disk
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found, expected = (LOOK[name](a, genes) for a in (disk, memory))
    assert not [w for w in seen if "memory" in str(w.message)]
    if name == "obs_df":
        pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


def test_others_get_the_lazy_matrix(both):
    """Checks that code outside scanpy gets the array on disk as X."""
    assert isinstance(both[1].X, oom.BackedArray)
    assert isinstance(sc.get.obs_df(both[1]), pd.DataFrame)
