"""Checks for any selector of any chain on any storage that `A[selector]`, its chunks, its columns
and numpy agree."""

import anndata as ad
import hypothesis
import numpy as np
import pandas as pd
import pytest
from conftest import dense
from scipy import sparse

import anndataoom as oom

st = hypothesis.strategies

N, M = 37, 11
KINDS = ["raw", "normalised", "log1p", "scaled", "pearson", "regressed"]


def values_of(kind, counts, covariates):
    """Returns numpy's result for the counts."""
    factors = counts.sum(1) / 8
    factors[factors == 0] = 1
    if kind == "raw":
        return counts
    if kind == "normalised":
        return counts / factors[:, None]
    log = np.log1p(counts / factors[:, None])
    if kind == "scaled":
        std = log.std(0, ddof=1)
        return np.clip((log - log.mean(0)) / np.where(std == 0, 1, std), -1.5, 1.5)
    if kind == "pearson":
        mu = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
        return np.clip((counts - mu) / np.sqrt(mu + mu**2 / 100), -2, 2)
    if kind == "regressed":
        design = np.column_stack([np.ones(len(log)), *covariates])
        return log - design @ np.linalg.lstsq(design, log, rcond=None)[0]
    return log


def record(kind, adata):
    """Records the same operation on annotated data with the package."""
    if kind == "pearson":
        oom.pp.normalize_pearson_residuals(adata, clip=2)
    elif kind != "raw":
        oom.pp.normalize_total(adata, target_sum=8)
    if kind in ("log1p", "scaled", "regressed"):
        oom.pp.log1p(adata)
    if kind == "scaled":
        oom.pp.scale(adata, max_value=1.5)
    if kind == "regressed":
        oom.pp.regress_out(adata, ["a", "b"])


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """Returns annotated data on disk and its values, by storage and kind."""
    rng = np.random.default_rng(11)
    counts = rng.poisson(rng.gamma(0.7, 1.5, M), (N, M)).astype("float64")
    counts[:, 0] += 1
    covariates = [rng.normal(100, 3, N), rng.random(N)]
    obs = pd.DataFrame(dict(zip("ab", covariates)), index=[f"c{i}" for i in range(N)])
    var = pd.DataFrame(index=[f"g{j}" for j in range(M)])
    found = {}
    for fmt, make in {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}.items():
        path = tmp_path_factory.mktemp("property") / f"{fmt}.h5ad"
        ad.AnnData(make(counts.astype("float32")), obs=obs, var=var).write_h5ad(path)
        for kind in KINDS:
            adata = oom.read(path)
            record(kind, adata)
            found[fmt, kind] = adata, values_of(kind, counts, covariates)
    return found


def selectors(names):
    """Generates every form of index of an axis with these names."""
    n = len(names)
    bound = st.none() | st.integers(-n - 3, n + 3)
    step = st.none() | st.integers(-4, 4).filter(bool)
    forms = [
        st.builds(slice, bound, bound, step),
        st.permutations(range(n)),
        st.lists(st.booleans(), min_size=n, max_size=n).map(lambda m: np.array(m, dtype=bool)),
        st.just([]),
    ]
    if n:
        forms += [
            st.lists(st.integers(-n, n - 1), max_size=2 * n),
            st.lists(st.integers(-n, n - 1), max_size=n).map(lambda v: np.array(v, dtype=np.int64)),
            st.lists(st.sampled_from(names), max_size=n, unique=True),
            st.sampled_from(names),
            st.integers(-n, n - 1),
        ]
        if n > 1:
            forms.append(st.lists(st.sampled_from(names), min_size=1, unique=True).map(pd.Index))
    return st.one_of(forms)


def resolve(selector, names):
    """Returns the positions of a selector by numpy."""
    positions = np.arange(len(names))
    if isinstance(selector, str):
        return positions[[names.index(selector)]]
    if isinstance(selector, list | pd.Index | np.ndarray) and len(selector) and isinstance(selector[0], str):
        return positions[[names.index(s) for s in selector]]
    if isinstance(selector, list) and not selector:
        return positions[:0]
    return np.atleast_1d(positions[selector])


def close(found, expected, what):
    np.testing.assert_allclose(dense(found), expected, rtol=3e-5, atol=3e-5, err_msg=what)


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
@pytest.mark.parametrize("kind", KINDS)
@hypothesis.settings(max_examples=25, deadline=None, derandomize=True, database=None)
@hypothesis.given(data=st.data())
def test_any_selection(objects, fmt, kind, data):
    adata, values = objects[fmt, kind]
    obs, var = [f"c{i}" for i in range(N)], [f"g{j}" for j in range(M)]
    # A subset of a subset of a subset, each along one axis or both.
    for _ in range(data.draw(st.integers(1, 3), label="how often")):
        rows, columns = data.draw(selectors(obs), label="rows"), data.draw(selectors(var), label="columns")
        if data.draw(st.booleans(), label="rows only"):
            columns = slice(None)
        r, c = resolve(rows, obs), resolve(columns, var)
        if len(set(r)) < len(r) or len(set(c)) < len(c):
            # Repeated names would be ambiguous, so the following selections are by position.
            adata = adata[r][:, c]
            adata.obs_names = [f"{i}" for i in range(len(r))]
            adata.var_names = [f"{i}" for i in range(len(c))]
            obs, var = list(adata.obs_names), list(adata.var_names)
        else:
            adata = adata[rows] if isinstance(columns, slice) and columns == slice(None) else adata[rows, columns]
            obs, var = [obs[i] for i in r], [var[j] for j in c]
        values = values[np.ix_(r, c)]
        assert list(adata.obs_names) == obs and list(adata.var_names) == var
    X = adata.X
    assert X.shape == adata.shape == values.shape
    close(X[:], values, "all")
    size = data.draw(st.integers(1, N + 1), label="chunk size")
    chunks = list(X.chunked(size))
    assert [s for s, _, _ in chunks] == list(range(0, len(obs), size))
    if chunks:
        close(np.concatenate([dense(x) for _, _, x in chunks]), values, "chunks")
    if var:
        j = data.draw(st.integers(0, len(var) - 1), label="column")
        close(X[:, j], values[:, [j]], "a column")
        close(adata.obs_vector(var[j]), values[:, j], "a gene")
    if obs:
        i = data.draw(st.integers(0, len(obs) - 1), label="row")
        close(X[i], values[[i]], "a row")
        close(adata.var_vector(obs[i]), values[i], "a cell")
    rows, columns = data.draw(selectors(obs), label="X rows"), data.draw(selectors(var), label="X columns")
    if not any(isinstance(k, str) or (len(np.shape(k)) and len(k) and isinstance(k[0], str)) for k in (rows, columns)):
        r, c = resolve(rows, obs), resolve(columns, var)
        close(X[rows], values[r], "rows of X")
        close(X[:, columns], values[:, c], "columns of X")
    np.testing.assert_allclose(X.sum(axis=0), values.sum(0), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(X.sum(axis=1), values.sum(1), rtol=1e-4, atol=1e-3)
