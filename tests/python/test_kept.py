"""Checks that large embeddings and graphs stay with the core until they are touched."""

import pickle

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import anndataoom as oom
from anndataoom._on_disk import InCore


@pytest.fixture()
def h5ad(tmp_path):
    random = np.random.default_rng(0)
    x = random.poisson(random.gamma(1, 1, (3, 40))[random.integers(0, 3, 300)])
    ad.AnnData(sparse.csr_matrix(x.astype("f4"))).write_h5ad(tmp_path / "counts.h5ad")
    return tmp_path / "counts.h5ad"


def made(path):
    adata = oom.read(path)
    oom.pp.normalize_total(adata)
    oom.pp.log1p(adata)
    oom.pp.pca(adata, n_comps=10)
    oom.pp.neighbors(adata)
    return adata


@pytest.fixture()
def pair(h5ad, monkeypatch):
    """Makes an object that keeps little in memory, and one that keeps everything."""
    monkeypatch.setattr(oom.settings, "memory", 32 << 10)
    kept = made(h5ad)
    monkeypatch.undo()
    return kept, made(h5ad)


def places(adata):
    return {key for slot in ("obsm", "obsp") for key, v in getattr(adata, slot)._items.items() if isinstance(v, InCore)}


def same(a, b):
    a, b = (x.toarray() if hasattr(x, "toarray") else np.asarray(x) for x in (a, b))
    return a.dtype == b.dtype and np.array_equal(a, b)


def test_values_are_the_same_wherever_they_lie(pair):
    kept, whole = pair
    assert places(kept) == {"X_pca", "distances", "connectivities"}
    assert places(whole) == set()
    for adata in pair:
        oom.tl.umap(adata, maxiter=20)
        oom.tl.leiden(adata)
        oom.tl.louvain(adata)
        oom.tl.diffmap(adata)
        oom.tl.paga(adata, groups="leiden")
    # They have been used and are still with the core.
    assert {"X_pca", "distances", "connectivities"} <= places(kept)
    assert same(kept.obsm["X_umap"], whole.obsm["X_umap"])
    assert (kept.obs["leiden"] == whole.obs["leiden"]).all() and (kept.obs["louvain"] == whole.obs["louvain"]).all()
    assert same(kept.obsm["X_diffmap"], whole.obsm["X_diffmap"])
    assert same(kept.uns["paga"]["connectivities"], whole.uns["paga"]["connectivities"])
    for slot, key in (("obsm", "X_pca"), ("obsp", "distances"), ("obsp", "connectivities")):
        assert same(getattr(kept, slot)[key], getattr(whole, slot)[key])
    assert kept.obsp["distances"].format == "csr" and kept.obsp["distances"].indices.dtype == np.int32
    assert places(kept) == set()


def test_what_was_touched_and_changed_is_used_as_it_is(pair):
    kept, whole = pair
    for adata in pair:
        adata.obsm["X_pca"][:, 0] *= 2
        oom.pp.neighbors(adata, key_added="again")
        adata.obsp["connectivities"].data[:] = 1
        oom.tl.leiden(adata)
    assert same(kept.obsp["again_distances"], whole.obsp["again_distances"])
    assert not same(kept.obsp["again_distances"], kept.obsp["distances"])
    assert (kept.obs["leiden"] == whole.obs["leiden"]).all()
    oom.pp.neighbors(kept, n_pcs=3)
    oom.pp.neighbors(whole, n_pcs=3)
    assert same(kept.obsp["distances"], whole.obsp["distances"])


def test_they_are_selected_copied_pickled_and_written(pair, tmp_path):
    kept, whole = pair
    assert "in a scratch file" in kept.obsp._items["distances"].describe()
    rows = np.array([5, 3, 100])
    few = kept[rows]
    assert same(few.obsp["distances"], whole[rows].obsp["distances"])
    assert same(few.obsm["X_pca"], whole.obsm["X_pca"][rows])
    for other in (kept.copy(), pickle.loads(pickle.dumps(kept))):
        assert same(other.obsp["connectivities"], whole.obsp["connectivities"])
        assert same(other.obsm["X_pca"], whole.obsm["X_pca"])
    assert len(places(kept)) == 3
    kept.write_h5ad(tmp_path / "kept.h5ad")
    again = oom.read(tmp_path / "kept.h5ad")
    assert same(again.obsp["distances"], whole.obsp["distances"]) and same(again.obsm["X_pca"], whole.obsm["X_pca"])
    assert same(kept.to_memory().obsp["distances"], whole.obsp["distances"])


def test_without_room_in_scratch_they_stay_in_memory(h5ad, monkeypatch):
    monkeypatch.setattr(oom.settings, "memory", 32 << 10)
    monkeypatch.setattr(oom.settings, "scratch_limit", 0)
    assert places(made(h5ad)) == set()
