//! Checks h5mu files, whose modalities are objects of their own: what was written is read back, the
//! axes of the file are the unions, and names that contradict each other are refused.

use anndataoom_core::element::{self, mudata, Array, DataFrame, Value};
use anndataoom_core::matrix::{self, MemorySource};
use anndataoom_core::store::Store;
use anndataoom_core::stream::collect;
use anndataoom_core::write::{write_h5mu, H5adPlan, WriteOptions};
use anndataoom_core::{Error, LazyMatrix, Session};
use std::path::PathBuf;
use std::sync::Arc;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anndataoom-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn table(names: &[&str]) -> DataFrame {
    DataFrame {
        index_name: None,
        index: Box::new(Value::strings(names.iter().map(|n| (*n).to_owned()))),
        columns: Vec::new(),
    }
}

/// Makes a plan of cells x genes whose values count up from `first`.
fn plan(cells: &[&str], genes: &[&str], first: u8) -> H5adPlan {
    let shape = vec![cells.len(), genes.len()];
    let data: Vec<f64> = (0..cells.len() * genes.len()).map(|i| f64::from(first) + i as f64).collect();
    let x = MemorySource::from_array(Array { shape, data: data.into() }).unwrap();
    H5adPlan::new(Some(LazyMatrix::new(Arc::new(x)).into()), table(cells).into(), table(genes).into())
}

#[test]
fn modalities_are_stores_of_their_own() {
    let (folder, session) = (Folder::new("modalities"), Session::with_threads(2));
    let path = folder.0.join("two.h5mu");
    let objects = [
        ("rna".to_owned(), plan(&["a", "b", "c"], &["g", "h"], 1)),
        ("atac".to_owned(), plan(&["c", "d"], &["g", "p", "q"], 50)),
    ];
    write_h5mu(&objects, &path, &WriteOptions::default(), &session).unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(mudata::modalities(&store).unwrap().unwrap(), ["rna", "atac"]);
    // Cells of one name are one cell; genes of one name are two.
    assert_eq!(element::read(&store, "obs").unwrap(), Value::DataFrame(table(&["a", "b", "c", "d"])));
    assert_eq!(element::read(&store, "var").unwrap(), Value::DataFrame(table(&["g", "h", "g", "p", "q"])));
    for (axis, name, expected) in [
        ("obs", "rna", vec![1_u32, 2, 3, 0]),
        ("obs", "atac", vec![0, 0, 1, 2]),
        ("var", "rna", vec![1, 2, 0, 0, 0]),
        ("var", "atac", vec![0, 0, 1, 2, 3]),
    ] {
        let Value::Array(found) = element::read(&store, &format!("{axis}map/{name}")).unwrap() else { panic!() };
        assert_eq!(found.data, expected.into(), "{axis} of {name}");
    }
    for (name, cells, genes, first) in [("rna", 3, 2, 1.0), ("atac", 2, 3, 50.0)] {
        let within = store.subgroup(&mudata::modality(&store, Some(name)).unwrap()).unwrap();
        let x = LazyMatrix::new(matrix::open(&within, "X").unwrap());
        let Value::Array(found) = collect(&x, &session, 1 << 20).unwrap() else { panic!() };
        let values: Vec<f64> = (0..cells * genes).map(|i| first + i as f64).collect();
        assert_eq!((found.shape, found.data), (vec![cells, genes], values.into()), "{name}");
        // Errors name the file and the element in the file.
        let Err(Error::Missing { path: at, .. }) = within.node("layers/none") else { panic!() };
        assert!(at.to_string().starts_with(&path.display().to_string()), "{at}");
    }
    let error = mudata::modality(&store, None).unwrap_err().to_string();
    assert!(error.contains("rna, atac") && error.contains("none"), "{error}");
    let error = mudata::modality(&store, Some("protein")).unwrap_err().to_string();
    assert!(error.contains("'protein'"), "{error}");
}

#[test]
fn contradicting_names_are_refused_and_leave_no_file() {
    let (folder, session) = (Folder::new("modalities-refused"), Session::with_threads(1));
    let path = folder.0.join("bad.h5mu");
    let good = || plan(&["a", "b"], &["g"], 1);
    let cases: [(Vec<(&str, H5adPlan)>, &str); 5] = [
        (vec![], "at least one object"),
        (vec![("", good())], "''"),
        (vec![("a/b", good())], "'a/b'"),
        (vec![("rna", good()), ("rna", good())], "'rna'"),
        (vec![("rna", good()), ("atac", plan(&["b", "c", "b"], &["g"], 1))], "'b' twice in 'atac'"),
    ];
    for (objects, told) in cases {
        let objects: Vec<(String, H5adPlan)> = objects.into_iter().map(|(n, p)| (n.to_owned(), p)).collect();
        let error = write_h5mu(&objects, &path, &WriteOptions::default(), &session).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }) && error.to_string().contains(told), "{error}");
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "{told}");
    }
}
