"""Checks that the code in README runs, and that the files it names exist."""

import re
import shutil
import warnings

from conftest import EXAMPLE, ROOT

README = (ROOT / "README.md").read_text()


def test_the_python_of_readme_runs(tmp_path, monkeypatch):
    shutil.copy(EXAMPLE, tmp_path / "cells.h5ad")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    known = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, known)
    assert {"leiden", "n_genes"} <= set(known["adata"].obs)
    assert (tmp_path / "result.h5ad").exists()


def test_files_that_readme_names_are_there():
    named = set(re.findall(r"(?:inst|man|tools|vignettes)/[\w./-]*\w", README))
    assert len(named) > 8 and [name for name in named if not (ROOT / name).exists()] == []
    vignettes = re.search(r"`vignettes/`: (.*?) \|", README).group(1)
    assert {v.strip(" `") for v in vignettes.split(",")} == {p.stem for p in (ROOT / "vignettes").glob("*.Rmd")}
