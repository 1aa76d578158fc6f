"""Tests names of cells, genes and columns, and frames beside tables, after selections, renaming and
writing."""

from importlib.metadata import version

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import rich
from ways import ways

import anndataoom as oom

OLD_ANNDATA = tuple(int(x) for x in version("anndata").split(".")[:2]) < (0, 13)


# -- index and columns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["write", "copy", "to_adata", "pickle", "selected", "save"])
def test_an_index_is_given_another_name(tmp_path, way):
    """Checks renaming in place, whether or not the table was read, and that it affects this object
    only."""
    for read in (False, True):
        path = tmp_path / f"{read}.h5ad"
        rich().write_h5ad(path)
        disk = oom.read(path, backed="r+" if way == "save" else "r")
        before = disk.obs_names.name, disk.copy()
        if read:
            assert len(disk.obs) and len(disk.var) and len(disk.raw.var)
        disk = disk.copy()
        disk.obs_names.name, disk.var_names.name, disk.raw.var_names.name = "cell", "gene", "kept"
        if way == "save":
            assert {"obs", "var", "raw/var"} <= set(disk.save())
            found = ad.read_h5ad(path)
        elif way == "selected":
            found = disk[:9].to_adata()
        else:
            found = ways(tmp_path)[way](disk)
        assert (found.obs.index.name, found.var.index.name, found.raw.var.index.name) == ("cell", "gene", "kept")
        assert (before[0], before[1].obs_names.name, before[1].obs.index.name) == ("barcode",) * 3
    # The column of that name has other values.
    disk.var_names.name = "mt"
    with pytest.raises(ValueError, match="its index and a column are both called 'mt'"):
        oom.AnnDataOOM(disk).write_h5ad(tmp_path / "b.h5ad")


@pytest.mark.parametrize("axis", ["obs", "var"])
@pytest.mark.parametrize("kind", ["text", "repeated", "category", "integer", "float"])
@pytest.mark.parametrize("way", ["write", "copy", "pickle", "save"])
def test_index_named_like_a_column(tmp_path, axis, kind, way):
    memory = rich()
    memory.raw = None
    n = memory.shape[axis == "var"]
    values = {
        "text": [f"id{i}" for i in range(n)],
        "repeated": [f"id{i // 2}" for i in range(n)],
        "category": pd.Categorical([f"id{i}" for i in range(n)]),
        "integer": np.arange(n) * 10,
        "float": np.arange(n) / 4,
    }[kind]
    getattr(memory, axis)["own"] = values
    path = tmp_path / "a.h5ad"
    memory.write_h5ad(path)
    disk = oom.read(path, backed="r+")
    table = getattr(disk, axis)
    if kind == "text":
        table.index = table["own"]
    else:
        setattr(disk, f"{axis}_names", table["own"])
    if way == "save":
        disk.save()
    else:
        ways(tmp_path)[way](disk)
        path = tmp_path / "out.h5ad"
    names = [str(v) for v in values]
    for found in (ad.read_h5ad(path), oom.read(path)):
        assert list(getattr(found, f"{axis}_names")) == names
        assert [str(v) for v in getattr(found, axis)["own"]] == names
        assert list(getattr(found, axis).columns) == list(table.columns)
        if kind not in ("text", "repeated"):
            assert getattr(found, axis)["own"].dtype.kind == table["own"].dtype.kind


@pytest.mark.parametrize("axis", ["obs", "var"])
@pytest.mark.parametrize("way", ["write", "copy", "pickle", "save"])
def test_index_named_like_a_column_of_other_values(tmp_path, axis, way):
    path = tmp_path / "a.h5ad"
    rich().write_h5ad(path)
    before = path.read_bytes()
    disk = oom.read(path, backed="r+")
    column = "score" if axis == "obs" else "mt"
    getattr(disk, axis).index.name = column
    with pytest.raises(ValueError, match=f"{axis}.*'{column}'.*different values"):
        disk.save() if way == "save" else ways(tmp_path)[way](disk)
    assert path.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ["a.h5ad"]


