"""Compares ComBat with scanpy's."""

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE
from test_markers import logarithms

import anndataoom as oom


def example(fmt="csr", filtered=True):
    adata = logarithms(EXAMPLE, fmt)
    if filtered:
        sc.pp.filter_genes(adata, min_cells=3)
    adata.X = adata.X.astype(np.float64)
    rng = np.random.default_rng(0)
    adata.obs["lane"] = rng.choice(["a", "b", "c"], adata.n_obs)
    adata.obs["age"] = rng.normal(40, 10, adata.n_obs)
    return adata


def values(x):
    x = x[:] if not isinstance(x, np.ndarray) else x
    return x.toarray() if hasattr(x, "toarray") else np.asarray(x)


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
@pytest.mark.parametrize("args", [{}, {"key": "lane"}, {"covariates": ["age"]}, {"key": "lane", "covariates": ["age"]}])
def test_values_are_scanpys(on_disk, fmt, args):
    adata = example(fmt)
    opened = on_disk(adata)
    expected = np.asarray(sc.pp.combat(adata.copy(), inplace=False, **args))
    oom.pp.combat(opened, **args)
    found = values(opened.X)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    rows, columns = np.array([7, 3, 40]), np.array([9, 2])
    np.testing.assert_array_equal(values(opened[rows, columns].X), found[np.ix_(rows, columns)])


def test_groups_as_covariates(on_disk):
    """Checks batches and a group whose columns are linearly dependent; scanpy inverts their matrix
    nevertheless."""
    adata = example()
    opened = on_disk(adata)
    oom.pp.combat(opened, covariates=["lane", "age"])
    found = values(opened.X)
    # The fit on batches and covariates by least squares, and the same estimates from it.
    dummy = lambda column: (column.to_numpy()[:, None] == np.unique(column)).astype(float)  # noqa: E731
    batch = dummy(adata.obs["batch"].astype(str))
    covariates = np.hstack([dummy(adata.obs["lane"])[:, 1:], adata.obs[["age"]]])
    x = values(adata.X)
    design = np.hstack([batch, covariates])
    fit = np.linalg.lstsq(design, x, rcond=None)[0]
    share = batch.mean(axis=0)
    standing = share @ fit[: batch.shape[1]] + covariates @ fit[batch.shape[1] :]
    deviation = np.sqrt(((x - design @ fit) ** 2).mean(axis=0))
    z = (x - standing) / deviation
    from scanpy.preprocessing import _combat

    for b in range(batch.shape[1]):
        of = batch[:, b] == 1
        g, d = z[of].mean(axis=0), z[of].var(axis=0, ddof=1)
        gamma, delta = _combat._it_sol(
            z[of].T, g, d, g_bar=g.mean(), t2=g.var(), a=_combat._aprior(pd.Series(d)), b=_combat._bprior(pd.Series(d))
        )
        z[of] = (z[of] - gamma) / np.sqrt(delta)
    np.testing.assert_allclose(found, z * deviation + standing, rtol=1e-5, atol=1e-5)


def test_constant_genes_and_what_is_refused(on_disk):
    adata = example(filtered=False)
    constant = int((values(adata.X).std(axis=0) == 0).sum())
    adata = adata if constant else adata[:, [*range(50)]].copy()
    if not constant:
        adata.X[:, 4] = 0
        adata.X.eliminate_zeros()
    opened = on_disk(adata)
    expected = np.asarray(sc.pp.combat(adata.copy(), inplace=False))
    with pytest.warns(UserWarning, match="constant"):
        found = oom.pp.combat(opened, inplace=False)
    np.testing.assert_allclose(values(found), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(values(opened.X), values(adata.X))
    opened.obs["same"] = opened.obs["batch"].astype(str) + "x"
    with pytest.raises(ValueError, match="covariates must be columns that vary within the batches"):
        oom.pp.combat(opened, covariates=["same"])
    with pytest.raises(ValueError, match="covariates must be different columns, and not the key"):
        oom.pp.combat(opened, covariates=["batch"])
    opened.obs["single"] = ["alone", *["rest", "more"] * ((adata.n_obs) // 2)][: adata.n_obs]
    with pytest.raises(ValueError, match="at least two cells in every batch, found one in the batch 'alone'"):
        oom.pp.combat(opened, "single")
    opened.obs["one"] = "a"
    with pytest.raises(ValueError, match="at least two batches"):
        oom.pp.combat(opened, "one")
    opened.obs["gap"] = np.nan
    with pytest.raises(ValueError, match="finite numbers, found NaN in 'gap'"):
        oom.pp.combat(opened, covariates=["gap"])
