"""Checks that `AnnDataOOM` has every public member of the installed `anndata.AnnData`, with its
parameters."""

import inspect
import pickle
import sys
import warnings
from contextlib import contextmanager

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal
from conftest import dense, rich

import anndataoom as oom

SPECIAL = ["__contains__", "__delitem__", "__eq__", "__getitem__", "__len__", "__setitem__", "__sizeof__", "__repr__"]
MEMBERS = [name for name in dir(ad.AnnData) if not name.startswith("_") or name in SPECIAL]
# Parameters that have the names or the order of version 0.1.8.
OWN = {"obs_vector": {"k"}, "var_vector": {"k"}, "__setitem__": {"val"}}


@pytest.fixture
def disk(on_disk):
    return on_disk(rich())


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_is_there(name):
    theirs, ours = (inspect.getattr_static(c, name) for c in (ad.AnnData, oom.AnnDataOOM))
    if not callable(theirs):
        assert isinstance(ours, property)
        if hasattr(theirs, "fset") and theirs.fset is None:
            return
        assert ours.fset is not None, f"{name} cannot be set"
        return
    theirs, ours = (inspect.signature(getattr(c, name)).parameters for c in (ad.AnnData, oom.AnnDataOOM))
    takes_any = any(p.kind is p.VAR_KEYWORD for p in ours.values())
    missing = set(theirs) - set(ours) - OWN.get(name, set())
    assert takes_any or not missing, missing


def test_concat_has_every_parameter():
    ours = inspect.signature(oom.concat).parameters
    assert set(inspect.signature(ad.concat).parameters) <= set(ours)
    with pytest.raises(ValueError, match="concat: force_lazy must be True or False"):
        oom.concat([rich()], force_lazy="yes")


@pytest.mark.parametrize("name", [n for n in dir(oom.AnnDataOOM) if not n.startswith("_")])
def test_every_member_says_what_it_is(name):
    assert inspect.getattr_static(oom.AnnDataOOM, name).__doc__


def test_properties(disk):
    memory = rich()
    for name in ("n_obs", "n_vars", "shape", "is_view", "isview"):
        with ignored(FutureWarning):  # anndata's isview
            expected = getattr(memory, name)
        assert getattr(disk, name) == expected, name
    assert disk.isbacked and disk.filename
    for name in ("obs_keys", "var_keys", "obsm_keys", "varm_keys", "uns_keys"):
        with ignored(FutureWarning):  # anndata's
            expected = getattr(memory, name)()
        assert getattr(disk, name)() == expected, name


@contextmanager
def ignored(category):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield


def test_deleting_slots(disk):
    for slot in ("obsm", "varm", "obsp", "varp", "layers", "uns"):
        assert len(getattr(disk, slot))
        delattr(disk, slot)
        assert len(getattr(disk, slot)) == 0
    del disk.raw, disk.X
    assert disk.raw is None and disk.X is None and disk.shape == (60, 25)


def test_setting_values(disk):
    disk[[3, 1], ["g2", "g0"]] = 7
    expected = dense(rich().X)
    expected[np.ix_([3, 1], [2, 0])] = 7
    np.testing.assert_array_equal(dense(disk.X[:]), expected)


def test_length_size_and_comparison(disk):
    assert len(disk) == 60 and sys.getsizeof(disk) > 0
    with pytest.raises(AttributeError, match="__contains__"):
        assert "g1" in disk
    with pytest.raises(NotImplementedError):
        assert disk == disk.copy()
    same = disk
    assert disk == same and hash(disk) == hash(disk)
    with pytest.raises(TypeError):
        del disk[:3]


def test_bytes_in_memory(disk, capsys):
    before = sys.getsizeof(disk)
    disk.__sizeof__(show_stratified=True)
    assert not capsys.readouterr().out  # nothing was read
    nnz = rich().X.nnz
    disk.__sizeof__(show_stratified=True, with_disk=True)
    printed = capsys.readouterr().out
    for slot, size in (("X", nnz * 8 + 8 * 61), ("layers", nnz * 8 + 8 * 61), ("raw", nnz * 8 + 8 * 61)):
        assert f"Size of {slot}: {size:,} bytes" in printed
    disk.X = rich().X
    disk.layers["new"] = np.ones(disk.shape)
    disk.obsm["new"] = rich().X[:, :5]
    disk.uns = {"a": {"b": np.ones(1000)}}
    whole = oom.concat([disk, disk]).__sizeof__(show_stratified=True)
    parts = rich().obsm["X_pca"].nbytes
    printed = capsys.readouterr().out
    assert f"Size of layers: {2 * 60 * 25 * 8:,} bytes" in printed
    assert f"Size of X: {2 * (8 * nnz + 8 * 61):,} bytes" in printed
    disk.__sizeof__(show_stratified=True)
    assert "Size of uns: 8,000 bytes" in capsys.readouterr().out
    assert whole > sys.getsizeof(disk) > before + 8 * nnz + 60 * 25 * 8 + 8000 + parts