def test_index_named_like_a_column_in_frames_and_selections(tmp_path, on_disk):
    memory = rich()
    disk = on_disk(memory)
    # The index of a frame beside a table has the name of the table's index, unless the frame has a
    # column of that name.
    frame = pd.DataFrame({"barcode": range(60)}, index=disk.obs_names)
    disk.obsm["new"] = frame
    disk.obs["barcode"] = list(disk.obs_names)
    disk.raw.var["same"] = list(disk.raw.var_names)
    disk.raw.var.index.name = "same"
    disk[[4, 2]].write(tmp_path / "b.h5ad")
    found = ad.read_h5ad(tmp_path / "b.h5ad")
    assert list(found.obs["barcode"]) == list(found.obs_names) == ["c4", "c2"]
    assert list(found.obsm["new"]["barcode"]) == [4, 2] and list(found.obsm["new"].index) == ["c4", "c2"]
    assert list(found.raw.var["same"]) == list(found.raw.var_names)
    disk.uns["table"] = pd.DataFrame({"i": [1, 2]}, index=pd.Index(["a", "b"], name="i"))
    with pytest.raises(ValueError, match="uns/table.*'i'"):
        disk.write(tmp_path / "c.h5ad")
    disk.uns["table"] = pd.DataFrame({"i": ["a", "b"]}, index=pd.Index(["a", "b"], name="i"))
    disk.write(tmp_path / "c.h5ad")
    assert list(ad.read_h5ad(tmp_path / "c.h5ad").uns["table"]["i"]) == ["a", "b"]
    disk.obs["_index"] = 1
    with pytest.raises(ValueError, match="'_index'"):
        disk.write(tmp_path / "d.h5ad")


@pytest.mark.skipif(not OLD_ANNDATA, reason="this anndata writes no such names")
@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize("way", ["write", "copy", "pickle", "concat", "save"])
@pytest.mark.filterwarnings("ignore:.*slash.*:FutureWarning")
def test_a_column_with_a_slash(tmp_path, way, selected, touched):
    memory = rich()
    memory.obs["T/NK"] = np.arange(60.0)
    memory.obs["T/B"] = pd.Categorical([f"b{i % 3}" for i in range(60)])
    memory.var["a/b/c"] = np.arange(25)
    memory.obsm["frame"]["w/y"] = np.arange(60)
    memory.raw = memory.copy()
    path = tmp_path / "a.h5ad"
    memory.write_h5ad(path)
    disk = oom.read(path, backed="r+")
    rows = slice(4, 9) if selected else slice(None)
    part = disk[rows] if selected else disk
    if touched:
        part.obs["new"] = 1
        part.var, part.raw.var, part.obsm["frame"]  # noqa: B018
    if way == "save":
        part.save(X=True)
        found = ad.read_h5ad(path)
    else:
        found = ways(tmp_path)[way](part)
    assert list(found.obs["T/NK"]) == list(np.arange(60.0)[rows])
    assert list(found.obs["T/B"]) == list(memory.obs["T/B"][rows])
    assert list(found.obsm["frame"]["w/y"]) == list(np.arange(60)[rows])
    assert list(found.var["a/b/c"]) == list(range(25))
    if way != "concat":
        # As in anndata, concat keeps nothing of raw's var.
        assert list(found.raw.var["a/b/c"]) == list(range(25))
    assert ("new" in found.obs) == touched


