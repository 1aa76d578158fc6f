//! Checks that Zarr stores of both versions behave like files: elements written into them are read
//! back equal, and a faulty store is an error that names it.

mod matrix_common;

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::element::{self, Value};
use anndataoom_core::matrix::{self, Layout, MemorySource};
use anndataoom_core::ops::Axis;
use anndataoom_core::store::{Compression, External, Store, Writer, ZarrFormat};
use anndataoom_core::write::{
    convert, convert_to, write_csc, write_csr, write_dense, Conversion, Packing, WriteOptions,
};
use anndataoom_core::{Error, Session};
use matrix_common::{random_csr, same_as_twin, Dir};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden").join(name)
}

fn formats() -> Vec<ZarrFormat> {
    let mut all = Vec::new();
    for (version, shards) in [(2, None), (3, None), (3, Some(3)), (3, Some(1024))] {
        for compression in [Compression::None, Compression::Zstd(3), Compression::GzipFile(4)] {
            all.push(ZarrFormat { version, shards, consolidate: shards.is_some(), compression });
        }
    }
    all
}

/// Sorts the keys of dicts, because members of a Zarr group have no order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Dict(mut items) => {
            items.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Dict(items.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        other => other,
    }
}

fn read(store: &Arc<Store>, path: &str) -> Value {
    sorted(element::read(store, path).unwrap())
}

/// Checks that every element of the golden file is the same in a store of each format, and in a
/// file written from there.
#[test]
fn every_encoding_survives() {
    let from = Store::open(golden("elements.h5ad")).unwrap();
    for format in formats() {
        let dir = Dir::new();
        let options = element::DatasetOptions { compression: format.compression, shuffle: false };
        let writer = Writer::create_zarr(dir.file("a.zarr"), format).unwrap();
        for key in from.keys("").unwrap() {
            let value = element::read(&from, &key).unwrap();
            element::write(&writer.root().unwrap(), &key, &value, &options).unwrap();
        }
        assert!(!dir.file("a.zarr").exists(), "nothing is seen before it is committed");
        writer.commit().unwrap();
        let store = Store::open(dir.file("a.zarr")).unwrap();
        assert_eq!(store.format(), "zarr");
        for key in from.keys("").unwrap() {
            assert_eq!(read(&store, &key), read(&from, &key), "{key} {format:?}");
        }
        let file = Writer::create(dir.file("back.h5ad")).unwrap();
        for key in store.keys("").unwrap() {
            element::copy(&store, &key, &file.root().unwrap(), &key).unwrap();
        }
        file.commit().unwrap();
        let back = Store::open(dir.file("back.h5ad")).unwrap();
        for key in from.keys("").unwrap() {
            assert_eq!(read(&back, &key), read(&from, &key), "{key} {format:?}");
        }
        // An undecoded copy into a store of the same version.
        let again = Writer::create_zarr(dir.file("again.zarr"), format).unwrap();
        for key in store.keys("").unwrap() {
            element::copy(&store, &key, &again.root().unwrap(), &key).unwrap();
        }
        again.commit().unwrap();
        let again = Store::open(dir.file("again.zarr")).unwrap();
        for key in from.keys("").unwrap() {
            assert_eq!(read(&again, &key), read(&from, &key), "{key} {format:?}");
        }
    }
}

