"""Checks that files of anndata 0.13 under pandas 3 go through this package and back, in whatever
environment the tests run.

`tests/golden/make_newest.py` made them.
"""

import contextlib
import warnings
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal
from compare_h5ad import encodings
from compare_h5ad import main as compare

import anndataoom as oom

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
FILES = ["newest.h5ad", "newest_layers.h5ad", "versions/anndata_0.13.h5ad"]
PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3


def tables(path):
    """Returns the encodings of everything except the sparse matrices, whose indices anndata widens
    when it reads them."""
    matrices = ("X", "layers", "raw/X", "obsp", "obsm/sparse")
    found = {name: how for name, how in encodings(path).items() if not name.startswith(matrices)}
    if not PANDAS_3:  # anndata 0.12 has no `na-value`; it is kept here all the same
        return {name: (*how[:4], [a for a in how[4] if a != "na-value"]) for name, how in found.items()}
    return found


def touched(a):
    a.obs["new"] = a.obs_names.str.upper()
    a.obs["group"] = a.obs["group"].cat.rename_categories(lambda c: c + "!")
    return a


def written(a, path):
    nullable = ad.settings.override(allow_write_nullable_strings=True)
    with warnings.catch_warnings(), nullable if isinstance(a, ad.AnnData) else contextlib.nullcontext():
        warnings.simplefilter("ignore")
        a.write_h5ad(path, convert_strings_to_categoricals=False)
    return path


@pytest.mark.parametrize("name", FILES)
def test_there_and_back_unchanged(name, tmp_path):
    first = written(oom.read(GOLDEN / name), tmp_path / "first.h5ad")
    compare(GOLDEN / name, first)
    # Written by anndata of this environment, then by this package again.
    second = written(ad.read_h5ad(first), tmp_path / "second.h5ad")
    third = written(oom.read(second), tmp_path / "third.h5ad")
    compare(second, third)
    assert_equal(ad.read_h5ad(third), ad.read_h5ad(GOLDEN / name))
    assert_equal(oom.read(GOLDEN / name).to_memory(), ad.read_h5ad(GOLDEN / name))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["touched", "selected", "made in memory"])
def test_what_is_changed_is_written_as_anndata_writes_it(name, how, tmp_path):
    change = {"touched": touched, "selected": lambda a: a[[3, 1]], "made in memory": lambda a: a}[how]
    theirs = ad.read_h5ad(GOLDEN / name)
    ours = oom.AnnDataOOM(theirs) if how == "made in memory" else oom.read(GOLDEN / name)
    theirs = written(change(theirs).copy(), tmp_path / "theirs.h5ad")
    ours = written(change(ours), tmp_path / "ours.h5ad")
    assert_equal(ad.read_h5ad(ours), ad.read_h5ad(theirs))
    assert_equal(oom.read(theirs).to_memory(), oom.read(ours).to_memory())
    if how != "selected":  # what a selection does not change keeps the encoding of its file
        assert tables(ours) == tables(theirs)
