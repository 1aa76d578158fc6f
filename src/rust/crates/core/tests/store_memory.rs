//! Checks that a store in memory behaves like a file: elements, matrices, writing and saving use
//! stores only through their traits.

mod matrix_common;

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::element::{self, Data, DataFrame, Sparse, SparseFormat, Value};
use anndataoom_core::matrix::{self, Layout, MemorySource};
use anndataoom_core::store::{Compression, Memory, Store};
use anndataoom_core::write::{save_h5ad, write_csc, write_csr, write_dense, write_h5ad, write_store};
use anndataoom_core::write::{H5adPlan, Part, SaveOptions, WriteOptions};
use anndataoom_core::Session;
use matrix_common::{random_csr, same_as_twin, Dir};
use std::path::PathBuf;
use std::sync::Arc;

fn golden(name: &str) -> Arc<Store> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden");
    Store::open(golden.join(name)).unwrap()
}

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip(4), Compression::Lzf];

/// Checks that every element of the golden file is the same in memory, and the same in a file
/// written from there.
#[test]
fn every_encoding_survives() {
    let from = golden("elements.h5ad");
    for compression in COMPRESSIONS {
        let options = element::DatasetOptions { compression, shuffle: false };
        let memory = Memory::new();
        let writer = memory.writer();
        for key in from.keys("").unwrap() {
            let value = element::read(&from, &key).unwrap();
            element::write(&writer.root().unwrap(), &key, &value, &options).unwrap();
        }
        assert!(memory.open().keys("").unwrap().is_empty(), "nothing is seen before it is committed");
        writer.commit().unwrap();
        let store = memory.open();
        assert_eq!(store.keys("").unwrap(), from.keys("").unwrap());
        for key in from.keys("").unwrap() {
            assert_eq!(element::read(&store, &key).unwrap(), element::read(&from, &key).unwrap(), "{key}");
            let (mut a, mut b) = (element::describe(&store, &key).unwrap(), element::describe(&from, &key).unwrap());
            // `raw` was written as a dict, and keys are in the order in which they were made.
            (a.encoding, b.encoding) = (a.encoding.replace("raw", "dict"), b.encoding.replace("raw", "dict"));
            a.keys.sort();
            b.keys.sort();
            assert_eq!(format!("{a:?}"), format!("{b:?}"), "{key}");
        }
        let dir = Dir::new();
        let file = anndataoom_core::store::Writer::create(dir.file("back.h5ad")).unwrap();
        for key in store.keys("").unwrap() {
            // The two kinds of store differ, so the copy decodes the values and encodes them again.
            element::copy(&store, &key, &file.root().unwrap(), &key).unwrap();
        }
        file.commit().unwrap();
        let back = Store::open(dir.file("back.h5ad")).unwrap();
        for key in from.keys("").unwrap() {
            assert_eq!(element::read(&back, &key).unwrap(), element::read(&from, &key).unwrap(), "{key}");
        }
    }
}

/// Checks that matrices streamed into memory, compressed or not, are found, fetched, decoded and
/// selected like those of files.
#[test]
fn matrices_are_streamed() {
    let session = Session::with_threads(2);
    let m = random_csr::<f32>(300, 90, 12, 7);
    let x = LazyMatrix::new(Arc::new(MemorySource::from_sparse(&m).unwrap()));
    for compression in COMPRESSIONS {
        let memory = Memory::new();
        let writer = memory.writer();
        let root = writer.root().unwrap();
        write_csr(&root, "rows", &x, compression, &session).unwrap();
        write_csc(&root, "columns", &x, compression, &session).unwrap();
        write_dense(&root, "dense", &x, compression, &session).unwrap();
        drop(root);
        writer.commit().unwrap();
        let store = memory.open();
        for (path, layout) in [("rows", Layout::Csr), ("columns", Layout::Csc)] {
            let source = matrix::open(&store, path).unwrap();
            assert_eq!((source.layout(), source.nnz()), (layout, Some(m.indices.len() as u64)));
            assert!(source.location().unwrap().store.to_string().starts_with("memory:"));
            same_as_twin(&source, MemorySource::from_sparse(&m).unwrap(), 3, 2);
        }
        let Value::Array(dense) = element::read(&store, "dense").unwrap() else { panic!("no array") };
        let source = matrix::open(&store, "dense").unwrap();
        assert_eq!(source.layout(), Layout::Dense);
        same_as_twin(&source, MemorySource::from_array(dense).unwrap(), 4, 2);
        assert_eq!(element::read(&store, "rows").unwrap(), Value::Sparse(m.clone()));
        let Value::Sparse(columns) = element::read(&store, "columns").unwrap() else { panic!("no matrix") };
        assert_eq!(columns, matrix_common::to_csc(&m));
    }
}

fn table(n: usize) -> DataFrame {
    let names: Vec<String> = (0..n).map(|i| format!("row {i}")).collect();
    let column = Value::vector((0..n).map(|i| i as f64 * 0.5).collect::<Vec<f64>>());
    DataFrame { index_name: None, index: Box::new(Value::strings(names)), columns: vec![("half".to_owned(), column)] }
}

