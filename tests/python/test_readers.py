"""Compares files of other formats with what their own packages read, and checks what these read of
ours."""

import json
import os
import pickle
import shutil
import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE, rich
from scipy import io as scipy_io
from scipy import sparse
from test_read_text import TYPES, counts, ids, symbols, tenx

import anndataoom as oom

GOLDEN = EXAMPLE.parents[2] / "tests" / "golden"
TWO = GOLDEN / "mudata" / "two.h5mu"


# -- MuData -----------------------------------------------------------------------------------------------------------


def as_told(adata, told, shared=True):
    assert adata.X.to_memory().toarray().tolist() == told["X"]
    assert list(adata.obs_names) == told["obs_names"] and list(adata.var_names) == told["var_names"]
    assert list(adata.obs["own"]) == told["own"]
    assert list(adata.obs) == ["own", *(told["shared"] if shared else [])]
    for name, values in told["shared"].items() if shared else ():
        assert list(adata.obs[name]) == values


def test_modalities_as_mudata_reads_them():
    told = json.loads((GOLDEN / "mudata" / "expected.json").read_text())
    both = oom.read_h5mu(TWO)
    assert list(both) == list(told) == ["rna", "protein"]
    for name, adata in both.items():
        as_told(adata, told[name])
        as_told(oom.read_h5mu(TWO, name), told[name])
        as_told(oom.read(TWO, mod=name), told[name])
        as_told(pickle.loads(pickle.dumps(adata)), told[name])
        assert (adata.layers["twice"].to_memory() != adata.X.to_memory() * 2).nnz == 0
        assert dict(adata.uns["parameters"]) == {"k": 15} and adata.obsm["X_pca"].shape == (adata.n_obs, 2)


def test_a_modality_is_saved_in_its_place(tmp_path):
    told = json.loads((GOLDEN / "mudata" / "expected.json").read_text())
    path = shutil.copy(TWO, tmp_path)
    adata = oom.read_h5mu(path, "protein", backed="r+")
    as_told(adata, told["protein"], shared=False)
    adata.obs["new"], adata.obsm["X_new"] = np.arange(4.0), np.ones((4, 2))
    del adata.uns["parameters"]
    assert set(adata.save()) == {"obs/new", "obsm/X_new", "uns/parameters"}
    with h5py.File(path) as f, h5py.File(TWO) as before:
        assert list(f["mod/protein/obs/new"]) == [0, 1, 2, 3] and f["mod/protein/obsm/X_new"].shape == (4, 2)
        assert "parameters" not in f["mod/protein/uns"] and "new" not in f["obs"] and "new" not in f["mod/rna/obs"]
        assert f.keys() == before.keys() and f["obs"].attrs["column-order"].tolist()[:2] == ["number", "batch"]
    as_told(oom.read_h5mu(path, "rna"), told["rna"])
    found = oom.read_h5mu(path, "protein")
    assert list(found.obs) == ["own", "new", "number", "batch"]


def test_indices_of_modalities_are_not_mixed(tmp_path):
    """Checks two modalities, both of which are the element X of one file."""
    x = counts()
    parts = {"a": x, "b": x * 3}
    oom.write_h5mu({name: ad.AnnData(v.astype("f4")) for name, v in parts.items()}, tmp_path / "x.h5mu")
    for _ in range(2):
        for name, adata in oom.read_h5mu(tmp_path / "x.h5mu").items():
            oom.index_columns(adata, tmp_path)
            np.testing.assert_array_equal(adata.obs_vector("1"), parts[name][:, [1]].toarray().ravel())
    assert len(list(tmp_path.glob("*.columns"))) == 2


def test_what_is_written_is_read_the_same(tmp_path):
    a, b = rich(30, 12), rich(20, 9, "csc", seed=1)
    b.obs_names = list(a.obs_names[5:25][::-1])
    oom.write_h5mu({"a": oom.AnnDataOOM(a), "b": b}, tmp_path / "x.h5mu", compression="gzip")
    found = oom.read_h5mu(tmp_path / "x.h5mu")
    for name, expected in (("a", a), ("b", b)):
        assert (found[name].X.to_memory() != expected.X).nnz == 0
        assert list(found[name].obs_names) == list(expected.obs_names)
        pd.testing.assert_series_equal(found[name].obs["score"], expected.obs["score"])
    with h5py.File(tmp_path / "x.h5mu") as f:
        assert f.attrs["encoding-type"] == "MuData" and list(f["mod"].attrs["mod-order"]) == ["a", "b"]
        names = f["obs/_index"][:].astype(str)
        for name, expected in (("a", a), ("b", b)):
            rows = f[f"obsmap/{name}"][:]
            assert list(names[rows > 0][np.argsort(rows[rows > 0])]) == list(expected.obs_names)
            assert (f[f"obsm/{name}"][:, 0] == (rows > 0)).all()
        assert f["varmap/b"][:].tolist() == [0] * 12 + list(range(1, 10))


