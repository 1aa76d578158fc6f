"""Checks that parts of a file in other files are opened only on request."""

import ctypes
import gc
import os
import struct
import subprocess
import sys

import anndata as ad
import h5py
import numpy as np
import pytest
from hostile import PLACES

import anndataoom as oom


class Watch:
    """Reports which files of a folder are opened, by any process; the kernel says so."""

    def __init__(self, folder):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK)
        assert self._fd >= 0 and self._libc.inotify_add_watch(self._fd, os.fsencode(folder), 0x20 | 0x1) >= 0

    def opened(self) -> set[str]:
        names = set()
        while True:
            try:
                data = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return names
            while data:
                _, _, _, n = struct.unpack("iIII", data[:16])
                names.add(data[16 : 16 + n].rstrip(b"\0").decode())
                data = data[16 + n :]


def link(place):
    def make(f, other, values):
        del f[place]
        f[place] = h5py.ExternalLink(str(other), place)

    return make


def linked_through_soft(place):
    def make(f, other, values):
        del f[place]
        f["anchor"] = h5py.ExternalLink(str(other), "/")
        f[place] = h5py.SoftLink("/anchor/" + place)

    return make


def stored_outside(place):
    def make(f, other, values):
        attrs = dict(f[place].attrs)
        del f[place]
        raw = other.with_suffix(".raw")
        raw.write_bytes(np.ascontiguousarray(values).tobytes())
        f.create_dataset(place, values.shape, values.dtype, external=[(str(raw), 0, values.nbytes)]).attrs.update(attrs)

    return make


def virtual(place):
    def make(f, other, values):
        attrs = dict(f[place].attrs)
        del f[place]
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[...] = h5py.VirtualSource(str(other), place, values.shape)
        f.create_virtual_dataset(place, layout).attrs.update(attrs)

    return make


WAYS = {
    "link to a matrix": ("X", link("X")),
    "link to a part": ("X/data", link("X/data")),
    "link to a dense layer": ("layers/d", link("layers/d")),
    "link to a frame": ("obs", link("obs")),
    "link to a column": ("obs/column", link("obs/column")),
    "link to raw": ("raw", link("raw")),
    "link to categories": ("obs/group/categories", link("obs/group/categories")),
    "link to uns": ("uns/text", link("uns/text")),
    "a soft link through one": ("obsm/m", linked_through_soft("obsm/m")),
    "external storage of values": ("X/data", stored_outside("X/data")),
    "external storage of a layer": ("layers/d", stored_outside("layers/d")),
    "external storage of a column": ("obs/column", stored_outside("obs/column")),
    "virtual values": ("X/indices", virtual("X/indices")),
    "virtual layer": ("layers/d", virtual("layers/d")),
    "virtual column": ("obs/column", virtual("obs/column")),
}


def outward(example, tmp_path, way, inside=False):
    """Makes the example with a part of it in another file, in the same folder or in another one."""
    a, path = example
    folder = tmp_path if inside else tmp_path / "elsewhere"
    folder.mkdir(exist_ok=True)
    other = folder / "other.h5ad"
    other.write_bytes(path.read_bytes())
    place, make = WAYS[way]
    with h5py.File(path, "r+") as f:
        values = f[place][()] if isinstance(f[place], h5py.Dataset) else None
        make(f, other, values)
    return a, path, other, place


def everything(path, tmp_path, errors, **options):
    """Runs every operation on a file, and collects the errors."""

    def attempt(work):
        try:
            return work()
        except Exception as e:
            errors.append(e)
            return None

    o = attempt(lambda: oom.read(path, **options))
    attempt(lambda: oom.read_10x_h5(path, **options))
    attempt(lambda: oom.AnnDataSet([("a", path)], **options))
    if o is None:
        return
    for work in [*PLACES.values(), repr, lambda o: o._repr_html_(), lambda o: o.uns["text"], lambda o: o.to_memory()]:
        attempt(lambda work=work: work(o))
    attempt(lambda: o.write(tmp_path / "written.h5ad"))
    attempt(lambda: oom.concat([o, o], index_unique="-").write(tmp_path / "both.h5ad"))
    attempt(lambda: oom.pp.index_columns(o))
    attempt(lambda: oom.pp.calculate_qc_metrics(o, percent_top=None))
    attempt(lambda: saved(path, options))


def saved(path, options):
    """Saves a further column into a file that nothing else has open."""
    gc.collect()
    r = oom.read(path, "r+", **options)
    r.obs["new"] = np.zeros(40)
    r.save()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel is asked which files are opened")
@pytest.mark.parametrize("way", WAYS)
def test_no_other_file_is_opened(example, tmp_path, way):
    _, path, other, place = outward(example, tmp_path, way)
    watch = Watch(other.parent)
    errors = []
    everything(path, tmp_path, errors)
    assert watch.opened() == set()
    told = [e for e in errors if isinstance(e, PermissionError)]
    assert told
    for e in told:
        assert "a.h5ad" in str(e) and "other." in str(e) and "external" in str(e), e
    assert any(place.split("/")[0] in str(e) or "anchor" in str(e) for e in told)
    # The same with files of the same folder permitted.
    errors.clear()
    everything(path, tmp_path, errors, external="same-folder")
    assert watch.opened() == set()
    assert any(isinstance(e, PermissionError) and "follow" in str(e) for e in errors)
    # With permission the file is opened, and the watch sees it.
    np.testing.assert_array_equal(oom.read(path, external="follow").X[:, 0].shape, (40, 1))
    for look in PLACES.values():
        look(oom.read(path, external="follow"))
    assert watch.opened()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("external", ["same-folder", "follow"])
