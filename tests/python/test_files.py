"""Tests unusual files: graphs where scanpy once stored them, empty extents, elements that cannot be
read, and equal bytes of two writes."""

import subprocess
import sys
import time
import warnings

import anndata as ad
import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem
from anndata.tests.helpers import assert_equal
from conftest import rich
from scipy import sparse

import anndataoom as oom


@pytest.fixture
def old_graphs(tmp_path):
    """Makes a file with graphs in `uns["neighbors"]`, as scanpy wrote them before obsp; one of
    their two names is taken in obsp."""
    adata = rich()
    path, n = tmp_path / "x.h5ad", adata.n_obs
    del adata.obsp
    adata.obsp["connectivities"] = sparse.identity(n, format="csr")
    adata.obsp["other"] = sparse.identity(n, format="csr") * 3
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as f:
        graphs = {
            "distances": sparse.random(n, n, 0.1, "csr", random_state=1),
            "connectivities": np.arange(float(n * n)).reshape(n, n),
            "params": {"n_neighbors": 15, "method": "umap"},
            # By its name, this is no graph of cells.
            "weights": sparse.random(n, n, 0.1, "csr", random_state=2),
        }
        write_elem(f["uns"], "neighbors", graphs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        expected = ad.read_h5ad(path)
    assert set(expected.obsp) == {"connectivities", "other", "distances"}
    assert set(expected.uns["neighbors"]) == {"params", "weights"}
    return path, expected


def test_graphs_in_uns_are_found_in_obsp(old_graphs, tmp_path):
    path, expected = old_graphs
    adata = oom.read(path)
    assert set(adata.obsp) == set(expected.obsp)
    assert set(adata.uns["neighbors"]) == {"params", "weights"}
    assert_equal(adata.to_adata(), expected)
    # In a new file they are in obsp, whether they were read or not.
    for name, source in {"unread": oom.read(path), "read": adata}.items():
        source.write_h5ad(tmp_path / f"{name}.h5ad")
        with h5py.File(tmp_path / f"{name}.h5ad") as f:
            assert set(f["uns/neighbors"]) == {"params", "weights"}
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            assert_equal(ad.read_h5ad(tmp_path / f"{name}.h5ad"), expected)


def test_graphs_in_uns_and_saving(old_graphs):
    path, expected = old_graphs
    adata = oom.read(path, backed="r+")
    del adata.obsp["distances"]
    del expected.obsp["distances"]
    adata.save()
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        assert_equal(ad.read_h5ad(path), expected)
    assert_equal(adata.to_adata(), expected)
    assert adata.save() == []


@pytest.mark.parametrize("shape", [(0, 5), (7, 0), (0, 0)])
@pytest.mark.parametrize("kind", ["csr", "csc", "dense", "none"])
def test_empty_extents(shape, kind, tmp_path):
    n, m = shape
    make = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}.get(kind)
    values = np.zeros(shape, "f4")
    expected = ad.AnnData(
        X=make(values) if make else None,
        obs=pd.DataFrame({"a": np.arange(n, dtype="f8")}, index=[f"c{i}" for i in range(n)]),
        var=pd.DataFrame({"b": np.arange(m)}, index=[f"g{i}" for i in range(m)]),
        obsm={"X_pca": np.zeros((n, 2))},
        layers={"other": values} if make else {},
        obsp={"graph": sparse.csr_matrix((n, n))},
    )
    expected.write_h5ad(tmp_path / "x.h5ad")
    for touch in (False, True):
        adata = oom.read(tmp_path / "x.h5ad")
        assert adata.shape == shape
        if touch:
            adata.obs["a"], adata.obsm["X_pca"] = adata.obs["a"], adata.obsm["X_pca"]
            adata = adata[::-1, ::-1][::-1, ::-1]
        adata.write_h5ad(tmp_path / "y.h5ad")
        assert_equal(ad.read_h5ad(tmp_path / "y.h5ad"), expected)


