"""Makes small matrix files that only h5py (with hdf5plugin) can write:

    python make_matrix.py

The outputs are in matrix/.

Every file holds the same 40 x 25 matrix of small whole numbers, made here without a library's random numbers:
entry (i, j) is (7 i + 3 j) % 11 % 6 when (5 i + 11 j + i j) % 13 < 4, else 0; row 5 is empty. The Rust test builds the same.
"""

import pathlib

import h5py
import hdf5plugin
import numpy as np
from scipy import sparse

N, M = 40, 25
i, j = np.mgrid[:N, :M]
dense = np.where((5 * i + 11 * j + i * j) % 13 < 4, (7 * i + 3 * j) % 11 % 6, 0)
dense[5] = 0
csr = sparse.csr_matrix(dense)

out = pathlib.Path(__file__).parent / "matrix"
out.mkdir(exist_ok=True)


def group(f, name, m, **attrs):
    g = f.create_group(name)
    for key, value in attrs.items():
        g.attrs[key.replace("_", "-") if key.startswith("encoding") else key] = value
    return g


def write(f, name, dtype="<f4", itype="<i4", chunk=37, legacy=False, **kw):
    if legacy:
        g = group(f, name, csr, h5sparse_format=np.bytes_("csr"), h5sparse_shape=np.array([N, M]))
    else:
        g = group(f, name, csr, encoding_type="csr_matrix", encoding_version="0.1.0", shape=np.array([N, M]))
    g.create_dataset("data", data=csr.data.astype(dtype), chunks=(chunk,), **kw)
    g.create_dataset("indices", data=csr.indices.astype(itype), chunks=(chunk,), **kw)
    g.create_dataset("indptr", data=csr.indptr.astype(itype))
    return g