def test_other_files_when_asked_for(example, tmp_path, way, external):
    a, path, other, place = outward(example, tmp_path, way, inside=external == "same-folder")
    o = oom.read(path, external=external)
    np.testing.assert_array_equal(o.X[:, :].toarray(), a.X.toarray())
    np.testing.assert_array_equal(o.layers["d"][:, :], a.layers["d"])
    np.testing.assert_array_equal(o.obs["column"], a.obs["column"])
    assert list(o.obs["group"]) == list(a.obs["group"])
    np.testing.assert_array_equal(o.obsm["m"], a.obsm["m"])
    np.testing.assert_array_equal(o.raw.X[:, :].toarray(), a.raw.X.toarray())
    # The written file needs no other file.
    o.write(tmp_path / "whole.h5ad")
    for f in (other, other.with_suffix(".raw")):
        f.unlink(missing_ok=True)
    back = ad.read_h5ad(tmp_path / "whole.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), a.X.toarray())
    np.testing.assert_array_equal(back.layers["d"], a.layers["d"])
    np.testing.assert_array_equal(back.obs["column"], a.obs["column"])
    assert list(back.uns["text"]) == list(a.uns["text"])
    np.testing.assert_array_equal(back.raw.X.toarray(), a.raw.X.toarray())


def test_a_copy_of_an_element_nobody_read(example, tmp_path):
    """Checks that elements that are copied undecoded are refused too, and are copied with their
    link's target when permitted."""
    _, path, other, _ = outward(example, tmp_path, "link to uns", inside=True)
    with h5py.File(path, "r+") as f:
        g = f.create_group("uns/deep/er")
        g["far"] = h5py.ExternalLink(str(other), "obsm/m")
        g["near"] = np.arange(3)
        g.attrs["note"] = ["one", "two"]
        for group in (g, g.parent):
            group.attrs["encoding-type"], group.attrs["encoding-version"] = "dict", "0.1.0"
        near = {"encoding-type": "array", "encoding-version": "0.2.0"}
        g["near"].attrs.update(near)
    target = tmp_path / "b.h5ad"
    target.write_bytes(b"old")
    with pytest.raises(PermissionError, match=r"uns/.*other\.h5ad"):
        oom.read(path).write(target)
    assert target.read_bytes() == b"old"
    oom.read(path, external="same-folder").write(target)
    with h5py.File(target) as f:
        np.testing.assert_array_equal(f["uns/deep/er/far"][()], np.ones((40, 2)))
        np.testing.assert_array_equal(f["uns/deep/er/near"][()], np.arange(3))
        assert list(f["uns/deep/er"].attrs["note"]) == ["one", "two"]
        assert isinstance(f["uns/deep/er"].get("far", getlink=True), h5py.HardLink)


def test_links_without_an_end(example, tmp_path):
    _, path = example
    other = tmp_path / "other.h5ad"
    other.write_bytes(path.read_bytes())
    for here, there in ((path, "other.h5ad"), (other, "a.h5ad")):
        with h5py.File(here, "r+") as f:
            del f["uns/text"]
            f["uns/text"] = h5py.ExternalLink(there, "uns/text")
            f["uns/self"] = h5py.SoftLink("/uns/self")
    o = oom.read(path, external="follow")
    for key in ("text", "self"):
        with pytest.raises(Exception, match=r"links in a row"):
            o.uns[key]


def test_external_is_checked(example):
    _, path = example
    with pytest.raises(ValueError, match="external must be 'refuse', 'same-folder' or 'follow', found 'all'"):
        oom.read(path, external="all")


@pytest.mark.parametrize("variable", ["HDF5_EXTFILE_PREFIX", "HDF5_VDS_PREFIX"])
def test_folders_of_the_environment_replace_no_file_that_was_checked(tmp_path, variable):
    # HDF5 looks in these folders first, so the permitted file beside the first would not be the one
    # that is read.
    here, away = tmp_path / "here", tmp_path / "away"
    here.mkdir()
    away.mkdir()
    for folder, value in ((here, 1), (away, 2)):
        np.full(4, value, "f8").tofile(folder / "values.raw")
        with h5py.File(folder / "values.h5", "w") as f:
            f["v"] = np.full(4, value, "f8")
    ad.AnnData(np.eye(4)).write_h5ad(here / "a.h5ad")
    with h5py.File(here / "a.h5ad", "r+") as f:
        if variable == "HDF5_VDS_PREFIX":
            layout = h5py.VirtualLayout((4,), "f8")
            layout[:] = h5py.VirtualSource("values.h5", "v", (4,))
            f.create_virtual_dataset("uns/x", layout)
        else:
            f.create_dataset("uns/x", (4,), "f8", external=[("values.raw", 0, 32)])
    code = (
        "import anndataoom as oom\n"
        "for policy in ('same-folder', 'follow'):\n"
        "    try:\n"
        "        print(oom.read('a.h5ad', external=policy).uns['x'])\n"
        "    except Exception as e:\n"
        "        print(e)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here,
        env={**os.environ, variable: str(away)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.stdout.count(f"unset {variable}") == 2, run.stdout + run.stderr
