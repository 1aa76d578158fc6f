"""Serves files to the tests of remote stores: one matrix in all layouts and formats."""

import shutil
import sys
import threading
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import anndataoom as oom

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "remote"))
from clouds import Cloud  # noqa: E402, F401
from server import Server  # noqa: E402

N, M = 3000, 400


def counts():
    rng = np.random.default_rng(5)
    x = sparse.random(N, M, 0.2, format="csr", random_state=rng, dtype="float32")
    x.data = np.ceil(x.data * 9).astype("float32")
    names = {"obs": [f"c{i}" for i in range(N)], "var": [f"g{j}" for j in range(M)]}
    adata = ad.AnnData(x)
    adata.obs_names, adata.var_names = names["obs"], names["var"]
    adata.obs["batch"] = np.where(np.arange(N) % 3 == 0, "a", "b")
    adata.obsm["X_pca"] = rng.normal(size=(N, 5)).astype("float32")
    return adata


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Makes one matrix in all layouts and formats, in chunks of a few kilobytes."""
    from conftest import rich  # its module takes the fixtures of this one

    folder = tmp_path_factory.mktemp("remote")
    adata = counts()
    small = {"compression": "gzip", "chunks": 4096}
    adata.write_h5ad(folder / "plain.h5ad")
    oom.convert(folder / "plain.h5ad", folder / "csr.h5ad", **small)
    csc = adata.copy()
    csc.X = csc.X.tocsc()
    csc.write_h5ad(folder / "plain_csc.h5ad")
    oom.convert(folder / "plain_csc.h5ad", folder / "csc.h5ad", **small)
    dense = adata.copy()
    dense.X = dense.X.toarray()
    dense.write_h5ad(folder / "dense.h5ad", compression="gzip")
    adata.write_h5ad(folder / "theirs.h5ad", compression="gzip")
    x = oom.read_h5ad(folder / "csr.h5ad")
    x.write_zarr(folder / "v2.zarr", zarr_format=2, chunks=4096)
    x.write_zarr(folder / "v3.zarr", zarr_format=3, shards=0, chunks=4096)
    x.write_zarr(folder / "sharded.zarr", zarr_format=3, shards=16, chunks=4096)
    for name in ("v2", "sharded"):
        shutil.make_archive(folder / f"{name}.zarr", "zip", folder / f"{name}.zarr")
    rich().write_h5ad(folder / "rich.h5ad")
    return folder


@pytest.fixture
def server(folder):
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


FILES = [
    "plain.h5ad", "csr.h5ad", "csc.h5ad", "dense.h5ad", "theirs.h5ad", "v2.zarr", "v3.zarr", "sharded.zarr",
    "v2.zarr.zip", "sharded.zarr.zip",
]  # fmt: skip


def values(adata):
    x = adata.to_adata().X
    return x.toarray() if sparse.issparse(x) else np.asarray(x)
