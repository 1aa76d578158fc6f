"""Compares doublets with scanpy's, with the pairs that scanpy draws."""

import warnings

import numpy as np
import pytest
import scanpy as sc
import skimage.filters
from conftest import EXAMPLE

import anndataoom as oom


def raw(fmt="csr"):
    import anndata as ad

    adata = ad.read_h5ad(EXAMPLE)
    if fmt == "dense":
        adata.X = adata.X.toarray()
    elif fmt == "csc":
        adata.X = adata.X.tocsc()
    return adata


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
@pytest.mark.parametrize(
    "args",
    [
        {},
        {"random_state": 3, "n_prin_comps": 10, "sim_doublet_ratio": 1.5},
        {"log_transform": True},
        {"mean_center": False, "expected_doublet_rate": 0.1},
        {"normalize_variance": False, "n_neighbors": 20},
        {"mean_center": False, "normalize_variance": False},
    ],
)
def test_scores_are_scanpys(on_disk, fmt, args):
    adata = raw(fmt)
    opened = on_disk(adata)
    # Without a threshold scanpy needs scikit-image; its rule has a separate test.
    args = {"n_prin_comps": 15, "threshold": 0.2, **args}
    sc.pp.scrublet(adata, **args)
    oom.pp.scrublet(opened, **args)
    found, expected = opened.obs["doublet_score"], adata.obs["doublet_score"]
    assert found.dtype == expected.dtype
    assert np.corrcoef(found, expected)[0, 1] >= 0.99
    near = np.abs(expected - 0.2) < 0.05
    assert (opened.obs["predicted_doublet"] == adata.obs["predicted_doublet"])[~near].all()
    ours, theirs = opened.uns["scrublet"], adata.uns["scrublet"]
    np.testing.assert_array_equal(ours["doublet_parents"], theirs["doublet_parents"])
    assert np.corrcoef(ours["doublet_scores_sim"], theirs["doublet_scores_sim"])[0, 1] >= 0.99
    assert ours["parameters"] == theirs["parameters"]
    assert set(ours) == set(theirs) and ours["threshold"] == 0.2


def test_batches_are_scanpys(on_disk):
    adata = raw()
    opened = on_disk(adata)
    args = {"n_prin_comps": 15, "threshold": 0.2, "batch_key": "batch"}
    sc.pp.scrublet(adata, **args)
    oom.pp.scrublet(opened, **args)
    assert np.corrcoef(opened.obs["doublet_score"], adata.obs["doublet_score"])[0, 1] >= 0.99
    ours, theirs = opened.uns["scrublet"], adata.uns["scrublet"]
    assert ours["batched_by"] == theirs["batched_by"] == "batch"
    assert set(ours["batches"]) == set(map(str, theirs["batches"]))
    for batch, noted in ours["batches"].items():
        np.testing.assert_array_equal(noted["doublet_parents"], theirs["batches"][batch]["doublet_parents"])
        one = opened[(opened.obs["batch"] == batch).to_numpy()].copy()
        oom.pp.scrublet(one, n_prin_comps=15, threshold=0.2)
        np.testing.assert_array_equal(one.obs["doublet_score"], opened.obs["doublet_score"][one.obs_names])


def test_the_rest_of_the_verb(on_disk, monkeypatch):
    adata = raw()
    adata.X[3] = 0
    adata.X.eliminate_zeros()
    opened = on_disk(adata)
    oom.pp.scrublet(opened, n_prin_comps=15, threshold=0.2)
    missing = opened.obs["doublet_score"].isna()
    assert missing.to_numpy().nonzero()[0].tolist() == [3]
    assert opened.obs["predicted_doublet"].isna().equals(missing)
    scores = opened.obs["doublet_score"].to_numpy()
    monkeypatch.setattr(oom.settings, "threads", 3)
    for args in [{}, {"synthetic_doublet_umi_subsampling": 0.7}, {"log_transform": True}]:
        once = oom.pp.scrublet(opened, n_prin_comps=15, threshold=0.2, copy=True, **args)
        monkeypatch.setattr(oom.settings, "threads", 1)
        again = oom.pp.scrublet(opened, n_prin_comps=15, threshold=0.2, copy=True, **args)
        np.testing.assert_array_equal(once.obs["doublet_score"], again.obs["doublet_score"])
        assert args or np.array_equal(once.obs["doublet_score"], scores, equal_nan=True)
    sampled = oom.pp.scrublet(opened, n_prin_comps=15, threshold=0.2, copy=True, synthetic_doublet_umi_subsampling=0.9)
    assert not np.array_equal(sampled.obs["doublet_score"], scores, equal_nan=True)
    assert np.corrcoef(np.delete(sampled.obs["doublet_score"].to_numpy(), 3), np.delete(scores, 3))[0, 1] > 0.7
    with pytest.raises(ValueError, match="scrublet: n_prin_comps must be"):
        oom.pp.scrublet(opened, n_prin_comps=10**6)
    with pytest.raises(ValueError, match="scrublet: sim_doublet_ratio must be from 1 to"):
        oom.pp.scrublet(opened, n_prin_comps=5, sim_doublet_ratio=1e-9)
    with pytest.raises(KeyError, match="batch_key: obs has no column 'nobody'"):
        oom.pp.scrublet(opened, batch_key="nobody")
    with pytest.raises(ValueError, match="scrublet: n_neighbors must be a number for which there are from 2 to"):
        oom.pp.scrublet(opened, n_prin_comps=5, n_neighbors=10**5)


def test_the_threshold_is_scikit_images(on_disk):
    for seed in range(4):
        opened = on_disk(raw())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            oom.pp.scrublet(opened, n_prin_comps=15, random_state=seed)
        noted = opened.uns["scrublet"]
        try:
            expected = skimage.filters.threshold_minimum(noted["doublet_scores_sim"])
        except RuntimeError:
            assert "threshold" not in noted and not opened.obs["predicted_doublet"].any()
        else:
            assert noted["threshold"] == pytest.approx(expected, rel=1e-6)
