"""Compares ranked genes with known markers, and densities of cells, with scanpy's results. R is
tested on the same golden values."""

import json
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE, ROOT
from test_markers import logarithms

import anndataoom as oom

GOLDEN = json.loads((ROOT / "tests" / "golden" / "annotation.json").read_text())


@pytest.fixture(scope="module")
def ranked():
    adata = ad.read_h5ad(EXAMPLE)
    adata.X = np.round(np.log1p(adata.X.toarray().astype(np.float64)) * 64) / 64
    opened = oom.AnnDataOOM(adata)
    oom.tl.rank_genes_groups(opened, "cell_type", method="t-test")
    return opened


@pytest.mark.parametrize("call", GOLDEN["calls"])
def test_overlaps_are_the_golden_ones(ranked, call):
    found = oom.tl.marker_gene_overlap(ranked, GOLDEN["known"], **GOLDEN["calls"][call])
    assert list(found.index) == list(GOLDEN["known"]) and list(found.columns) == GOLDEN["groups"]
    np.testing.assert_allclose(found, GOLDEN["overlaps"][call], rtol=1e-12)


def test_overlaps_are_scanpys(on_disk):
    adata = logarithms(EXAMPLE)
    opened = on_disk(adata)
    for of, run in ((sc, adata), (oom, opened)):
        of.tl.rank_genes_groups(run, "cell_type", method="wilcoxon", n_genes=80, key_added="mine")
    genes = adata.uns["mine"]["names"]
    known = {"a": {*genes["B"][:30], "nobody"}, "b": list(genes["NK"][10:50]) * 2, "c": ["nobody"]}
    for args in [{}, {"method": "jaccard"}, {"method": "overlap_coef", "top_n_markers": 10}, {"normalize": "data"}]:
        expected = sc.tl.marker_gene_overlap(adata, known, key="mine", **args)
        pd.testing.assert_frame_equal(oom.tl.marker_gene_overlap(opened, known, key="mine", **args), expected)
    args = {"normalize": "reference", "adj_pval_threshold": 0}
    with pytest.warns(UserWarning, match="no gene has pvals_adj < 0 in"):
        found = oom.tl.marker_gene_overlap(opened, known, key="mine", inplace=True, key_added="o", **args)
    assert found is None
    pd.testing.assert_frame_equal(opened.uns["o"], sc.tl.marker_gene_overlap(adata, known, key="mine", **args))
    with pytest.warns(UserWarning, match="no effect beside top_n_markers"):
        oom.tl.marker_gene_overlap(opened, known, key="mine", top_n_markers=5, adj_pval_threshold=0.1)
    for message, args in {
        "uns has no element 'rank_genes_groups'": {"key": "rank_genes_groups"},
        "normalize: expected None with method='jaccard'": {"method": "jaccard", "normalize": "data"},
        "named sets of genes, found": {"reference_markers": ["a"]},
        "expected names of genes": {"reference_markers": {"a": [1]}},
        "adj_pval_threshold must be a number from 0 to 1": {"adj_pval_threshold": 2},
        "top_n_markers must be a whole number": {"top_n_markers": 0},
    }.items():
        with pytest.raises((ValueError, KeyError), match=message):
            oom.tl.marker_gene_overlap(opened, **{"reference_markers": known, "key": "mine", **args})


def embedded():
    points = np.array(GOLDEN["points"], dtype=np.float32)
    obs = pd.DataFrame({"group": pd.Categorical(GOLDEN["group"])}, index=map(str, range(len(points))))
    return ad.AnnData(np.zeros((len(points), 1), dtype=np.float32), obs=obs, obsm={"X_umap": points})


def test_densities_are_the_golden_ones():
    adata = oom.AnnDataOOM(embedded())
    oom.tl.embedding_density(adata)
    oom.tl.embedding_density(adata, groupby="group", components=[3, 1])
    for key, expected in GOLDEN["density"].items():
        np.testing.assert_allclose(adata.obs[key], expected, atol=1e-9)
        assert adata.obs[key].dtype == np.float64


def test_densities_are_scanpys(on_disk):
    rng = np.random.default_rng(0)
    n = 3000
    points = rng.normal(size=(n, 4)) * [1, 20, 0.1, 3] + rng.integers(0, 4, (n, 1)) * [4, 0, 2, 9]
    points[:5] += 300
    batch = pd.Categorical.from_codes(rng.integers(-1, 3, n), ["x", "none", "y"])
    batch = batch.set_categories(["x", "y", "none", "empty"])
    adata = ad.AnnData(np.zeros((n, 1), dtype=np.float32), obs=pd.DataFrame({"batch": batch}, index=map(str, range(n))))
    adata.obsm["X_umap"] = points.astype(np.float32)
    adata.obsm["X_diffmap"] = points[:, :3].astype(np.float32)
    adata.obs["whole"] = adata.obs["batch"].cat.add_categories("other").fillna("other").cat.remove_unused_categories()
    opened = on_disk(adata)
    whole = {"groupby": "whole", "components": "2,4"}
    for args in [{}, {"basis": "diffmap"}, whole, {"key_added": "d", "components": ["1", "3"]}]:
        sc.tl.embedding_density(adata, **args)
        oom.tl.embedding_density(opened, **args)
    for key in ("umap_density", "diffmap_density", "umap_density_whole", "d"):
        np.testing.assert_allclose(opened.obs[key], adata.obs[key], atol=1e-9)
        found, expected = opened.uns[f"{key}_params"], adata.uns[f"{key}_params"]
        assert found["covariate"] == expected["covariate"] and list(found["components"]) == expected["components"]
    for message, args in {
        "obsm has no element 'tsne'": {"basis": "tsne"},
        "components.*two of the components 1 to 4": {"components": [1, 5]},
        "of the components 1 to 2": {"components": "1,3", "basis": "diffmap"},
        "found .*1;2": {"components": "1;2"},
        "column 'nothing'": {"groupby": "nothing"},
    }.items():
        with pytest.raises((ValueError, KeyError), match=message):
            oom.tl.embedding_density(opened, **args)


def test_scanpy_draws_densities():
    import matplotlib

    matplotlib.use("Agg")
    adata = oom.AnnDataOOM(embedded())
    oom.tl.embedding_density(adata, groupby="group")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = sc.pl.embedding_density(adata, basis="umap", key="umap_density_group", group="a", show=False)
    drawn = axes[0] if isinstance(axes, list) else axes
    shown = np.concatenate([c.get_array() for c in drawn.collections if c.get_array() is not None])
    densities = adata.obs.loc[adata.obs["group"] == "a", "umap_density_group"].to_numpy()
    assert np.isclose(shown[:, None], densities).any(0).all()