def test_one_that_cannot_be_read_hides_no_other(tmp_path):
    """Checks that filters that this library lacks, and types without arithmetic, give errors that
    name them, while all else can be read."""
    path = tmp_path / "x.h5ad"
    expected = rich()
    expected.write_h5ad(path)
    values = np.arange(expected.n_obs * 3.0).reshape(-1, 3)
    filters = {
        "szip": {"compression": "szip"},
        "bzip2": hdf5plugin.BZip2(),
        "delta": hdf5plugin.Blosc2(filters=hdf5plugin.Blosc2.DELTA),
    }
    if not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        del filters["szip"]
    with h5py.File(path, "r+") as f:
        for name, options in filters.items():
            d = f["obsm"].create_dataset(name, data=values, chunks=(5, 3), **options)
            d.attrs["encoding-type"], d.attrs["encoding-version"] = "array", "0.2.0"
        write_elem(f["layers"], "complex", np.ones(expected.shape, "c8"))
    adata = oom.read(path)
    for name in filters:
        with pytest.raises(Exception, match=f"(?s)x.h5ad.*obsm/{name}.*{name}"):
            adata.obsm[name]
    with pytest.raises(Exception, match="(?s)layers/complex.*complex"):
        adata.layers["complex"]
    for key in expected.obsm:
        assert_equal(adata.obsm[key], expected.obsm[key])
    np.testing.assert_array_equal(adata.obs_vector(expected.var_names[0]), expected.obs_vector(expected.var_names[0]))
    # A round trip keeps them nevertheless.
    adata.write_h5ad(tmp_path / "y.h5ad")
    with h5py.File(tmp_path / "y.h5ad") as f:
        for name in filters:
            np.testing.assert_array_equal(f["obsm"][name][:], values)
        np.testing.assert_array_equal(f["layers/complex"][:], np.ones(expected.shape, "c8"))


def test_an_element_that_does_not_fit_its_axes_says_so(tmp_path):
    rich().write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        write_elem(file["obsm"], "short", np.ones((3, 2)))
        write_elem(file["obsm"], "frame", pd.DataFrame({"a": [1, 2]}))
        write_elem(file["varp"], "wide", np.ones((2, 9)))
    adata = oom.read(tmp_path / "x.h5ad")
    for slot, key in [("obsm", "short"), ("obsm", "frame"), ("varp", "wide")]:
        with pytest.raises(ValueError, match=f"x.h5ad', element '{slot}/{key}': .*expected shape"):
            getattr(adata, slot)[key]


def test_complex_x_says_so(tmp_path):
    expected = rich()
    expected.write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as f:
        del f["X"]
        write_elem(f, "X", np.ones(expected.shape, "c16"))
    adata = oom.read(tmp_path / "x.h5ad")
    pd.testing.assert_frame_equal(pd.DataFrame(adata.obs), expected.obs)
    with pytest.raises(Exception, match="(?s)x.h5ad.*X.*complex"):
        oom.pp.calculate_qc_metrics(adata, inplace=True)


def test_the_same_bytes_twice(tmp_path):
    """Checks that bytes are equal also seconds later and in another process: the file holds no
    times and no hash order."""
    rich().write_h5ad(tmp_path / "x.h5ad")
    program = "import sys, anndataoom as o; a = o.read(sys.argv[1]); {}; a.write_h5ad(sys.argv[2], compression='gzip')"
    changes = {"unread": "None", "read": "a.obs['n'] = 1; a.uns['k'] = {'b': 1, 'a': [1, 2]}; a.X = a.X.copy()"}
    for name, change in changes.items():
        written = []
        for i in range(2):
            out = tmp_path / f"{name}{i}.h5ad"
            subprocess.run([sys.executable, "-c", program.format(change), tmp_path / "x.h5ad", out], check=True)
            written.append(out.read_bytes())
            time.sleep(1.1)
        assert written[0] == written[1], name


def test_an_object_of_several_files_is_not_saved(tmp_path):
    for i in range(2):
        rich().write_h5ad(tmp_path / f"{i}.h5ad")
    files = [oom.read(tmp_path / f"{i}.h5ad", backed="r+") for i in range(2)]
    whole = oom.concat(files, label="file", index_unique="-")
    before = [(tmp_path / f"{i}.h5ad").read_bytes() for i in range(2)]
    with pytest.raises(ValueError, match="write_h5ad"):
        whole.save()
    assert [(tmp_path / f"{i}.h5ad").read_bytes() for i in range(2)] == before