/// Checks that matrices streamed into stores are located, fetched, decoded and selected like those
/// of files.
#[test]
fn matrices_are_streamed() {
    let session = Session::with_threads(2);
    let m = random_csr::<f32>(300, 90, 12, 7);
    let x = LazyMatrix::new(Arc::new(MemorySource::from_sparse(&m).unwrap()));
    for format in formats() {
        let dir = Dir::new();
        let packing = Packing { compression: format.compression, chunk: Some(500) };
        let writer = Writer::create_zarr(dir.file("m.zarr"), format).unwrap();
        let root = writer.root().unwrap();
        write_csr(&root, "rows", &x, packing, &session).unwrap();
        write_csc(&root, "columns", &x, packing, &session).unwrap();
        write_dense(&root, "dense", &x, packing, &session).unwrap();
        drop(root);
        writer.commit().unwrap();
        let store = Store::open(dir.file("m.zarr")).unwrap();
        for (path, layout) in [("rows", Layout::Csr), ("columns", Layout::Csc)] {
            let source = matrix::open(&store, path).unwrap();
            assert_eq!((source.layout(), source.nnz()), (layout, Some(m.indices.len() as u64)));
            same_as_twin(&source, MemorySource::from_sparse(&m).unwrap(), 3, 2);
            // Each chunk is decoded once in a pass.
            let fresh = matrix::open(&store, path).unwrap();
            let pass =
                || anndataoom_core::ops::mean_var(&LazyMatrix::new(fresh.clone()), Axis::Obs, 0, &session).unwrap();
            pass();
            if layout == Layout::Csr {
                assert_eq!(fresh.reads().decoded, fresh.reads().chunks, "{format:?}");
            }
        }
        let Value::Array(dense) = element::read(&store, "dense").unwrap() else { panic!("no array") };
        let source = matrix::open(&store, "dense").unwrap();
        assert_eq!(source.layout(), Layout::Dense);
        same_as_twin(&source, MemorySource::from_array(dense).unwrap(), 4, 2);
        assert_eq!(element::read(&store, "rows").unwrap(), Value::Sparse(m.clone()));
        assert_eq!(element::read(&store, "columns").unwrap(), Value::Sparse(matrix_common::to_csc(&m)));
    }
}

/// Checks that a file, old or new, that is converted to a store and back keeps every slot.
#[test]
fn conversions_keep_everything() {
    let session = Session::with_threads(2);
    for name in ["../../inst/extdata/pbmc_like.h5ad", "newest_layers.h5ad", "versions/anndata_0.7.h5ad"] {
        let Ok(from) = Store::open(golden(name)) else { panic!("{name} is not there") };
        let tree = element::tree(&from).unwrap();
        let mut paths: Vec<String> = ["obs".to_owned(), "var".to_owned()].into();
        paths.extend(tree.x.clone());
        paths.extend(tree.slots.iter().flat_map(|s| &s.1).map(|e| e.1.clone()));
        for format in [ZarrFormat { version: 2, ..ZarrFormat::default() }, ZarrFormat::default()] {
            let dir = Dir::new();
            let how = Conversion { format, ..Conversion::default() };
            convert_to(&from, &dir.file("a.zarr"), &how, &session).unwrap();
            let store = Store::open(dir.file("a.zarr")).unwrap();
            convert_to(&store, &dir.file("b.h5ad"), &Conversion::default(), &session).unwrap();
            convert_to(&store, &dir.file("c.zarr"), &how, &session).unwrap();
            let (back, copy) = (Store::open(dir.file("b.h5ad")).unwrap(), Store::open(dir.file("c.zarr")).unwrap());
            for path in &paths {
                for to in [&store, &back, &copy] {
                    assert_eq!(read(to, path), read(&from, path), "{name} {path} in {}", to.location());
                }
            }
            if let (Some(x), Ok(a)) = (&tree.x, matrix::open(&from, "X")) {
                let sums = |s| {
                    format!(
                        "{:?}",
                        anndataoom_core::ops::mean_var(&LazyMatrix::new(s), Axis::Obs, 0, &session).unwrap()
                    )
                };
                assert_eq!(sums(a), sums(matrix::open(&store, x).unwrap()), "the same bits");
            }
        }
    }
    let from = Store::open(golden("../../inst/extdata/pbmc_like.h5ad")).unwrap();
    let dir = Dir::new();
    let how = Conversion { compression: Some(("lzf".to_owned(), None)), ..Conversion::default() };
    for (to, what) in [("x.zarr", "'zstd', 'gzip' or 'none'"), ("x.tiff", "ends in '.h5ad' or '.zarr'")] {
        let e = convert_to(&from, &dir.file(to), &how, &session).unwrap_err().to_string();
        assert!(e.contains(what), "{e}");
    }
}