def test_copy_to_a_file(disk, tmp_path):
    again = disk.copy(tmp_path / "copy.h5ad")
    assert oom.is_oom(again) and again.filename == str(tmp_path / "copy.h5ad")
    assert_equal(again.to_adata(), disk.to_adata(), exact=True)
    assert type(disk.copy(to_memory=True)) is ad.AnnData


def test_transposed(disk):
    expected = rich().T
    for found in (disk.T, disk.transpose()):
        np.testing.assert_array_equal(dense(found.X), dense(expected.X))
        assert list(found.obs_names) == list(expected.obs_names) and set(found.obsp) == {"genes"}


def test_categories_are_renamed_in_results_too(on_disk):
    adata = rich()
    table = np.array([("g1", "g2", "g3", "g4")], dtype=[(c, "O") for c in ("c", "b", "a", "unused")])
    adata.uns["rank_genes_groups"] = {"params": {"groupby": "group"}, "names": table}
    disk = on_disk(adata)
    disk.rename_categories("group", ["w", "x", "y", "z"])
    assert list(disk.obs["group"].cat.categories) == ["w", "x", "y", "z"]
    assert disk.uns["rank_genes_groups"]["names"].dtype.names == ("w", "x", "y", "z")
    with pytest.raises(ValueError):
        disk.rename_categories("nothing", ["a"])
    with pytest.raises(ValueError):
        disk.rename_categories("group", {"w": "a"})


def test_strings_to_categoricals(disk):
    disk.obs["word"] = ["p", "q"] * 30
    disk.strings_to_categoricals()
    assert isinstance(disk.obs["word"].dtype, pd.CategoricalDtype)
    assert disk.obs["id"].dtype == pd.Index(["a"], dtype=str).dtype
    frame = pd.DataFrame({"a": ["x", "x", "y"]})
    disk.strings_to_categoricals(frame)
    assert isinstance(frame["a"].dtype, pd.CategoricalDtype)


def test_write_zarr(disk, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        disk.write_zarr(tmp_path / "store.zarr")
    again = ad.read_zarr(tmp_path / "store.zarr")
    np.testing.assert_array_equal(dense(again.X), dense(rich().X))
    # Into a store of the package zarr, by anndata.
    import zarr

    with pytest.warns(UserWarning, match="60 x 25"):
        disk.write_zarr(zarr.storage.LocalStore(tmp_path / "other.zarr"))
    assert ad.read_zarr(tmp_path / "other.zarr").shape == (60, 25)


def test_write_csvs(disk, tmp_path):
    del disk.uns, disk.obsm["frame"]
    disk.write_csvs(tmp_path / "text")
    obs = pd.read_csv(tmp_path / "text" / "obs.csv", index_col=0)
    np.testing.assert_allclose(obs["score"], rich().obs["score"])
    assert not (tmp_path / "text" / "X.csv").exists()


def test_write_loom_needs_loompy(disk, tmp_path):
    try:
        import loompy  # noqa: F401
    except ImportError:
        # The method calls one of anndata 0.13 that is deprecated.
        with ignored(FutureWarning), pytest.raises(ImportError), pytest.warns(UserWarning, match="60 x 25"):
            disk.write_loom(tmp_path / "a.loom")


def test_pickled_by_path(disk):
    assert len(pickle.dumps(disk)) < 100_000
    again = pickle.loads(pickle.dumps(disk))
    assert_equal(again.to_adata(), disk.to_adata(), exact=True)


def test_columns_of_obs_are_read_one_by_one(disk, monkeypatch):
    """Checks that until the frame is touched, reading a column reads this column only."""
    assert len(disk.obs_vector("score")) == len(disk.obs_names) == 60
    assert not disk._obs.touched
    part = disk[disk.obs_vector("flag")]
    assert not part._obs.touched and part.obs_vector("score").shape == (part.n_obs,)
    assert disk.obs_keys() == list(rich().obs.columns) and not disk._obs.touched
