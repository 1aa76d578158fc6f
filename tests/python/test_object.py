"""Compares reading, indexing, writing and pickling of `AnnDataOOM` with anndata."""

import copy
import gc
import os
import pickle

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata.tests.helpers import assert_equal
from conftest import dense, rich
from scipy import sparse

import anndataoom as oom


def test_reads_what_anndata_reads(pair):
    memory, disk = pair
    assert_equal(disk.to_adata(), memory, exact=True)
    assert disk.obs.index.name == "barcode"
    assert list(disk.obs["group"].cat.categories) == list(memory.obs["group"].cat.categories)
    assert disk.obs["group"].cat.ordered
    assert disk.obs["nullable"].dtype == "Int64" and disk.obs["nullable"].iloc[1] == 2**60 + 1
    assert disk.obs["maybe"].dtype == "boolean"
    assert disk.uns["nested"]["rec"].dtype.names == ("a", "b")


def test_is_an_anndata(pair):
    _, disk = pair
    assert isinstance(disk, ad.AnnData) and isinstance(disk, oom.AnnDataOOM)
    assert type(disk).__name__ == "AnnDataOOM"
    assert len(disk) == disk.n_obs == 60 and disk.shape == (60, 25)
    assert oom.is_oom(disk) and not oom.is_oom(ad.AnnData(np.ones((2, 2))))


SELECTORS = [
    5,
    np.int64(3),
    -1,
    "c7",
    slice(None),
    slice(3, 40, 4),
    slice(50, 2, -3),
    slice("c3", "c9"),
    [4, 4, 1, -2],
    np.array([9, 2, 2, 30]),
    np.arange(60) % 3 == 0,
    [i % 2 == 0 for i in range(60)],
    np.array([i % 2 == 0 for i in range(60)], dtype=object),
    ["c9", "c1", "c50"],
    np.array(["c9", "c1"]),
    pd.Index(["c3", "c2"]),
    [],
]


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: f"{type(s).__name__}-{str(s)[:24]}")
def test_indices(tmp_path, selector):
    memory = rich()
    memory.write_h5ad(tmp_path / "a.h5ad")
    memory = ad.read_h5ad(tmp_path / "a.h5ad")
    disk = oom.read(tmp_path / "a.h5ad")
    # anndata refuses masks of dtype object.
    as_bool = isinstance(selector, np.ndarray) and selector.dtype == object
    expected = memory[selector.astype(bool) if as_bool else selector]
    found = disk[selector]
    assert list(found.obs_names) == list(expected.obs_names)
    np.testing.assert_array_equal(dense(found.X[:]), dense(expected.X))
    np.testing.assert_array_equal(dense(found.obsp["graph"]), dense(expected.obsp["graph"]))
    np.testing.assert_array_equal(dense(found.raw.X[:]), dense(expected.raw.X))
    if found.n_obs:
        np.testing.assert_array_equal(np.concatenate([dense(c) for *_, c in found.X.chunked(7)]), dense(expected.X))
    pd.testing.assert_frame_equal(found.obs, pd.DataFrame(expected.obs))
    assert list(found.uns["group_colors"]) == list(expected.uns["group_colors"])


def test_subset_equals_anndata(pair):
    memory, disk = pair
    rows, columns = [8, 3, 3, 20], ["g4", "g1", "g20"]
    found = disk[rows][:, columns].to_adata()
    expected = memory[rows][:, columns].copy()
    for slot in ("obs", "var"):
        pd.testing.assert_frame_equal(getattr(found, slot), getattr(expected, slot))
    for slot in ("obsm", "varm", "obsp", "varp", "layers"):
        for key in getattr(expected, slot):
            a, b = getattr(found, slot)[key], getattr(expected, slot)[key]
            np.testing.assert_array_equal(dense(a), dense(b))


