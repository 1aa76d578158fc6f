//! Checks round trips: anndata writes a file, the core reads and rewrites it, and the core and
//! anndata find the rewritten file equal to the first.
//!
//! anndata itself compares the two files if `ANNDATAOOM_PYTHON` names a Python with anndata 0.12.

use anndataoom_core::element::{self, DatasetOptions, Value};
use anndataoom_core::store::{Compression, GroupWriter, Store, Writer};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../..")
}

fn golden() -> Arc<Store> {
    Store::open(repository().join("tests/golden/elements.h5ad")).unwrap()
}

/// A directory of one test, empty at first and removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anndataoom-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Decodes every element below the root and writes it into another file.
fn rewrite(from: &Arc<Store>, to: &Path, options: &DatasetOptions) {
    let writer = Writer::create(to).unwrap();
    let root = writer.root().unwrap();
    root.set_encoding("anndata", "0.1.0").unwrap();
    for key in from.keys("").unwrap() {
        match element::read(from, &key).unwrap() {
            // `raw` is encoded as a dict.
            Value::Dict(items) if key == "raw" => {
                let raw: GroupWriter<'_> = root.group("raw").unwrap();
                raw.set_encoding("raw", "0.1.0").unwrap();
                items.iter().for_each(|(k, v)| element::write(&raw, k, v, options).unwrap());
            }
            value => element::write(&root, &key, &value, options).unwrap_or_else(|e| panic!("{key}: {e}")),
        }
    }
    drop(root);
    writer.commit().unwrap();
}

