"""Tests Zarr of both versions: stores of anndata are read, and anndata reads ours."""

import json
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import read_elem, write_elem
from anndata.tests.helpers import assert_equal
from conftest import EXAMPLE, dense, rich
from scipy import sparse

import anndataoom as oom

zarr = pytest.importorskip("zarr", minversion="3")

FORMATS = Path(__file__).resolve().parent.parent / "formats"
sys.path.insert(0, str(FORMATS))
from cases import SLOTS, cases_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
# The ways to write stores: version of the format, chunks of a shard.
WAYS = [(2, 0), (3, 0), (3, 1024)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("formats")
    subprocess.run([sys.executable, FORMATS / "make.py", directory], check=True)
    return directory


def elements(directory):
    """Yields file, element and case of everything in the files."""
    for slot in SLOTS:
        for case, _, _ in cases_of(slot):
            file = slot.replace("/", "_")
            if slot in ("X", "raw/X"):
                yield directory / f"{file}-{case.name}.h5ad", slot, case
            else:
                yield directory / f"{file}.h5ad", f"{slot}/{case.name}", case


def same(a, b):
    from compare import strict

    if not (isinstance(a, np.ndarray) and a.dtype.kind == "f"):
        assert_equal(b, a, exact=True)
    strict(a, b, "")


def read(node):
    """Reads an element as anndata does; a sparse matrix of float16, which anndata cannot read,
    becomes one of float32."""
    if hasattr(node, "keys") and "data" in node and node["data"].dtype == "f2":
        parts = node["data"][()].astype("f4"), node["indices"][()], node["indptr"][()]
        return sparse.csr_matrix(parts, shape=tuple(node.attrs["shape"]))
    return read_elem(node)


def native(x):
    if isinstance(x, np.ndarray) and x.dtype.kind == "T":
        return x.astype(object)
    return x.astype(x.dtype.newbyteorder("=")) if isinstance(x, np.ndarray) and x.dtype.kind in "iufc" else x


@pytest.mark.parametrize(("version", "shards"), WAYS)
def test_every_element_is_read_by_anndata(files, tmp_path, version, shards):
    """Converts files to stores, and checks that anndata reads every element of a store as it reads
    the file's."""
    problems, roots = [], {}
    for path, name, case in elements(files):
        # For files of a single matrix, one way of writing is enough.
        if "/" not in name.replace("raw/", "") and (version, shards) != (3, 1024):
            continue
        store = tmp_path / f"{path.stem}.zarr"
        if store not in roots:
            try:
                oom.convert(path, store, zarr_format=version, shards=shards)
            except NotImplementedError as e:
                # zarr-python cannot hold records with arrays in them.
                assert "records_shaped" in str(e), e
                kept = shutil.copy(path, tmp_path / path.name)
                with h5py.File(kept, "r+") as f:
                    del f["uns/records_shaped"]
                oom.convert(kept, store, zarr_format=version, shards=shards)
            roots[store] = zarr.open(store, mode="r")
        if case.name == "records_shaped":
            continue
        with h5py.File(path) as f:
            try:
                same(native(read(f[name])), native(read(roots[store][name])))
            except Exception as e:  # told with all others
                problems.append(f"{name} ({case.name}): {type(e).__name__}: {e}"[:400])
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("version", [2, 3])
def test_every_element_of_anndata_is_read(files, tmp_path, version):
    """Writes stores with anndata, and checks that our conversion to a file has every element that
    anndata could write."""
    problems, written = [], 0
    ad.settings.zarr_write_format = version
    for path in sorted(files.glob("*.h5ad")):
        # For files of a single matrix, version 2 is left out.
        if "X-" in path.name and version == 2:
            continue
        store = tmp_path / f"{path.stem}.zarr"
        root = zarr.open_group(store, mode="w", zarr_format=version)
        names = [name for file, name, _ in elements(files) if file == path]
        with h5py.File(path) as f:
            for key in f:
                if key not in {"X", *(name for name in names if "/" not in name)} and not any(
                    name.startswith(f"{key}/") for name in names
                ):
                    write_elem(root, key, read_elem(f[key]))
            for slot in {name.rpartition("/")[0] for name in names} - {""}:
                group = root
                for part in slot.split("/"):
                    group = group.require_group(part)
                group.attrs.update({k: v for k, v in f[slot].attrs.items() if isinstance(v, str)})
            if path.stem.startswith("raw"):
                root.require_group("raw").attrs.update({"encoding-type": "raw", "encoding-version": "0.1.0"})
                for key in {"raw/X", "raw/var"} - {n for n in names} - {n.rpartition("/")[0] for n in names}:
                    write_elem(root["raw"], key[4:], read_elem(f[key]))
            if "X" in f and "X" not in names:
                write_elem(root, "X", read_elem(f["X"]))
            kept = []
            for name in names:
                slot, _, key = name.rpartition("/")
                try:
                    write_elem(root[slot] if slot else root, key, native(read(f[name])))
                    kept.append(name)
                except Exception:
                    # anndata cannot write the element, so its parts are removed.
                    if name in root:
                        del root[name]
            for table in {"obs", "var", "raw/var"} & {name.rpartition("/")[0] for name in names}:
                if "_index" not in root[table]:
                    write_elem(root[table], "_index", read_elem(f[table]["_index"]))
                root[table].attrs["column-order"] = [name.rpartition("/")[2] for name in kept]
                root[table].attrs["_index"] = "_index"
            if kept != names and not kept:
                continue
            if version == 2:
                zarr.consolidate_metadata(store)
            try:
                oom.convert(store, tmp_path / path.name)
                with h5py.File(tmp_path / path.name) as found:
                    for name in kept:
                        written += 1
                        try:
                            same(native(read(f[name])), read(found[name]))
                        except Exception as e:
                            problems.append(f"{name}: {type(e).__name__}: {e}"[:400])
            except Exception as e:
                problems.append(f"{path.name}: {type(e).__name__}: {e}"[:600])
    assert not problems, "\n".join(problems)
    assert written > 300


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
@pytest.mark.parametrize("version", [2, 3])
def test_what_anndata_writes_is_read(tmp_path, version, fmt):
    expected = rich(fmt=fmt)
    expected.raw = expected.copy()
    ad.settings.zarr_write_format = version
    expected.write_zarr(tmp_path / "a.zarr")
    for read_store in (oom.read, oom.read_zarr):
        adata = read_store(tmp_path / "a.zarr")
        again = ad.read_zarr(tmp_path / "a.zarr")
        assert_equal(again.X, adata.to_memory().X, exact=True)
        for slot in ("obs", "var"):
            pd.testing.assert_frame_equal(getattr(again, slot), getattr(adata, slot))
        for slot in ("obsm", "varm", "obsp", "uns"):
            for key in getattr(again, slot):
                assert_equal(getattr(again, slot)[key], getattr(adata, slot)[key])
        np.testing.assert_array_equal(dense(adata[::-1, [3, 1]].X), dense(again.X)[::-1][:, [3, 1]])
        assert_equal(again.raw.X, adata.raw.X[:] if fmt == "dense" else adata.raw.to_adata().X)


@pytest.mark.parametrize(("version", "shards"), WAYS)
@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
def test_what_is_written_is_read_by_anndata(tmp_path, version, shards, fmt):
    rich(fmt=fmt).write_h5ad(tmp_path / "a.h5ad")
    expected = ad.read_h5ad(tmp_path / "a.h5ad")
    adata = oom.read(tmp_path / "a.h5ad")
    options = {"zarr_format": version, "shards": shards}
    adata.write_zarr(tmp_path / "a.zarr", **options)
    assert_equal(expected, ad.read_zarr(tmp_path / "a.zarr"))
    # The object is touched, selected and transformed.
    some = adata[10:50, ::2].copy()
    some.obs["new"] = np.arange(40) / 2
    oom.pp.normalize_total(some)
    oom.pp.log1p(some)
    some.write_zarr(tmp_path / "b.zarr", chunks=50, compression="gzip", **options)
    some.write_h5ad(tmp_path / "b.h5ad")
    assert_equal(ad.read_h5ad(tmp_path / "b.h5ad"), ad.read_zarr(tmp_path / "b.zarr"))
    # From the store back to a file.
    oom.convert(tmp_path / "b.zarr", tmp_path / "c.h5ad")
    assert_equal(ad.read_h5ad(tmp_path / "b.h5ad"), ad.read_h5ad(tmp_path / "c.h5ad"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5ad", "a.zarr", "b.h5ad", "b.zarr", "c.h5ad"]


def test_matrices_change_their_layout(tmp_path):
    counts = sparse.random(60, 30, 0.2, format="csc", random_state=1, dtype="f4")
    expected = ad.AnnData(counts, layers={"dense": counts.toarray(), "rows": counts.tocsr()})
    expected.write_zarr(tmp_path / "a.zarr")
    adata = oom.read(tmp_path / "a.zarr")
    adata.write_zarr(tmp_path / "b.zarr", as_csr=["X", "layers/dense"], as_dense="layers/rows")
    found = ad.read_zarr(tmp_path / "b.zarr")
    assert [found.X.format, found.layers["dense"].format, type(found.layers["rows"])] == ["csr", "csr", np.ndarray]
    for matrix in (found.X, found.layers["dense"], found.layers["rows"]):
        np.testing.assert_array_equal(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), counts.toarray())
    with pytest.raises(ValueError, match="as_csr"):
        adata.write_zarr(tmp_path / "c.zarr", as_csr="X", as_csc="X")


def test_the_pipeline_is_the_same(tmp_path):
    """Checks that a file and its stores give the same bits."""
    found = []
    for name, options in (
        ("a.h5ad", {}),
        ("a.zarr", {"shards": 4}),
        ("b.zarr", {"zarr_format": 2, "compression": "none"}),
    ):
        oom.convert(EXAMPLE, tmp_path / name, chunks=3000, **options)
        adata = oom.read(tmp_path / name)
        oom.pp.normalize_total(adata)
        oom.pp.log1p(adata)
        oom.pp.highly_variable_genes(adata, n_top_genes=200)
        oom.pp.pca(adata, n_comps=10)
        found.append((adata.obsm["X_pca"], adata.var["highly_variable"].to_numpy()))
    for pca, genes in found[1:]:
        np.testing.assert_array_equal(pca, found[0][0])
        np.testing.assert_array_equal(genes, found[0][1])


VALUES = {
    "whole": np.arange(3000, dtype="i4").reshape(60, 50) // 7,
    "big": np.arange(3000, dtype=">f8").reshape(60, 50) / 3,
    "vector": np.arange(60, dtype="u2"),
    "truth": np.arange(120).reshape(60, 2) % 3 == 0,
    "half": np.arange(60, dtype="f2").reshape(60, 1),
    "cube": np.arange(60 * 4 * 3, dtype="i8").reshape(60, 4, 3),
}


def with_arrays(path, version, **options):
    """Makes a store of an AnnData whose obsm holds arrays written with these options."""
    ad.settings.zarr_write_format = version
    ad.AnnData(sparse.csr_matrix((60, 5), dtype="f4")).write_zarr(path)
    group = zarr.open_group(path, mode="r+", use_consolidated=False)["obsm"]
    for name, value in VALUES.items():
        # The filter "shuffle" needs chunks of whole values.
        chunks = tuple(max(1, n // 2 - 2) for n in value.shape)
        more = {k: v(chunks) if callable(v) else v for k, v in options.items()}
        array = group.create_array(name, shape=value.shape, dtype=value.dtype, chunks=chunks, **more)
        array[:] = value
        array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    zarr.consolidate_metadata(path)
    return path


def check_arrays(path):
    adata = oom.read(path)
    for name, value in VALUES.items():
        found = adata.obsm[name]
        np.testing.assert_array_equal(found[:, 0] if value.ndim == 1 else found, value, name)


def codecs():
    from numcodecs import LZ4, Blosc, GZip, Shuffle, Zlib, Zstd

    yield from (("v2 none", 2, {"compressors": None}), ("v2 zstd", 2, {"compressors": Zstd(level=5)}))
    yield from (("v2 gzip", 2, {"compressors": GZip(level=5)}), ("v2 zlib", 2, {"compressors": Zlib(level=5)}))
    yield "v2 lz4", 2, {"compressors": LZ4()}
    yield "v2 shuffle", 2, {"filters": [Shuffle(elementsize=2)], "compressors": Zlib()}
    yield "v2 fortran", 2, {"order": "F"}
    yield "v2 slashes", 2, {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    yield "v2 fill", 2, {"fill_value": 1}
    for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd"):
        for shuffle in (0, 1, 2):
            yield f"v2 blosc {cname} {shuffle}", 2, {"compressors": Blosc(cname=cname, shuffle=shuffle)}
    from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

    yield from (("v3 none", 3, {"compressors": None}), ("v3 zstd", 3, {"compressors": ZstdCodec(level=1)}))
    yield "v3 zstd with checksum", 3, {"compressors": ZstdCodec(level=1, checksum=True)}
    yield from (("v3 gzip", 3, {"compressors": GzipCodec()}), ("v3 blosc", 3, {"compressors": BloscCodec()}))
    yield "v3 crc", 3, {"compressors": [ZstdCodec(), Crc32cCodec()]}
    yield "v3 crc alone", 3, {"compressors": Crc32cCodec()}
    yield "v3 big", 3, {"serializer": BytesCodec(endian="big")}
    yield "v3 transposed", 3, {"filters": lambda chunks: [TransposeCodec(order=tuple(range(len(chunks)))[::-1])]}
    yield "v3 dots", 3, {"chunk_key_encoding": {"name": "default", "separator": "."}}
    yield "v3 names of v2", 3, {"chunk_key_encoding": {"name": "v2", "separator": "."}}
    yield "v3 shards", 3, {"shards": lambda chunks: tuple(2 * n for n in chunks)}
    yield (
        "v3 shards, index first",
        3,
        {
            "compressors": None,
            "filters": None,
            "serializer": lambda chunks: ShardingCodec(
                chunk_shape=tuple(1 for _ in chunks), codecs=[BytesCodec(), ZstdCodec()], index_location="start"
            ),
        },
    )


@pytest.mark.parametrize("name", [name for name, _, _ in codecs()])
def test_codecs(tmp_path, name):
    version, options = next((version, options) for found, version, options in codecs() if found == name)
    check_arrays(with_arrays(tmp_path / "a.zarr", version, **options))


@pytest.mark.parametrize("version", [2, 3])
def test_matrices_of_any_codec_are_streamed(tmp_path, version):
    """Checks X dense, transposed, big-endian, with chunks across rows: sums over both axes, and
    rows in any order."""
    options = {"order": "F"} if version == 2 else {}
    value = (np.arange(61 * 37, dtype=">f4").reshape(61, 37) % 11) / 2
    ad.settings.zarr_write_format = version
    ad.AnnData(np.zeros((61, 37), "f4")).write_zarr(tmp_path / "a.zarr")
    root = zarr.open_group(tmp_path / "a.zarr", mode="r+", use_consolidated=False)
    del root["X"]
    x = root.create_array("X", shape=value.shape, dtype=value.dtype, chunks=(7, 5), **options)
    x[:] = value
    x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    zarr.consolidate_metadata(tmp_path / "a.zarr")
    adata = oom.read(tmp_path / "a.zarr")
    np.testing.assert_array_equal(dense(adata.X[:]), value)
    order = np.random.default_rng(0).permutation(61)
    np.testing.assert_array_equal(dense(adata[order, 30:3:-4].X[:]), value[order, 30:3:-4])
    np.testing.assert_allclose(np.asarray(adata.X.sum(axis=0)).ravel(), value.sum(axis=0), rtol=1e-6)


def pack(folder, path, compression, prefix=""):
    with zipfile.ZipFile(path, "w", compression) as f:
        for p in sorted(folder.rglob("*")):
            if p.is_file():
                f.write(p, prefix + str(p.relative_to(folder)))
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_zip_archives(tmp_path, version):
    expected = rich()
    ad.settings.zarr_write_format = version
    expected.write_zarr(tmp_path / "a.zarr")
    want = oom.read(tmp_path / "a.zarr").to_memory()
    for name, compression, prefix in (
        ("stored.zip", zipfile.ZIP_STORED, ""),
        ("deflated.zip", zipfile.ZIP_DEFLATED, ""),
        ("within.zarr.zip", zipfile.ZIP_DEFLATED, "a.zarr/"),
    ):
        path = pack(tmp_path / "a.zarr", tmp_path / name, compression, prefix)
        assert_equal(want, oom.read(path).to_memory(), exact=True)
    bytes_ = bytearray((tmp_path / "deflated.zip").read_bytes())
    for cut in (len(bytes_) // 2, len(bytes_) - 10):
        (tmp_path / "cut.zip").write_bytes(bytes_[:cut])
        with pytest.raises(OSError, match="damaged zip archive.*|cut.zip"):
            oom.read(tmp_path / "cut.zip")
    (tmp_path / "other.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as f:
        f.writestr("notes.txt", "text" * 10)
    with pytest.raises(OSError, match="other.zip"):
        oom.read(tmp_path / "other.zip")


def test_metadata_without_a_summary(tmp_path):
    """Checks that stores without consolidated metadata are read the same."""
    expected = rich()
    for version in (2, 3):
        path = tmp_path / f"{version}.zarr"
        ad.settings.zarr_write_format = version
        expected.write_zarr(path)
        want = oom.read(path).to_memory()
        if version == 2:
            (path / ".zmetadata").unlink()
        else:
            root = json.loads((path / "zarr.json").read_text())
            del root["consolidated_metadata"]
            (path / "zarr.json").write_text(json.dumps(root))
        assert_equal(want, oom.read(path).to_memory(), exact=True)


def test_layout_of_anndata_0_7(tmp_path):
    """Checks the layout of anndata 0.7: categories beside the table, encodings of version 0.1.0,
    texts of fixed length."""
    root = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)

    def table(name, index, columns):
        group = root.create_group(name)
        group.attrs.update({
            "encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": "index", "column-order": [*columns],
        })  # fmt: skip
        for key, value in {"index": index, **columns}.items():
            if isinstance(value, pd.Categorical):
                group.create_array(key, data=value.codes)
                cats = np.asarray(value.categories, dtype="U")
                group.require_group("__categories").create_array(key, data=cats)
                group[f"__categories/{key}"].attrs["ordered"] = bool(value.ordered)
                group[key].attrs["categories"] = f"__categories/{key}"
            else:
                group.create_array(key, data=value)

    kinds = pd.Categorical(["a", "b", None, "a"], categories=["b", "a"], ordered=True)
    table("obs", np.array(["c0", "c1", "c2", "c3"], dtype="U"), {"kind": kinds, "score": np.arange(4) / 2})
    table("var", np.array(["g0", "g1", "g2"], dtype="U"), {})
    x = sparse.csr_matrix(np.arange(12, dtype="f4").reshape(4, 3) % 5)
    group = root.create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [4, 3]})
    for part in ("data", "indices", "indptr"):
        group.create_array(part, data=getattr(x, part))
    for slot in ("obsm", "varm", "layers", "uns"):
        root.create_group(slot)
    root["obsm"].create_array("X_pca", data=np.arange(8, dtype="f4").reshape(4, 2))
    root["uns"].create_array("words", data=np.array(["x", "yy"], dtype="U"))
    root["uns"].create_array("number", data=np.array(3))
    expected = ad.read_zarr(tmp_path / "old.zarr")
    adata = oom.read(tmp_path / "old.zarr")
    np.testing.assert_array_equal(dense(adata.X[:]), x.toarray())
    assert list(adata.obs["kind"].cat.categories) == ["b", "a"] and adata.obs["kind"].cat.ordered
    np.testing.assert_array_equal(adata.obs["kind"].cat.codes, kinds.codes)
    np.testing.assert_array_equal(adata.obs["score"], expected.obs["score"])
    np.testing.assert_array_equal(adata.obsm["X_pca"], expected.obsm["X_pca"])
    assert list(adata.uns["words"]) == ["x", "yy"] and adata.uns["number"] == 3
    assert list(adata.obs_names) == ["c0", "c1", "c2", "c3"]
    # The store is also converted to the current layout.
    oom.convert(tmp_path / "old.zarr", tmp_path / "new.zarr")
    again = ad.read_zarr(tmp_path / "new.zarr")
    np.testing.assert_array_equal(again.obs["kind"].cat.codes, kinds.codes)
    np.testing.assert_array_equal(dense(again.X), x.toarray())


def test_texts_of_version_2_by_other_ways(tmp_path):
    """Checks texts of fixed length, texts as bytes, and missing chunks of texts."""
    ad.settings.zarr_write_format = 2
    ad.AnnData(np.zeros((5, 2), "f4")).write_zarr(tmp_path / "a.zarr")
    uns = zarr.open_group(tmp_path / "a.zarr", mode="r+", use_consolidated=False)["uns"]
    for name, value in (("u", np.array(["é", "", "xyz"], dtype="U")), ("s", np.array([b"ab", b"c"], dtype="S3"))):
        uns.create_array(name, data=value)
        uns[name].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    never = uns.create_array("never", shape=(4,), dtype=str, chunks=(2,))
    never[:2] = np.array(["a", "b"], dtype=object)
    never.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    zarr.consolidate_metadata(tmp_path / "a.zarr")
    found = oom.read(tmp_path / "a.zarr").uns
    assert list(found["u"]) == ["é", "", "xyz"] and list(found["s"]) == ["ab", "c"]
    assert list(found["never"]) == ["a", "b", "", ""]


def test_errors_name_store_and_element(tmp_path):
    oom.convert(EXAMPLE, tmp_path / "a.zarr")
    data = tmp_path / "a.zarr" / "X" / "data" / "c" / "0"
    data.write_bytes(data.read_bytes()[:-9])
    with pytest.raises(ValueError, match="a.zarr', element 'X/data'"):
        oom.read(tmp_path / "a.zarr").X[:]
    with pytest.raises(OSError, match="is a Zarr store: open it with read_zarr"):
        oom.read_h5ad(tmp_path / "a.zarr")
    with pytest.raises(OSError, match="is an HDF5 file, no Zarr store: open it with read_h5ad"):
        oom.read_zarr(EXAMPLE)
    with pytest.raises(ValueError, match='is a Zarr store, which is not saved into: use "r"'):
        oom.read(tmp_path / "a.zarr", backed="r+")
    with pytest.raises(FileNotFoundError):
        oom.read_zarr(tmp_path / "none.zarr")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="something else than a Zarr store"):
        oom.read(EXAMPLE).write_zarr(tmp_path / "folder")
    assert (tmp_path / "folder" / "notes.txt").read_text() == "mine"


def test_an_object_over_its_own_store(tmp_path):
    oom.convert(EXAMPLE, tmp_path / "a.zarr")
    adata = oom.read(tmp_path / "a.zarr")
    kept = dense(adata[:20].X[:])
    oom.pp.log1p(adata)
    adata[:20].write_zarr(tmp_path / "a.zarr")
    with pytest.raises(OSError, match="changed while it was open"):
        _ = adata.X[:]
    np.testing.assert_allclose(dense(oom.read(tmp_path / "a.zarr").X[:]), np.log1p(kept), rtol=1e-6)
    # A file that reads from a store can be written beside it.
    oom.read(tmp_path / "a.zarr").write_h5ad(tmp_path / "b.h5ad")
    assert oom.read(tmp_path / "b.h5ad").shape == (20, adata.n_vars)


def test_a_pickle_opens_the_store_again(tmp_path):
    import pickle

    oom.convert(EXAMPLE, tmp_path / "a.zarr")
    adata = pickle.loads(pickle.dumps(oom.read(tmp_path / "a.zarr")))
    np.testing.assert_array_equal(dense(adata.X[:5]), dense(oom.read(EXAMPLE).X[:5]))


def test_several_stores_as_one(tmp_path):
    oom.convert(EXAMPLE, tmp_path / "a.zarr")
    oom.convert(EXAMPLE, tmp_path / "b.zarr", zarr_format=2)
    both = oom.concat([oom.read(tmp_path / "a.zarr"), oom.read(tmp_path / "b.zarr")], keys=["a", "b"], index_unique="-")
    one = oom.read(EXAMPLE)
    assert both.n_obs == 2 * one.n_obs
    np.testing.assert_array_equal(dense(both.X[one.n_obs : one.n_obs + 5]), dense(one.X[:5]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both.write_zarr(tmp_path / "both.zarr")
    assert ad.read_zarr(tmp_path / "both.zarr").shape == both.shape


def test_the_size_shown_is_of_all_files(tmp_path):
    oom.read(EXAMPLE).write_zarr(tmp_path / "a.zarr")
    bytes_there = sum(path.stat().st_size for path in (tmp_path / "a.zarr").rglob("*") if path.is_file())
    shown = repr(oom.read(tmp_path / "a.zarr"))
    assert f"({bytes_there / 1e6:.1f} MB on disk)" in shown or f"({bytes_there / 1e3:.1f} kB on disk)" in shown
