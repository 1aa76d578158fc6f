"""Tests files and habits of anndata 0.13, scanpy 1.12 and pandas 3, in whatever environment the
tests run."""

import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal
from conftest import dense, rich
from scipy import sparse

import anndataoom as oom

PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3


def nullable(group, name, values, mask, na_value):
    """Writes a `nullable-string-array` as anndata 0.13 does; earlier versions wrote no `na-value`."""
    g = group.create_group(name)
    g.attrs["encoding-type"], g.attrs["encoding-version"] = "nullable-string-array", "0.1.0"
    if na_value is not None:
        g.attrs["na-value"] = na_value
    text = g.create_dataset("values", data=np.array(values, dtype=object), dtype=h5py.string_dtype())
    text.attrs["encoding-type"], text.attrs["encoding-version"] = "string-array", "0.2.0"
    g["mask"] = np.array(mask)
    g["mask"].attrs["encoding-type"], g["mask"].attrs["encoding-version"] = "array", "0.2.0"


@pytest.fixture
def texts(tmp_path):
    """Makes a file with texts of every `na-value`. The names of cells are such texts, as anndata
    0.13 writes them."""
    path = tmp_path / "texts.h5ad"
    a = ad.AnnData(sparse.csr_matrix(np.eye(4, 3, dtype="f4")), obs=pd.DataFrame({"n": np.arange(4)}))
    a.write_h5ad(path)
    with h5py.File(path, "r+") as f:
        obs = f["obs"]
        del obs[obs.attrs["_index"]]
        nullable(obs, obs.attrs["_index"], list("wxyz"), [False] * 4, "NaN")
        columns = {"nan": "NaN", "na": "NA", "unsaid": None}
        for name, value in columns.items():
            nullable(obs, name, ["a", "", "c", "d"], [False, True, False, False], value)
        obs.attrs["column-order"] = ["n", *columns]
    return path


def na_values(path):
    with h5py.File(path) as f:
        obs = f["obs"]
        names = [obs.attrs["_index"], "nan", "na", "unsaid"]
        return [obs[name].attrs.get("na-value") if isinstance(obs[name], h5py.Group) else None for name in names]


def test_texts_come_as_anndata_gives_them(texts):
    o, a = oom.read(texts), ad.read_h5ad(texts)
    for name in ("nan", "na", "unsaid"):
        assert o.obs[name].dtype == a.obs[name].dtype
        assert (o.obs[name] == "a").dtype == (a.obs[name] == "a").dtype
    assert o.obs_names.dtype == a.obs_names.dtype
    assert_equal(o.to_memory(), a)
    assert_equal(o[[2, 0]].to_memory(), a[[2, 0]].copy())


@pytest.mark.parametrize("how", ["untouched", "touched", "selected", "selected after touching"])
def test_na_values_are_kept(texts, tmp_path, how):
    o = oom.read(texts)
    if how in ("touched", "selected after touching"):
        o.obs["new"] = 1
    if "selected" in how:
        o = o[[3, 1, 0]]
    o.write_h5ad(tmp_path / "out.h5ad", convert_strings_to_categoricals=False)
    found = na_values(tmp_path / "out.h5ad")
    assert [v or "NA" for v in found[1:]] == ["NaN", "NA", "NA"]
    if PANDAS_3 or how == "untouched":
        assert found[0] == "NaN"
    expected = ad.read_h5ad(texts)
    expected = expected[[3, 1, 0]].copy() if "selected" in how else expected
    if how != "untouched" and "touching" in how or how == "touched":
        expected.obs["new"] = 1
    assert_equal(ad.read_h5ad(tmp_path / "out.h5ad"), expected)


@pytest.mark.skipif(not PANDAS_3, reason="the setting says nothing about pandas 2")
def test_the_setting_for_texts_is_kept_to(texts, tmp_path):
    o = oom.read(texts)
    o.obs["new"] = 1
    with ad.settings.override(allow_write_nullable_strings=False):
        with pytest.raises(ValueError, match="obs/nan.*allow_write_nullable_strings"):
            o.write_h5ad(tmp_path / "no.h5ad", convert_strings_to_categoricals=False)
        for name in ("nan", "na", "unsaid"):
            del o.obs[name]
        o.write_h5ad(tmp_path / "out.h5ad")
    with h5py.File(tmp_path / "out.h5ad") as f:
        assert isinstance(f["obs"][f["obs"].attrs["_index"]], h5py.Dataset)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32", "int64"])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix])
def test_indices_of_any_width(tmp_path, dtype, kind):
    x = sparse.random(50, 40, 0.2, format="csr", random_state=1, dtype="f4")
    path = tmp_path / "small.h5ad"
    ad.AnnData(kind(x)).write_h5ad(path)
    with h5py.File(path, "r+") as f:
        indices = f["X/indices"][:]
        del f["X/indices"]
        f["X/indices"] = indices.astype(dtype)
    o = oom.read(path)
    np.testing.assert_array_equal(dense(o.X[:]), x.toarray())
    o.write_h5ad(tmp_path / "out.h5ad")
    assert_equal(ad.read_h5ad(tmp_path / "out.h5ad"), ad.read_h5ad(path))


