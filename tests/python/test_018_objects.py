"""Tests objects that version 0.1.8 confused, by the labels of the list of faults."""

import gc
import os

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from conftest import counts, dense
from scipy import sparse

import anndataoom as oom


def test_colours_stay_with_their_clusters(on_disk):
    """Checks that categories keep their order, because colours are matched to them by position."""
    adata = counts()
    names = [str(i) for i in range(12)]
    adata.obs["leiden"] = pd.Categorical([str((i * 5 + 5) % 12) for i in range(80)], categories=names)
    adata.uns["leiden_colors"] = [f"#0000{i:02d}" for i in range(12)]
    disk = on_disk(adata)
    assert list(disk.obs["leiden"].cat.categories) == names
    colors = dict(zip(disk.obs["leiden"].cat.categories, disk.uns["leiden_colors"]))
    assert colors == {n: f"#0000{int(n):02d}" for n in names}


def test_raw_follows_cells(disk):
    disk.raw = disk
    disk._inplace_subset_obs(np.arange(80) < 40)
    assert disk.raw.shape == (40, 30)
    disk._inplace_subset_obs(np.array(["3", "1"]))
    assert list(disk.obs_names) == ["3", "1"] and disk.raw.shape == (2, 30)


def test_no_sidecars(disk):
    folder = os.path.dirname(disk.filename)
    before = sorted(os.listdir(folder))
    assert "x" not in disk.layers
    disk.layers["x"] = np.ones((80, 30))
    for _ in range(3):
        disk[:10].layers["x"]
    assert sorted(os.listdir(folder)) == before


def test_arrays_keep_their_file(on_disk, X):
    np.testing.assert_array_equal(dense(on_disk(counts()).X[:]), X)
    o = on_disk(counts())
    o = o[:50]
    gc.collect()
    np.testing.assert_array_equal(dense(o.X[:]), X[:50])
    part = o[:5].copy()
    o.close()
    del o
    gc.collect()
    np.testing.assert_array_equal(dense(part.X[:]), X[:5])


def test_copies_are_separate(disk):
    disk.obsm["a"] = np.zeros((80, 2))
    disk.uns["d"] = {"x": [1]}
    for other in (disk.copy(), disk[:, :], disk[:, :10]):
        other.layers["new"] = other.X
        other.obsm["a"][:] = 7
        other.uns["d"]["x"].append(2)
        other.obs["new"] = 1
    assert "new" not in disk.layers and "new" not in disk.obs
    assert (disk.obsm["a"] == 0).all() and disk.uns["d"]["x"] == [1]


def test_iteration_ends(disk, X):
    assert len(list(disk.X)) == 80
    np.testing.assert_array_equal(np.asarray(disk.X), X)
    for call in (lambda: iter(disk), lambda: disk == 3):
        with pytest.raises((TypeError, NotImplementedError)):
            call()


def test_isinstance(disk):
    import functools

    @functools.singledispatch
    def kind(x):
        return "other"

    kind.register(ad.AnnData, lambda x: "anndata")
    assert isinstance(disk, ad.AnnData) and kind(disk) == "anndata" and type(disk).__name__ == "AnnDataOOM"


def test_guard(disk):
    @oom.oom_guard(result_keys_uns=["*"], result_keys_obs=["made"], result_keys_obsp=["*"], result_keys_obsm=["*"])
    def tool(adata, value):
        adata.uns["result"] = value
        adata.obs["made"] = value
        adata.obsp["g"] = sparse.eye(adata.n_obs, format="csr") * value
        adata.obsm["s"] = sparse.csr_matrix(np.full((adata.n_obs, 2), value))

    for value in (1, 2):
        with pytest.warns(UserWarning, match="80 x 30"):
            tool(disk, value)
        assert disk.uns["result"] == value and (disk.obs["made"] == value).all()
        assert sparse.issparse(disk.obsp["g"]) and disk.obsp["g"].sum() == 80 * value
        assert sparse.issparse(disk.obsm["s"])

    @oom.oom_guard(materialize=False, suggest="use pp.pca")
    def refused(adata):
        raise AssertionError

    with pytest.raises(NotImplementedError, match="use pp.pca"):
        refused(disk)