@pytest.mark.parametrize(
    "bad, error",
    [
        ("typo", KeyError),
        (["c1", "typo"], KeyError),
        (60, IndexError),
        (-61, IndexError),
        ([True, False], IndexError),
        ([0.5], IndexError),
    ],
)
def test_bad_indices(pair, bad, error):
    with pytest.raises(error):
        pair[1][bad]


def test_duplicate_names(on_disk):
    adata = ad.AnnData(sparse.csr_matrix(np.eye(3, 4)))
    adata.var_names = ["d", "g1", "d", "g2"]
    disk = on_disk(adata)
    np.testing.assert_array_equal(dense(disk[:, ["g2", "g1"]].X[:]), np.eye(3, 4)[:, [3, 1]])
    with pytest.raises(KeyError, match="2 var"):
        disk[:, ["d"]]
    with pytest.raises(KeyError):
        disk.obs_vector("d")
    disk.var_names = ["a", "a", "a-1", "b"]
    disk.var_names_make_unique()
    assert disk.var_names.is_unique and list(disk.var_names)[0] == "a"


def test_writes_what_it_read(pair, tmp_path):
    memory, disk = pair
    disk.write(tmp_path / "untouched.h5ad")
    assert_equal(ad.read_h5ad(tmp_path / "untouched.h5ad"), memory, exact=True)
    for slot in ("obs", "var"):
        getattr(disk, slot)
    for slot in ("uns", "obsm", "varm", "obsp", "varp", "layers"):
        dict(getattr(disk, slot))
    assert len(disk.raw.var) == 25
    disk.write(tmp_path / "touched.h5ad", compression="gzip")
    again = ad.read_h5ad(tmp_path / "touched.h5ad")
    assert_equal(again, memory, exact=True)
    assert type(again.X) is type(memory.X) and again.X.dtype == memory.X.dtype
    assert list(again.obs["group"].cat.categories) == list(memory.obs["group"].cat.categories)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float64", "bool"])
def test_dtypes_survive(on_disk, tmp_path, dtype, fmt):
    adata = rich(fmt=fmt, dtype=dtype)
    disk = on_disk(adata)
    disk[[3, 1, 2]].write(tmp_path / "out.h5ad")
    X = ad.read_h5ad(tmp_path / "out.h5ad").X
    assert X.dtype == dtype and sparse.issparse(X) == (fmt != "dense")
    np.testing.assert_array_equal(dense(X), dense(adata.X)[[3, 1, 2]])


def test_pickle_copy_context(pair):
    _, disk = pair
    part = disk[[5, 2, 2], ["g3", "g1"]]
    part.obs["new"] = [1, 2, 3]
    again = pickle.loads(pickle.dumps(part))
    assert_equal(again.to_adata(), part.to_adata(), exact=True)
    assert_equal(copy.deepcopy(part).to_adata(), part.to_adata(), exact=True)
    with disk as inside:
        X = inside.X
    assert dense(X[:2]).shape == (2, 25)


def test_setters_validate(pair):
    _, disk = pair
    for slot, value in [
        ("obs", pd.DataFrame(index=["a"])),
        ("var", pd.DataFrame(index=["a"])),
        ("X", np.ones((2, 2))),
        ("obs_names", ["a"]),
        ("var_names", ["a"]),
        ("obsm", {"a": np.ones((2, 2))}),
    ]:
        with pytest.raises(ValueError):
            setattr(disk, slot, value)
    for slot in ("obsm", "varm", "obsp", "varp", "layers"):
        with pytest.raises(ValueError):
            getattr(disk, slot)["bad"] = np.ones((2, 3))
    with pytest.raises(ValueError):
        disk.obsm["a/b"] = np.ones((60, 2))


