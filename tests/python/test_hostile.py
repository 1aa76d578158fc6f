"""Checks that whatever a file claims, it is read or an error names it, and that nothing else of the
machine is read."""

import gc
import re
import struct
import subprocess
import sys
import warnings

import anndata as ad
import h5py
import numpy as np
import pytest
from hostile import alone

import anndataoom as oom

VALUES = np.arange(3600.0).reshape(300, 12)


def replaced(path, place, **options):
    """Makes the dataset again with other chunks and filters."""
    with h5py.File(path, "r+") as f:
        old = f[place]
        values, dtype, attrs = old[()], old.dtype, dict(old.attrs)
        del f[place]
        chunks = tuple(max(1, n // 3) for n in values.shape)
        new = f.create_dataset(place, data=values, dtype=dtype, chunks=chunks, **options)
        new.attrs.update(attrs)


def gzip_twice(path, place):
    with h5py.File(path, "r+") as f:
        old = f[place]
        values, attrs = old[()], dict(old.attrs)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(tuple(max(1, n // 3) for n in values.shape))
        plist.set_deflate(4)
        plist.set_deflate(4)
        space, kind = h5py.h5s.create_simple(values.shape), old.id.get_type()
        del f[place]
        h5py.h5d.create(f.id, place.encode(), kind, space, plist)
        f[place][...] = values
        f[place].attrs.update(attrs)


FILTERS = {
    "scaleoffset": {"scaleoffset": 0},
    "scaleoffset and shuffle": {"scaleoffset": 0, "shuffle": True},
    "scaleoffset and gzip": {"scaleoffset": 0, "compression": "gzip"},
    "all of the library": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf and shuffle": {"compression": "lzf", "shuffle": True},
    "gzip twice": None,
}


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("userblock", [0, 512])
@pytest.mark.parametrize("attributes", [0, 40])
@pytest.mark.parametrize("parts", [3, 2**20, 2**61 + 1, 2**63])
def test_parts_that_a_virtual_dataset_has_no_room_for(tmp_path, libver, userblock, attributes, parts):
    """Checks a list of parts whose count the library would allocate and walk."""
    path = tmp_path / "a.h5ad"
    ad.AnnData(np.ones((2, 2), np.float32)).write_h5ad(tmp_path / "plain.h5ad")
    with (
        h5py.File(path, "w", libver=libver, userblock_size=userblock) as f,
        h5py.File(tmp_path / "plain.h5ad") as plain,
    ):
        for key in plain:
            plain.copy(key, f)
        f.attrs.update(dict(plain.attrs))
        layout = h5py.VirtualLayout((3,), "f8")
        for i in range(3):
            f[f"uns/part{i}"] = np.full(1, float(i))
            layout[i] = h5py.VirtualSource(".", f"/uns/part{i}", (1,))
        x = f.create_virtual_dataset("uns/x", layout)
        for i in range(attributes):
            x.attrs[f"a{i}"] = np.arange(20)
    data = path.read_bytes()
    name = data.index(b"/uns/part0\x00")
    at = name - (9 if data[name - 1] == 4 else 10)
    assert data[at : at + 8] == struct.pack("<Q", 3)
    path.write_bytes(data[:at] + struct.pack("<Q", parts) + data[at + 8 :])
    code = "try: print(oom.read('a.h5ad').uns['x'].tolist())\nexcept Exception as e: print(type(e).__name__, e)"
    status, said, peak = alone(code, tmp_path)
    assert status == 0, said
    if parts == 3:
        assert said == "[0.0, 1.0, 2.0]"
    else:
        assert f"found {parts} parts" in said and "'uns/x'" in said
        assert peak < 400


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("place", ["X/data", "X/indices", "X/indptr", "layers/d", "obs/group/codes", "obsm/m"])
def test_filters_that_change_sizes(example, tmp_path, name, place):
    _, path = example
    options = FILTERS[name]
    if options is None:
        gzip_twice(path, place)
    else:
        with h5py.File(path) as f:
            whole = f[place].dtype.kind in "iu"
        if "scaleoffset" in options and not whole:
            # Six decimal digits change the values a little, once.
            options = {**options, "scaleoffset": 6}
        replaced(path, place, **options)
    with h5py.File(path) as f:
        want = f[place][()]
    code = (
        "o = oom.read('a.h5ad')\n"
        "for x in (o.X, o.layers['d'], o.raw.X): x[:, 0]\n"
        "o.obsm['m']; o.obs['group']; o.write('b.h5ad'); oom.read('b.h5ad').X[:, :]; print('written')"
    )
    assert alone(code, tmp_path)[:2] == (0, "written")
    with h5py.File(tmp_path / "b.h5ad") as f:
        np.testing.assert_array_equal(f[place][()], want)


@pytest.mark.parametrize("number", [32015, 32001, 32004, 32008, 32999])
@pytest.mark.parametrize("place", ["X/data", "layers/d", "obs/column", "uns/text", "raw/X/indices"])
def test_filters_without_a_name(example, tmp_path, number, place):
    a, path = example
    # This process is without hdf5plugin, whose filters would accept the parameters and divide by
    # them.
    code = f"""
import h5py
with h5py.File({str(path)!r}, "r+") as f:
    old = f[{place!r}]
    values, attrs, kind = old[()], dict(old.attrs), old.id.get_type()
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(tuple(max(1, n // 3) for n in values.shape))
    plist.set_filter({number}, h5py.h5z.FLAG_OPTIONAL, (8,))
    del f[{place!r}]
    h5py.h5d.create(f.id, {place.encode()!r}, kind, h5py.h5s.create_simple(values.shape), plist)
    f[{place!r}][...] = values
    f[{place!r}].attrs.update(attrs)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with h5py.File(path) as f:
        values = f[place][()]
    target = tmp_path / "b.h5ad"
    try:
        oom.read(path).write(target)
    except Exception as e:
        assert not target.exists() and "h5ad" in str(e)
    else:
        back = ad.read_h5ad(target)
        np.testing.assert_array_equal(back.X.toarray(), a.X.toarray())
        with h5py.File(target) as f:
            np.testing.assert_array_equal(f[place][()], values)


BAD = b"csr\xff"


@pytest.mark.parametrize("element", ["X", "layers/l", "raw/X", "obs", "uns", "obs/group", "/", "obsm/m"])
@pytest.mark.parametrize("attribute", ["encoding-type", "encoding-version", "column-order", "other"])
def test_attributes_that_are_no_utf8(example, element, attribute):
    _, path = example
    with h5py.File(path, "r+") as f:
        g = f[element]
        if attribute in g.attrs:
            del g.attrs[attribute]
        g.attrs.create(attribute, BAD, dtype=h5py.string_dtype())
    try:
        o = oom.read(path)
        repr(o), o._repr_html_(), o.X, list(o.layers), o.raw, o.obs, dict(o.uns), o.obsm["m"]
    except Exception as e:
        assert "a.h5ad" in str(e), e


@pytest.mark.parametrize("group", ["uns", "layers", "obsm", "obs", "/"])
def test_names_that_are_no_utf8(example, tmp_path, group):
    _, path = example
    with h5py.File(path, "r+") as f:
        h5py.h5g.create(f[group].id, b"caf\xe9")
    try:
        o = oom.read(path)
        repr(o), o._repr_html_(), o.X[:, :], dict(o.uns), list(o.layers), o.obs
        o.write(tmp_path / "b.h5ad")
    except Exception as e:
        assert "a.h5ad" in str(e) and "\\xe9" in str(e), e


@pytest.mark.parametrize("place", ["uns/text", "obs/_index", "obs/group/categories"])
def test_texts_that_are_no_utf8(example, place):
    _, path = example
    with h5py.File(path, "r+") as f:
        if isinstance(f[place], h5py.Group):
            place += "/values"
        values = f[place][()]
        values[1] = b"caf\xe9"
        f[place][...] = values
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            o = oom.read(path)
            o.obs_names, o.obs["group"], o.uns["text"]
        except Exception as e:
            told.append(e)
    # A column of a table is left out with a warning; anything else is an error.
    assert any(re.search(r"a\.h5ad.*UTF-8.*0xe9", str(getattr(t, "message", t))) for t in told), told


def test_10x_features_that_are_no_utf8(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as f:
        g = f.create_group("matrix")
        g["barcodes"] = np.array([b"A", b"B\xff"])
        g["data"], g["indices"] = np.ones(2, "i4"), np.array([0, 1], "i8")
        g["indptr"], g["shape"] = np.array([0, 1, 2], "i8"), np.array([2, 2])
        t = g.create_group("features")
        for key in ("id", "name", "feature_type", "genome"):
            t[key] = np.array([b"x", b"y"])
    with pytest.raises(ValueError, match=r"t\.h5.*UTF-8"):
        oom.read_10x_h5(path)


@pytest.mark.parametrize("kind", ["absent", "gzip", "gzip and shuffle"])
def test_chunks_far_larger_than_the_data(tmp_path, kind):
    path = tmp_path / "a.h5ad"
    want = VALUES[:30].astype("f4") if kind != "absent" else np.zeros((30, 12), "f4")
    ad.AnnData(want).write_h5ad(path)
    options = {
        "absent": {},
        "gzip": {"compression": "gzip"},
        "gzip and shuffle": {"compression": "gzip", "shuffle": True},
    }
    with h5py.File(path, "r+") as f:
        attrs = dict(f["X"].attrs)
        del f["X"]
        side = 2**15 if kind == "absent" else 6000
        f.create_dataset("X", (30, 12), "f4", chunks=(side, side - 1), maxshape=(None, None), **options[kind])
        if kind != "absent":
            f["X"][...] = want
        f["X"].attrs.update(attrs)
    status, said, peak = alone("x = oom.read('a.h5ad').X[:, :]; print(float(np.asarray(x).sum()))", tmp_path)
    assert status == 0 and float(said) == want.sum() and peak < 500, (said, peak)


@pytest.mark.parametrize("place", ["obs/_index", "uns/text"])
@pytest.mark.parametrize("chunked", [False, True])
def test_texts_longer_than_the_file(example, tmp_path, place, chunked):
    _, path = example
    with h5py.File(path, "r+") as f:
        if isinstance(f[place], h5py.Group):
            place += "/values"
        if chunked:
            values, attrs = f[place][()], dict(f[place].attrs)
            del f[place]
            f.create_dataset(place, data=values, dtype=h5py.string_dtype(), chunks=values.shape).attrs.update(attrs)
        d = f[place]
        at = d.id.get_chunk_info(0).byte_offset if chunked else d.id.get_offset()
    data = bytearray(path.read_bytes())
    data[at : at + 4] = struct.pack("<I", 4 * 10**9)
    path.write_bytes(data)
    code = "try: o = oom.read('a.h5ad'); o.obs_names; o.uns['text']\nexcept Exception as e: print('a.h5ad' in str(e))"
    status, said, peak = alone(code, tmp_path, gigabytes=8)
    assert (status, said) == (0, "True") and peak < 500, (said, peak)
    # The undecoded copy fails as well.
    code = "try: oom.read('a.h5ad').write('b.h5ad')\nexcept Exception as e: print('a.h5ad' in str(e))"
    status, said, peak = alone(code, tmp_path, gigabytes=8)
    assert (status, said) == (0, "True") and peak < 500, (said, peak)


@pytest.mark.parametrize("size", [2**64 - 16, 2**64 - 17, 2**63, 2**32, 5000])
def test_sizes_in_the_heap(example, tmp_path, size):
    _, path = example
    data = bytearray(path.read_bytes())
    at = data.find(b"GCOL") + 16
    for _ in range(2):
        at += 16 + (struct.unpack("<Q", data[at + 8 : at + 16])[0] + 7) // 8 * 8
    data[at + 8 : at + 16] = struct.pack("<Q", size)
    path.write_bytes(data)
    code = "try: oom.read('a.h5ad').obs_names; print('read')\nexcept Exception as e: print('a.h5ad' in str(e))"
    assert alone(code, tmp_path, seconds=30)[:2] == (0, "True")


def test_a_chunk_too_many(tmp_path):
    """Checks a chunk index whose count of entries is one too high: HDF5 finds fewer chunks and
    returns zeros."""
    path = tmp_path / "a.h5ad"
    ad.AnnData(np.ones((50, 10), "f4")).write_h5ad(path)
    replaced(path, "X")
    data = bytearray(path.read_bytes())
    trees = [m.start() for m in re.finditer(b"TREE\x01\x00", data)]
    assert trees
    for at in trees:
        (n,) = struct.unpack("<H", data[at + 6 : at + 8])
        data[at + 6 : at + 8] = struct.pack("<H", n + 1)
    path.write_bytes(data)
    try:
        x = oom.read(path).X[:, :]
    except Exception as e:
        assert "a.h5ad" in str(e) and "X" in str(e)
    else:
        np.testing.assert_array_equal(x, np.ones((50, 10)))


# -- what is shown ----------------------------------------------------------------------------------------------------

NAMES = [
    "<script>alert(1)",
    "\"quoted' & more",
    "\x1b[31mred\x1b[0m",
    "line\nbreak",
    "turned\u202eback",
    "bell\x07",
]


def test_names_are_escaped(tmp_path):
    path = tmp_path / "a.h5ad"
    a = ad.AnnData(np.ones((3, 2), "f4"))
    for name in NAMES:
        a.obs[name] = [1, 2, 3]
        a.uns[name] = name
        a.obsm[name] = np.ones((3, 2))
        a.layers[name] = np.ones((3, 2), "f4")
        a.varm[name] = np.ones((2, 2))
    a.raw = a.copy()
    a.write_h5ad(path)
    o = oom.read(path)
    html = o._repr_html_()
    assert "<script>" not in html and "\x1b" not in html and "\u202e" not in html
    assert "&lt;script&gt;" in html and "&quot;quoted&#x27; &amp; more" in html
    shown = [repr(o), repr(o.uns), repr(o.obsm), repr(o.layers), repr(o.raw), repr(o.layers[NAMES[2]])]
    for text in shown:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text), text
    assert "\\x1b[31mred" in repr(o) and "line\\nbreak" in repr(o.uns)
    del o, shown
    gc.collect()
    with h5py.File(path, "r+") as f:
        f["uns"].create_group("\x1b[2Jbad").attrs["encoding-type"] = "\x1b[31mnew"
    with pytest.raises(NotImplementedError) as e:
        oom.read(path).uns["\x1b[2Jbad"]
    assert "\x1b" not in str(e.value) and "\\x1b[31mnew" in str(e.value)
