"""Tests files that versions of anndata wrote, filters of hdf5plugin, and files of 10x Genomics."""

import json
import sys
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal

import anndataoom as oom

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
sys.path.insert(0, str(GOLDEN))
from make_versions import build  # noqa: E402

VERSIONS = ["0.5", "0.6", "0.7", "0.8", "0.10", "0.12", "0.13"]


def plain(frame):
    """Returns texts as objects, whichever pandas wrote them, and drops the name of the index, which
    old versions add."""
    out = frame.rename_axis(None)
    out.index = out.index.astype(object)
    for c in out:
        if isinstance(out[c].dtype, pd.StringDtype):
            out[c] = out[c].astype(object)
        if isinstance(out[c].dtype, pd.CategoricalDtype):
            out[c] = out[c].cat.set_categories(out[c].cat.categories.astype(object))
    return out


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", ["read", "written"])
def test_versions(version, way, tmp_path):
    found = oom.read(GOLDEN / "versions" / f"anndata_{version}.h5ad")
    if way == "written":
        found.write_h5ad(tmp_path / "new.h5ad")
        with warnings.catch_warnings():
            # Nothing in the file may be deprecated for anndata.
            warnings.simplefilter("error", FutureWarning)
            found = ad.read_h5ad(tmp_path / "new.h5ad")
        found.raw.var.index.name = None
    number = tuple(int(x) for x in version.split("."))
    expected = build(number)
    pd.testing.assert_frame_equal(plain(found.obs), plain(expected.obs))
    pd.testing.assert_frame_equal(plain(found.var), plain(expected.var))

    def dense(x):
        return x.toarray() if hasattr(x, "toarray") else np.asarray(x)

    def whole(x):
        return dense(x[:] if isinstance(x, oom.BackedArray) else x)

    assert np.array_equal(whole(found.X), dense(expected.X))
    assert np.array_equal(whole(found.raw.X), dense(expected.raw.X))
    pd.testing.assert_frame_equal(plain(found.raw.var), plain(expected.raw.var))
    for slot in ("layers", "obsm", "varm", "obsp", "varp"):
        # Since 0.13, X is among the layers under the key None.
        want = {key: value for key, value in getattr(expected, slot).items() if key is not None}
        assert set(getattr(found, slot)) - {None} == set(want), slot
        for key in want:
            value = getattr(found, slot)[key]
            if isinstance(want[key], pd.DataFrame):
                pd.testing.assert_frame_equal(plain(value), plain(want[key]))
            else:
                assert np.array_equal(whole(value), dense(want[key])), f"{slot}/{key}"
    assert set(found.uns) == set(expected.uns)
    for key, value in expected.uns.items():
        # Before 0.7 numbers were vectors of one; texts of 0.5 are scalars, also when anndata reads
        # them.
        if isinstance(value, str) and number < (0, 6):
            assert found.uns[key] == value
        elif isinstance(value, int | float | str):
            assert np.ravel(found.uns[key])[0] == value
        elif isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(plain(found.uns[key]), plain(value))
        elif isinstance(value, np.ndarray):
            assert list(found.uns[key]) == list(value)
        else:
            assert_equal(found.uns[key], value)


@pytest.mark.parametrize("name", ["zstd", "lz4", "bitshuffle"])
def test_every_dataset_behind_a_filter(name):
    found, expected = oom.read(GOLDEN / "matrix" / f"all_{name}.h5ad"), build((0, 12))
    assert_equal(found.to_adata(), expected)