fn compare_by_anndata(expected: &Path, found: &Path) {
    let Some(python) = std::env::var_os("ANNDATAOOM_PYTHON") else {
        println!("skipped: set ANNDATAOOM_PYTHON to a Python with anndata 0.12 to compare with anndata");
        return;
    };
    let script = repository().join("tests/python/compare_h5ad.py");
    let out = Command::new(python).arg(script).arg(expected).arg(found).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn every_encoding_survives() {
    let dir = Scratch::new("roundtrip");
    let from = golden();
    for (name, compression) in [("none", Compression::None), ("gzip", Compression::Gzip(4)), ("lzf", Compression::Lzf)]
    {
        let path = dir.0.join(name);
        rewrite(&from, &path, &DatasetOptions { compression, shuffle: name == "gzip" });
        let again = Store::open(&path).unwrap();
        assert_eq!(from.keys("").unwrap(), again.keys("").unwrap());
        for key in from.keys("").unwrap() {
            assert_eq!(element::read(&from, &key).unwrap(), element::read(&again, &key).unwrap(), "{name}: {key}");
        }
        compare_by_anndata(from.location().path().unwrap(), &path);
    }
}

/// Checks the bundled file, and pbmc3k if it lies beside the project.
#[test]
fn whole_files_survive() {
    let shared = std::env::var_os("ANNDATAOOM_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    survives(&repository().join("inst/extdata/pbmc_like.h5ad"));
    let real = shared.join("data/pbmc3k.h5ad");
    if real.exists() {
        survives(&real);
    }
}

fn survives(path: &Path) {
    let dir = Scratch::new("whole");
    let from = Store::open(path).unwrap();
    let to = dir.0.join("again.h5ad");
    rewrite(&from, &to, &DatasetOptions { compression: Compression::Gzip(1), shuffle: false });
    let again = Store::open(&to).unwrap();
    for key in from.keys("").unwrap() {
        assert!(element::read(&from, &key).unwrap() == element::read(&again, &key).unwrap(), "{key}");
    }
    compare_by_anndata(path, &to);
}

#[test]
fn other_types_survive() {
    let dir = Scratch::new("types");
    let from = Store::open(repository().join("tests/golden/elements_types.h5")).unwrap();
    let path = dir.0.join("types");
    let writer = Writer::create(&path).unwrap();
    let root = writer.root().unwrap();
    let keys: Vec<String> = from.keys("").unwrap().into_iter().filter(|k| k != "dangling").collect();
    for key in &keys {
        let value = element::read(&from, key).unwrap();
        element::write(&root, key, &value, &DatasetOptions::default()).unwrap_or_else(|e| panic!("{key}: {e}"));
    }
    drop(root);
    writer.commit().unwrap();
    let again = Store::open(&path).unwrap();
    for key in keys.iter().filter(|k| !["nan_inf", "zero_d"].contains(&k.as_str())) {
        let (a, b) = (element::read(&from, key).unwrap(), element::read(&again, key).unwrap());
        match (a, b) {
            // The keys of a plain group are ordered by name.
            (Value::Dict(mut a), Value::Dict(b)) => {
                a.sort_by(|x, y| x.0.cmp(&y.0));
                assert_eq!(a, b, "{key}");
            }
            (a, b) => assert_eq!(a, b, "{key}"),
        }
    }
    assert_eq!(element::read(&again, "zero_d").unwrap(), Value::number(3_i16));
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let dir = Scratch::new("bytes");
    let options = DatasetOptions { compression: Compression::Gzip(1), shuffle: true };
    let write = |name: &str| {
        let path = dir.0.join(name);
        rewrite(&golden(), &path, &options);
        std::fs::read(path).unwrap()
    };
    let first = write("a");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(first == write("b"));
}

#[test]
fn elements_are_copied_verbatim() {
    let dir = Scratch::new("copy");
    let from = golden();
    let path = dir.0.join("copy.h5ad");
    let writer = Writer::create(&path).unwrap();
    let root = writer.root().unwrap();
    root.set_encoding("anndata", "0.1.0").unwrap();
    for key in from.keys("").unwrap() {
        element::copy(&from, &key, &root, &key).unwrap();
    }
    assert_eq!(element::copy(&from, "nope", &root, "nope").unwrap_err().class(), "missing");
    assert_eq!(element::copy(&from, "X", &root, "X").unwrap_err().class(), "parameter");
    drop(root);
    writer.commit().unwrap();
    let again = Store::open(&path).unwrap();
    for key in from.keys("").unwrap() {
        assert_eq!(element::read(&from, &key).unwrap(), element::read(&again, &key).unwrap(), "{key}");
    }
    compare_by_anndata(from.location().path().unwrap(), &path);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let dir = Scratch::new("refused");
    let path = dir.0.join("x.h5ad");
    let writer = Writer::create(&path).unwrap();
    let root = writer.root().unwrap();
    let put = |key: &str, v: &Value| element::write(&root, key, v, &DatasetOptions::default());
    let one = Value::number(1.0);
    for key in ["a/b", "", ".", "nul\0"] {
        let e = put(key, &one).unwrap_err();
        assert_eq!(e.class(), "parameter", "{e}");
    }
    assert!(put("a/b", &one).unwrap_err().to_string().contains("'/'"));
    put("x", &one).unwrap();
    assert_eq!(put("x", &one).unwrap_err().class(), "parameter");
    let table = |columns: Vec<(&str, Value)>, index_name: Option<&str>| {
        Value::DataFrame(element::DataFrame {
            index_name: index_name.map(str::to_owned),
            index: Box::new(Value::strings(["a", "b"])),
            columns: columns.into_iter().map(|(n, v)| (n.to_owned(), v)).collect(),
        })
    };
    let good = || Value::vector(vec![1_i32, 2]);
    assert_eq!(put("t", &table(vec![("_index", good())], None)).unwrap_err().class(), "parameter");
    assert_eq!(put("t", &table(vec![("a", good()), ("a", good())], None)).unwrap_err().class(), "parameter");
    assert_eq!(put("t", &table(vec![("a", Value::vector(vec![1_i32]))], None)).unwrap_err().class(), "shape");
    assert_eq!(put("t", &table(vec![("a", good())], Some("a"))).unwrap_err().class(), "parameter");
    put("t", &table(vec![("a", Value::strings(["a", "b"]))], Some("a"))).unwrap();
    let array = Value::Array(element::Array { shape: vec![3], data: vec![1_u8].into() });
    assert_eq!(put("short", &array).unwrap_err().class(), "shape");
    assert_eq!(put("nul", &Value::strings(["a\0b"])).unwrap_err().class(), "parameter");
    // More text in one attribute than an object header of 64 KiB can hold.
    let wide: Vec<(String, Value)> = (0..6000).map(|i| (format!("column number {i}"), good())).collect();
    put("wide", &table(wide.iter().map(|(n, v)| (n.as_str(), v.clone())).collect(), None)).unwrap();
    drop(root);
    writer.commit().unwrap();
    let again = Store::open(&path).unwrap();
    assert_eq!(element::column_names(&again, "wide").unwrap().len(), 6000);
    assert_eq!(element::read_index(&again, "t").unwrap().0.as_deref(), Some("a"));
}
