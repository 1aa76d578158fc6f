"""Makes the files of tests/golden/fuzz that were not found by the fuzzer: each of them once ended
or hung a process, filled its memory, or was read wrongly. Run from the root of the repository."""

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
    """Replaces a dataset with one made by `build(file, name, values, attributes)`."""
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


def longer(path, length, claim):
    """Makes the heap claim `claim` bytes for its only text, which has `length` bytes."""

    def change(data):
        heaps = [m.start() for m in re.finditer(b"GCOL\x01", data)]
        found = [data.find(struct.pack("<IQ", length, at)) for at in heaps]
        (at,) = (at for at in found if at >= 0)
        data[at : at + 4] = struct.pack("<I", claim)

    patched(path, change)


# Texts that claim 4 GB at places that were not checked: in an attribute, in the header of a
# dataset, in records of records, in a list.
TEXT = "x" * 4321
texts = h5py.string_dtype()
path = small("attribute-text-length")
with h5py.File(path, "r+") as f:
    f["obs/column"].attrs["note"] = TEXT
longer(path, len(TEXT), 4 * 10**9)
path = small("compact-text-length")
with h5py.File(path, "r+") as f:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    kind = h5py.h5t.py_create(texts, logical=True)
    h5py.h5d.create(f.id, b"uns/text", kind, h5py.h5s.create_simple((2,)), plist)
    f["uns/text"][...] = [TEXT, "b"]
longer(path, len(TEXT), 4 * 10**9)
path = small("record-text-length")
with h5py.File(path, "r+") as f:
    inner = np.dtype([("n", "i4"), ("text", texts)])
    f.create_dataset("uns/records", data=np.array([((1, TEXT), 2.0)], [("in", inner), ("y", "f8")]))
longer(path, len(TEXT), 4 * 10**9)
path = small("list-length")
with h5py.File(path, "r+") as f:
    lists = f.create_dataset("uns/lists", (1,), h5py.vlen_dtype("f8"))
    lists[0] = np.zeros(4321)
longer(path, 4321, 4 * 10**8)
# Claims bytes of a dataset beyond the end of the file, for two texts.
path = small("text-storage")
with h5py.File(path, "r+") as f:
    f["uns/text"] = np.array(["a", "b"], texts)
    at = f["uns/text"].id.get_offset()


def claimed(data, at=at):
    place = data.find(struct.pack("<QQ", at, 32))
    data[place + 8 : place + 16] = struct.pack("<Q", 2**44 + 32)


patched(path, claimed)
# Sixteen million numbers in chunks of twelve, one of which is stored.
path = small("tiny-chunks")
with h5py.File(path, "r+") as f:
    d = f.create_dataset("uns/numbers", (16_711_692,), "f4", chunks=(12,), compression="gzip")
    d[:12] = 1
# A virtual dataset that claims more parts than memory could hold; the product that is checked
# overflows to a small number.
path = small("virtual-parts")
with h5py.File(path, "r+") as f:
    layout = h5py.VirtualLayout((12,), "f8")
    layout[:] = h5py.VirtualSource(".", "/obs/column", (12,))
    f.create_virtual_dataset("uns/virtual", layout)


def parts(data):
    # The version, the number of parts, the name of the file (".") and the name of the dataset.
    at = data.find(b".\0/obs/column\0") - 8
    data[at : at + 8] = struct.pack("<Q", 2**61 + 1)


patched(path, parts)
