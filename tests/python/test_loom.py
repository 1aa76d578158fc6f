"""Compares loom files with what anndata reads of them (tests/golden/make_loom.py), and with files
made here by h5py."""

import shutil

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal
from conftest import EXAMPLE
from scipy import sparse

import anndataoom as oom

GOLDEN = EXAMPLE.parents[2] / "tests" / "golden" / "loom"
MAPPING = {"X_umap": ["_X", "_Y"]}


@pytest.mark.parametrize("written", [False, True])
def test_a_file_of_loompy_is_what_anndata_reads(written):
    expected = ad.read_h5ad(GOLDEN / "small.h5ad")
    found = oom.read(GOLDEN / "small.loom", obsm_mapping=MAPPING, sparse=written)
    assert found.shape == (150, 70)
    assert sparse.issparse(found.to_adata().X) == written
    got = found.to_adata()
    for name, want in [("X", expected.X), *expected.layers.items()]:
        have = got.X if name == "X" else got.layers[name]
        assert have.dtype == np.int64
        np.testing.assert_array_equal(have.toarray() if written else have, want.toarray())
    assert_equal(got.var, expected.var)
    # loompy removes non-ASCII characters from its texts.
    assert list(got.obs["ClusterName"]) == ["\u03b1 & \u03b2" if i % 2 else "T cell" for i in range(150)]
    assert_equal(got.obs.drop(columns="ClusterName"), expected.obs.drop(columns="ClusterName"))
    np.testing.assert_array_equal(got.obsm["X_umap"], expected.obsm["X_umap"])
    np.testing.assert_array_equal(got.obsm["Components"], np.arange(450).reshape(150, 3) / 4)
    links = {(0, 1): 0.25, (149, 0): 0.5, (2, 149): 0.75, (2, 3): 1.0}
    graph = got.obsp["KNN"].tocoo()
    assert dict(zip(zip(graph.row.tolist(), graph.col.tolist()), graph.data.tolist())) == links
    assert got.varp["net"].nnz == 2
    assert got.varp["net"][69, 0] == 2 and got.varp["net"][0, 5] == 3
    assert got.uns["title"] == "a small file"


def make(path, matrix, chunks=None, compression=None, **attributes):
    """Makes a file of loom's version 2, with ASCII texts and no layers."""
    with h5py.File(path, "w") as f:
        f.create_dataset("matrix", data=matrix, chunks=chunks, compression=compression)
        for group in ("layers", "row_attrs", "col_attrs", "row_graphs", "col_graphs"):
            f.create_group(group)
        f["row_attrs/Gene"] = np.array([f"IFN&#947;{i}".encode() for i in range(matrix.shape[0])])
        f["col_attrs/CellID"] = np.array([f"c{i}".encode() for i in range(matrix.shape[1])])
        for name, values in attributes.items():
            f[f"col_attrs/{name}"] = values
    return path


@pytest.mark.parametrize(
    ("chunks", "dtype"),
    [(None, "f4"), ((7, 5), "f4"), ((64, 64), "i4"), ((1, 200), "u1"), ((300, 1), "f8"), ((40, 33), ">f4")],
)
def test_selections_equal_numpy(tmp_path, chunks, dtype):
    rng = np.random.default_rng(0)
    matrix = rng.poisson(0.4, (300, 200)).astype(dtype)
    path = make(tmp_path / "a.loom", matrix, chunks, "gzip" if chunks else None)
    adata = oom.read_loom(path)
    dense = matrix.T.astype(np.dtype(dtype).newbyteorder("="))
    assert adata.var_names[2] == "IFN\u03b32"
    np.testing.assert_array_equal(adata.to_adata().X, dense)
    rows, columns = rng.permutation(200)[:60], rng.permutation(300)[:50]
    np.testing.assert_array_equal(adata[rows].to_adata().X, dense[rows])
    np.testing.assert_array_equal(adata[:, columns].to_adata().X, dense[:, columns])
    np.testing.assert_array_equal(adata[np.sort(rows), columns].to_adata().X, dense[np.sort(rows)][:, columns])
    np.testing.assert_array_equal(np.asarray(adata.X.sum(axis=0)).ravel(), dense.sum(0))
    oom.pp.calculate_qc_metrics(adata, percent_top=None, inplace=True)
    np.testing.assert_allclose(adata.obs["total_counts"], dense.sum(1))


@pytest.mark.parametrize("as_csr", [False, True])
def test_what_is_written_is_turned(tmp_path, as_csr):
    matrix = np.arange(12, dtype="f4").reshape(3, 4) % 5
    adata = oom.read_loom(make(tmp_path / "a.loom", matrix))
    adata.write_h5ad(tmp_path / "a.h5ad", as_csr=["X"] if as_csr else ())
    read = ad.read_h5ad(tmp_path / "a.h5ad")
    assert sparse.issparse(read.X) == as_csr
    np.testing.assert_array_equal(read.X.toarray() if as_csr else read.X, matrix.T)
    assert not as_csr or read.X.nnz == np.count_nonzero(matrix)
    oom.read_loom(tmp_path / "a.loom", sparse=True, to=tmp_path / "b.h5ad")
    np.testing.assert_array_equal(ad.read_h5ad(tmp_path / "b.h5ad").X.toarray(), matrix.T)


def test_errors_name_file_and_attribute(tmp_path):
    path = shutil.copy(GOLDEN / "small.loom", tmp_path)
    with pytest.raises(
        ValueError, match="obsm_mapping: expected numbers among 'col_attrs' of .*small.loom.*: .*'nothing'"
    ):
        oom.read_loom(path, obsm_mapping={"X_umap": ["_X", "nothing"]})
    with pytest.raises(ValueError, match="to: expected None without sparse=True"):
        oom.read_loom(path, to=tmp_path / "b.h5ad")
    with pytest.raises(KeyError, match="loom"):
        oom.read_loom(EXAMPLE)
    with h5py.File(path, "r+") as f:
        f["col_graphs/KNN/a"][0] = 150
    with pytest.raises(ValueError, match="col_graphs/KNN/a.*whole numbers below 150.*150"):
        oom.read_loom(path)
    with h5py.File(path, "r+") as f:
        del f["col_graphs"]
        del f["col_attrs/Total"]
        f["col_attrs/Total"] = np.arange(3)
    with pytest.raises(ValueError, match="col_attrs/Total.*150 values"):
        oom.read_loom(path)


def test_names_are_numbers_where_there_are_none(tmp_path):
    adata = oom.read_loom(make(tmp_path / "a.loom", np.eye(3, 4)), obs_names="Barcode", var_names="Symbol")
    assert list(adata.obs_names) == ["0", "1", "2", "3"]
    assert list(adata.obs["CellID"]) == ["c0", "c1", "c2", "c3"]
    assert isinstance(adata.obs, pd.DataFrame)
