"""Compares Harmony integration with harmonypy's values (tests/golden/make_harmony.py), and tests
the verb's parameters."""

import json

import harmonypy
import numpy as np
import pandas as pd
import pytest
from conftest import EXAMPLE

import anndataoom as oom

GOLDEN = json.loads((EXAMPLE.parents[2] / "tests" / "golden" / "harmony.json").read_text())


@pytest.fixture
def simulated(on_disk):
    import anndata as ad

    n = len(GOLDEN["batch"])
    adata = ad.AnnData(np.ones((n, 2), dtype=np.float32))
    adata.obs["batch"] = pd.Categorical([f"b{b}" for b in GOLDEN["batch"]])
    adata.obs["lane"] = GOLDEN["lane"]
    adata.obsm["X_pca"] = np.array(GOLDEN["points"], dtype=np.float32).reshape(n, -1)
    return on_disk(adata)


def test_coordinates_are_harmonypys(simulated):
    before = simulated.obsm["X_pca"].copy()
    oom.pp.harmony_integrate(simulated, "batch")
    found = simulated.obsm["X_pca_harmony"]
    assert found.dtype == np.float32 and found.shape == before.shape
    np.testing.assert_allclose(found.ravel(), GOLDEN["corrected"], atol=1e-3)
    np.testing.assert_array_equal(simulated.obsm["X_pca"], before)
    keys, params = ["batch", "lane"], {"theta": [1, 3], "lamb": [1, 2], "sigma": 0.15, "nclust": 12, "tau": 5}
    oom.pp.harmony_integrate(simulated, keys, adjusted_basis="X_two", **params)
    assert np.abs(simulated.obsm["X_two"].ravel() - GOLDEN["corrected_two"]).mean() < 0.06


def test_the_installed_harmonypy(simulated):
    z, table = np.asarray(simulated.obsm["X_pca"], dtype=float), simulated.obs[["batch"]].astype(str)
    expected = np.asarray(harmonypy.run_harmony(z, table, ["batch"], verbose=False).Z_corr)
    oom.pp.harmony_integrate(simulated, "batch")
    expected = expected if expected.shape == z.shape else expected.T
    np.testing.assert_allclose(simulated.obsm["X_pca_harmony"], expected, atol=1e-3)


def test_what_cannot_be_integrated_is_refused(simulated):
    with pytest.raises(KeyError, match="basis: obsm has no element 'X_none'; there are X_pca"):
        oom.pp.harmony_integrate(simulated, "batch", basis="X_none")
    with pytest.raises(KeyError, match="key: obs has no column 'none'"):
        oom.pp.harmony_integrate(simulated, ["batch", "none"])
    simulated.obs["one"] = "a"
    with pytest.raises(ValueError, match="harmony_integrate: key must be columns of at least two batches"):
        oom.pp.harmony_integrate(simulated, "one")
    with pytest.raises(ValueError, match="theta must be one number, or one for each of 1 keys, found 2 numbers"):
        oom.pp.harmony_integrate(simulated, "batch", theta=[1, 2])
    simulated.obs["gap"] = [None, *["a", "b"] * 299, "a"]
    with pytest.raises(ValueError, match=r"key: obs\['gap'\] has missing values"):
        oom.pp.harmony_integrate(simulated, "gap")
    simulated.obsm["X_nan"] = np.full((simulated.n_obs, 2), np.nan)
    with pytest.raises(ValueError, match="finite coordinates"):
        oom.pp.harmony_integrate(simulated, "batch", basis="X_nan")
    with pytest.warns(UserWarning, match="the objective still fell after 1 rounds"):
        oom.pp.harmony_integrate(simulated, "batch", max_iter_harmony=1)