def test_no_x_and_layers_only(tmp_path):
    a = ad.AnnData(obs=pd.DataFrame(index=list("abc")), var=pd.DataFrame(index=list("xy")))
    a.layers["counts"] = np.arange(6, dtype="f4").reshape(3, 2)
    a.write_h5ad(tmp_path / "in.h5ad")
    o = oom.read(tmp_path / "in.h5ad")
    assert o.X is None and list(o.layers) == ["counts"]
    o.write_h5ad(tmp_path / "out.h5ad")
    assert_equal(ad.read_h5ad(tmp_path / "out.h5ad"), ad.read_h5ad(tmp_path / "in.h5ad"))
    assert_equal(oom.AnnDataOOM(ad.read_h5ad(tmp_path / "in.h5ad")).to_memory(), ad.read_h5ad(tmp_path / "in.h5ad"))


def test_x_is_no_layer(on_disk, tmp_path):
    a = rich()
    o = on_disk(a)
    for made in (oom.AnnDataOOM(a), oom.AnnDataOOM(o.to_memory())):
        assert list(made.layers) == ["counts"]
        np.testing.assert_array_equal(dense(made.X[:]), a.X.toarray())
    for several in (
        oom.concat([a, a], index_unique="-"),
        oom.concat([o, a], index_unique="-"),
        oom.AnnDataSet([("u", a), ("v", o)], index_unique="-"),
    ):
        assert list(several.layers) == ["counts"]
        np.testing.assert_array_equal(dense(several.X[:]), np.vstack([a.X.toarray()] * 2))
    o.layers = a.layers
    assert list(o.layers) == ["counts"]
    o.layers.update(a.layers)
    assert list(o.layers) == ["counts"]
    o.layers = None
    assert not len(o.layers)


def test_members_of_anndata(on_disk):
    a = rich()
    o = on_disk(a)
    assert_equal(o.raw.copy().to_adata(), a.raw.to_adata())
    np.testing.assert_array_equal(dense(o.raw[(2,)].X[:]), a.raw[2].X.toarray())
    assert (o.obsm.dim, o.varm.dim, list(o.obsm.dim_names)) == ("obs", "var", list(a.obs_names))
    del o.obsm["frame"], a.obsm["frame"]
    assert_equal(o.obsm.to_df(), a.obsm.to_df())
    assert (o.uns | {"new": 1})["new"] == 1 and ({"new": 1} | o.uns)["new"] == 1
    o.uns |= {"more": 2}
    assert o.uns["more"] == 2
    o.obsp["frame"] = pd.DataFrame(np.eye(a.n_obs), index=a.obs_names, columns=a.obs_names)
    assert isinstance(o.obsp["frame"], np.ndarray)


def test_arithmetic_is_that_of_the_matrix_in_memory(on_disk, fmt, monkeypatch):
    a = rich(fmt=fmt)
    o, x = on_disk(a), dense(a.X)
    for found, expected in (
        (o.X * 2, x * 2),
        (2 * o.X, 2 * x),
        (np.float32(3) * o.X, np.float32(3) * x),
        (o.X / 2, x / 2),
        (o.X > 1, x > 1),
        (o.X + o.X, x + x),
        (o.X - o.X, x - x),
        (-o.X, -x),
        (abs(-1 * o.X), x),
    ):
        np.testing.assert_array_equal(dense(found), expected)
    monkeypatch.setattr(oom.settings, "array_limit", 10)
    with pytest.raises(MemoryError, match="arithmetic"):
        o.X * 2


def test_anndata_takes_the_object_in_memory(on_disk, tmp_path):
    a = rich()
    o = on_disk(a)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ad.concat([a, a], index_unique="-")
        assert_equal(ad.concat([o, o], index_unique="-"), expected)
        np.testing.assert_array_equal(ad.AnnData(o).X.toarray(), a.X.toarray())
    o = on_disk(a)
    with pytest.warns(UserWarning, match=r"anndata's concat\(\) works in memory"):
        ad.concat([o, o], index_unique="-")
    with pytest.raises(TypeError, match=r"adata\.write_h5ad\(path\) streams"):
        ad.io.write_h5ad(tmp_path / "no.h5ad", o)


@pytest.mark.parametrize("text", ["obs['group']", "obs.index", "X[:, 'g3']", "X['c4', :]", "layers['counts'][:, 'g2']",
                                  "obsm['X_pca'][:, 1]", "obsp['graph'][:, 'c3']", "var['mt']"])  # fmt: skip
def test_references_of_anndata(tmp_path, fmt, text):
    acc = pytest.importorskip("anndata.acc")
    rich(fmt=fmt).write_h5ad(tmp_path / "a.h5ad")
    memory, disk = ad.read_h5ad(tmp_path / "a.h5ad"), oom.read(tmp_path / "a.h5ad")
    reference = eval(text, {}, {name: getattr(acc.A, name) for name in ("obs", "var", "X", "layers", "obsm", "obsp")})
    assert type(disk[reference]) is type(memory[reference])
    np.testing.assert_array_equal(np.asarray(disk[reference]), np.asarray(memory[reference]))
    if text.startswith("X[:"):
        np.testing.assert_array_equal(disk.raw[reference], memory.raw[reference])
    with pytest.raises(IndexError, match="several arrays"):
        disk[acc.A.layers]


def test_what_cannot_be_written_is_told(on_disk):
    disk = on_disk(rich())
    assert disk.unwriteable() is False
    disk.uns["object"] = object()
    assert disk.unwriteable(store_type="h5") is True
