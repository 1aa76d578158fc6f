"""Names, categories and tables beside tables: what selections, renaming and writing make of them, against anndata."""

import gc
import pickle
import weakref
from importlib.metadata import version

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal
from conftest import dense, rich
from scipy import sparse

import anndataoom as oom

OLD_ANNDATA = tuple(int(x) for x in version("anndata").split(".")[:2]) < (0, 13)


def ways(tmp_path):
    """Every way to a file or into memory, as functions that give an AnnData."""
    out = tmp_path / "out.h5ad"

    def write(a):
        a.write(out)
        return ad.read_h5ad(out)

    def copied(a):
        a.copy(out)
        return ad.read_h5ad(out)

    def concatenated(a):
        # One object alone: everything it has, through the tables of concat.
        oom.concat([a], merge="first", uns_merge="first", file=out)
        return ad.read_h5ad(out)

    return {
        "write": write,
        "copy": copied,
        "to_adata": lambda a: a.to_adata(),
        "to_memory": lambda a: a.to_memory(),
        "pickle": lambda a: write(pickle.loads(pickle.dumps(a))),
        "concat": concatenated,
    }


WAYS = ["write", "copy", "to_adata", "to_memory", "pickle", "concat"]


# -- categories -------------------------------------------------------------------------------------------------------


def grouped(fmt="csr"):
    """Categories in obs, var and raw's var, one of them unused from the start, and colours of every kind."""
    a = rich(fmt=fmt)
    a.obs["g"] = pd.Categorical([f"k{i % 5}" for i in range(60)], categories=[f"k{i}" for i in range(6)])
    a.obs["n"] = pd.Categorical([i % 3 for i in range(60)])
    a.var["h"] = pd.Categorical([f"h{i % 4}" for i in range(25)], categories=["h3", "h1", "h0", "h2", "none"])
    for key, n in (("g", 6), ("n", 2), ("h", 5)):
        a.uns[f"{key}_colors"] = [f"#00000{i}" for i in range(n)]
    a.uns["score_colors"] = ["#ffffff"]
    a.raw = a.copy()
    return a


SELECTIONS = {
    "cells": (np.arange(60) % 5 == 2, slice(None)),
    "genes": (slice(None), ["g4", "g0"]),
    "both": ([7, 2, 2, 12], slice(0, 3)),
    "all": (slice(None), slice(None)),
    "nothing": ([], slice(None)),
}


# The matrix has no say in it: each layout once, not each with each.
CASES = [
    *(("csr", way, touched, "cells") for way in WAYS for touched in ("untouched", "before", "after")),
    *(("csr", "write", touched, other) for touched in ("untouched", "before") for other in SELECTIONS),
    *(("csr", "to_adata", "untouched", other) for other in SELECTIONS),
    *((layout, way, "untouched", "both") for layout in ("csc", "dense") for way in ("write", "to_adata")),
]


@pytest.mark.parametrize("fmt, way, touched, selection", CASES)
def test_unused_categories(tmp_path, fmt, way, touched, selection):
    path = tmp_path / "a.h5ad"
    grouped(fmt).write_h5ad(path)
    index = SELECTIONS[selection]
    expected = ad.read_h5ad(path)[index].copy()
    disk = oom.read(path)
    if touched == "before":
        disk.obs, disk.var  # noqa: B018
    part = disk[index]
    if touched == "after":
        part.obs, part.var  # noqa: B018
    found = ways(tmp_path)[way](part)
    for table in (found.obs, found.var, found.raw.var if way != "concat" else None):
        if table is None:
            continue
        want = {id(found.obs): expected.obs, id(found.var): expected.var}.get(id(table), expected.raw.var)
        for column in want:
            if isinstance(want[column].dtype, pd.CategoricalDtype):
                assert list(table[column].cat.categories) == list(want[column].cat.categories), column
                assert list(table[column].astype(object)) == list(want[column].astype(object))
    colors = [key for key in expected.uns if key.endswith("_colors")]
    assert sorted(key for key in found.uns if key.endswith("_colors")) == sorted(colors)
    for key in colors:
        assert list(found.uns[key]) == list(expected.uns[key]), key


def test_categories_of_the_whole_stay(tmp_path):
    path = tmp_path / "a.h5ad"
    grouped().write_h5ad(path)
    disk = oom.read(path)
    for whole in (disk, disk.copy(), pickle.loads(pickle.dumps(disk))):
        whole.write(tmp_path / "b.h5ad")
        assert list(ad.read_h5ad(tmp_path / "b.h5ad").obs["g"].cat.categories) == [f"k{i}" for i in range(6)]
    # A selection of genes copies the columns of obs that lose nothing as they are in the file.
    part = disk[:, :4]
    part.write(tmp_path / "c.h5ad")
    assert not part._obs.touched
    assert list(part.obs["g"].cat.categories) == [f"k{i}" for i in range(5)]


def test_categories_of_saved_selections(tmp_path):
    path = tmp_path / "a.h5ad"
    grouped().write_h5ad(path)
    expected = ad.read_h5ad(path)[5:9].copy()
    part = oom.read(path, backed="r+")[5:9]
    part.save(X=True)
    found = ad.read_h5ad(path)
    assert list(found.obs["g"].cat.categories) == list(expected.obs["g"].cat.categories)
    assert list(found.uns["g_colors"]) == list(expected.uns["g_colors"])