fn small(dir: &Dir) -> PathBuf {
    let from = Store::open(golden("../../inst/extdata/pbmc_like.h5ad")).unwrap();
    let path = dir.file("a.zarr");
    let compression = Compression::Zstd(3);
    let writer = Writer::create_zarr(&path, ZarrFormat { shards: Some(4), ..ZarrFormat::default() }).unwrap();
    let options = WriteOptions { compression, chunk: Some(5000), ..WriteOptions::default() };
    convert(&from, writer, &options, &Session::with_threads(2)).unwrap();
    path
}

/// Checks that at any moment there is the old store or the new one.
#[test]
fn a_store_is_replaced_whole() {
    let dir = Dir::new();
    let path = small(&dir);
    let store = Store::open(&path).unwrap();
    let x = matrix::open(&store, "X").unwrap();
    // The writer is dropped before it commits.
    let writer = Writer::create_zarr(&path, ZarrFormat::default()).unwrap();
    writer.root().unwrap().group("obs").unwrap();
    drop(writer);
    let left =
        || -> Vec<_> { std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect() };
    assert_eq!(left().len(), 1, "{:?}", left());
    assert!(Store::open(&path).unwrap().exists("X"));
    // The process was killed between the two renames.
    let aside = path.with_file_name(".a.zarr.replaced");
    std::fs::rename(&path, &aside).unwrap();
    assert!(Store::open(&path).unwrap().exists("X") && !aside.exists());
    // Files that do not belong to a store are never removed.
    for (name, what) in [("file.zarr", "it is a file"), ("folder", "something else than a Zarr store")] {
        let other = dir.file(name);
        if name == "folder" {
            std::fs::create_dir(&other).unwrap();
            std::fs::write(other.join("notes.txt"), "mine").unwrap();
        } else {
            std::fs::write(&other, "mine").unwrap();
        }
        let e = Writer::create_zarr(&other, ZarrFormat::default()).unwrap_err().to_string();
        assert!(e.contains(what) && e.contains(name), "{e}");
    }
    let e = Writer::create_zarr(dir.file("a.zip"), ZarrFormat::default()).unwrap_err().to_string();
    assert!(e.contains("zip archives are read and not written"), "{e}");
    // A store replaced while it is open gives an error, never the values of the new one.
    let writer = Writer::create_zarr(&path, ZarrFormat::default()).unwrap();
    writer.root().unwrap().group("X").unwrap();
    writer.commit().unwrap();
    let session = Session::with_threads(1);
    let e = anndataoom_core::ops::mean_var(&LazyMatrix::new(x), Axis::Obs, 0, &session).unwrap_err().to_string();
    assert!(e.contains("changed while it was open") && e.contains("a.zarr"), "{e}");
}

/// Makes a store whose array `a` of version 3 has this metadata and these objects.
fn made(dir: &Dir, name: &str, metadata: &str, objects: &[(&str, Vec<u8>)]) -> Arc<Store> {
    let root = dir.file(name);
    let array = root.join("a");
    std::fs::create_dir_all(&array).unwrap();
    std::fs::write(root.join("zarr.json"), r#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#).unwrap();
    std::fs::write(array.join("zarr.json"), metadata).unwrap();
    for (key, bytes) in objects {
        let path = array.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    Store::open(root).unwrap()
}

fn array(shape: &str, chunk: &str, codecs: &str, more: &str) -> String {
    format!(
        r#"{{"zarr_format": 3, "node_type": "array", "shape": {shape}, "data_type": "int32", "fill_value": 7,
        "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": {chunk}}}}},
        "chunk_key_encoding": {{"name": "default"}}, "codecs": {codecs} {more}}}"#
    )
}

