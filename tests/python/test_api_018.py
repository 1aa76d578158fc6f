"""Checks that every public name of anndataoom 0.1.8 exists, with its parameters, their order and
defaults."""

import inspect
import json

import pytest
from conftest import ROOT

import anndataoom as oom

API = json.loads((ROOT / "tests" / "golden" / "python_api_018.json").read_text())
# Sums, means and variances without an axis are those of all values, as in numpy; 0.1.8 read None as
# axis 0.
CHANGED = {("BackedArray", m, "axis") for m in ("sum", "mean", "var", "getnnz")}
# None stands for the number that the object was opened with, 1000 by default.
CHANGED.add(("AnnDataOOM", "chunked_X", "chunk_size"))
# These have anndata's names, which take precedence.
RENAMED = {("AnnDataOOM", "write"): {"path": "filename"}, ("AnnDataOOM", "write_h5ad"): {"path": "filename"}}
RENAMED |= {(c, m): {"key": "k"} for c in ("AnnDataOOM", "_FrozenRaw") for m in ("obs_vector", "var_vector")}
# Classes whose constructor differs: in 0.1.8 it belonged to the compiled part.
OWN_CONSTRUCTOR = {"AnnDataSet", "Compression", "AnnDataOOM", "concat"}


def find(name):
    return getattr(oom, name, None) or getattr(oom._kinds, name)


def compare(name, member, expected, ours):
    if expected is None:
        return
    found = {p.name: p for p in inspect.signature(ours).parameters.values()}
    order = [p.name for p in found.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in found.values())
    position = 0
    for parameter, kind, default in expected:
        if kind.startswith("VAR"):
            continue
        parameter = RENAMED.get((name, member), {}).get(parameter, parameter)
        assert parameter in found or takes_any, f"{name}.{member}: no parameter {parameter}"
        if parameter not in found:
            continue
        if kind == "POSITIONAL_OR_KEYWORD":
            assert order[position] == parameter, f"{name}.{member}: {parameter} is not number {position + 1}"
            position += 1
        if default is not None and not any((c.__name__, member, parameter) in CHANGED for c in _mro(name)):
            assert repr(found[parameter].default) == default, f"{name}.{member}: default of {parameter}"


def _mro(name):
    thing = find(name)
    return thing.__mro__ if inspect.isclass(thing) else ()


@pytest.mark.parametrize("name", [name for name in API if name != "AnnDataSet" or hasattr(oom, name)])
def test_it_is_here(name):
    ours = find(name)
    if name not in OWN_CONSTRUCTOR:
        compare(name, "", API[name]["parameters"], ours)
    for member, expected in API[name]["members"].items():
        assert hasattr(ours, member), f"{name} has no {member}"
        if callable(getattr(ours, member)):
            compare(name, member, expected, getattr(ours, member))


def test_compression(tmp_path):
    adata = oom.AnnDataOOM([[1.0, 2.0], [0.0, 3.0]])
    adata.write(tmp_path / "a.h5ad", compression=oom.Compression.gzip(3))
    import h5py

    with h5py.File(tmp_path / "a.h5ad") as f:
        assert f["X"].compression == "gzip" and f["X"].compression_opts == 3
    adata.write(tmp_path / "b.h5ad", compression=oom.Compression.zstd(3))
    assert oom.read(tmp_path / "b.h5ad").X[:].tolist() == [[1.0, 2.0], [0.0, 3.0]]