@pytest.mark.parametrize(
    "case, options",
    [
        ("v2.h5 GRCh38", {"genome": "GRCh38"}),
        ("v2.h5 mm10", {"genome": "mm10"}),
        ("v2_one.h5", {}),
        ("v3.h5", {}),
        ("v3.h5 all", {"gex_only": False}),
        ("v3.h5 mm10", {"genome": "mm10"}),
    ],
)
def test_10x(case, options, tmp_path):
    expected = json.loads((GOLDEN / "tenx" / "expected.json").read_text())[case]
    found = oom.read_10x_h5(GOLDEN / "tenx" / case.split()[0], **options)
    found.write_h5ad(tmp_path / "x.h5ad")
    for a in (found, ad.read_h5ad(tmp_path / "x.h5ad")):
        x = a.X[:] if isinstance(a.X, oom.BackedArray) else a.X
        assert x.toarray().tolist() == expected["X"]
        assert list(a.obs_names) == expected["obs_names"] and list(a.var_names) == expected["var_names"]
        assert {c: list(a.var[c]) for c in a.var} == expected["var"]


def test_10x_says_what_is_wrong():
    with pytest.raises(ValueError, match="GRCh38, mm10"):
        oom.read_10x_h5(GOLDEN / "tenx" / "v2.h5")
    with pytest.raises(ValueError, match="'mm10'.*found 'hg19'"):
        oom.read_10x_h5(GOLDEN / "tenx" / "v3.h5", genome="hg19")
    with pytest.raises(KeyError, match="read_10x_h5"):
        oom.read_h5ad(GOLDEN / "tenx" / "v3.h5")


def test_what_cannot_be_read_hides_nothing_and_is_kept(tmp_path):
    path, again = tmp_path / "x.h5ad", tmp_path / "again.h5ad"
    build().write_h5ad(path)
    with h5py.File(path, "r+") as f:
        for place in ("X", "raw/X", "obs/score", "obsm/X_pca", "uns/text", "layers/dense"):
            f[place].attrs["encoding-type"] = "from-the-future"
    adata = oom.read(path)
    with pytest.warns(UserWarning, match="score.*from-the-future"):
        assert list(adata.obs.columns) and "score" not in adata.obs
    for touch in (lambda: adata.X, lambda: adata.raw):
        with pytest.raises((ValueError, NotImplementedError), match="from-the-future"):
            touch()
    assert adata.uns["number"] == 15
    for slot, key in (("obsm", "X_pca"), ("uns", "text")):
        with pytest.raises(NotImplementedError, match="from-the-future"):
            getattr(adata, slot)[key]
    adata.write_h5ad(again)
    with h5py.File(path) as a, h5py.File(again) as b:
        for place in ("X/data", "raw/X/data", "obs/score", "obsm/X_pca", "layers/dense"):
            assert np.array_equal(a[place][()], b[place][()]), place
        assert b["X"].attrs["encoding-type"] == "from-the-future"
    selected = adata[:3]
    del selected.obsm["X_pca"], selected.layers["dense"]
    with pytest.warns(UserWarning, match="X, which cannot be read, is not written"):
        selected.write_h5ad(again)
    assert "X" not in h5py.File(again)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    adata = oom.read(GOLDEN / "elements.h5ad")
    for k in (0, 1):
        adata[::-1].copy().write_h5ad(tmp_path / f"{k}.h5ad", compression="gzip")
    assert (tmp_path / "0.h5ad").read_bytes() == (tmp_path / "1.h5ad").read_bytes()


@pytest.mark.parametrize("compression, level", [(None, None), ("gzip", None), ("gzip", 9), ("lzf", None)])
def test_write_options(tmp_path, compression, level):
    adata = oom.read(GOLDEN / "versions" / "anndata_0.12.h5ad")[::-1]
    path = tmp_path / "x.h5ad"
    adata.write_h5ad(path, compression=compression, compression_opts=level, as_dense=["X", "raw/X"])
    with h5py.File(path) as f:
        assert isinstance(f["X"], h5py.Dataset) and isinstance(f["raw/X"], h5py.Dataset)
        assert f["X"].compression == compression and f["layers/csc/data"].compression == compression
        if level:
            assert f["X"].compression_opts == level
    assert np.array_equal(ad.read_h5ad(path).X, build((0, 12)).X.toarray()[::-1])
    with pytest.raises(ValueError, match="compression"):
        adata.write_h5ad(path, compression="rar")