const LITTLE: &str = r#"[{"name": "bytes", "configuration": {"endian": "little"}}]"#;

fn integers(of: impl IntoIterator<Item = i32>) -> Vec<u8> {
    of.into_iter().flat_map(i32::to_le_bytes).collect()
}

fn values(store: &Arc<Store>) -> Result<Vec<f64>, Error> {
    match element::read(store, "a")? {
        Value::Array(a) => Ok(a.data.to_f64().unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn chunks_that_were_never_written_hold_the_fill_value() {
    let dir = Dir::new();
    let store =
        made(&dir, "s", &array("[5]", "[2]", LITTLE, ""), &[("c/0", integers([1, 2])), ("c/2", integers([3, 9]))]);
    assert_eq!(values(&store).unwrap(), [1.0, 2.0, 7.0, 7.0, 3.0]);
    let x = made(&dir, "m", &array("[3, 3]", "[2, 2]", LITTLE, ""), &[("c/1/0", integers([5, 6, 0, 0]))]);
    let expected = [7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 5.0, 6.0, 7.0];
    assert_eq!(values(&x).unwrap(), expected);
    let source = matrix::open(&x, "a").unwrap();
    let Value::Array(whole) = element::read(&x, "a").unwrap() else { panic!() };
    same_as_twin(&source, MemorySource::from_array(whole).unwrap(), 1, 1);
}

#[test]
fn transposed_and_big_endian() {
    let dir = Dir::new();
    let codecs = r#"[{"name": "transpose", "configuration": {"order": [1, 0]}},
        {"name": "bytes", "configuration": {"endian": "big"}}]"#;
    let chunk: Vec<u8> = [1, 4, 2, 5, 3, 6].into_iter().flat_map(i32::to_be_bytes).collect();
    let x = made(&dir, "t", &array("[2, 3]", "[2, 3]", codecs, ""), &[("c/0/0", chunk)]);
    assert_eq!(values(&x).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let Value::Array(whole) = element::read(&x, "a").unwrap() else { panic!() };
    same_as_twin(&matrix::open(&x, "a").unwrap(), MemorySource::from_array(whole).unwrap(), 1, 1);
}

fn sharded(location: &str) -> String {
    format!(
        r#"[{{"name": "sharding_indexed", "configuration": {{"chunk_shape": [2], "codecs": {LITTLE},
        "index_codecs": {LITTLE}, "index_location": "{location}"}}}}]"#
    )
}

fn index(places: &[(u64, u64)]) -> Vec<u8> {
    places.iter().flat_map(|&(at, n)| [at, n]).flat_map(u64::to_le_bytes).collect()
}

#[test]
fn shards_are_read_by_their_index() {
    let dir = Dir::new();
    let never = (u64::MAX, u64::MAX);
    let end = [integers([3, 4]), integers([1, 2]), index(&[(8, 8), never, (0, 8)])].concat();
    let store = made(&dir, "end", &array("[6]", "[6]", &sharded("end"), ""), &[("c/0", end.clone())]);
    assert_eq!(values(&store).unwrap(), [1.0, 2.0, 7.0, 7.0, 3.0, 4.0]);
    let start = [index(&[(48, 8), never, never]), integers([1, 2])].concat();
    let store = made(&dir, "start", &array("[5]", "[6]", &sharded("start"), ""), &[("c/0", start)]);
    assert_eq!(values(&store).unwrap(), [1.0, 2.0, 7.0, 7.0, 7.0]);

    for (name, shard, what) in [
        ("outside", [integers([3, 4]), index(&[(8, 900), never, (0, 8)])].concat(), "at bytes 8 to 908 of 56"),
        ("overflow", [integers([3, 4]), index(&[(u64::MAX - 1, 8), never, (0, 8)])].concat(), "within the shard 'c/0'"),
        ("short", vec![0; 20], "no room for the places of 3 chunks"),
        ("size", [integers([3, 4]), index(&[(0, 4), never, (0, 8)])].concat(), "4 bytes for 8 bytes of values"),
    ] {
        let store = made(&dir, name, &array("[6]", "[6]", &sharded("end"), ""), &[("c/0", shard)]);
        let e = values(&store).unwrap_err().to_string();
        assert!(e.contains(what) && e.contains("element 'a'") && e.contains(name), "{e}");
    }
    let sums = r#"{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}"#;
    let checked =
        sharded("end").replace(&format!("\"index_codecs\": {LITTLE}"), &format!("\"index_codecs\": [{sums}]"));
    let store = made(&dir, "sum", &array("[6]", "[6]", &checked, ""), &[("c/0", [end, vec![1, 2, 3, 4]].concat())]);
    let e = values(&store).unwrap_err().to_string();
    assert!(e.contains("crc32c") && e.contains("an index in the shard 'c/0'"), "{e}");
}

