"""Compares cells mapped into a reference with scanpy's."""

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE
from test_markers import logarithms

import anndataoom as oom


def values(x):
    x = x[:]
    return x.toarray() if hasattr(x, "toarray") else np.asarray(x)


@pytest.fixture
def both(on_disk):
    """Makes a reference of two thirds of the example and a query of the rest, in memory and on
    disk."""
    adata = logarithms(EXAMPLE)
    rows = np.arange(adata.n_obs) % 3 != 0
    reference, query = adata[rows].copy(), adata[~rows].copy()
    sc.pp.pca(reference, n_comps=15)
    sc.pp.neighbors(reference)
    sc.tl.umap(reference)
    return reference, query, on_disk(reference), on_disk(query)


def scanpys(query, reference, **args):
    try:
        sc.tl.ingest(query, reference, **args)
    except TypeError:
        pytest.skip("this scanpy's ingest does not work with this pynndescent")


def nearest(points, among, k):
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(among).kneighbors(points)


def test_components_and_labels_are_scanpys(both):
    reference, query, on_reference, on_query = both
    oom.tl.ingest(on_query, on_reference, obs="cell_type", embedding_method="pca")
    loadings = np.asarray(reference.varm["PCs"])
    expected = (values(query.X) - values(reference.X).mean(axis=0)) @ loadings
    np.testing.assert_allclose(on_query.obsm["X_pca"], expected, atol=1e-4)
    scanpys(query, reference, obs="cell_type", embedding_method="pca")
    np.testing.assert_allclose(on_query.obsm["X_pca"], query.obsm["X_pca"], atol=1e-4)
    assert (on_query.obs["cell_type"].astype(str) == query.obs["cell_type"].astype(str)).mean() >= 0.99
    assert list(on_query.obs["cell_type"].cat.categories) == list(reference.obs["cell_type"].cat.categories)


def test_labels_are_a_brute_force_twins(both):
    reference, _, on_reference, on_query = both
    oom.tl.ingest(on_query, on_reference, obs="cell_type", embedding_method="pca")
    _, at = nearest(on_query.obsm["X_pca"], reference.obsm["X_pca"], 15)
    votes = [pd.Series(reference.obs["cell_type"].to_numpy()[row]) for row in at]
    assert [v.mode()[0] for v in votes] == list(on_query.obs["cell_type"].astype(str))
    share = [v.value_counts().iloc[0] / 15 for v in votes]
    np.testing.assert_allclose(on_query.obs["cell_type_confidence"], share)


def test_votes_by_distance(both):
    reference, _, on_reference, on_query = both
    found = oom.tl.transfer_labels(on_query, on_reference, ["cell_type", "batch"], inplace=False)
    assert "cell_type_confidence" not in on_query.obs
    oom.tl.ingest(on_query, on_reference, embedding_method="pca")
    distance, at = nearest(on_query.obsm["X_pca"], reference.obsm["X_pca"], 15)
    weight = np.exp(-((distance / distance[:, -1:]) ** 2))
    for label in ("cell_type", "batch"):
        column = reference.obs[label].astype("category").cat
        votes = np.zeros((on_query.n_obs, len(column.categories)))
        for i, row in enumerate(at):
            np.add.at(votes[i], column.codes.to_numpy()[row], weight[i])
        best = np.asarray(column.categories)[votes.argmax(axis=1)]
        assert (found.obs[label].astype(str) == best.astype(str)).mean() > 0.99
        np.testing.assert_allclose(found.obs[f"{label}_confidence"], votes.max(axis=1) / votes.sum(axis=1), rtol=1e-4)
    even = oom.tl.transfer_labels(on_query, on_reference, "cell_type", weights="uniform", inplace=False)
    oom.tl.ingest(on_query, on_reference, obs="cell_type", embedding_method="pca")
    assert even.obs["cell_type"].equals(on_query.obs["cell_type"])


def test_places_in_the_umap(both, monkeypatch):
    reference, query, on_reference, on_query = both
    scanpys(query, reference, obs="cell_type")
    oom.tl.ingest(on_query, on_reference, obs="cell_type")
    found, expected = on_query.obsm["X_umap"], query.obsm["X_umap"]
    assert found.shape == expected.shape and found.dtype == np.float32
    spread = np.linalg.norm(expected - expected.mean(axis=0), axis=1).mean()
    assert np.median(np.linalg.norm(found - expected, axis=1)) < spread / 4
    # Cells lie among cells of their own type.
    _, at = nearest(found, reference.obsm["X_umap"], 5)
    kinds = reference.obs["cell_type"].to_numpy()[at]
    assert (kinds == query.obs["cell_type"].to_numpy()[:, None]).mean() > 0.8
    monkeypatch.setattr(oom.settings, "threads", 3)
    again = oom.tl.ingest(on_query, on_reference, inplace=False)
    np.testing.assert_array_equal(again.obsm["X_umap"], found)