def test_errors_are_ordinary(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.h5ad"):
        oom.read(tmp_path / "nothing.h5ad")
    (tmp_path / "text.h5ad").write_text("not HDF5")
    with pytest.raises(OSError, match="text.h5ad"):
        oom.read(tmp_path / "text.h5ad")
    import h5py

    with h5py.File(tmp_path / "empty.h5ad", "w"):
        pass
    with pytest.raises(OSError, match="empty.h5ad.* unknown kind, which holds nothing"):
        oom.read(tmp_path / "empty.h5ad")
    with pytest.raises(KeyError, match="empty.h5ad"):
        oom.read_h5ad(tmp_path / "empty.h5ad")
    with pytest.raises(ValueError):
        oom.read(tmp_path / "empty.h5ad", backed="w")


@pytest.mark.filterwarnings("ignore:The method (obs|var)_vector is deprecated:FutureWarning")  # of anndata 0.13's own
def test_vectors(pair):
    memory, disk = pair
    np.testing.assert_array_equal(disk.obs_vector("g3"), memory.obs_vector("g3"))
    np.testing.assert_array_equal(disk.obs_vector("score"), memory.obs_vector("score"))
    np.testing.assert_array_equal(disk.obs_vector("g3", layer="counts"), memory.obs_vector("g3", layer="counts"))
    np.testing.assert_array_equal(disk.var_vector("c3"), memory.var_vector("c3"))
    np.testing.assert_array_equal(disk.raw.obs_vector("g3"), memory.raw.obs_vector("g3"))
    with pytest.raises(KeyError):
        disk.obs_vector("nothing")


def test_display(pair):
    _, disk = pair
    oom.pp.normalize_total(disk, target_sum=10)
    for shown in (repr(disk), disk._repr_html_()):
        assert "rich.h5ad" in shown and "counts" in shown and "normalize_total(target_sum=10)" in shown
        assert "60-row chunk" in shown and "float32" in shown
    assert "n_obs: 60    n_vars: 25" in repr(disk) and "60 cells × 25 genes" in disk._repr_html_()
    assert max(map(len, repr(disk).splitlines())) <= 78
    assert "none, in memory" in repr(oom.AnnDataOOM(np.ones((2, 3))))
    assert "&lt;b&gt;" in oom.AnnDataOOM(ad.AnnData(uns={"<b>": 1}))._repr_html_()


def test_nothing_on_stdout_and_nothing_beside_the_file(pair, capsys, tmp_path):
    _, disk = pair
    before = sorted(os.listdir(tmp_path))
    assert "x" not in disk.layers
    disk[:5].to_adata()
    disk[:5].copy(to_memory=True)
    gc.collect()
    assert capsys.readouterr().out == ""
    assert sorted(os.listdir(tmp_path)) == before


def test_concat(tmp_path):
    a, b = rich(seed=1), rich(seed=2)
    b.obs_names = [f"other{i}" for i in range(60)]
    for x, name in ((a, "a"), (b, "b")):
        x.write_h5ad(tmp_path / f"{name}.h5ad")
    expected = ad.concat([a, b], label="from", keys=["a", "b"])
    found = oom.concat(
        [oom.read(tmp_path / "a.h5ad"), oom.read(tmp_path / "b.h5ad")],
        label="from",
        keys=["a", "b"],
        file=tmp_path / "both.h5ad",
    )
    assert oom.is_oom(found) and found.shape == (120, 25) and list(found.obs["from"]) == list(expected.obs["from"])
    np.testing.assert_array_equal(dense(found.X[:]), dense(expected.X))
    together = found[:60].concatenate([found[60:]])
    assert together.shape == (120, 25) and set(together.obs["batch"]) == {"0", "1"}


def test_rename_categories_and_frames(pair):
    _, disk = pair
    disk.rename_categories("group", ["x", "y", "z", "none"])
    assert list(disk.obs["group"].cat.categories) == ["x", "y", "z", "none"]
    frame = disk.to_df()
    assert frame.shape == (60, 25) and list(frame.columns) == list(disk.var_names)
    assert disk.T.shape == disk.transpose().shape == (25, 60)
    assert disk.subset(obs_indices=["c3", "c1"], inplace=False).n_obs == 2 and disk.n_obs == 60
    disk.subset(obs_indices=[3, 1])
    assert list(disk.obs_names) == ["c3", "c1"]
    assert [c[1:] for c in disk.chunked_X(1)] == [(0, 1), (1, 2)]
    assert disk.chunk_X([1, 0]).shape == (2, 25)


def test_chunk_of_cells(pair):
    memory, disk = pair
    x, mask = dense(memory.X), np.arange(60) % 7 == 0
    for select in ([3, -1, 3], np.array([59, 0]), mask, mask.tolist(), []):
        np.testing.assert_array_equal(disk.chunk_X(select), x[np.asarray(select, None if len(select) else int)])
    assert disk.chunk_X(7).shape == (7, 25) and disk.chunk_X(1000).shape == disk.chunk_X().shape == (60, 25)
    assert disk.chunk_X(0).shape == (0, 25) and disk.chunk_X(np.int8(2), replace=True).shape == (2, 25)
    with pytest.raises(IndexError, match="select: index 60 is out of range"):
        disk.chunk_X([60])
    with pytest.raises(IndexError, match="select: a mask of length 3"):
        disk.chunk_X([True] * 3)
    for odd, shown in ((-1, "-1"), (1.5, "1.5"), ("c1", "'c1'"), (True, "True")):
        with pytest.raises(ValueError, match=f"select must be a whole number, 0 or more, or positions, .*{shown}"):
            disk.chunk_X(odd)


def test_names_that_are_not_there(pair):
    _, disk = pair
    for key in ("nothing", ["g3", "nothing"]):
        with pytest.raises(KeyError, match="no column of obs and no gene named 'nothing'"):
            disk.obs_vector(key)
    with pytest.raises(KeyError, match="no column of var and no cell named 'nothing'"):
        disk.var_vector("nothing")


def test_made_from_anndata(tmp_path):
    memory = rich()
    disk = oom.AnnDataOOM(memory)
    assert_equal(disk.to_adata(), memory, exact=True)
    disk.write(tmp_path / "made.h5ad")
    assert_equal(oom.read(tmp_path / "made.h5ad").to_adata(), ad.read_h5ad(tmp_path / "made.h5ad"), exact=True)


def test_lazy_tables_of_anndata_come_to_memory():
    """Checks that tables of `anndata.experimental.read_lazy`, which needs xarray, can stand in
    place of frames."""

    class Dataset2D:
        def __init__(self, frame):
            self.frame = frame

        def to_memory(self):
            return self.frame

    a = oom.AnnDataOOM(rich())
    table = pd.DataFrame({"g": pd.Categorical(["a", "b"] * (a.n_obs // 2))}, index=a.obs_names)
    a.obs = Dataset2D(table)
    a.obsm["table"] = Dataset2D(table)
    pd.testing.assert_frame_equal(a[::2].obs, table[::2].assign(g=["a"] * len(table[::2])).astype("category"))
    assert list(a[1:].obsm["table"].columns) == ["g"]


def test_tools_made_for_anndata(tmp_path):
    """Checks that scanpy functions that look at single genes take the object as it is."""
    matplotlib.use("Agg")
    memory = rich()
    memory.obs["group"] = memory.obs["group"].cat.remove_unused_categories()  # which sc.pl.dotplot cannot have
    memory.obsm["X_umap"] = memory.obsm["X_pca"][:, :2]
    memory.write_h5ad(tmp_path / "a.h5ad")
    memory, disk = ad.read_h5ad(tmp_path / "a.h5ad"), oom.read(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(sc.get.obs_df(disk, ["g1", "score"]), sc.get.obs_df(memory, ["g1", "score"]))
    sc.pl.umap(disk, color=["group", "g2"], show=False)
    sc.pl.dotplot(disk, ["g1", "g2"], "group", show=False)
    sc.pl.violin(disk, "g1", groupby="group", show=False)
    matplotlib.pyplot.close("all")
