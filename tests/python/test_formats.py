"""Tests every slot with every encoding: written by anndata, read and written by us, compared by
anndata (tests/formats)."""

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest

import anndataoom as oom

FORMATS = Path(__file__).resolve().parent.parent / "formats"


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("formats")
    subprocess.run([sys.executable, FORMATS / "make.py", directory], check=True)
    return directory


def touch(adata):
    """Reads every element, so that it is written from Python's objects."""
    adata.obs, adata.var = adata.obs, adata.var
    for slot in ("obsm", "varm", "obsp", "varp", "uns", "layers"):
        elements = getattr(adata, slot)
        for key in list(elements):
            try:
                elements[key] = elements[key]
            except Exception:  # cannot be read into Python: the comparison misses it
                del elements[key]
    try:
        raw = adata.raw
    except NotImplementedError:
        raw = None
    if raw is not None:
        _ = raw.var
        for key in list(raw.varm):
            try:
                raw.varm[key] = raw.varm[key]
            except Exception:
                del raw.varm[key]
    return adata


def select(adata):
    """Reverses cells and genes. Elements that cannot be selected are left out, and the comparison
    reports them."""
    out = adata[::-1, ::-1]
    for slot in ("obsm", "varm", "layers"):
        elements = getattr(out, slot)
        for key in list(elements):
            value = elements._items[key]
            try:
                _ = value.file.read(value.element, value.rows, value.columns)
                if slot == "layers":
                    _ = elements[key]
            except Exception:
                del elements[key]
    return out


MODES = {
    "copy": lambda adata: adata,
    "touch": touch,
    "select": select,
}


@pytest.mark.parametrize("mode", MODES)
def test_round_trip(files, tmp_path, mode):
    problems = []
    for path in sorted(files.glob("*.h5ad")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                MODES[mode](oom.read(path)).write_h5ad(tmp_path / path.name)
        except Exception as e:  # told with what the comparison finds
            problems.append(f"{path.name}: {type(e).__name__}: {e}")
    # `make formats` keeps the results.
    results = Path(os.environ.get("ANNDATAOOM_FORMATS") or tmp_path) / f"python-{mode}.json"
    done = subprocess.run(
        [sys.executable, FORMATS / "compare.py", files, tmp_path, "python", mode, results],
        capture_output=True,
        text=True,
    )
    print("\n".join(problems))
    print(done.stdout)
    if mode in ("touch", "select") and int(pd.__version__.split(".")[0]) >= 3:
        # pandas 3 turns plain texts of a column into nullable ones, which anndata 0.13 then writes.
        expected = re.compile(r" (obs|var|raw/var) strings\w*: AssertionError: right is not an ExtensionArray$")
        others = [line for line in done.stdout.splitlines() if "Error" in line and not expected.search(line)]
        assert not problems and not others, "\n".join([*problems, *others])
        return
    assert done.returncode == 0, "\n".join([*problems, done.stdout[-6000:], done.stderr[-2000:]])
    assert json.loads(results.read_text())


def test_the_table_knows_every_encoding_and_issue():
    sys.path.insert(0, str(FORMATS))
    from cases import CASES

    table = (FORMATS.parent.parent / "inst" / "design" / "formats.md").read_text()
    for case in CASES:
        assert f"| `{case.encoding}` |" in table, f"{case.encoding}: run make formats"
    for known in json.loads((FORMATS / "known_issues.json").read_text()):
        assert known["issue"] in table, f"{known['issue']}: run make formats"