fn plan(m: &Sparse) -> H5adPlan {
    let x = LazyMatrix::new(Arc::new(MemorySource::from_sparse(m).unwrap()));
    let mut plan = H5adPlan::new(Some(Part::Matrix(x)), table(m.shape.0).into(), table(m.shape.1).into());
    plan.uns.push(("words".to_owned(), Value::strings(["a", "", "\u{e9}"]).into()));
    plan.obsm.push(("pair".to_owned(), Value::matrix(m.shape.0, 2, vec![1.5_f32; m.shape.0 * 2]).into()));
    plan
}

/// Checks that [`write_store`] makes the same of a plan in memory as [`write_h5ad`] does in a file,
/// and that parts of one are copied into the other.
#[test]
fn whole_objects_are_written() {
    let (session, options, dir) = (Session::with_threads(2), WriteOptions::default(), Dir::new());
    let m = random_csr::<f32>(50, 20, 5, 1);
    let memory = Memory::new();
    write_store(&plan(&m), memory.writer(), &options, &session).unwrap();
    write_h5ad(&plan(&m), dir.file("a.h5ad"), &options, &session).unwrap();
    let (a, b) = (memory.open(), Store::open(dir.file("a.h5ad")).unwrap());
    assert_eq!(element::tree(&a).unwrap(), element::tree(&b).unwrap());
    for path in ["X", "obs", "var", "uns", "obsm"] {
        assert_eq!(element::read(&a, path).unwrap(), element::read(&b, path).unwrap(), "{path}");
    }
    // From a file into memory and back, and within memory.
    for from in [&a, &b] {
        let mut copied = plan(&m);
        copied.x = Some(Part::copy(from, "X"));
        copied.obs = Part::copy(from, "obs");
        copied.uns = vec![("words".to_owned(), Part::copy(from, "uns/words"))];
        let other = Memory::new();
        write_store(&copied, other.writer(), &options, &session).unwrap();
        write_h5ad(&copied, dir.file("b.h5ad"), &options, &session).unwrap();
        for to in [other.open(), Store::open(dir.file("b.h5ad")).unwrap()] {
            for path in ["X", "obs", "var", "uns", "obsm"] {
                assert_eq!(element::read(&to, path).unwrap(), element::read(&a, path).unwrap(), "{path}");
            }
        }
    }
    let mut wrong = plan(&m);
    wrong.obsm[0].1 = Value::vector(vec![1.0, 2.0]).into();
    assert_eq!(write_store(&wrong, memory.writer(), &options, &session).unwrap_err().class(), "shape");
    assert_eq!(memory.open().keys("").unwrap(), a.keys("").unwrap(), "a write that fails changes nothing");
}

/// Checks that a save is seen by those who open the store afterwards, and not by those who have it
/// open.
#[test]
fn changes_are_saved() {
    let (session, options) = (Session::with_threads(1), SaveOptions::default());
    let m = random_csr::<f32>(30, 10, 3, 2);
    let memory = Memory::new();
    write_store(&plan(&m), memory.writer(), &WriteOptions::default(), &session).unwrap();
    let store = memory.open();
    assert!(store.can_save());
    let mut changed = plan(&m);
    changed.x = Some(Part::copy(&store, "X"));
    changed.uns = vec![("new".to_owned(), Value::number(3_i64).into())];
    let mut obs = table(30);
    obs.columns.push(("flag".to_owned(), Value::vector(vec![true; 30])));
    changed.obs = obs.into();
    let saved = save_h5ad(&changed, &store, &options, &session).unwrap();
    assert!(saved.removed.contains(&"uns/words".to_owned()) && saved.written.contains(&"uns/new".to_owned()));
    assert_eq!(element::read(&saved.store, "uns/new").unwrap(), Value::number(3_i64));
    assert_eq!(element::column_names(&saved.store, "obs").unwrap(), ["half", "flag"]);
    assert_eq!(element::read(&saved.store, "X").unwrap(), Value::Sparse(m));
    assert_eq!(element::column_names(&store, "obs").unwrap(), ["half"], "who had it open sees what was there");
    assert!(store.exists("uns/words") && !memory.open().exists("uns/words"));
    let late = save_h5ad(&changed, &store, &options, &session).unwrap_err();
    assert!(late.class() == "state" && late.to_string().contains("was saved since"), "{late}");
}

/// Checks that errors name the store and the element.
#[test]
fn errors_name_the_store() {
    let memory = Memory::new();
    let writer = memory.writer();
    element::write(&writer.root().unwrap(), "x", &Value::string("one"), &element::DatasetOptions::default()).unwrap();
    let twice = element::write(&writer.root().unwrap(), "x", &Value::Null, &element::DatasetOptions::default());
    assert_eq!(twice.unwrap_err().class(), "parameter");
    writer.commit().unwrap();
    let store = memory.open();
    let e = element::read(&store, "y").unwrap_err().to_string();
    assert!(e.starts_with("'memory:") && e.contains("has no element 'y'; '/' has x"), "{e}");
    let e = matrix::open(&store, "x").unwrap_err();
    assert!(e.to_string().contains("1 or 2 dimensions"), "{e}");
    let sparse = Sparse {
        format: SparseFormat::Csr,
        shape: (1, 1),
        indptr: vec![0, 2],
        indices: vec![0],
        data: Data::F32(vec![1.0]),
    };
    let writer = memory.writer();
    let bad = element::write(&writer.root().unwrap(), "m", &Value::Sparse(sparse), &element::DatasetOptions::default());
    assert_eq!(bad.unwrap_err().class(), "shape");
}