def test_categories_stay_where_anndata_is_told_so(tmp_path):
    if not hasattr(getattr(ad, "settings", None), "remove_unused_categories"):
        pytest.skip("an anndata without the setting")
    path = tmp_path / "a.h5ad"
    grouped().write_h5ad(path)
    with ad.settings.override(remove_unused_categories=False):
        part = oom.read(path)[:2]
        assert len(part.obs["g"].cat.categories) == 6 and len(part.uns["g_colors"]) == 6


@pytest.mark.parametrize("missing", [False, True])
def test_text_becomes_categories_in_natural_order(tmp_path, missing):
    text = np.array([f"c{(i * 7) % 23}" for i in range(60)], dtype=object)
    if missing:
        text[3] = np.nan
    memory = rich()
    memory.obs["text"] = text
    memory.var["text"] = [str(j % 12) for j in range(25)]
    disk = oom.AnnDataOOM(memory)
    disk.write(tmp_path / "a.h5ad")
    memory.strings_to_categoricals()
    disk.strings_to_categoricals()
    for found in (disk, ad.read_h5ad(tmp_path / "a.h5ad")):
        for axis in ("obs", "var"):
            want = getattr(memory, axis)["text"].cat.categories
            assert list(getattr(found, axis)["text"].cat.categories) == list(want)
    # One that stays text but for what is missing: as unordered, in the same order.
    frame = pd.DataFrame({"t": np.array(["10", "9", None], dtype=object)}, dtype=object)
    disk.uns["frame"] = frame
    disk.write(tmp_path / "b.h5ad")
    assert list(ad.read_h5ad(tmp_path / "b.h5ad").uns["frame"]["t"].cat.categories) == ["9", "10"]


def test_groups_of_text_are_in_natural_order(on_disk):
    sc = pytest.importorskip("scanpy")
    memory = rich(n=80)
    memory.obs["text"] = [str(i % 11) for i in range(80)]
    disk = oom.AnnDataOOM(memory)
    oom.pp.pca(disk, n_comps=4)
    memory.obsm["X_pca"] = disk.obsm["X_pca"]
    memory.strings_to_categoricals()
    oom.tl.dendrogram(disk, "text", use_rep="X_pca")
    sc.tl.dendrogram(memory, "text", use_rep="X_pca")
    ours, theirs = disk.uns["dendrogram_text"], memory.uns["dendrogram_text"]
    assert list(ours["categories_ordered"]) == list(theirs["categories_ordered"])
    np.testing.assert_allclose(ours["correlation_matrix"], theirs["correlation_matrix"], atol=1e-5)


# -- index and columns ------------------------------------------------------------------------------------------------


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
    # Of a frame beside a table, the name of the index is the table's, unless that is a column.
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
        # As in anndata, which keeps nothing of raw's genes there.
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
    """Such files were written before names were checked: anndata opens none of them."""
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


# -- raw --------------------------------------------------------------------------------------------------------------


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
    # Of some genes, without those the mask is about: raw knows them.
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
    # Frames of obsm are joined by the cells' names, which differ here.
    for x in (a, b):
        del x.obsm["frame"]
    expected = ad.concat([a, b], axis=axis, join=join)
    found = oom.concat([oom.AnnDataOOM(a), oom.AnnDataOOM(b)], axis=axis, join=join)
    assert list(found.raw.var_names) == list(expected.raw.var_names)
    assert set(found.raw.varm) == set(expected.raw.varm)
    for key in expected.raw.varm:
        np.testing.assert_array_equal(np.asarray(found.raw.varm[key]), np.asarray(expected.raw.varm[key]))


# -- values that come back --------------------------------------------------------------------------------------------


def test_chunks_are_anndatas(pair):
    memory, disk = pair
    for (ours, start, end), (theirs, first, last) in zip(disk.chunked_X(25), memory.chunked_X(25), strict=True):
        assert (start, end) == (first, last)
        np.testing.assert_array_equal(dense(ours), dense(theirs))
    for start, end, chunk in disk.X.chunked(25):
        np.testing.assert_array_equal(dense(chunk), dense(memory.X)[start:end])


@pytest.mark.parametrize("flavor", ["seurat", "cell_ranger", "seurat_v3", "pearson_residuals"])
@pytest.mark.parametrize("subset", [False, True])
def test_tables_of_variable_genes(fmt, on_disk, flavor, subset):
    sc = pytest.importorskip("scanpy")
    if flavor == "seurat_v3":
        pytest.importorskip("skmisc")
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(0.7, 1, 80), (150, 80)).astype("f4")
    memory = ad.AnnData({"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[fmt](counts))
    if flavor in ("seurat", "cell_ranger"):
        sc.pp.normalize_total(memory)
        sc.pp.log1p(memory)
    disk = on_disk(memory)
    verb = sc.experimental.pp if flavor == "pearson_residuals" else sc.pp
    options = {"flavor": flavor, "n_top_genes": 20, "inplace": False, "subset": subset}
    want, got = verb.highly_variable_genes(memory.copy(), **options), oom.pp.highly_variable_genes(disk, **options)
    assert list(got.columns) == list(want.columns)
    if subset and flavor == "seurat":
        # Two genes alone in their bin score 1 / sqrt(2) but for the last bit: at the cut either may be in.
        lowest = want["dispersions_norm"].min()
        got_, want_ = (t[(t["dispersions_norm"] - lowest).abs() > 1e-6] for t in (got, want))
        assert list(got_.index) == list(want_.index) and len(want_) > 15
    else:
        assert list(got.index) == list(want.index)
    assert (len(got) < 30 if subset else len(got) == 80) and disk.n_vars == 80 and "highly_variable" not in disk.var


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
