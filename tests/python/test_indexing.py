"""Tests indexes of an object, its raw and its matrices, and members that take none."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from conftest import counts, dense
from scipy import sparse


@pytest.fixture
def named(on_disk):
    """Makes cells c0, c1, ..., genes g0, g1, ... and graphs over both."""
    adata = counts()
    adata.obs_names, adata.var_names = [f"c{i}" for i in range(80)], [f"g{j}" for j in range(30)]
    adata.obsp["graph"] = sparse.random(80, 80, 0.2, format="csr", random_state=1)
    adata.varp["graph"] = sparse.random(30, 30, 0.2, format="csr", random_state=1)
    adata.raw = adata.copy()
    return on_disk(adata)


def test_indexing_of_one_cell(named, X):
    for one, row in ((5, 5), (np.int64(3), 3), (-1, 79), ("c5", 5)):
        np.testing.assert_array_equal(dense(named[one].X[:]), X[[row]])
    np.testing.assert_array_equal(dense(named[0, 0].X[:]), X[:1, :1])
    np.testing.assert_array_equal(dense(named["c2", ["g4", "g1"]].X[:]), X[[2]][:, [4, 1]])


@pytest.mark.parametrize(
    "index, error",
    [
        ("typo", KeyError),
        (np.ones(10, dtype=bool), IndexError),
        ([True, False], IndexError),
        ([0.5], IndexError),
        (np.array([1.7, 2.0]), IndexError),
        ([80], IndexError),
        (-81, IndexError),
    ],
    ids=["name", "short mask", "short list of bools", "fraction", "fractions", "too large", "too small"],
)
def test_indexing_that_is_refused(named, index, error):
    with pytest.raises(error):
        named[index].X[:]


def test_indexing_by_objects_and_duplicate_names(on_disk, named, X):
    mask = np.array([i % 2 == 0 for i in range(80)], dtype=object)
    np.testing.assert_array_equal(dense(named[mask].X[:]), X[::2])
    adata = counts()
    adata.var_names = ["d", "g1", "d", *(f"g{j}" for j in range(3, 30))]
    disk = on_disk(adata)
    np.testing.assert_array_equal(dense(disk[:, ["g5", "g1"]].X[:]), X[:, [5, 1]])
    for call in (lambda: disk[:, ["d", "g1"]], lambda: disk.obs_vector("d")):
        with pytest.raises(KeyError, match="d"):
            call()


def test_indexing_of_raw(named, X):
    np.testing.assert_array_equal(dense(named.raw[:, ["g3", "g1"]].X[:]), X[:, [3, 1]])
    np.testing.assert_array_equal(dense(named.raw[:5].X[:]), X[:5])
    assert named.raw[:5].to_adata().shape == (5, 30)


def test_indexing_of_arrays(named, X):
    np.testing.assert_array_equal(np.asarray(named.X[[1, 2], [3, 4]]).ravel(), X[[1, 2], [3, 4]])
    np.testing.assert_array_equal(dense(named.X[-1]), X[[-1]])
    for axis in (None, -1, 0, 1):
        np.testing.assert_allclose(named.X.sum(axis=axis), X.sum(axis=axis), rtol=1e-6)
    assert named.X.sum() == X.sum()
    with pytest.raises(ValueError):
        list(zip(range(3), named.X.chunked(0)))


def test_indexing_takes_graphs_along(named):
    part = named[[4, 1, 7], ["g9", "g2"]]
    np.testing.assert_array_equal(dense(part.obsp["graph"]), dense(named.obsp["graph"])[np.ix_([4, 1, 7], [4, 1, 7])])
    np.testing.assert_array_equal(dense(part.varp["graph"]), dense(named.varp["graph"])[np.ix_([9, 2], [9, 2])])


def test_indexing_setters_validate(named):
    for slot, value in {
        "obs": pd.DataFrame(index=["a"]),
        "var": pd.DataFrame(index=["a"]),
        "X": np.ones((2, 2)),
        "obs_names": ["a"],
        "var_names": ["a"],
    }.items():
        with pytest.raises(ValueError):
            setattr(named, slot, value)
    for slot in ("obsm", "varm", "obsp", "varp", "layers"):
        with pytest.raises(ValueError):
            getattr(named, slot)["bad"] = np.ones((2, 3))


def test_indexing_names_become_unique(on_disk):
    adata = ad.AnnData(sparse.csr_matrix(np.eye(3)))
    adata.var_names = ["a", "a", "a-1"]
    disk = on_disk(adata)
    disk.var_names_make_unique()
    assert disk.var_names.is_unique and {"a", "a-1"} <= set(disk.var_names)


def test_chunks_of_rows_cost_their_rows(disk, X):
    """Checks that chunks of a subset contain its rows, each once, however the file stores the
    matrix."""
    part = disk[disk.obs["k"].to_numpy() % 2 == 0]
    kept = X[disk.obs["k"].to_numpy() % 2 == 0]
    assert [(s, e) for s, e, _ in part.X.chunked(15)] == [(0, 15), (15, 30), (30, 40)]
    np.testing.assert_array_equal(np.concatenate([dense(c) for *_, c in part.X.chunked(15)]), kept)


FIVE, THREE = slice(5), slice(3)


@pytest.mark.parametrize("index", [(..., THREE), (FIVE, ...), (FIVE, THREE, ...), (FIVE, ..., THREE), ...])
def test_ellipsis(named, X, index):
    want = X[index if index is ... or len(index) == 2 else (FIVE, THREE)]
    for found in (named.X[index], named[index].X[:], named.raw[index].X[:]):
        np.testing.assert_array_equal(dense(found), want)
    for bad, match in ((1, 2, 3), "there are two axes, cells and genes, found 3"), ((..., ...), "one ellipsis"):
        for holder in (named, named.X, named.raw):
            with pytest.raises(IndexError, match=match):
                holder[bad]