with h5py.File(out / "filters.h5", "w") as f:
    write(f, "zstd", **hdf5plugin.Zstd(clevel=5))
    write(f, "shuffle_zstd", shuffle=True, **hdf5plugin.Zstd())
    write(f, "lz4", **hdf5plugin.LZ4())
    write(f, "lz4_blocks", **hdf5plugin.LZ4(nbytes=64))
    write(f, "lzf", compression="lzf")
    write(f, "blosc", **hdf5plugin.Blosc(cname="zstd", shuffle=2))
    for cname in ("none", "lz4", "zstd"):
        write(f, f"bitshuffle_{cname}", **hdf5plugin.Bitshuffle(cname=cname))
    write(f, "bitshuffle_blocks", dtype="<f8", itype="<i8", chunk=100, **hdf5plugin.Bitshuffle(nelems=16))
    for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd"):
        for shuffle in (0, 1, 2):
            write(f, f"blosc_{cname}_{shuffle}", **hdf5plugin.Blosc(cname=cname, shuffle=shuffle))
            write(f, f"blosc2_{cname}_{shuffle}", **hdf5plugin.Blosc2(cname=cname, filters=shuffle))
    write(f, "blosc_snappy_1", **hdf5plugin.Blosc(cname="snappy"))
    write(f, "blosc2_level0", **hdf5plugin.Blosc2(clevel=0))
    write(f, "fletcher32", fletcher32=True)
    # Constant chunks are special values in blosc2. Larger chunks are cut into blocks and split into
    # streams.
    f.create_dataset("zeros_blosc2", data=np.zeros((N, M)), chunks=(7, 10), **hdf5plugin.Blosc2())
    f.create_dataset("threes_blosc2", data=np.full((N, M), 3, "<i2"), chunks=(7, 10), **hdf5plugin.Blosc2())
    large = (np.arange(60_000) // 3 % 1000).reshape(300, 200)
    for cname in ("blosclz", "lz4", "zstd"):
        f.create_dataset(f"large_blosc2_{cname}", data=large.astype("<f4"), chunks=(190, 200), **hdf5plugin.Blosc2(cname=cname))
        f.create_dataset(f"run_blosc2_{cname}", data=large.reshape(-1).astype("<i4"), chunks=(50_000,), **hdf5plugin.Blosc2(cname=cname, filters=2))
    f.create_dataset("large_bitshuffle", data=large.astype("<f4"), chunks=(190, 200), **hdf5plugin.Bitshuffle())
    f.create_dataset("large_blosc", data=large.astype("<f4"), chunks=(190, 200), **hdf5plugin.Blosc())
    # These are not read here: filters that the library lacks, and one that does not exist.
    f.create_dataset("bzip2", data=dense.astype("<f4"), chunks=(7, 10), **hdf5plugin.BZip2())
    f.create_dataset("zfp", data=dense.astype("<f4"), chunks=(7, 10), **hdf5plugin.Zfp())
    for name in ("Zstd", "LZ4", "Bitshuffle", "Blosc", "Blosc2"):
        f.create_dataset(f"dense_{name.lower()}", data=dense.astype("<f8"), chunks=(7, 10), **getattr(hdf5plugin, name)())

with h5py.File(out / "types.h5", "w") as f:
    write(f, "f2", dtype="<f2")
    write(f, "f4_big", dtype=">f4", itype=">i8", compression="gzip")
    write(f, "i2_big", dtype=">i2", itype=">i4", shuffle=True, compression="gzip")
    write(f, "legacy", legacy=True)
    f.create_dataset("dense_f2", data=dense.astype("<f2"), chunks=(7, 10))
    f.create_dataset("dense_f8_big", data=dense.astype(">f8"))
    f.create_dataset("bool", data=dense > 0, chunks=(7, 10), compression="gzip")

with h5py.File(out / "userblock.h5", "w", userblock_size=1024) as f:
    write(f, "chunked", compression="gzip")
    f.create_dataset("contiguous", data=dense.astype("<f4"))

with h5py.File(out / "layouts.h5", "w") as f:
    # Chunks that were never written have the fill value, zero or not.
    for name, fill in (("missing", 0), ("missing_filled", 3)):
        d = f.create_dataset(name, shape=(N, M), dtype="<f4", chunks=(8, 10), compression="gzip", fillvalue=fill)
        d[8:16, :] = dense[8:16]
    f.create_dataset("never_written", shape=(N, M), dtype="<i4", fillvalue=2)
    # One chunk skips a filter: mask bit 0 is shuffle, bit 1 is gzip.
    g = write(f, "masked", shuffle=True, compression="gzip")
    raw = csr.data.astype("<f4")
    for k, mask in ((0, 2), (37, 1), (74, 3)):
        import zlib

        part = raw[k : k + 37].tobytes()
        shuffled = np.frombuffer(part, "u1").reshape(-1, 4).T.tobytes()
        stored = {2: shuffled, 1: zlib.compress(part), 3: part}[mask]
        g["data"].id.write_direct_chunk((k,), stored, filter_mask=mask)
    # The writer leaves edge chunks unfiltered.
    space = h5py.h5s.create_simple((N, M))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((16, 10))
    plist.set_deflate(4)
    try:
        plist.set_chunk_opts(2)
    except AttributeError:
        import ctypes, glob, os

        lib = glob.glob(os.path.join(os.path.dirname(h5py.__file__), "..", "h5py.libs", "libhdf5-*.so*"))
        ctypes.CDLL(lib[0]).H5Pset_chunk_opts(ctypes.c_int64(plist.id), 2)
    d = h5py.h5d.create(f.id, b"unfiltered_edges", h5py.h5t.IEEE_F32LE, space, plist)
    h5py.Dataset(d)[...] = dense.astype("<f4")
    # This dataset is small enough for the object header.
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    d = h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F32LE, space, plist)
    h5py.Dataset(d)[...] = dense.astype("<f4")
    f.create_dataset("checksum", data=dense.astype("<f4"), chunks=(7, 10), fletcher32=True, compression="gzip")
    v = h5py.VirtualLayout((N, M), "<f4")
    v[:] = h5py.VirtualSource(".", "checksum", (N, M))
    f.create_virtual_dataset("virtual", v)

# Whole files with every dataset, including texts, behind a filter that HDF5 does not include.
import anndata as ad

from make_versions import build

for name, filter in (("zstd", hdf5plugin.Zstd()), ("lz4", hdf5plugin.LZ4()), ("bitshuffle", hdf5plugin.Bitshuffle())):
    build((0, 12)).write_h5ad(out / f"all_{name}.h5ad", compression=filter["compression"], compression_opts=filter["compression_opts"])
