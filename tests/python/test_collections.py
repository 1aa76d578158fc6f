"""Tests collections of annbatch: a Zarr store or a folder of h5ad files whose parts are one object."""

import json

import anndata as ad
import numpy as np
import pytest
from conftest import dense, rich

import anndataoom as oom

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def parts():
    """Returns eleven objects with the same genes; number 10 comes last by its number, third by its
    name.
    """
    whole = rich()
    whole.raw = None
    ends = np.linspace(0, whole.n_obs, 12).astype(int)
    return {number: whole[a:b].copy() for number, (a, b) in enumerate(zip(ends[:-1], ends[1:]))}


def store(parts, folder):
    pytest.importorskip("zarr", minversion="3")
    folder.mkdir()
    attributes = {"encoding-type": "annbatch-preshuffled", "encoding-version": "0.1.0"}
    (folder / "zarr.json").write_text(json.dumps({"attributes": attributes, "zarr_format": 3, "node_type": "group"}))
    for number, part in parts.items():
        part.write_zarr(folder / f"dataset_{number}")
    return folder


def files(parts, folder):
    folder.mkdir()
    for number, part in parts.items():
        part.write_h5ad(folder / f"dataset_{number}.h5ad")
    (folder / "notes.txt").write_text("not a part")
    return folder


@pytest.mark.parametrize("make", [store, files])
def test_parts_are_one_object(parts, tmp_path, make):
    folder = make(parts, tmp_path / "all")
    whole = oom.read(folder)
    assert isinstance(whole, oom.AnnDataSet)
    assert list(whole.adatas) == [f"dataset_{number}" for number in range(11)]
    expected = ad.concat(list(parts.values()), merge="same", uns_merge="same")
    assert list(whole.obs_names) == list(expected.obs_names) and list(whole.obs) == list(expected.obs)
    assert list(whole.var_names) == list(expected.var_names) and list(whole.var) == list(expected.var)
    assert set(whole.uns) == set(expected.uns)
    np.testing.assert_array_equal(dense(whole.X), dense(expected.X))
    named = oom.AnnDataSet(folder, add_key="part")
    assert list(named.obs["part"].unique()) == list(whole.adatas)
    within = oom.AnnDataSet([("one", folder), ("two", next(iter(parts.values())))], index_unique="-")
    assert list(within.adatas) == [*(f"one_dataset_{number}" for number in range(11)), "two"]


def test_collections_that_cannot_be_read(parts, tmp_path):
    folder = store({}, tmp_path / "empty.zarr")
    with pytest.raises(OSError, match=r"empty.zarr.*without parts: expected dataset_0, dataset_1"):
        oom.read(folder)
    folder = files(parts, tmp_path / "files")
    with pytest.raises(ValueError, match=r"backed: .*files' is a collection of several objects"):
        oom.read(folder, backed="r+")
    (folder / "dataset_2.h5ad").write_bytes(b"nothing of the kind")
    with pytest.raises(OSError, match=r"dataset_2.h5ad"):
        oom.read(folder)
    (folder / "dataset_2.h5ad").unlink()
    with pytest.raises(OSError, match=r"10 parts up to dataset_10.h5ad, of which dataset_2 is missing"):
        oom.read(folder)