def test_columns_that_cannot_be_beside_one_another(tmp_path):
    adata = oom.AnnDataOOM(rich())
    adata.obs["T"], adata.obs["T/NK"] = 1, 2
    with pytest.raises(ValueError, match="T/NK"):
        adata.write(tmp_path / "a.h5ad")
    assert not list(tmp_path.iterdir())


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(60),
        pd.Index(np.arange(60) * 2),
        pd.Index(np.arange(60) / 2),
        pd.Categorical([f"k{i}" for i in range(60)]),
        pd.CategoricalIndex([f"k{i}" for i in range(60)], name="own"),
        pd.Index([f"k{i}" for i in range(60)]),
        pd.Series([f"k{i}" for i in range(60)], name="own"),
        list(range(60)),
        np.array([f"k{i}" for i in range(60)]),
    ],
    ids=lambda i: f"{type(i).__name__}-{getattr(i, 'dtype', '')}",
)
@pytest.mark.parametrize("how", ["obs_names", "obs", "var_names", "var"])
def test_names_are_text(tmp_path, index, how):
    memory = rich(m=60)
    disk = oom.AnnDataOOM(memory)
    axis = how[:3]
    if how.endswith("names"):
        setattr(disk, how, index)
    else:
        setattr(disk, how, pd.DataFrame({"z": range(60)}, index=index))
    want = [str(v) for v in index]
    names = getattr(disk, f"{axis}_names")
    assert list(names) == want and str(names.dtype) in ("object", "str")
    one = disk[want[3]] if axis == "obs" else disk[:, want[3]]
    assert list(getattr(one, f"{axis}_names")) == [want[3]]
    disk.write(tmp_path / "a.h5ad")
    assert list(getattr(ad.read_h5ad(tmp_path / "a.h5ad"), f"{axis}_names")) == want
    assert list(getattr(oom.read(tmp_path / "a.h5ad"), f"{axis}_names")) == want


def test_names_that_cannot_be(pair):
    _, disk = pair
    before = list(disk.obs_names)
    for bad in (pd.MultiIndex.from_product([range(6), range(10)]), ["a"]):
        with pytest.raises(ValueError, match="names"):
            disk.obs_names = bad
    with pytest.raises(ValueError, match="names"):
        disk.obs = pd.DataFrame(index=pd.MultiIndex.from_product([range(6), range(10)]))
    assert list(disk.obs_names) == before


# -- frames beside tables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slot", ["obsm", "varm", "raw.varm"])
@pytest.mark.parametrize("labels", ["others", "reversed", "range"])
def test_frames_with_other_names_are_refused(pair, slot, labels):
    _, disk = pair
    axis = "obs" if slot == "obsm" else "var"
    names = getattr(disk, f"{axis}_names")
    index = {"others": [f"x{i}" for i in range(len(names))], "reversed": names[::-1], "range": None}[labels]
    frame = pd.DataFrame({"v": np.arange(len(names))}, index=index)
    target = disk.raw.varm if slot == "raw.varm" else getattr(disk, slot)
    kept = list(target)
    with pytest.raises(ValueError, match=rf"{slot[-4:]}\['f'\].*{axis}_names.*{names[0]}"):
        target["f"] = frame
    if slot != "raw.varm":
        with pytest.raises(ValueError, match=r"\['f'\]"):
            setattr(disk, slot, {"f": frame})
        with pytest.raises(ValueError, match=r"\['f'\]"):
            target["f"] = frame["v"]
    assert list(target) == kept
    target["f"] = frame.set_axis(names)
    assert list(target["f"]["v"]) == list(range(len(names)))


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize(
    "fmt, way, how",
    [
        *(("csr", way, "obs_names") for way in ("write", "copy", "to_adata", "pickle", "save")),
        *(("csr", way, how) for way in ("write", "save") for how in ("obs", "index")),
        *((layout, "write", "obs_names") for layout in ("csc", "dense")),
    ],
)
def test_frames_are_renamed_with_the_cells(tmp_path, fmt, way, how, touched):
    memory = rich(fmt=fmt)
    memory.obsm["categories"] = pd.DataFrame({"c": pd.Categorical(["u", "v"] * 30)}, index=memory.obs_names)
    memory.varm["frame"] = pd.DataFrame({"w": range(25)}, index=memory.var_names)
    path = tmp_path / "a.h5ad"
    memory.write_h5ad(path)
    disk = oom.read(path, backed="r+")
    if touched:
        assert list(disk.obsm["frame"].index) == list(memory.obs_names)
    cells, genes = [f"n{i}" for i in range(60)], [f"h{i}" for i in range(25)]
    if how == "obs_names":
        disk.obs_names, disk.var_names = cells, genes
    elif how == "obs":
        disk.obs, disk.var = disk.obs.set_axis(cells), disk.var.set_axis(genes)
    else:
        disk.obs.index, disk.var.index = cells, genes
    for part, rows in ((disk, slice(None)), (disk[[9, 3, 3]], [9, 3, 3])):
        assert list(part.obsm["frame"].index) == list(part.obs_names) == list(np.array(cells)[rows])
        np.testing.assert_array_equal(part.obsm["frame"]["x"], memory.obsm["frame"]["x"].to_numpy()[rows])
        if way == "save":
            if part is not disk:
                continue
            part.save()
            found = ad.read_h5ad(path)
            disk = oom.read(path)
        else:
            found = ways(tmp_path)[way](part)
        assert list(found.obsm["frame"].index) == list(np.array(cells)[rows])
        np.testing.assert_array_equal(found.obsm["frame"]["x"], memory.obsm["frame"]["x"].to_numpy()[rows])
        assert list(found.obsm["categories"]["c"]) == list(memory.obsm["categories"]["c"].to_numpy()[rows])
        assert list(found.varm["frame"].index) == genes
        assert list(found.raw.var_names) == list(memory.raw.var_names)


