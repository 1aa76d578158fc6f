"""Compares categories after selections and writing with anndata's."""

import pickle

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import rich
from ways import WAYS, ways

import anndataoom as oom


def grouped(fmt="csr"):
    """Makes categories in obs, var and raw's var, with an unused one from the start, and colours of
    every kind."""
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


# Categories do not depend on the matrix, so each layout is tested once.
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
    # A selection of genes copies those columns of obs undecoded that do not change.
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
    # A column that stays text except for missing values: treated as unordered, in the same order.
    frame = pd.DataFrame({"t": np.array(["10", "9", None], dtype=object)}, dtype=object)
    disk.uns["frame"] = frame
    disk.write(tmp_path / "b.h5ad")
    assert list(ad.read_h5ad(tmp_path / "b.h5ad").uns["frame"]["t"].cat.categories) == ["9", "10"]


def test_groups_of_text_are_in_natural_order(on_disk):
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


def test_text_of_raw_becomes_categories(tmp_path):
    a = rich()
    a.var["kind"] = ["x", "y", "z", "x", "y"] * 5
    a.raw = a.copy()
    o = oom.AnnDataOOM(a)
    for made in (a, o):
        made.write_h5ad(tmp_path / f"{type(made).__name__}.h5ad")
    found, expected = (ad.read_h5ad(tmp_path / f"{name}.h5ad").raw.var for name in ("AnnDataOOM", "AnnData"))
    assert isinstance(found["kind"].dtype, pd.CategoricalDtype)
    pd.testing.assert_frame_equal(found, expected)
