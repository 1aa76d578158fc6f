//! Checks dataframes as they are written: names of the index and of columns, and frames beside
//! tables.

use anndataoom_core::element::{self, Categorical, DataFrame, Scalar, Value};
use anndataoom_core::store::Store;
use anndataoom_core::write::{save_h5ad, write_h5ad, Frame, H5adPlan, Part, SaveOptions, WriteOptions};
use anndataoom_core::{Error, Session};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of one test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anndataoom-tables-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn names(items: &[&str]) -> Value {
    Value::strings(items)
}

fn frame(index_name: Option<&str>, index: Value, columns: Vec<(&str, Value)>) -> DataFrame {
    let columns = columns.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    DataFrame { index_name: index_name.map(str::to_owned), index: Box::new(index), columns }
}

/// Returns the table as a part that is written column by column.
fn parts(table: DataFrame) -> Part {
    let columns = table.columns.into_iter().map(|(n, v)| (n, Part::Value(v))).collect();
    Part::Frame(Frame { index_name: table.index_name, index: Box::new(Part::Value(*table.index)), columns })
}

fn plan(obs: Part) -> H5adPlan {
    H5adPlan::new(None, obs, frame(None, names(&["g"]), vec![]).into())
}

fn write(plan: &H5adPlan, path: &Path) -> Result<Arc<Store>, Error> {
    write_h5ad(plan, path, &WriteOptions::default(), &Session::default())?;
    Store::open(path)
}

#[test]
fn a_column_with_the_name_of_the_index_is_the_index() {
    let dir = Scratch::new("twin");
    let cells = || names(&["x", "y", "x"]);
    let as_categories = Value::Categorical(Categorical {
        codes: vec![1, 0, 1],
        categories: Box::new(names(&["y", "x"])),
        ordered: false,
    });
    for column in [cells(), as_categories] {
        for whole in [true, false] {
            let table =
                frame(Some("id"), cells(), vec![("id", column.clone()), ("n", Value::vector(vec![1i64, 2, 3]))]);
            let obs = if whole { table.into() } else { parts(table) };
            let file = write(&plan(obs), &dir.file("same.h5ad")).unwrap();
            assert_eq!(element::read_index(&file, "obs").unwrap(), (Some("id".into()), cells()));
            assert_eq!(element::column_names(&file, "obs").unwrap(), ["id", "n"]);
            assert_eq!(element::read_column(&file, "obs", "id").unwrap(), cells());
        }
    }
    for whole in [true, false] {
        let table = frame(Some("id"), cells(), vec![("id", names(&["x", "y", "z"]))]);
        let obs = if whole { table.into() } else { parts(table) };
        let error = write(&plan(obs), &dir.file("other.h5ad")).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }) && error.to_string().contains("'id'"), "{error}");
        assert!(!dir.file("other.h5ad").exists());
    }
}

#[test]
fn a_column_may_have_a_slash() {
    let dir = Scratch::new("slash");
    let numbers = |x: f64| Value::vector(vec![x, 2.0, 3.0]);
    let table = || {
        frame(None, names(&["x", "y", "z"]), vec![("T/NK", numbers(1.0)), ("T/B/a", numbers(4.0)), ("U", numbers(5.0))])
    };
    for whole in [true, false] {
        let obs: Part = if whole { table().into() } else { parts(table()) };
        let file = write(&plan(obs), &dir.file("a.h5ad")).unwrap();
        assert_eq!(element::read(&file, "obs").unwrap(), Value::DataFrame(table()));
        // The columns are copied one by one out of the file, some of their rows selected.
        let mut columns = Vec::new();
        for name in element::column_names(&file, "obs").unwrap() {
            let element = format!("obs/{name}");
            columns.push((name, Part::Copy { store: file.clone(), element, rows: Some(vec![2, 0]), columns: None }));
        }
        let obs = Part::Frame(Frame { index_name: None, index: Box::new(Part::Value(names(&["z", "x"]))), columns });
        let file = write(&plan(obs), &dir.file("b.h5ad")).unwrap();
        assert_eq!(element::read_column(&file, "obs", "T/B/a").unwrap(), Value::vector(vec![3.0, 4.0]));
    }
    for bad in [["T", "T/NK"], ["a//b", "c"], ["/a", "c"], ["a/../b", "c"], ["_index", "c"]] {
        let columns = bad.iter().map(|n| (*n, numbers(0.0))).collect();
        let obs = parts(frame(None, names(&["x", "y", "z"]), columns));
        let error = write(&plan(obs), &dir.file("c.h5ad")).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }), "{bad:?}: {error}");
    }
}