def test_frames_of_a_file_with_other_names(tmp_path):
    """Checks files that were written before names were checked; anndata opens none of them."""
    memory = rich()
    path = tmp_path / "a.h5ad"
    memory.write_h5ad(path)
    with h5py.File(path, "r+") as f:
        index = f["obsm/frame"].attrs["_index"]
        names = f["obsm/frame"][index]
        names = names["values"] if isinstance(names, h5py.Group) else names  # texts of pandas 3 are such a group
        names[...] = np.array([f"old{i}" for i in range(60)], dtype=object)
    disk = oom.read(path)
    with pytest.warns(UserWarning, match=r"a.h5ad.*obsm/frame.*names"):
        assert list(disk.obsm["frame"].index) == list(memory.obs_names)
    for part in (oom.read(path), oom.read(path)[[4, 1]], disk):
        part.write(tmp_path / "b.h5ad")
        found = ad.read_h5ad(tmp_path / "b.h5ad")
        assert list(found.obsm["frame"].index) == list(part.obs_names)


def test_vectors_have_columns(tmp_path, on_disk):
    memory = rich()
    disk = on_disk(memory)
    for value in (np.arange(60.0), list(range(60)), pd.Series(np.arange(60.0), index=disk.obs_names)):
        disk.obsm["v"] = value
        assert disk.obsm["v"].shape == (60, 1)
    disk.varm["w"] = np.arange(25)
    disk.raw.varm["w"] = np.arange(25)
    assert disk.varm["w"].shape == disk.raw.varm["w"].shape == (25, 1)
    path = tmp_path / "a.h5ad"
    memory.write_h5ad(path)
    with h5py.File(path, "r+") as f:
        for slot, n in (("obsm", 60), ("varm", 25), ("raw/varm", 25)):
            d = f[slot].create_dataset("v", data=np.arange(float(n)))
            d.attrs["encoding-type"], d.attrs["encoding-version"] = "array", "0.2.0"
    disk = oom.read(path)
    assert disk[[5, 2]].obsm["v"].tolist() == [[5.0], [2.0]]
    assert disk.obsm["v"].shape == (60, 1) and disk.varm["v"].shape == disk.raw.varm["v"].shape == (25, 1)
    for part in (oom.read(path), disk, disk[[5, 2]]):
        part.write(tmp_path / "b.h5ad")
        assert ad.read_h5ad(tmp_path / "b.h5ad").obsm["v"].shape == (part.n_obs, 1)