/// Checks that errors name store and element, and come before memory is allocated.
#[test]
fn what_metadata_claim_is_looked_at() {
    let dir = Dir::new();
    let zstd = r#"[{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zstd"}]"#;
    let huge = |extent: &str, chunk: &str| array(&format!("[{extent}]"), &format!("[{chunk}]"), LITTLE, "");
    let cases = [
        ("shape", huge("1152921504606846976", "1000"), "stored of the"),
        ("whole", huge("1152921504606846976", "1152921504606846976"), "the stored data"),
        ("chunk", huge("5", "4611686018427387904"), "chunks that fit the stored data"),
        ("overflow", huge("9223372036854775808", "5"), "extents in 'shape'"),
        ("negative", huge("-1", "5"), "extents in 'shape'"),
        ("zero", huge("5", "0"), "extents of a chunk"),
        ("rank", array("[5]", "[5, 5]", LITTLE, ""), "extents of a chunk"),
        ("nothing", array("[5]", "[5]", "[]", ""), "a list of codecs"),
        (
            "codec",
            array("[5]", "[5]", &zstd.replace("zstd", "numcodecs.lzma"), ""),
            "the codec 'numcodecs.lzma' is not supported",
        ),
        ("grid", array("[5]", "[5]", LITTLE, "").replace("regular", "rectangular"), "the grid of chunks"),
        ("type", array("[5]", "[5]", LITTLE, "").replace("\"int32\"", "[1]"), "a data type"),
        ("text", array("[5]", "[5]", LITTLE, "").replace("int32", "string"), "codecs that fit the data type"),
        ("fill", array("[5]", "[5]", LITTLE, "").replace("\"fill_value\": 7", "\"fill_value\": 1e99"), "a fill value"),
        (
            "transformer",
            array("[5]", "[5]", LITTLE, r#", "storage_transformers": [{"name": "x"}]"#),
            "storage transformer",
        ),
        ("damaged", array("[5]", "[5]", zstd, ""), "damaged zstd data"),
        ("truncated", array("[5]", "[5]", LITTLE, ""), "16 bytes for 20 bytes of values"),
    ];
    for (name, metadata, what) in cases {
        let store = made(&dir, name, &metadata, &[("c/0", vec![9; 16])]);
        let e = values(&store).unwrap_err().to_string();
        assert!(e.contains(what) && e.contains("'a'") && e.contains(&format!("/{name}'")), "{name}: {e}");
        // The matrix engine reports an error too, or opens the matrix and finds the damage when it
        // reads.
        assert!(matrix::open(&store, "a").is_err() || ["damaged", "truncated", "fill"].contains(&name), "{name}");
    }
    for (name, text, what) in [
        ("json", "{", "damaged metadata 'a/zarr.json' of a Zarr store: its end at byte 1"),
        ("list", "[]", "no map of members"),
        ("node", "{}", "a 'node_type' that is neither array nor group"),
    ] {
        let store = made(&dir, name, text, &[]);
        let e = element::read(&store, "a").unwrap_err().to_string();
        assert!(e.contains(what), "{e}");
    }
}

/// Checks chunks of texts whose counts and lengths exceed the bytes that are there.
#[test]
fn texts_are_counted() {
    let dir = Dir::new();
    let text = |shape: &str, chunk: Vec<u8>, name: &str| {
        let codecs = r#"[{"name": "vlen-utf8"}]"#;
        let metadata = array(shape, shape, codecs, "").replace("int32", "string").replace(": 7", ": \"\"");
        let store = made(&dir, name, &metadata, &[("c/0", chunk)]);
        element::read(&store, "a").map_err(|e| e.to_string())
    };
    let bytes = |numbers: &[u32], tail: &[u8]| [integers(numbers.iter().map(|&n| n as i32)), tail.to_vec()].concat();
    let good = [bytes(&[2, 1], b"x"), bytes(&[2], "\u{e4}".as_bytes())].concat();
    assert_eq!(text("[2]", good, "good").unwrap(), Value::strings(["x", "\u{e4}"]));
    for (name, chunk, what) in [
        ("count", bytes(&[900, 1], b"x"), "900 texts where the chunk holds 2"),
        ("short", bytes(&[2, 1], b"x"), "bytes for 2 texts"),
        ("long", bytes(&[2, 4_000_000_000], b"xxxxxxxx"), "text 0 of 4000000000 bytes, which are not there"),
        ("utf8", [bytes(&[2, 1], &[0xff]), bytes(&[0], &[])].concat(), "UTF-8 text"),
    ] {
        let e = text("[2]", chunk, name).unwrap_err();
        assert!(e.contains(what), "{name}: {e}");
    }
}

/// Checks links and names that would lead out of the store.
#[cfg(unix)]
#[test]
fn nothing_outside_is_read() {
    use std::os::unix::fs::symlink;
    let dir = Dir::new();
    let link = |name: &str, at: &str, to: &Path| {
        let store = made(&dir, name, &array("[2]", "[2]", LITTLE, ""), &[("c/1", integers([1, 2]))]);
        let place = dir.file(name).join(at);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(to, place).unwrap();
        drop(store);
        Store::open(dir.file(name)).unwrap()
    };
    let secret = dir.file("secret");
    std::fs::write(&secret, integers([8, 9])).unwrap();
    let chunk = link("chunk", "a/c/0", &secret);
    let e = values(&chunk).unwrap_err();
    assert!(matches!(e, Error::External { .. }) && e.to_string().contains("secret"), "{e}");
    let followed = Store::open_as(dir.file("chunk"), false, External::Follow).unwrap();
    assert_eq!(values(&followed).unwrap(), [8.0, 9.0]);
    let beside = Store::open_as(dir.file("chunk"), false, External::SameFolder).unwrap();
    assert_eq!(values(&beside).unwrap(), [8.0, 9.0]);
    let within = link("within", "a/c/0", &dir.file("within").join("a/c/1"));
    assert_eq!(values(&within).unwrap(), [1.0, 2.0]);
    let group = link("group", "b", &dir.file("within").join("a"));
    assert!(matches!(element::read(&group, "b").unwrap_err(), Error::External { .. }));
    let nowhere = link("nowhere", "a/c/0", &dir.file("nothing"));
    assert!(values(&nowhere).unwrap_err().to_string().contains("where nothing is"));
    let looped = link("looped", "b", &dir.file("looped"));
    assert!(element::read(&looped, "b/b/b").is_ok() || element::read(&looped, "b").is_err());
    for path in ["../chunk/a", "a/../a", "./a", "/a/..", "b\\c"] {
        assert!(matches!(looped.node(path), Err(Error::Missing { .. } | Error::Format { .. })), "{path}");
    }
}
