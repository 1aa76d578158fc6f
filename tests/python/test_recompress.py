"""Checks that unchanged elements are compressed anew in every way, which h5py reads with its plugins."""

import anndata as ad
import h5py
import numpy as np
import pytest
from scipy import sparse

import anndataoom as oom


@pytest.fixture
def memory():
    X = sparse.random(3000, 90, 0.4, "csr", dtype=np.float32, random_state=0)
    adata = ad.AnnData(X)
    adata.layers["columns"] = X.tocsc()
    adata.layers["dense"] = X.toarray()[:, ::-1].astype(np.float64)
    adata.obsm["X_pca"] = X.toarray()[:, :5]
    adata.obs["group"] = np.repeat(["a", "b", "c"], 1000)
    adata.uns["few"] = {"a": np.arange(3)}
    return adata


def same(a, b):
    np.testing.assert_array_equal(a.X.toarray(), b.X.toarray())
    np.testing.assert_array_equal(a.layers["columns"].toarray(), b.layers["columns"].toarray())
    np.testing.assert_array_equal(a.layers["dense"], b.layers["dense"])
    np.testing.assert_array_equal(a.obsm["X_pca"], b.obsm["X_pca"])
    assert type(b.X).__name__ == type(a.X).__name__ and b.layers["columns"].format == "csc"
    assert list(a.obs["group"]) == list(b.obs["group"]) and list(b.uns["few"]["a"]) == [0, 1, 2]


@pytest.mark.parametrize(
    "compression, opts, filters",
    [(None, None, {}), ("gzip", 9, {"gzip": 9}), ("lzf", None, {"lzf": None}), ("zstd", None, {"32015": (3,)}),
     ("zstd", 12, {"32015": (12,)})],
)  # fmt: skip
def test_h5py_reads_what_was_compressed_anew(memory, tmp_path, compression, opts, filters):
    pytest.importorskip("hdf5plugin")
    memory.write_h5ad(tmp_path / "a.h5ad", compression="gzip")
    adata, to = oom.read(tmp_path / "a.h5ad"), tmp_path / "b.h5ad"
    adata.write_h5ad(to, compression, opts, recompress=True)
    same(memory, ad.read_h5ad(to))
    same(memory, oom.read(to).to_adata())
    with h5py.File(to) as file:
        for name in ("X/data", "X/indices", "layers/columns/data", "layers/dense"):
            assert file[name]._filters == filters, name
    # Without recompression unchanged elements are copied; new elements have the requested compression.
    adata.layers["new"] = adata.X
    adata.write_h5ad(tmp_path / "c.h5ad", compression, opts)
    with h5py.File(tmp_path / "c.h5ad") as file:
        assert file["X/data"]._filters == {"gzip": 4}
    some = adata[::2]
    some.write_h5ad(tmp_path / "d.h5ad", compression, opts)
    np.testing.assert_array_equal(ad.read_h5ad(tmp_path / "d.h5ad").X.toarray(), memory.X[::2].toarray())


def test_zarr_is_compressed_anew(memory, tmp_path):
    oom.AnnDataOOM(memory).write_zarr(tmp_path / "a.zarr", as_csc=["layers/columns"])
    adata = oom.read_zarr(tmp_path / "a.zarr")

    def size(store):
        return sum(p.stat().st_size for p in (store / "X").rglob("*") if p.is_file())

    adata.write_zarr(tmp_path / "b.zarr", compression=None)
    adata.write_zarr(tmp_path / "c.zarr", compression=None, recompress=True)
    assert size(tmp_path / "a.zarr") == size(tmp_path / "b.zarr") < size(tmp_path / "c.zarr")
    same(memory, oom.read_zarr(tmp_path / "c.zarr").to_adata())


def test_levels_are_those_of_the_compression(memory, tmp_path):
    adata = oom.AnnDataOOM(memory)
    for compression, level in (("gzip", 10), ("zstd", 0), ("zstd", 23)):
        with pytest.raises(ValueError, match="compression_opts"):
            adata.write_h5ad(tmp_path / "a.h5ad", compression, level)
    for compression, name in (("lzf", "lzf"), (None, "none")):
        with pytest.raises(ValueError, match=f"compression_opts: expected none, as '{name}' has no levels"):
            adata.write_h5ad(tmp_path / "a.h5ad", compression, 4)
    with pytest.raises(ValueError, match="compression_opts"):
        adata.write_zarr(tmp_path / "a.zarr", compression="none", compression_opts=4)
    assert not (tmp_path / "a.h5ad").exists()
