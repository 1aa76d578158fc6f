"""Writes the files that the tests read. anndata writes them, so they are independent of this
package."""

import os
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "inst" / "extdata" / "pbmc_like.h5ad"


def data_file(name):
    """Returns the path of a data set with golden values: the bundled one, or pbmc3k if that file
    lies beside the project."""
    if name == "pbmc_like":
        return EXAMPLE
    path = Path(os.environ.get("ANNDATAOOM_SHARED", ROOT.parent / "shared")) / "data" / f"{name}.h5ad"
    if not path.exists():
        pytest.skip(f"{path} is not there (set ANNDATAOOM_SHARED)")
    return path


def rich(n=60, m=25, fmt="csr", dtype="float32", seed=0):
    """Returns annotated data with one element of every kind."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.7, (n, m)).astype(dtype)
    counts[:, 0] = 1
    X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[fmt](counts)
    obs = pd.DataFrame(
        {
            "group": pd.Categorical(rng.choice(["b", "a", "c"], n), categories=["c", "b", "a", "unused"], ordered=True),
            "score": rng.normal(size=n),
            "count": rng.integers(0, 9, n),
            "flag": rng.random(n) < 0.5,
            "nullable": pd.array([pd.NA if i % 7 == 0 else 2**60 + i for i in range(n)], dtype="Int64"),
            "maybe": pd.array([pd.NA if i % 5 == 0 else bool(i % 2) for i in range(n)], dtype="boolean"),
            "id": [f"id{i}" for i in range(n)],
        },
        index=pd.Index([f"c{i}" for i in range(n)], name="barcode"),
    )
    var = pd.DataFrame({"mt": [j % 5 == 0 for j in range(m)]}, index=[f"g{j}" for j in range(m)])
    adata = ad.AnnData(X, obs=obs, var=var)
    adata.layers["counts"] = X.copy()
    adata.obsm["X_pca"] = rng.normal(size=(n, 3)).astype("float32")
    adata.obsm["frame"] = pd.DataFrame({"x": rng.normal(size=n)}, index=obs.index)
    adata.varm["PCs"] = rng.normal(size=(m, 3))
    adata.obsp["graph"] = sparse.random(n, n, 0.1, format="csr", random_state=seed)
    adata.varp["genes"] = sparse.random(m, m, 0.2, format="csr", random_state=seed)
    adata.uns["group_colors"] = np.array(["#000001", "#000002", "#000003", "#000004"], dtype=object)
    adata.uns["nested"] = {
        "rec": np.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i8"), ("b", "f4")]),
        "none": None,
        "text": "t",
        "number": 3,
        "frame": pd.DataFrame({"a": [1, 2]}, index=["r", "s"]),
        "cat": pd.Categorical(["x", "y", "x"]),
    }
    adata.raw = adata.copy()
    return adata


def counts(n=80, m=30, seed=3, dtype="float32"):
    """Returns counts of cells and genes, in memory."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(rng.gamma(0.8, 1.5, m), (n, m)).astype(dtype)
    x[0, :] = np.maximum(x[0, :], 1)
    x[:, 0] += 1
    adata = ad.AnnData(sparse.csr_matrix(x))
    adata.obs["k"] = rng.permutation(n)
    return adata


@pytest.fixture(params=["csr", "csc", "dense"])
def fmt(request):
    return request.param


@pytest.fixture
def pair(tmp_path, fmt):
    """Returns the same data in memory and on disk."""
    import anndataoom as oom

    adata = rich(fmt=fmt)
    adata.write_h5ad(tmp_path / "rich.h5ad")
    return ad.read_h5ad(tmp_path / "rich.h5ad"), oom.read(tmp_path / "rich.h5ad")


@pytest.fixture
def on_disk(tmp_path):
    """Returns a function that writes annotated data and opens the file."""
    import anndataoom as oom

    count = iter(range(1000))

    def write(adata, **kwargs):
        path = tmp_path / f"data{next(count)}.h5ad"
        adata.write_h5ad(path, **kwargs)
        return oom.read(path)

    return write


@pytest.fixture
def disk(on_disk):
    """Returns counts on disk."""
    return on_disk(counts())


@pytest.fixture
def X():
    """Returns the values of `disk`."""
    return dense(counts().X)


def dense(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def pytest_terminal_summary(terminalreporter):
    """Prints the figures of omicverse/check_omicverse.py."""
    figures = getattr(sys.modules.get("check_omicverse"), "FIGURES", [])
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)


@pytest.fixture
def example(tmp_path):
    """Returns annotated data with something in every slot, and its file."""
    x = sparse.random(40, 20, 0.3, "csr", dtype="f4", random_state=0)
    a = ad.AnnData(x, layers={"l": x.copy(), "c": x.tocsc(), "d": x.toarray()})
    a.obs["column"] = np.arange(40.0)
    a.obs["group"] = pd.Categorical(["a", "b"] * 20)
    a.obsm["m"] = np.ones((40, 2))
    a.uns["text"] = np.array(["x", "y"], dtype=object)
    a.raw = a.copy()
    path = tmp_path / "a.h5ad"
    a.write_h5ad(path)
    return a, path


# The fixtures of the tests of remote stores, whose module takes functions of this one.
from remote_files import folder, server  # noqa: E402, F401
