"""Tests values that `uns` takes, and errors for those that it does not take."""

import anndata as ad
import numpy as np
import pytest
from conftest import rich

import anndataoom as oom

GOOD = {
    "tuple": (0, 5.5),
    "tuple of text": ("a", "b"),
    "empty list": [],
    "empty tuple": (),
    "mixed numbers": [1, 2.5],
    "nested list": [[1, 2], [3, 4]],
    "list of arrays": [np.arange(2), np.arange(2)],
    "truths": [True, False],
    "empty text": "",
    "wide": np.array([["a", "b"], ["c", "d"]]),
    "big endian": np.arange(3, dtype=">i4"),
    "unsigned": np.array([2**64 - 1], dtype="uint64"),
    "large": 2**62 + 1,
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
}


@pytest.mark.parametrize("label", GOOD)
def test_what_uns_takes(tmp_path, label):
    adata = oom.AnnDataOOM(rich())
    adata.uns["d"] = {"v": GOOD[label]}
    adata.write(tmp_path / "a.h5ad")
    for found in (oom.read(tmp_path / "a.h5ad"), ad.read_h5ad(tmp_path / "a.h5ad")):
        value = found.uns["d"]["v"]
        assert np.array_equal(np.asarray(value), np.asarray(GOOD[label]))


BAD = {
    "list of dicts": [{"x": 1}],
    "ragged": [[1, 2], [3]],
    "ragged in a dict": {"deep": [[1, 2], [3]]},
    "ragged arrays": [np.arange(2), np.arange(3)],
    "set": {1},
    "key": {1: 2},
    "function": len,
    "mixture": ["a", None, 3],
    "dates": np.array(["2020-01-01"], dtype="M8[D]"),
    "nul": ["a\0b"],
    "objects": np.array([object()], dtype=object),
}


@pytest.mark.parametrize("label", BAD)
@pytest.mark.parametrize("way", ["write", "save"])
def test_what_uns_does_not_take(tmp_path, label, way):
    path = tmp_path / "a.h5ad"
    rich().write_h5ad(path)
    before = path.read_bytes()
    adata = oom.read(path, backed="r+")
    adata.uns["bad"] = BAD[label]
    with pytest.raises((TypeError, ValueError), match="uns/bad"):
        adata.save() if way == "save" else adata.write(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.h5ad"]
