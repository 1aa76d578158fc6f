"""Checks that errors name the file, element or parameter that is wrong, what was expected, and what
was found."""

import os
import subprocess
import sys

import anndata as ad
import h5py
import numpy as np
import pytest
from conftest import rich
from scipy import sparse

import anndataoom as oom


@pytest.fixture
def path(tmp_path):
    rich(n=800, m=60).write_h5ad(tmp_path / "a.h5ad")
    return tmp_path / "a.h5ad"


@pytest.mark.parametrize("element", ["X", "layers/counts", "obsp/graph", "raw/X"])
def test_offsets_that_do_not_start_at_0(path, element):
    with h5py.File(path, "r+") as f:
        f[element]["indptr"][0] = 1
    with pytest.raises(ValueError, match=rf"a\.h5ad', element '{element}/indptr'.*found .*offset.* 1\b") as e:
        a = oom.read(path)
        matrix = {"X": lambda: a.X, "layers/counts": lambda: a.layers["counts"],
                  "obsp/graph": lambda: a.obsp["graph"], "raw/X": lambda: a.raw.X}[element]()  # fmt: skip
        matrix[:]
    assert "Some(" not in str(e.value)


@pytest.mark.parametrize(
    ("element", "attribute", "value", "said"),
    [
        ("X", "shape", "wide", "an attribute 'shape' of two integers, found 'wide'"),
        ("X", "shape", [1, 2, 3], "a shape of two numbers below 4294967296, found 1, 2, 3"),
        (
            "obsp/graph",
            "shape",
            np.arange(20),
            "two extents in the attribute 'shape', found 0, 1, 2, 3, 4, 5, 6, 7, ...",
        ),
        ("obs/group", "ordered", "perhaps", "a truth value in the attribute 'ordered', found 'perhaps'"),
        ("obs", "column-order", 3, "a list of texts in the attribute 'column-order', found 3"),
    ],
)
def test_attributes_that_are_not_what_they_should_be(path, element, attribute, value, said):
    with h5py.File(path, "r+") as f:
        del f[element].attrs[attribute]
        f[element].attrs[attribute] = value
    reads = {
        "X": lambda a: a.X[:],
        "obsp/graph": lambda a: a.obsp["graph"],
        "obs/group": lambda a: a._obs.column("group"),
        "obs": lambda a: a.obs,
    }
    with pytest.raises(ValueError) as e:
        reads[element](oom.read(path))
    assert f"element '{element}': expected {said}" in str(e.value)


def test_a_file_cut_off_while_it_is_open(path, tmp_path):
    a = oom.read(path)
    os.truncate(path, 3000)
    for read in (
        lambda: a.X[:],
        lambda: a.raw.X[:],
        lambda: a.layers["counts"][:],
        lambda: a.obsm["X_pca"],
        lambda: a.uns["nested"],
        lambda: a.write_h5ad(tmp_path / "b.h5ad"),
    ):
        with pytest.raises((ValueError, OSError), match=r"a\.h5ad.*(truncated|cut off).*open it again or restore it"):
            read()
    assert not (tmp_path / "b.h5ad").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of this kind")
def test_a_full_disk_under_an_index_of_columns(tmp_path):
    path, folder = tmp_path / "a.h5ad", tmp_path / "index"
    ad.AnnData(sparse.random(4000, 200, 0.3, "csr", dtype="f4", random_state=0)).write_h5ad(path)
    folder.mkdir()
    # A limit of 64 KiB a file looks like a full disk to the process.
    code = f"""
import resource, signal
import anndataoom as oom
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
a = oom.read({str(path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16,) * 2)
try:
    a.index_columns({str(folder)!r})
except OSError as e:
    print(type(e).__name__, e)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("OSError cannot write") and str(folder) in said and "os error" in said, said
    assert not list(folder.iterdir())


def test_parameters_that_are_none(path):
    a = oom.read(path)
    for call, said in (
        (lambda: oom.pp.pca(a, n_comps=-1), "pca: n_comps must be a whole number, 1 or more, or None, found -1"),
        (lambda: oom.tl.leiden(a, n_iterations=float("nan")), "leiden: n_iterations must be .* found nan"),
        (lambda: oom.pp.neighbors(a, use_rep=0), "neighbors: use_rep must be one name, or None, found 0"),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def test_lists_of_lists_of_several_lengths(path, tmp_path):
    a = oom.read(path)
    a.uns["ragged"] = [[1, 2], [3]]
    with pytest.raises(ValueError, match="uns/ragged: a list whose entries are not alike"):
        a.write_h5ad(tmp_path / "b.h5ad")


def test_settings_that_there_are_none(path):
    with pytest.raises(AttributeError, match="settings has no 'thread'; there are threads, memory, graph_memory"):
        oom.settings.thread = 1


def test_what_is_no_annotated_data_in_a_concatenation(path):
    with pytest.raises(TypeError, match="adatas: expected AnnDataOOM or AnnData objects, found int at position 1"):
        oom.concat([oom.read(path), 3])


def test_matrices_are_compared_value_by_value(path):
    x = oom.read(path).X
    assert (x == x[:]).sum() == x.size and (x[:] != x).sum() == 0
    assert (x != None) is True and (x == "X") is False  # noqa: E711
    assert x in {x: 1}
