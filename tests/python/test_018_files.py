"""Tests files that version 0.1.8 misread, truncated or damaged, by the labels of the list of
faults."""

import gc
import shutil

import anndata as ad
import h5py
import hdf5plugin as plugin
import numpy as np
import pandas as pd
import pytest
from conftest import counts, dense, rich
from scipy import sparse

import anndataoom as oom


def test_metadata(on_disk, tmp_path):
    adata = rich()
    adata.obs["numbers"] = pd.Categorical(np.arange(60) % 3, categories=[2, 0, 1])
    adata.obs["truth"] = pd.Categorical(np.arange(60) % 2 == 0, categories=[True, False])
    adata.obs["obs_names"] = adata.obs["id"]
    disk = on_disk(adata)
    assert list(disk.obs["truth"].cat.categories) == [True, False]
    assert disk.obs["maybe"].dtype == "boolean" and disk.obs["nullable"].dtype == "Int64"
    assert list(disk.obs["group"].cat.categories) == ["c", "b", "a", "unused"] and disk.obs["group"].cat.ordered
    assert list(disk.obs["numbers"].cat.categories) == [2, 0, 1]
    assert disk.obs["nullable"].iloc[1] == 2**60 + 1
    assert disk.obs["id"].iloc[0] + "_x" == "id0_x" and not isinstance(disk.obs["id"].dtype, pd.CategoricalDtype)
    assert disk.obs.index.name == "barcode"
    part = disk[disk.obs["group"] != "b"]
    assert list(part.obs["group"].cat.categories) == ["c", "a"]
    assert list(part.uns["group_colors"]) == ["#000001", "#000003"]
    assert list(disk.uns["group_colors"]) == ["#000001", "#000002", "#000003", "#000004"]
    disk.write(tmp_path / "out.h5ad")
    assert ad.read_h5ad(tmp_path / "out.h5ad").obs.index.name == "barcode"


def test_write_over_the_source(disk, X):
    disk.obs["new"] = 1
    disk.write(disk.filename)
    assert ad.read_h5ad(disk.filename).obs["new"].sum() == 80
    np.testing.assert_array_equal(dense(disk.X[:]), X)  # still reads what it had open


def test_raw_survives_subsets(disk, X, tmp_path):
    disk.raw = disk
    disk.write(tmp_path / "raw.h5ad")
    disk = oom.read(tmp_path / "raw.h5ad")
    disk[:10]
    gc.collect()
    np.testing.assert_array_equal(dense(disk.raw.X[:]), X)
    disk.write(tmp_path / "again.h5ad")
    np.testing.assert_array_equal(dense(ad.read_h5ad(tmp_path / "again.h5ad").raw.X), X)


def test_write_keeps_everything(on_disk, tmp_path):
    disk = on_disk(rich(dtype="int8"))
    disk[::2].write(tmp_path / "out.h5ad")
    again = ad.read_h5ad(tmp_path / "out.h5ad")
    assert sparse.issparse(again.X) and again.X.dtype == np.int8
    assert sparse.issparse(again.layers["counts"]) and again.layers["counts"].dtype == np.int8
    assert "genes" in again.varp and isinstance(again.obsm["frame"], pd.DataFrame)
    assert isinstance(again.uns["nested"]["frame"], pd.DataFrame)


def test_r_plus_persists(disk, tmp_path):
    path = shutil.copy(disk.filename, tmp_path / "copy.h5ad")
    changed = oom.read(path, backed="r+")
    changed.obs["new"] = 1
    changed.save()
    assert (ad.read_h5ad(path).obs["new"] == 1).all()


@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
def test_filters(on_disk, X, compression):
    disk = on_disk(counts(), compression=compression)
    np.testing.assert_array_equal(dense(disk.X[:]), X)


@pytest.mark.parametrize(
    "name", ["zstd", "lz4", "blosc-lz4", "blosc-blosclz", "blosc-zstd", "fletcher32", "bitshuffle", "blosc2"]
)
def test_filters_of_plugins(tmp_path, X, name):
    options = {
        "zstd": lambda: plugin.Zstd(),
        "lz4": lambda: plugin.LZ4(),
        "bitshuffle": lambda: plugin.Bitshuffle(),
        "blosc2": lambda: plugin.Blosc2(),
        "blosc": lambda: plugin.Blosc(cname=name.partition("-")[2], shuffle=plugin.Blosc.SHUFFLE),
        "fletcher32": lambda: {"fletcher32": True},
    }[name.partition("-")[0]]()
    counts().write_h5ad(tmp_path / "f.h5ad")
    recompress(tmp_path / "f.h5ad", **options)
    disk = oom.read(tmp_path / "f.h5ad")
    np.testing.assert_array_equal(dense(disk.X[:]), X)


def test_filters_not_covered_say_so(tmp_path):
    """Checks that a filter that is not built in gives an error that names filter, file and element."""
    counts().write_h5ad(tmp_path / "f.h5ad")
    recompress(tmp_path / "f.h5ad", **plugin.BZip2())
    whole = oom.read(tmp_path / "f.h5ad")
    disk = whole[:5]
    assert disk.obs["k"].shape == (5,) and "unreadable" in repr(disk)  # what can be read is read
    with pytest.raises(Exception, match="f.h5ad") as e:
        disk.X[:]
    assert "X/" in str(e.value) and "filter" in str(e.value)


