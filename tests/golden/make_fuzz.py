"""Makes the files of tests/golden/fuzz that were made by hand: each once ended, hung or filled a process, or was read
wrong. The others there were found by the fuzzer. Run from the root of the repository."""

import re
import struct
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
from scipy import sparse

OUT = Path("tests/golden/fuzz")


def small(name):
    path = OUT / f"made-{name}.h5"
    x = sparse.random(12, 8, 0.4, "csr", dtype="f4", random_state=0)
    a = ad.AnnData(x, layers={"d": x.toarray()})
    a.obs["column"] = np.arange(12)
    a.write_h5ad(path)
    return path


def again(path, place, build):
    """The dataset made anew by `build(file, name, values, attributes)`."""
    with h5py.File(path, "r+") as f:
        values, attrs = f[place][()], dict(f[place].attrs)
        del f[place]
        build(f, place, values)
        f[place].attrs.update(attrs)


def raw_filters(*filters):
    def build(f, place, values):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(tuple(max(1, n // 2) for n in values.shape))
        for number, flags, parameters in filters:
            plist.set_filter(number, flags, parameters)
        kind = h5py.h5t.py_create(values.dtype, logical=True)
        h5py.h5d.create(f.id, place.encode(), kind, h5py.h5s.create_simple(values.shape), plist)
        f[place][...] = values

    return build


def patched(path, change):
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def second_text(data):
    at = data.find(b"GCOL") + 16
    for _ in range(2):
        at += 16 + (struct.unpack("<Q", data[at + 8 : at + 16])[0] + 7) // 8 * 8
    return at + 8


again(small("scaleoffset"), "obs/column", lambda f, p, v: f.create_dataset(p, data=v, chunks=(5,), scaleoffset=0))
again(small("gzip-twice"), "X/indices", raw_filters((1, 1, (4,)), (1, 1, (4,))))
for number in (32015, 32999):
    again(small(f"unnamed-{number}"), "X/data", raw_filters((number, 1, (2,))))
again(
    small("absent-chunk"),
    "layers/d",
    lambda f, p, v: f.create_dataset(p, v.shape, v.dtype, chunks=(2**15, 2**15 - 1), maxshape=(None, None)),
)
path = small("attribute-utf8")
with h5py.File(path, "r+") as f:
    del f["X"].attrs["encoding-type"]
    f["X"].attrs.create("encoding-type", b"csr\xff", dtype=h5py.string_dtype())
    h5py.h5g.create(f["uns"].id, b"caf\xe9")
for name, size in (("loop", 2**64 - 16), ("large", 2**63)):
    path = small(f"heap-{name}")

    def change(data, size=size):
        at = second_text(data)
        data[at : at + 8] = struct.pack("<Q", size)

    patched(path, change)
path = small("text-length")
with h5py.File(path) as f:
    d = f["obs/_index"]
    at = (d["values"] if isinstance(d, h5py.Group) else d).id.get_offset()
patched(path, lambda data: data.__setitem__(slice(at, at + 4), struct.pack("<I", 4 * 10**9)))
path = small("chunk-too-many")
again(path, "layers/d", lambda f, p, v: f.create_dataset(p, data=v, chunks=(5, 3)))


def one_more(data):
    for m in re.finditer(b"TREE\x01\x00", data):
        at = m.start() + 6
        data[at : at + 2] = struct.pack("<H", struct.unpack("<H", data[at : at + 2])[0] + 1)


patched(path, one_more)
path = small("virtual-of-itself")
with h5py.File(path, "r+") as f:
    layout = h5py.VirtualLayout((12, 8), "f4")
    layout[...] = h5py.VirtualSource(".", "layers/loop", (12, 8))
    f.create_virtual_dataset("layers/loop", layout)
    f["uns/away"] = h5py.ExternalLink("nowhere.h5", "/X")