def test_genes_by_name_and_scaling(both, on_disk):
    reference, query, on_reference, on_query = both
    oom.tl.ingest(on_query, on_reference, embedding_method="pca")
    order = np.random.default_rng(0).permutation(query.n_vars)
    shuffled = on_disk(query[:, order].copy())
    oom.tl.ingest(shuffled, on_reference, embedding_method="pca")
    np.testing.assert_allclose(shuffled.obsm["X_pca"], on_query.obsm["X_pca"], atol=1e-5)
    # A lazy, scaled reference: the query is scaled by its means and deviations.
    oom.pp.highly_variable_genes(on_reference, n_top_genes=300)
    oom.pp.scale(on_reference, max_value=3)
    oom.pp.pca(on_reference, n_comps=10)
    oom.pp.neighbors(on_reference)
    with pytest.warns(UserWarning, match="scaled by the reference's means"):
        oom.tl.ingest(on_query, on_reference, obs="cell_type", embedding_method="pca")
    keep = on_reference.var["highly_variable"].to_numpy()
    mean, std = on_reference.var["mean"].to_numpy(), on_reference.var["std"].to_numpy()
    scaled = np.clip((values(query.X) - mean) / std, -3, 3)[:, keep]
    loadings = np.asarray(on_reference.varm["PCs"])[keep]
    expected = (scaled - values(on_reference.X)[:, keep].mean(axis=0)) @ loadings
    np.testing.assert_allclose(on_query.obsm["X_pca"], expected, atol=1e-4)
    np.testing.assert_array_equal(values(on_query.X), values(query.X))
    # Mapping the reference into itself changes nothing.
    same = oom.tl.ingest(on_reference, on_reference, embedding_method="pca", inplace=False)
    np.testing.assert_allclose(same.obsm["X_pca"], on_reference.obsm["X_pca"], atol=1e-4)


def test_other_representations_and_missing_labels(both, on_disk):
    reference, query, *_ = both
    rng = np.random.default_rng(1)
    labels = reference.obs["cell_type"].astype(object).to_numpy().copy()
    labels[rng.random(len(labels)) < 0.2] = np.nan
    reference.obs["some"] = pd.Categorical(labels)
    for adata in (reference, query):
        adata.obsm["X_own"] = values(adata.X)[:, :20].astype(np.float32) + 1
    sc.pp.neighbors(reference, use_rep="X_own", n_neighbors=9, metric="cosine", key_added="own")
    on_reference, on_query = on_disk(reference), on_disk(query)
    oom.tl.transfer_labels(on_query, on_reference, "some", weights="uniform", neighbors_key="own")
    assert set(on_query.obs["some"].dropna()) <= set(reference.obs["some"].cat.categories)
    assert on_query.obs["some_confidence"].dropna().between(0, 1).all()


def test_what_cannot_be_mapped_is_refused(both):
    reference, query, on_reference, on_query = both
    with pytest.raises(TypeError, match="adata_ref: expected an AnnDataOOM"):
        oom.tl.ingest(on_query, reference)
    with pytest.raises(KeyError, match="obs: the reference's obs has no column 'nobody'"):
        oom.tl.ingest(on_query, on_reference, obs="nobody")
    with pytest.raises(KeyError, match="run anndataoom.pp.neighbors on the reference first"):
        oom.tl.ingest(on_query, on_reference, neighbors_key="none")
    with pytest.raises(KeyError, match="genes of the reference's components are not in it"):
        oom.tl.ingest(on_query[:, 5:].copy(), on_reference)
    del on_reference.obsm["X_umap"]
    with pytest.raises(KeyError, match="embedding_method: obsm of adata_ref has no element 'X_umap'"):
        oom.tl.ingest(on_query, on_reference)
    del on_reference.varm["PCs"]
    with pytest.raises(KeyError, match="run anndataoom.pp.pca on the reference first"):
        oom.tl.ingest(on_query, on_reference, embedding_method="pca")
