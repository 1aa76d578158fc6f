"""Checks the docstrings of public functions: parameters, return values, errors, and an example that
runs."""

import doctest
import inspect
import re
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import EXAMPLE, ROOT

import anndataoom as oom


def public():
    """Returns every public function by name. Functions of version 0.1.8 only say which verb they
    call."""
    found = {}
    for prefix, module in (("", oom), ("pp.", oom.pp), ("tl.", oom.tl), ("get.", oom.get)):
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function) and not name.startswith(("chunked_", "materialise_")):
                found[prefix + name] = function
    methods = {n: f for n, f in vars(oom.AnnDataOOM).items() if inspect.isfunction(f) and not n.startswith("_")}
    return found | {f"AnnDataOOM.{name}": f for name, f in methods.items()}


PUBLIC = public()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Makes the working directory of the examples, with the files that they name."""
    shutil.copy(EXAMPLE, tmp_path)
    for file in ("loom/small.loom", "seurat/small.h5Seurat"):
        shutil.copy(ROOT / "tests" / "golden" / file, tmp_path)
    monkeypatch.chdir(tmp_path)


def sections_of(function):
    """Returns the text before the sections of a docstring, and the sections by title."""
    parts = re.split(r"^(Parameters|Returns|Raises|Examples)\n-+\n", inspect.getdoc(function), flags=re.M)
    return parts[0], dict(zip(parts[1::2], parts[2::2]))


# Parameters that mean the same wherever they occur. Docstrings are written out, so that help(), editors and the
# reference read them where they stand, and this test keeps their copies equal.
ALIKE = ("adjacency", "copy", "dir", "layer", "neighbors_key", "obsm", "obsp", "score_name", "use_weights")


@pytest.mark.parametrize("parameter", ALIKE)
def test_what_is_alike_is_said_in_the_same_words(parameter):
    said = {}
    for name, function in PUBLIC.items():
        text = sections_of(function)[1].get("Parameters", "") + "\n"
        for title, about in re.findall(r"^(\S.*)\n((?:    .*\n|\n)*)", text, re.M):
            if title.strip() == parameter:
                said[name] = " ".join(about.split())
    # A verb may add to the shared words.
    shared = min(said.values(), key=len).rstrip(".")
    assert len(said) > 1
    assert {name: text for name, text in said.items() if not text.startswith(shared)} == {}


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_is_said(name):
    function = PUBLIC[name]
    before, sections = sections_of(function)
    assert before.strip()[0].isupper() or before.startswith("`")
    parameters = [p for p in inspect.signature(function).parameters if p != "self"]
    titles = re.findall(r"^(\S.*)$", sections.get("Parameters", ""), re.M)
    said = [word.strip().split(" ")[0].lstrip("*") for title in titles for word in title.split(",")]
    assert sorted(said) == sorted(parameters)
    for section in ("Returns", "Raises", "Examples"):
        assert sections.get(section, "").strip(), section
    assert ">>>" in sections["Examples"]


@pytest.mark.parametrize("name", PUBLIC)
def test_examples(name, folder):
    known = {"oom": oom, "np": np, "pd": pd, "adata": oom.read("pbmc_like.h5ad")}
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(PUBLIC[name]), known, name, None, 0)
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert not said, "".join(said)
