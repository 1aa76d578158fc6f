"""Compares `raw` with anndata's: its names, its selections, and the verbs that use it."""

import gc
import weakref

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal
from conftest import dense, rich

import anndataoom as oom


def test_raw_has_the_names_of_the_cells(pair):
    memory, disk = pair
    held = disk.raw
    disk.obs_names = [f"k{i}" for i in range(60)]
    assert list(disk.raw.obs_names) == list(held.obs_names) == list(disk.obs_names)
    np.testing.assert_array_equal(dense(disk.raw["k7"].X[:]), dense(memory.raw.X)[[7]])
    part = disk[[8, 3]]
    assert list(part.raw.obs_names) == list(part.raw[:, ["g1"]].obs_names) == ["k8", "k3"]
    part.obs_names = ["p", "q"]
    assert list(part.raw.obs_names) == ["p", "q"] and list(disk.raw.obs_names)[8] == "k8"
    np.testing.assert_array_equal(part.raw.var_vector("q"), dense(memory.raw.X)[3])


@pytest.mark.parametrize("rows", [slice(None), [9, 3, 4], np.arange(60) % 4 == 1])
def test_raw_as_annotated_data(pair, rows):
    memory, disk = pair
    memory.raw.varm["PCs"] = np.arange(50.0).reshape(25, 2)
    disk.raw.varm["PCs"] = np.arange(50.0).reshape(25, 2)
    whole = isinstance(rows, slice)
    if whole:
        found, expected = disk.raw.to_adata(), memory.raw.to_adata()
    else:
        found, expected = disk[rows].raw.to_adata(), memory[rows].copy().raw.to_adata()
    assert_equal(found, expected)
    assert set(found.obsm) == {"X_pca", "frame"} and "nested" in found.uns and list(found.obs) == list(disk.obs)
    if not whole:
        assert_equal(disk.raw[rows].to_adata(), expected)


def test_raw_does_not_keep_the_object(on_disk):
    disk = on_disk(rich())
    raw, gone = disk.raw, weakref.ref(disk)
    del disk
    gc.disable()
    try:
        assert gone() is not None and list(raw.obs_names)[0] == "c0"
        del raw
        assert gone() is None
    finally:
        gc.enable()


def test_raw_of_another_object(pair):
    _, disk = pair
    other = disk.copy()
    other.obs_names = [f"o{i}" for i in range(60)]
    disk.raw = other.raw
    assert list(disk.raw.obs_names) == list(disk.obs_names)
    disk.raw = disk.raw.to_adata()
    assert list(disk.raw.obs_names) == list(disk.obs_names) and disk.raw.shape == (60, 25)


@pytest.mark.parametrize("order", ["same", "reversed", "some"])
@pytest.mark.parametrize("inplace", [False, True])
def test_qc_of_raw(fmt, on_disk, order, inplace):
    memory = rich(fmt=fmt)
    # Selections of genes, one of them without the mask's genes: raw still has them.
    genes = {"same": slice(None), "reversed": slice(None, None, -1), "some": ["g7", "g3"]}[order]
    disk = on_disk(memory)[:, genes]
    raw = dense(memory.raw.X)
    result = oom.pp.calculate_qc_metrics(disk, use_raw=True, qc_vars=["mt"], percent_top=None, inplace=inplace)
    obs, var = (disk.obs, disk.var) if inplace else result
    np.testing.assert_allclose(obs["total_counts_mt"], raw[:, ::5].sum(1), rtol=1e-6)
    assert list(var.index) == list(disk.var_names if inplace else disk.raw.var_names)
    totals = pd.Series(raw.sum(0), index=memory.var_names)
    np.testing.assert_allclose(var["total_counts"], totals[var.index], rtol=1e-6)


def test_qc_of_a_raw_that_lacks_a_gene(pair):
    _, disk = pair
    disk.raw = disk[:, :20]
    with pytest.raises(KeyError, match="g20"):
        oom.pp.calculate_qc_metrics(disk, use_raw=True, percent_top=None, inplace=True)
    assert "total_counts" not in disk.obs and "total_counts" not in disk.var
    assert len(oom.pp.calculate_qc_metrics(disk, use_raw=True, percent_top=None)[1]) == 20
    del disk.raw
    with pytest.raises(ValueError, match="raw"):
        oom.pp.calculate_qc_metrics(disk, use_raw=True, percent_top=None)


@pytest.mark.parametrize("axis", ["obs", "var"])
@pytest.mark.parametrize("join", ["inner", "outer"])
def test_concat_and_the_varm_of_raw(axis, join):
    a, b = rich(seed=1), rich(seed=2)
    other = [f"o{i}" for i in range(60 if axis == "obs" else 25)]
    setattr(b, f"{axis}_names", other)
    for x in (a, b):
        x.raw = x.copy()
        x.raw.varm["PCs"] = np.arange(50.0).reshape(25, 2)
    b.raw.varm["more"] = np.ones((25, 1))
    # Frames of obsm are joined by the names of cells, which differ here.
    for x in (a, b):
        del x.obsm["frame"]
    expected = ad.concat([a, b], axis=axis, join=join)
    found = oom.concat([oom.AnnDataOOM(a), oom.AnnDataOOM(b)], axis=axis, join=join)
    assert list(found.raw.var_names) == list(expected.raw.var_names)
    assert set(found.raw.varm) == set(expected.raw.varm)
    for key in expected.raw.varm:
        np.testing.assert_array_equal(np.asarray(found.raw.varm[key]), np.asarray(expected.raw.varm[key]))