#[test]
fn frames_beside_a_table_have_its_names() {
    let dir = Scratch::new("beside");
    let beside = |index: Value| frame(Some("old"), index, vec![("v", Value::vector(vec![1i32, 2, 3]))]);
    let obs = || frame(Some("v"), names(&["p", "q", "r"]), vec![]);
    let mut first = plan(frame(None, names(&["x", "y", "z"]), vec![]).into());
    first.obsm = vec![("f".into(), beside(names(&["x", "y", "z"])).into())];
    let file = write(&first, &dir.file("first.h5ad")).unwrap();
    let copy =
        |rows: Option<Vec<u32>>| Part::Copy { store: file.clone(), element: "obsm/f".into(), rows, columns: None };
    for part in
        [beside(names(&["a", "b", "c"])).into(), copy(None), copy(Some(vec![0, 1, 2])), parts(beside(names(&["a"; 3])))]
    {
        let mut second = plan(obs().into());
        second.obsm = vec![("f".into(), part)];
        let file = write(&second, &dir.file("second.h5ad")).unwrap();
        let Value::DataFrame(found) = element::read(&file, "obsm/f").unwrap() else { panic!("no dataframe") };
        assert_eq!(*found.index, names(&["p", "q", "r"]));
        // Here the name of the table's index is that of a column.
        assert_eq!(found.index_name, None);
        assert_eq!(found.columns, beside(names(&[])).columns);
    }
    // If the names are unchanged, the frame is copied as it is.
    let mut same = plan(Part::copy(&file, "obs"));
    same.obsm = vec![("f".into(), copy(None))];
    let again = write(&same, &dir.file("same.h5ad")).unwrap();
    assert_eq!(element::read(&again, "obsm/f").unwrap(), element::read(&file, "obsm/f").unwrap());
}

#[test]
fn saving_other_names_renames_frames_beside_them() {
    let dir = Scratch::new("save");
    let path = dir.file("a.h5ad");
    let cells = ["x", "y", "z"];
    let table =
        frame(Some("id"), names(&cells), vec![("id", names(&cells)), ("T/NK", Value::vector(vec![1i64, 2, 3]))]);
    let mut first = plan(table.clone().into());
    first.obsm = vec![("f".into(), frame(None, names(&cells), vec![("v", Value::vector(vec![1i32, 2, 3]))]).into())];
    drop(write(&first, &path).unwrap());

    let store = Store::open_to_save(&path).unwrap();
    let copied = |element: &str| Part::copy(&store, element);
    // The column that equals the index is removed, one column with a slash is removed and another
    // added; the index stays.
    let without = frame(Some("id"), names(&cells), vec![("T/B", Value::vector(vec![7i64, 8, 9]))]);
    let mut second = plan(parts(without.clone()));
    second.var = copied("var");
    second.obsm = vec![("f".into(), copied("obsm/f"))];
    let saved = save_h5ad(&second, &store, &SaveOptions::default(), &Session::default()).unwrap();
    assert_eq!(element::read(&saved.store, "obs").unwrap(), Value::DataFrame(without));
    assert!(!saved.written.contains(&"obsm/f".to_owned()), "{:?}", saved.written);
    drop((second, saved, store));

    let store = Store::open_to_save(&path).unwrap();
    let mut third = plan(parts(frame(None, names(&["p", "q", "r"]), vec![])));
    third.var = Part::copy(&store, "var");
    third.obsm = vec![("f".into(), Part::copy(&store, "obsm/f"))];
    let saved = save_h5ad(&third, &store, &SaveOptions::default(), &Session::default()).unwrap();
    assert!(saved.written.contains(&"obsm/f".to_owned()), "{:?}", saved.written);
    assert_eq!(element::read_index(&saved.store, "obsm/f").unwrap().1, names(&["p", "q", "r"]));
}

#[test]
fn a_text_of_anndata_0_5_is_a_scalar() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden/versions/anndata_0.5.h5ad");
    let file = Store::open(golden).unwrap();
    assert_eq!(element::read(&file, "uns/text").unwrap(), Value::Scalar(Scalar::String("umap".into())));
    assert!(element::describe(&file, "uns/text").unwrap().shape.is_empty());
    // Numbers stay vectors of one, as anndata reads them.
    assert_eq!(element::read(&file, "uns/number").unwrap(), Value::vector(vec![15i64]));
}
