"""Tests mode "r+": anndata reads what `save` puts into the file."""

import os
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal
from conftest import dense, rich
from scipy import sparse

import anndataoom as oom


@pytest.fixture(params=["csr", "dense"])
def path(tmp_path, request):
    rich(fmt=request.param).write_h5ad(tmp_path / "x.h5ad")
    return tmp_path / "x.h5ad"


def test_element_by_element(path):
    expected = ad.read_h5ad(path)
    adata = oom.read(path, backed="r+")
    assert adata.save() == []
    n = adata.n_obs
    for a in (adata, expected):
        a.obs["leiden"] = pd.Categorical(np.where(np.arange(n) % 2, "0", "1"))
        a.obs["score"] = a.obs["score"] * 2
        del a.obs["flag"]
        a.obsm["X_umap"] = np.arange(2.0 * n).reshape(n, 2)
        a.obsm["X_pca"] = a.obsm["X_pca"][:, :2]
        a.obsp["more"] = sparse.identity(n, format="csr")
        a.uns["pca"] = {"variance": np.arange(3.0)}
        del a.uns["nested"]
        a.layers["half"] = dense(a.X[:]) / 2
    assert sorted(adata.save()) == [
        "layers/half", "obs/flag", "obs/leiden", "obs/score", "obsm/X_pca", "obsm/X_umap", "obsp/more", "uns/nested",
        "uns/pca",
    ]  # fmt: skip
    assert adata.flush() == []
    assert_equal(ad.read_h5ad(path), expected)
    assert_equal(oom.read(path).to_adata(), expected)
    assert_equal(adata.to_adata(), expected)
    assert os.listdir(path.parent) == ["x.h5ad"]


def test_what_was_taken_before_stays(path):
    adata = oom.read(path, backed="r+")
    before, x, pca = adata[:20], adata.X, adata.to_adata().obsm["X_pca"]
    wanted = dense(x[:])
    for round in range(4):
        adata.obsm["X_pca"] = np.full((adata.n_obs, 2), float(round))
        adata.layers["changing"] = np.full(adata.shape, float(round))
        adata.save(compression="gzip")
        np.testing.assert_array_equal(dense(x[:]), wanted)
        np.testing.assert_array_equal(dense(adata.X[:]), wanted)
        np.testing.assert_array_equal(dense(adata.layers["changing"][:]), float(round))
    np.testing.assert_array_equal(before.obsm["X_pca"], pca[:20])
    assert before.layers.keys() == {"counts"}
    # An object on an older state must not be saved over the newer one.
    before = oom.read(path, backed="r+")
    stale = before.copy()
    before.uns["a"] = 1
    before.save()
    stale.uns["b"] = 1
    with pytest.raises(RuntimeError, match="saved since"):
        stale.save()


def test_x_when_asked(path):
    adata = oom.read(path, backed="r+")
    raw = dense(adata.X[:])
    oom.pp.log1p(adata)
    with pytest.warns(UserWarning, match="X=True"):
        assert adata.save() == ["uns/log1p"]
    np.testing.assert_array_equal(dense(ad.read_h5ad(path).X), raw)
    assert adata.save(X=True) == ["X"]
    np.testing.assert_allclose(dense(ad.read_h5ad(path).X), np.log1p(raw), rtol=1e-6)
    np.testing.assert_allclose(dense(adata.X[:]), np.log1p(raw), rtol=1e-6)
    assert adata.save() == []


def test_raw(path):
    adata = oom.read(path, backed="r+")
    adata.raw = None
    assert adata.save() == ["raw"]
    assert ad.read_h5ad(path).raw is None
    adata.raw = adata
    assert set(adata.save()) >= {"raw/X", "raw/var"}
    assert_equal(ad.read_h5ad(path).raw.to_adata().X, ad.read_h5ad(path).X)


def test_what_is_refused(path, tmp_path):
    with pytest.raises(ValueError, match="'r' or 'r\\+'"):
        oom.read(path, backed="w")
    adata = oom.read(path)
    with pytest.raises(RuntimeError, match="read-only"):
        adata.save()
    with pytest.raises(ValueError, match="not read from a file"):
        oom.AnnDataOOM(adata.to_adata()).save()
    del adata
    adata = oom.read(path, backed="r+")
    with pytest.raises(RuntimeError, match="selection"):
        adata[:10].save()
    with pytest.raises(RuntimeError, match="selection"):
        adata[::-1].save()
    adata.uns["a"] = 1
    other = oom.read(path)
    with pytest.raises(OSError, match="open elsewhere"):
        adata.save()
    del other
    assert adata.save() == ["uns/a"]


def test_other_processes(path):
    """Checks that a save is refused while another process reads the file, and works afterwards."""
    adata = oom.read(path, backed="r+")
    adata.uns["a"] = 1
    code = "import sys, h5py; f = h5py.File(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "open\n"
        with pytest.raises(OSError, match="open elsewhere"):
            adata.save()
        reader.communicate()
    assert adata.save() == ["uns/a"]
    code = "import sys, h5py; f = h5py.File(sys.argv[1], 'r+')"
    refused = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "unable to lock file" in refused.stderr


def test_writing_onto_itself(path):
    """Checks writing the whole file anew, over the one that is open."""
    adata = oom.read(path)
    expected = adata.to_adata()
    adata.write()
    assert_equal(ad.read_h5ad(path), expected)
    assert_equal(adata.to_adata(), expected)


def test_a_killed_save(tmp_path):
    """Checks that a save killed at random moments leaves the file in one state or the next, whole."""
    path = tmp_path / "x.h5ad"
    rich(200).write_h5ad(path)
    code = """
import sys, numpy as np, anndataoom as oom
adata = oom.read(sys.argv[1], backed="r+")
for k in range(int(sys.argv[2]), 10**6):
    adata.obs["round"] = k
    adata.obsm["round"] = np.full((adata.n_obs, 50), k)
    adata.uns["round"] = k
    adata.save()
    print(k, flush=True)
"""
    rng, at = np.random.default_rng(1), 0
    for _ in range(3):
        command = [sys.executable, "-c", code, str(path), str(at + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            first = process.stdout.readline()
            assert first
            try:
                process.wait(rng.uniform(0, 0.3))
            except subprocess.TimeoutExpired:
                process.kill()
            done = int((first + process.stdout.read()).split()[-1])
        found = oom.read(path)
        at = int(found.uns["round"])
        assert at in (done, done + 1)
        assert (found.obs["round"] == at).all() and (found.obsm["round"] == at).all()
        assert dense(found.X[:]).shape == found.shape
        del found
    assert int(ad.read_h5ad(path).uns["round"]) == at
