"""Tests samples, sketches and downsampled counts: exact totals, distributions, and independence of
selections."""

import anndata as ad
import numpy as np
import pytest
from conftest import EXAMPLE
from scipy import stats

import anndataoom as oom


def values(x):
    x = x[:]
    return x.toarray() if hasattr(x, "toarray") else np.asarray(x)


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
def test_downsampled_cells_have_exactly_the_counts_asked_for(on_disk, fmt):
    adata = ad.read_h5ad(EXAMPLE)
    counts = values(adata.X)
    adata.X = adata.X.toarray() if fmt == "dense" else adata.X.asformat(fmt)
    opened = on_disk(adata)
    total, target = counts.sum(axis=1), 300
    oom.pp.downsample_counts(opened, target)
    found = values(opened.X)
    assert (found <= counts).all() and (found == np.floor(found)).all() and (found >= 0).all()
    np.testing.assert_array_equal(found.sum(axis=1), np.minimum(total, target))
    np.testing.assert_array_equal(found[total <= target], counts[total <= target])
    # The counts do not depend on a selection made before values are read.
    rows, columns = np.array([9, 3, 3, 77]), np.array([400, 2, 31])
    np.testing.assert_array_equal(values(opened[rows][:, columns].X), found[np.ix_(rows, columns)])
    each = np.random.default_rng(0).integers(0, 2000, adata.n_obs)
    other = on_disk(adata)
    oom.pp.downsample_counts(other, each, random_state=4)
    np.testing.assert_array_equal(values(other.X).sum(axis=1), np.minimum(total, each))


def test_all_cells_together(on_disk):
    adata = ad.read_h5ad(EXAMPLE)
    for total in (12_345, 1, 10**9):
        opened = on_disk(adata)
        oom.pp.downsample_counts(opened, total_counts=total)
        found = values(opened.X)
        assert found.sum() == min(total, adata.X.sum()) and (found <= values(adata.X)).all()
        if total == 12_345:
            # A cell keeps a number of counts near its share.
            share = np.asarray(adata.X.sum(axis=1)).ravel() / adata.X.sum()
            expected = total * share
            assert ((found.sum(axis=1) - expected) ** 2 / expected).sum() < stats.chi2(adata.n_obs - 1).ppf(0.9999)


def test_counts_are_hypergeometric(on_disk):
    """Checks the distribution, with every cell as an experiment: of 12 + 30 + 58 counts 40 stay."""
    n = 4000
    opened = on_disk(ad.AnnData(np.tile(np.array([12, 30, 58], dtype=np.float32), (n, 1))))
    oom.pp.downsample_counts(opened, 40)
    found = values(opened.X)
    for column, size in enumerate([12, 30, 58]):
        law = stats.hypergeom(100, size, 40)
        seen = np.bincount(found[:, column].astype(int), minlength=size + 1)
        expected = n * law.pmf(np.arange(size + 1))
        often = expected > 5
        left = ((seen - expected)[often] ** 2 / expected[often]).sum()
        assert left < stats.chi2(often.sum() - 1).ppf(0.9999), column
    assert np.corrcoef(found[:, 0], found[:, 1])[0, 1] < 0
    # Another seed gives other counts.
    again = on_disk(ad.AnnData(np.tile(np.array([12, 30, 58], dtype=np.float32), (n, 1))))
    oom.pp.downsample_counts(again, 40, random_state=1)
    assert abs(np.corrcoef(values(again.X)[:, 0], found[:, 0])[0, 1]) < 0.06


def test_counts_that_cannot_be_sampled(on_disk):
    adata = ad.AnnData(np.array([[1, 2.5], [3, 4]], dtype=np.float32))
    with pytest.raises(ValueError, match="whole counts"):
        oom.pp.downsample_counts(on_disk(adata), 2)
    adata.X = np.array([[1, 2], [3, 4]], dtype=np.float32)
    with pytest.raises(ValueError, match="counts_per_cell"):
        oom.pp.downsample_counts(on_disk(adata), [1, 2, 3])
    with pytest.raises(ValueError, match="total_counts must be given where counts_per_cell is not"):
        oom.pp.downsample_counts(on_disk(adata))
    with pytest.raises(ValueError, match="replace must be False"):
        oom.pp.downsample_counts(on_disk(adata), 2, replace=True)


def test_samples(on_disk):
    opened = on_disk(ad.read_h5ad(EXAMPLE))
    names = opened.obs_names
    some = oom.pp.sample(opened, n=50, copy=True)
    assert some.n_obs == 50 and some.obs_names.is_unique
    assert list(some.obs_names) == [name for name in names if name in set(some.obs_names)]
    np.testing.assert_array_equal(values(some.X), values(opened[some.obs_names].X))
    assert list(oom.pp.sample(opened, n=50, copy=True).obs_names) == list(some.obs_names)
    assert list(oom.pp.sample(opened, n=50, rng=1, copy=True).obs_names) != list(some.obs_names)
    assert oom.pp.sample(opened, 0.25, copy=True, rng=np.random.default_rng(0)).n_obs == int(0.25 * opened.n_obs)
    assert oom.pp.sample(opened, n=7, axis=1, copy=True).shape == (opened.n_obs, 7)
    mask = np.arange(opened.n_obs) < 40
    assert set(oom.pp.sample(opened, n=40, p=mask, copy=True).obs_names) == set(names[:40])
    opened.obs["w"] = np.where(mask, 9.0, 1.0)
    heavy = [np.isin(oom.pp.sample(opened, n=1, p="w", rng=s, copy=True).obs_names[0], names[:40]) for s in range(400)]
    assert abs(np.mean(heavy) - 360 / (360 + opened.n_obs - 40)) < 0.1
    twice = oom.pp.sample(opened, 2.0, replace=True, copy=True)
    assert twice.n_obs == 2 * opened.n_obs and not twice.obs_names.is_unique
    oom.pp.sample(opened, n=3)
    assert opened.n_obs == 3
    for args, message in [
        ({}, "n must be given, or fraction"),
        ({"n": 9}, "n must be at most 3"),
        ({"fraction": 1.5}, "fraction must be a number from 0 to 1"),
        ({"n": 2, "fraction": 0.5}, "where fraction is given"),
        ({"n": 1, "p": [1.0]}, "p must be 3 numbers of 0 or more"),
    ]:
        with pytest.raises(ValueError, match=message):
            oom.pp.sample(opened, **args)


def test_sketches_keep_rare_states(on_disk):
    rng = np.random.default_rng(0)
    n, rare = 5000, 25
    points = rng.normal(size=(n, 5)).astype(np.float32)
    points[:rare] += 12
    adata = ad.AnnData(np.ones((n, 2), dtype=np.float32))
    adata.obsm["X_pca"] = points
    opened = on_disk(adata)
    for method in ("geometric", "leverage"):
        found = oom.pp.sketch(opened, 200, method=method, copy=True)
        assert found.n_obs == 200 and found.obs_names.is_unique
        # A plain sample would have one of them.
        assert np.isin(found.obs_names, opened.obs_names[:rare]).sum() >= 4, method
    u = np.linalg.svd(points.astype(float), full_matrices=False)[0]
    np.testing.assert_allclose(found.obs["leverage_score"], (u**2).sum(axis=1)[found.obs_names.astype(int)], rtol=1e-5)
    with pytest.raises(ValueError, match="sketch: n must be at most 5000, the number of cells"):
        oom.pp.sketch(opened, 5001)
