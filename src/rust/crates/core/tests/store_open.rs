//! Checks opening files: errors say what is wrong, and nothing is written.

use anndataoom_core::store::{Attribute, Store};
use anndataoom_core::Error;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden").join(name)
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

#[test]
fn keys_attributes_and_missing_elements() {
    let s = Store::open(golden("elements.h5ad")).unwrap();
    assert!(s.location().path().unwrap().is_absolute());
    assert!(s.keys("").unwrap().contains(&"obsm".to_owned()));
    assert!(s.exists("/uns/nested/deep") && !s.exists("uns/nope") && !s.exists("X/data/x"));
    assert!(s.is_group("X").unwrap() && !s.is_group("X/data").unwrap());
    assert_eq!(s.attribute("X", "shape").unwrap(), Some(Attribute::Integer(vec![7, 5])));
    assert_eq!(s.attribute("X", "encoding-type").unwrap().unwrap().text(), Some("csr_matrix"));
    assert_eq!(s.attribute("X", "nope").unwrap(), None);
    let e = s.node("obsm/X_umap").unwrap_err();
    assert!(matches!(e, Error::Missing { .. }));
    assert!(e.to_string().contains("no element 'obsm/X_umap'; 'obsm' has X_pca"), "{e}");
    assert_eq!(s.keys("X/data").unwrap_err().class(), "format");
}

#[test]
fn files_that_are_not_there_or_not_hdf5() {
    let dir = Scratch::new("open");
    let e = Store::open(dir.0.join("none.h5ad")).unwrap_err();
    assert!(e.class() == "io" && e.to_string().contains("none.h5ad"), "{e}");
    let e = Store::open(&dir.0).unwrap_err();
    assert!(e.class() == "file" && e.to_string().contains("is a directory"), "{e}");
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (name, bytes, says) in [
        ("empty", &b""[..], "is empty"),
        ("text", b"not HDF5 at all, but longer than a signature", "not an HDF5"),
        ("short", b"\x89HD", "not an HDF5"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\0", "gzip"),
        ("page", b"<!DOCTYPE html><html>", "web page"),
    ] {
        let e = Store::open(write(name, bytes)).unwrap_err();
        assert!(e.class() == "file" && e.to_string().contains(says), "{e}");
    }
    let whole = std::fs::read(golden("elements.h5ad")).unwrap();
    let e = Store::open(write("cut", &whole[..whole.len() / 2])).unwrap_err();
    let says = format!("is truncated: it has {} of {} bytes", whole.len() / 2, whole.len());
    assert!(e.class() == "file" && e.to_string().contains(&says), "{e}");
    let e = Store::open(write("head", &whole[..40])).unwrap_err();
    assert_eq!(e.class(), "file", "{e}");
    // A user block precedes the signature.
    let mut block = vec![b'#'; 512];
    block.extend(&whole);
    let behind = Store::open(write("block", &block)).unwrap();
    let plain = Store::open(golden("elements.h5ad")).unwrap();
    let obs = |store| anndataoom_core::element::read(store, "obs").unwrap();
    assert_eq!(obs(&behind), obs(&plain));
}

#[test]
fn reading_writes_nothing() {
    let dir = Scratch::new("readonly");
    let path = dir.0.join("a.h5ad");
    std::fs::copy(golden("elements.h5ad"), &path).unwrap();
    let before = (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap());
    let s = Store::open(&path).unwrap();
    let _ = anndataoom_core::element::read(&s, "obs").unwrap();
    drop(s);
    assert_eq!(before, (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap()));
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1);
}
