"""Compares graph verbs with scanpy's values (tests/golden/make_graph_verbs.py), and tests their
parameters."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import EXAMPLE, data_file

import anndataoom as oom

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=["pbmc_like", "pbmc3k"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def pbmc(name):
    adata = oom.read(data_file(name))
    oom.pp.filter_cells(adata, min_genes=200)
    oom.pp.filter_genes(adata, min_cells=3)
    n_top_genes = {"pbmc_like": 500, "pbmc3k": 2000}[name]
    oom.pp.highly_variable_genes(adata, n_top_genes=n_top_genes, flavor="pearson_residuals")
    oom.pp.normalize_total(adata, target_sum=1e4)
    oom.pp.log1p(adata)
    adata = adata[:, adata.var["highly_variable"]]
    oom.pp.scale(adata, max_value=10)
    oom.pp.pca(adata, n_comps=50)
    oom.pp.neighbors(adata, n_neighbors=15)
    return adata


@pytest.fixture(scope="module")
def golden(name):
    return json.loads((ROOT / "tests" / "golden" / f"graph_verbs_{name}.json").read_text())


@pytest.fixture
def small():
    adata = oom.read(EXAMPLE)
    oom.pp.normalize_total(adata, target_sum=1e4)
    oom.pp.log1p(adata)
    oom.pp.pca(adata, n_comps=10)
    oom.pp.neighbors(adata)
    return adata


def test_paga_is_scanpys(pbmc, golden):
    oom.tl.paga(pbmc, "cell_type")
    found = pbmc.uns["paga"]
    k = len(golden["categories"])
    expected = np.reshape(golden["paga"], (k, k))
    np.testing.assert_allclose(found["connectivities"].toarray(), expected, rtol=0.01, atol=2e-3)
    tree = np.reshape(golden["paga_tree"], (k, k)) > 0
    assert ((found["connectivities_tree"].toarray() > 0) == tree).all()
    assert found["groups"] == "cell_type" and pbmc.uns["cell_type_sizes"].tolist() == golden["sizes"]


@pytest.mark.parametrize("method", ["complete", "average"])
def test_dendrogram_is_scanpys(pbmc, golden, method):
    found = oom.tl.dendrogram(pbmc, "cell_type", linkage_method=method, inplace=False)
    k, key = len(golden["categories"]), f"pearson_{method}"
    np.testing.assert_allclose(found["correlation_matrix"], np.reshape(golden[f"correlation_{key}"], (k, k)), atol=1e-4)
    np.testing.assert_allclose(found["linkage"], np.reshape(golden[f"linkage_{key}"], (k - 1, 4)), atol=1e-4)
    assert list(found["categories_idx_ordered"]) == golden[f"leaves_{key}"]
    assert list(found["categories_ordered"]) == [golden["categories"][i] for i in golden[f"leaves_{key}"]]
    info = found["dendrogram_info"]
    np.testing.assert_allclose(np.ravel(info["icoord"]), golden[f"icoord_{key}"])
    assert [int(c[1:]) for c in info["color_list"]] == golden[f"colors_{key}"]


def test_diffusion_is_scanpys(pbmc, golden):
    oom.tl.diffmap(pbmc)
    np.testing.assert_allclose(pbmc.uns["diffmap_evals"], golden["evals"], atol=1e-3)
    pbmc.uns["iroot"] = golden["root"]
    oom.tl.dpt(pbmc)
    time = pbmc.obs["dpt_pseudotime"].to_numpy()
    assert time[golden["root"]] == 0 and time.max() == 1
    assert np.corrcoef(time[::10], golden["pseudotime"])[0, 1] > 0.999


def test_dendrogram_of_genes_and_of_two_columns(small):
    genes = list(small.var_names[:30])
    oom.tl.dendrogram(small, "cell_type", var_names=genes)
    values = pd.DataFrame(small[:, genes].X[:].toarray(), index=pd.Index(small.obs["cell_type"]))
    expected = values.groupby(level=0, observed=True).mean().T.corr()
    np.testing.assert_allclose(small.uns["dendrogram_cell_type"]["correlation_matrix"], expected, atol=1e-5)
    oom.tl.dendrogram(small, ["cell_type", "batch"], use_rep="X_pca")
    found = small.uns["dendrogram_cell_type_batch"]
    assert len(found["categories_ordered"]) == len(set(zip(small.obs["cell_type"], small.obs["batch"])))
    assert found["use_rep"] == "X_pca"


def test_neighbors_of_every_batch(small):
    oom.pp.neighbors(small, batch_key="batch", neighbors_within_batch=4, key_added="balanced")
    noted = small.uns["balanced"]["params"]
    assert (noted["n_neighbors"], noted["batch_key"]) == (4 * small.obs["batch"].nunique(), "batch")
    distances = small.obsp["balanced_distances"].tocsr()
    points, batch = np.asarray(small.obsm["X_pca"], dtype=float), small.obs["batch"].to_numpy()
    for i in range(0, small.n_obs, 50):
        d = np.sqrt(((points - points[i]) ** 2).sum(1))
        d[i] = -1
        nearest = [np.flatnonzero(batch == b)[np.argsort(d[batch == b], kind="stable")[:4]] for b in np.unique(batch)]
        assert set(distances[i].indices) == set(np.concatenate(nearest)) - {i}


def test_methods_and_metrics(small):
    for method, search in [("gauss", "auto"), ("exact", "auto"), ("umap", "ivf"), ("ivf", "ivf")]:
        oom.pp.neighbors(small, method=method, search=search, key_added="n")
        expected = "gauss" if method == "gauss" else "umap"
        noted = small.uns["n"]["params"]
        assert noted["method"] == expected
        if search == "ivf":
            assert noted["recall"] >= 0.98
    for metric in ("cosine", "correlation"):
        oom.pp.neighbors(small, metric=metric, key_added="n")
    for wrong in [{"method": "none"}, {"method": "ivf", "search": "exact"}, {"recall": 0}, {"metric": "chess"}]:
        with pytest.raises(ValueError):
            oom.pp.neighbors(small, **wrong)
    with pytest.raises(ValueError, match="every batch"):
        oom.pp.neighbors(small, batch_key="batch", neighbors_within_batch=10_000)
    with pytest.raises(KeyError, match="batch_key"):
        oom.pp.neighbors(small, batch_key="nothing")


def test_clusters(small):
    oom.tl.louvain(small)
    assert small.obs["louvain"].dtype == "category"
    oom.tl.leiden(small)
    oom.tl.leiden(small, objective_function="CPM", resolution=0.01, key_added="cpm")
    assert small.uns["cpm"]["params"]["objective_function"] == "CPM"
    oom.tl.leiden(small, restrict_to=("leiden", ["0", "1"]), resolution=2.0)
    fine, coarse = small.obs["leiden_R"], small.obs["leiden"]
    again = coarse.isin(["0", "1"])
    assert (fine[~again].astype(str) == coarse[~again].astype(str)).all()
    assert fine[again].astype(str).str.startswith("0-1,").all()
    with pytest.raises(ValueError, match="restrict_to"):
        oom.tl.leiden(small, restrict_to=("leiden", ["no"]))
    with pytest.raises(NotImplementedError):
        oom.tl.leiden(small, partition_type=int)


def test_umap_starts(small):
    for start in ("pca", "random", "X_pca_2", np.asarray(small.obsm["X_pca"])[:, :2]):
        small.obsm["X_pca_2"] = np.asarray(small.obsm["X_pca"])[:, :2]
        oom.tl.umap(small, init_pos=start, maxiter=20)
    oom.tl.umap(small, n_components=3, maxiter=20, parallel=False)
    assert small.obsm["X_umap"].shape == (small.n_obs, 3)
    with pytest.raises(ValueError, match="init_pos"):
        oom.tl.umap(small, init_pos="nowhere")


def test_missing_pieces_are_named(small):
    with pytest.raises(KeyError, match="iroot"):
        oom.tl.dpt(small)
    small.uns["iroot"] = 10_000
    with pytest.warns(UserWarning, match="diffmap"), pytest.raises(IndexError, match="iroot"):
        oom.tl.dpt(small)
    with pytest.raises(ValueError, match="leiden"):
        oom.tl.paga(small)
    with pytest.raises(NotImplementedError):
        oom.tl.dendrogram(small, "cell_type", optimal_ordering=True)