@pytest.mark.filterwarnings("ignore")
def test_mudata_reads_what_is_written_and_saved(tmp_path):
    mudata = pytest.importorskip("mudata", minversion="0.3")
    path, new = tmp_path / "saved.h5mu", tmp_path / "new.h5mu"
    before = mudata.read(shutil.copy(TWO, path))
    adata = oom.read_h5mu(path, "rna", backed="r+")
    adata.obs["new"] = np.arange(10.0)
    adata.save()
    after = mudata.read(path)
    assert list(after.mod["rna"].obs["new"]) == list(range(10))
    # mudata 0.3 shows the columns of modalities among those of all cells.
    assert [name for name in after.obs if name != "rna:new"] == list(before.obs)
    oom.write_h5mu(oom.read_h5mu(path, backed="r+"), new)
    for found in (after, mudata.read(new)):
        assert list(found.obs_names) == list(before.obs_names) and list(found.var_names) == list(before.var_names)
        for name, expected in before.mod.items():
            assert (found.mod[name].X != expected.X).nnz == 0
            assert (found.obsmap[name] == before.obsmap[name]).all() and (found.obsm[name] == before.obsm[name]).all()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda: oom.read_h5mu(TWO, "atac"),
            ValueError,
            "mod: expected one of the modalities of .*: rna, protein, found 'at",
        ),
        (lambda: oom.read_h5mu(EXAMPLE), KeyError, "has no element 'mod'; is this an h5mu file"),
        (lambda: oom.read(TWO), ValueError, "mod: .* choose one of 'rna', 'protein'"),
        (lambda: oom.read_h5ad(TWO), ValueError, "X|expected"),
        (lambda: oom.write_h5mu([], "x"), TypeError, "adatas: expected a mapping"),
        (lambda: oom.write_h5mu({}, "x"), ValueError, "adatas: expected at least one object"),
        (lambda: oom.write_h5mu({"a/b": rich()}, "x"), ValueError, "adatas: expected different names without '/'"),
        (lambda: oom.write_h5mu({"a": 1}, "x"), TypeError, r"adatas\['a'\]: expected an AnnDataOOM or AnnData"),
    ],
)
def test_errors_of_modalities_say_what_to_do(call, error, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "read_h5ad" in call.__code__.co_names:
        pytest.skip("an h5mu file has obs and var of its own")
    with pytest.raises(error, match=match):
        call()
    assert not list(tmp_path.iterdir())


def test_repeated_cells_cannot_be_modalities(tmp_path):
    a = rich(6, 5)
    a.obs_names = ["x", "y", "x", "z", "u", "v"]
    with pytest.raises(ValueError, match="'x' twice in 'a'"):
        oom.write_h5mu({"a": oom.AnnDataOOM(a)}, tmp_path / "x.h5mu")
    assert not list(tmp_path.iterdir())


# -- h5Seurat ---------------------------------------------------------------------------------------------------------


def seurat(path, scaled=None, dims=True):
    """Makes a file laid out by SeuratDisk's specification, and returns its content."""
    x = counts().astype("f8")
    n, m = x.shape
    rng = np.random.default_rng(3)
    cells, genes = [f"cell{i}" for i in range(n)], ids(m)
    text = h5py.string_dtype()
    with h5py.File(path, "w") as f:
        f.attrs["active.assay"], f.attrs["project"], f.attrs["version"] = "RNA", "p", "3.2.0"
        f.create_dataset("cell.names", data=cells, dtype=text)
        meta = f.create_group("meta.data")
        meta.attrs["colnames"] = ["n", "type", "flag", "maybe", "whole", "word"]
        meta.create_dataset("word", data=[f"w{i % 4}" for i in range(n)], dtype=text)
        meta["n"] = rng.random(n)
        meta["whole"] = np.where(np.arange(n) % 9 == 4, -(2**31), np.arange(n)).astype("i4")
        meta["flag"], meta["maybe"] = np.arange(n, dtype="i4") % 2, np.arange(n, dtype="i4") % 3
        meta.attrs["logicals"] = ["flag"]
        meta["maybe"].attrs["s3class"] = "logical"
        factor = meta.create_group("type")
        factor.create_dataset("levels", data=["z", "a", "unused"], dtype=text)
        factor["values"] = np.where(np.arange(n) == 5, -(2**31), np.arange(n) % 2 + 1).astype("i4")
        for assay, scale in (("RNA", 1), ("ADT", 5)):
            g = f.create_group(f"assays/{assay}")
            g.create_dataset("features", data=genes, dtype=text)
            for slot, values in (("counts", x * scale), ("data", (x * scale).log1p())):
                s = g.create_group(slot)
                s["data"], s["indices"], s["indptr"] = values.data, values.indices, values.indptr
                if dims:
                    s.attrs["dims"] = [m, n]
            order = np.arange(m) if scaled is None else np.asarray(scaled)
            g["scale.data"] = rng.random((n, len(order)))
            g.create_dataset("scaled.features", data=[genes[i] for i in order], dtype=text)
            g.create_dataset("variable.features", data=[genes[4], genes[1]], dtype=text)
            g.create_group("meta.features")["mean"] = np.arange(m) / 2
        pca = f.create_group("reductions/pca")
        pca.attrs["active.assay"], pca.attrs["global"], pca.attrs["key"] = "RNA", 0, "PC_"
        pca["cell.embeddings"], pca["feature.loadings"] = rng.random((3, n)), rng.random((3, 2))
        pca.create_dataset("features", data=[genes[7], genes[2]], dtype=text)
        pca["stdev"] = [3.0, 2.0, 1.0]
        snn = sparse.random(n, n, 0.1, "csc", random_state=4)
        for name in ("RNA_snn", "ADT_nn"):
            graph = f.create_group(f"graphs/{name}")
            graph.attrs["assay.used"] = name[:3]
            graph["data"], graph["indices"], graph["indptr"] = snn.data, snn.indices, snn.indptr
    return x, snn


@pytest.mark.parametrize("dims", [True, False])
def test_h5seurat(tmp_path, dims):
    path = tmp_path / "x.h5Seurat"
    x, snn = seurat(path, dims=dims)
    adata = oom.read_h5seurat(path)
    assert type(oom.read(path)) is oom.AnnDataOOM
    assert (adata.X.to_memory() != x).nnz == 0 and adata.X.dtype == np.float64
    assert abs(adata.layers["data"].to_memory() - x.log1p()).max() < 1e-12
    with h5py.File(path) as f:
        np.testing.assert_array_equal(adata.layers["scale.data"].to_memory(), f["assays/RNA/scale.data"][:])
        np.testing.assert_array_equal(adata.obsm["X_pca"], f["reductions/pca/cell.embeddings"][:].T)
        expected = np.zeros((25, 3))
        expected[[7, 2]] = f["reductions/pca/feature.loadings"][:].T
        np.testing.assert_array_equal(adata.varm["PCs"], expected)
        np.testing.assert_array_equal(adata.obs["n"], f["meta.data/n"][:])
    assert list(adata.uns["pca"]["variance"]) == [9, 4, 1]
    assert list(adata.obsp) == ["snn"] and abs(adata.obsp["snn"] - snn).max() == 0
    assert list(adata.obs) == ["n", "type", "flag", "maybe", "whole", "word"]
    k = np.arange(40)
    kind = adata.obs["type"]
    assert list(kind.cat.categories) == ["z", "a", "unused"] and kind.isna().tolist() == (k == 5).tolist()
    assert kind.cat.codes[kind.notna()].tolist() == (k % 2)[k != 5].tolist()
    assert adata.obs["flag"].dtype == bool and adata.obs["flag"].tolist() == (k % 2 == 1).tolist()
    assert adata.obs["maybe"].dtype == "boolean" and adata.obs["maybe"].isna().tolist() == (k % 3 == 2).tolist()
    assert adata.obs["whole"].dtype == "Int32" and adata.obs["whole"].isna().tolist() == (k % 9 == 4).tolist()
    assert adata.var["highly_variable"].tolist() == [i in (1, 4) for i in range(25)]
    assert list(adata.var["mean"]) == list(np.arange(25) / 2) and list(adata.var_names) == ids()
    adata.write_h5ad(tmp_path / "x.h5ad")
    again = ad.read_h5ad(tmp_path / "x.h5ad")
    assert (x != again.X).nnz == 0 and [key for key in again.layers if key] == ["data", "scale.data"]


def test_h5seurat_chosen(tmp_path):
    path = tmp_path / "x.h5Seurat"
    order = np.random.default_rng(1).permutation(25)
    x, _ = seurat(path, order)
    adata = oom.read_h5seurat(path, "ADT", slot="data")
    assert abs(adata.X.to_memory() - (x * 5).log1p()).max() < 1e-12
    assert (adata.layers["counts"].to_memory() != x * 5).nnz == 0 and not adata.obsm and list(adata.obsp) == ["nn"]
    with h5py.File(path) as f:
        np.testing.assert_array_equal(adata.layers["scale.data"].to_memory()[:, order], f["assays/ADT/scale.data"][:])
    path = tmp_path / "few.h5Seurat"
    seurat(path, order[:9])
    assert list(oom.read_h5seurat(path).layers) == ["data"]
    with pytest.raises(ValueError, match="assay: expected one of the assays of .*: ADT, RNA, found 'SCT'"):
        oom.read_h5seurat(path, "SCT")
    with pytest.raises(
        ValueError, match="slot: expected one of the matrices of all features .*: counts, data, found 'scale"
    ):
        oom.read_h5seurat(path, slot="scale.data")
    with pytest.raises(KeyError, match="has no element 'assays'; is this an h5Seurat file"):
        oom.read_h5seurat(EXAMPLE)


# -- 10x Genomics, written --------------------------------------------------------------------------------------------


def market(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return scipy_io.mmread(path)


def typed(x):
    adata = ad.AnnData(x.astype("f4"))
    adata.obs_names, adata.var_names = [f"ACGT{i}-1" for i in range(x.shape[0])], symbols()
    adata.var["gene_ids"], adata.var["feature_types"] = ids(), pd.Categorical(TYPES)
    adata.var["genome"] = "GRCh38"
    return adata


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
def test_10x_folders_are_read_by_scanpy(tmp_path, fmt):
    x = counts()
    adata = typed(x)
    adata.X = {"csr": adata.X, "csc": adata.X.tocsc(), "dense": adata.X.toarray()}[fmt]
    adata.write_h5ad(tmp_path / "x.h5ad")
    source = oom.read(tmp_path / "x.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, written, expected in (("a", source, x), ("b", source[::-1, 3:], x[::-1, 3:]), ("c", adata, x)):
            oom.write_10x_mtx(written, tmp_path / name)
            found = sc.read_10x_mtx(tmp_path / name, gex_only=False, make_unique=False)
            assert (expected != found.X).nnz == 0 and list(found.obs_names) == list(written.obs_names)
            assert list(found.var_names) == list(written.var_names)
            for column in ("gene_ids", "feature_types"):
                assert list(found.var[column]) == list(written.var[column])
            m = market(tmp_path / name / "matrix.mtx.gz")
            assert m.dtype.kind == "i" and (m.col[1:] >= m.col[:-1]).all()
            again = oom.read_10x_mtx(tmp_path / name, gex_only=False, make_unique=False)
            assert (again.X.to_memory() != expected).nnz == 0


def test_10x_folders_of_any_numbers(tmp_path):
    adata = typed(counts())
    adata.layers["log"] = adata.X.log1p()
    adata.layers["minus"] = -adata.X
    source = oom.AnnDataOOM(adata)
    for layer in ("log", "minus"):
        oom.write_10x_mtx(source, tmp_path / layer, layer=layer)
        found = market(tmp_path / layer / "matrix.mtx.gz").tocsr().T.astype("f4")
        assert (found != adata.layers[layer]).nnz == 0
    oom.pp.log1p(source)
    oom.write_10x_mtx(source, tmp_path / "queued")
    assert abs(oom.read_10x_mtx(tmp_path / "queued", gex_only=False).X.to_memory() - adata.layers["log"]).max() < 1e-6


def test_10x_files_are_read_by_scanpy(tmp_path):
    x, adata = counts(), typed(counts())
    oom.write_10x_h5(adata, tmp_path / "x.h5")
    found = sc.read_10x_h5(tmp_path / "x.h5", gex_only=False)
    assert (x != found.X).nnz == 0 and list(found.obs_names) == list(adata.obs_names)
    for column in ("gene_ids", "feature_types", "genome"):
        assert list(found.var[column]) == list(adata.var[column])
    assert (oom.read(tmp_path / "x.h5", gex_only=False).X.to_memory() != x).nnz == 0
    with h5py.File(tmp_path / "x.h5") as f:
        g = f["matrix"]
        assert g["data"].dtype == "i4" and g["indptr"].dtype == g["indices"].dtype == "i8"
        assert g["shape"][:].tolist() == [25, 40]


def test_10x_writes_refuse_what_they_cannot_hold(tmp_path):
    adata = typed(counts())
    adata.X[2, 7] = 1.5
    with pytest.raises(ValueError, match=r"1.5 at row 2, column 7 .*write_10x_h5\(\) needs counts"):
        oom.write_10x_h5(adata, tmp_path / "x.h5")
    adata.obs_names = ["a\tb", *adata.obs_names[1:]]
    with pytest.raises(ValueError, match="obs_names: expected names that are not empty, without tabs"):
        oom.write_10x_mtx(adata, tmp_path / "f")
    with pytest.raises(KeyError, match="nolayer"):
        oom.write_10x_mtx(adata, tmp_path / "f", layer="nolayer")
    tenx(tmp_path / "old", counts(), version=2)
    with pytest.raises(RuntimeError, match="matrix of another layout"):
        oom.write_10x_mtx(typed(counts()), tmp_path / "old")
    assert sorted(os.listdir(tmp_path)) == ["old"]


# -- by content -------------------------------------------------------------------------------------------------------


def test_read_finds_out_by_content(tmp_path):
    x = counts()
    shutil.copy(EXAMPLE, tmp_path / "a.loom")
    assert oom.read(tmp_path / "a.loom").n_obs > 0
    shutil.copy(GOLDEN / "tenx" / "v3.h5", tmp_path / "b.h5ad")
    assert list(oom.read(tmp_path / "b.h5ad").var)[:2] == ["gene_ids", "feature_types"]
    folder = tenx(tmp_path / "c.h5", x)
    assert (oom.read(folder).X.to_memory() != x).nnz == 0
    assert (oom.read(folder / "matrix.mtx.gz").X.to_memory() != x).nnz == 0
    (tmp_path / "e.h5ad").write_text("n,a,b\nc,1,0\n")
    assert oom.read(tmp_path / "e.h5ad").X.to_memory().toarray().tolist() == [[1, 0]]
    oom.write_h5mu({"only": typed(x)}, tmp_path / "d")
    assert (oom.read(tmp_path / "d").X.to_memory() != x).nnz == 0


def other_hdf5(path):
    with h5py.File(path, "w") as f:
        f["weights"] = np.ones(3)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (other_hdf5, "HDF5 file of an unknown kind, which holds weights: expected obs and var"),
        (lambda p: p.write_bytes(b"X\n\0\0\0\3"), r"file of R objects .*as_AnnDataOOM\(readRDS\(path\)\)"),
        (lambda p: p.write_text("only, names\n"), "holds no line of numbers"),
        (lambda p: p.write_bytes(b"PK\3\4more"), "found a zip archive: unpack it"),
        (lambda p: p.write_bytes(b"PAR1more"), "table of Parquet or Arrow"),
        (lambda p: p.write_bytes(b"\0\1\2\3"), "HDF5 signature is missing"),
        (lambda p: p.write_bytes(b""), "empty|signature is missing"),
        (lambda p: p.mkdir(), "found an empty folder"),
        (lambda p: (p.mkdir(), (p / ".zgroup").write_text("{}")), "Zarr store of an unknown kind, which holds nothing"),
    ],
)
def test_what_is_not_read_is_named(make, match, tmp_path):
    make(tmp_path / "x")
    with pytest.raises(OSError, match=match):
        oom.read(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        oom.read(tmp_path / "nothing")


def test_a_folder_with_files_names_them(tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "a.dat")
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(OSError, match="is a folder, and what can be read is a file in it: give the path '.*/a.dat'"):
        oom.read(tmp_path)
    shutil.copy(TWO, tmp_path / "b.h5mu")
    with pytest.raises(OSError, match="are 2 files in it: give the path of one, '.*a.dat', '.*b.h5mu'"):
        oom.read(tmp_path)


def test_folders_become_one_object(tmp_path):
    xs = {f"GSM{i}_s{i}": counts(20 + i, 25, i) for i in range(3)}
    for name, x in xs.items():
        tenx(tmp_path / name, x)
        tenx(tmp_path / "all", x, prefix=f"{name}_")
    one = oom.AnnDataSet([tmp_path / name for name in xs], add_key="sample", index_unique="-")
    together = oom.AnnDataSet(tmp_path / "all", add_key="sample", index_unique="-")
    by_name = oom.concat({name: oom.read(tmp_path / name) for name in xs}, label="sample", index_unique="-")
    for whole in (one, together, by_name):
        assert (whole.X.to_memory() != sparse.vstack(list(xs.values()))).nnz == 0
        assert list(whole.obs["sample"]) == [name for name, x in xs.items() for _ in range(x.shape[0])]
        assert whole.obs_names[0] == "ACGT0000-1-GSM0_s0"
    assert list(one.adatas) == list(xs)