def recompress(path, **options):
    """Writes the arrays of X again with other filters."""
    with h5py.File(path, "r+") as f:
        for part in ("data", "indices"):
            values = f[f"X/{part}"][:]
            del f[f"X/{part}"]
            f["X"].create_dataset(part, data=values, chunks=(500,), **options)


def test_damage_is_an_exception(tmp_path, on_disk):
    for path in (tmp_path / "none.h5ad", tmp_path):
        with pytest.raises(Exception, match=str(path)):
            oom.read(path)
    o = on_disk(counts())
    name = o.filename
    with pytest.raises(IndexError):
        o.X[80]
    assert o.X[-1].shape == (1, 30)
    del o
    gc.collect()
    with h5py.File(name, "r+") as f:
        start, end = f["X/indptr"][:2]
        f["X/indices"][start:end] = f["X/indices"][start:end][::-1]
        f["uns"].create_group("odd").attrs["encoding-type"] = "made-up"
    unsorted = oom.read(name)
    np.testing.assert_array_equal(np.sort(dense(unsorted.X[0]).ravel()), np.sort(dense(counts().X[0]).ravel()))
    with pytest.raises(Exception, match="made-up") as e:
        unsorted.uns["odd"]
    assert name in str(e.value) and "uns/odd" in str(e.value)


@pytest.mark.parametrize("damage", ["missing", "text", "directory", "truncated", "no obs"])
def test_not_an_h5ad(tmp_path, damage):
    """Checks that `except Exception` catches the error of any bad file, and that its message names
    the file."""
    path = tmp_path / "bad.h5ad"
    if damage == "text":
        path.write_text("not HDF5")
    elif damage == "directory":
        path.mkdir()
        (path / ".zgroup").write_text('{"zarr_format": 2}')
    elif damage == "truncated":
        counts().write_h5ad(path)
        path.write_bytes(path.read_bytes()[:3000])
    elif damage == "no obs":
        h5py.File(path, "w").close()
    with pytest.raises(Exception, match="bad.h5ad"):
        oom.read(path)


def test_legacy_and_unusual(on_disk):
    """Checks a file without encoding attributes, with record arrays, with nothing at the top of
    uns, and with unsorted rows."""
    name = on_disk(counts()).filename
    gc.collect()
    with h5py.File(name, "r+") as f:
        f["uns"].create_dataset("rec", data=np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]))
        empty = f["uns"].create_dataset("none", data=h5py.Empty("f4"))
        empty.attrs["encoding-type"], empty.attrs["encoding-version"] = "null", "0.1.0"
        for group in ("X", "obs", "var"):
            for key in ("encoding-type", "encoding-version"):
                del f[group].attrs[key]
        f["X"].attrs["h5sparse_format"], f["X"].attrs["h5sparse_shape"] = "csr", (80, 30)
    disk = oom.read(name)
    np.testing.assert_array_equal(dense(disk.X[:]), dense(counts().X))
    assert disk.uns["rec"]["b"][0] == 2.5 and disk.uns["none"] is None
    np.testing.assert_array_equal(dense(disk[[-1, -2]].X[:]), dense(counts().X)[[-1, -2]])


def test_results_of_scanpy_survive(on_disk, tmp_path):
    """Checks a test of differential expression, whose result is a nested record array."""
    adata = rich()
    table = np.array([("g1", "g2"), ("g3", "g4")], dtype=[("a", "O"), ("b", "O")])
    adata.uns["rank_genes_groups"] = {"params": {"groupby": "group"}, "names": table}
    adata.uns["kinds"] = pd.Categorical(["x", "y", "x"])
    adata.uns["missing"] = pd.array([1, None, 3], dtype="Int64")
    disk = on_disk(adata)
    for again in (disk, oom.read(written(disk, tmp_path))):
        found = again.uns["rank_genes_groups"]["names"]
        assert found.dtype.names == ("a", "b") and [tuple(r) for r in found.tolist()] == [("g1", "g2"), ("g3", "g4")]
        assert list(again.uns["kinds"]) == ["x", "y", "x"]
        assert again.uns["missing"].dtype == "Int64" and pd.isna(again.uns["missing"][1])


def written(disk, folder):
    disk.write(folder / "written.h5ad")
    return folder / "written.h5ad"


def test_nothing_is_dropped(on_disk, tmp_path):
    adata = rich()
    disk = on_disk(adata)
    assert disk.uns["nested"]["rec"].dtype.names == ("a", "b") and "cat" in disk.uns["nested"]
    name = disk.filename
    del disk
    gc.collect()
    with h5py.File(name, "r+") as f:
        f["obs/score"].attrs["encoding-type"] = "made-up"
    broken = oom.read(name)
    with pytest.warns(UserWarning, match="score"):
        obs = broken.obs
    assert "score" not in obs and {"group", "count", "flag"} <= set(obs.columns)
