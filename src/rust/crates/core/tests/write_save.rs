//! Checks saving into a file: only what changed is written, the rest stays in place, and those who
//! read go on reading.

use anndataoom_core::element::{self, Categorical, DataFrame, Value};
use anndataoom_core::matrix::{self, MemorySource};
use anndataoom_core::store::Store;
use anndataoom_core::stream::collect;
use anndataoom_core::write::{
    save_h5ad, write_h5ad, Compression, Frame, H5adPlan, Part, RawPlan, SaveOptions, WriteOptions,
};
use anndataoom_core::{Error, LazyMatrix, Session};
use std::path::PathBuf;
use std::sync::Arc;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anndataoom-save-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const N: usize = 400;
const M: usize = 50;

fn frame(prefix: &str, n: usize) -> DataFrame {
    let text = Value::strings((0..n).map(|i| format!("text {i}")));
    let group = Value::Categorical(Categorical {
        codes: (0..n as i32).map(|i| i % 3 - 1).collect(),
        categories: Box::new(Value::strings(["a", "b"])),
        ordered: true,
    });
    DataFrame {
        index_name: None,
        index: Box::new(Value::strings((0..n).map(|i| format!("{prefix}{i}")))),
        columns: vec![("text".into(), text), ("group".into(), group)],
    }
}

fn x() -> LazyMatrix {
    let values: Vec<f32> = (0..N * M).map(|i| (i % 7) as f32).collect();
    let array = element::Array { shape: vec![N, M], data: values.into() };
    LazyMatrix::new(Arc::new(MemorySource::from_array(array).unwrap()))
}

fn file(scratch: &Scratch) -> PathBuf {
    let path = scratch.0.join("x.h5ad");
    let mut plan = H5adPlan::new(Some(x().into()), frame("cell", N).into(), frame("gene", M).into());
    plan.obsm.push(("X_pca".into(), Value::matrix(N, 3, vec![1.5f64; 3 * N]).into()));
    plan.uns.push(("nested".into(), Value::Dict(vec![("nan".into(), Value::vector(vec![f64::NAN, 1.0]))]).into()));
    let options = WriteOptions { compression: Compression::Gzip(4), ..WriteOptions::default() };
    write_h5ad(&plan, &path, &options, &Session::default()).unwrap();
    path
}

/// Returns the file's content as the plan of an object that was read from it.
fn untouched(store: &Arc<Store>) -> H5adPlan {
    let copies = |slot: &str| {
        let keys = if store.exists(slot) { store.keys(slot).unwrap() } else { Vec::new() };
        keys.into_iter().map(|k| (k.clone(), Part::copy(store, format!("{slot}/{k}")))).collect::<Vec<_>>()
    };
    let mut plan = H5adPlan::new(Some(Part::copy(store, "X")), Part::copy(store, "obs"), Part::copy(store, "var"));
    (plan.layers, plan.obsm, plan.varm) = (copies("layers"), copies("obsm"), copies("varm"));
    (plan.obsp, plan.varp, plan.uns) = (copies("obsp"), copies("varp"), copies("uns"));
    if store.exists("raw") {
        plan.raw = Some(RawPlan {
            x: Part::copy(store, "raw/X"),
            var: Part::copy(store, "raw/var"),
            varm: copies("raw/varm"),
        });
    }
    plan
}

fn as_frame(store: &Arc<Store>, path: &str) -> Frame {
    let columns = element::column_names(store, path).unwrap();
    Frame {
        index_name: None,
        index: Box::new(Part::copy(store, format!("{path}/_index"))),
        columns: columns.into_iter().map(|c| (c.clone(), Part::copy(store, format!("{path}/{c}")))).collect(),
    }
}

fn put(parts: &mut Vec<(String, Part)>, key: &str, value: impl Into<Part>) {
    parts.retain(|(k, _)| k != key);
    parts.push((key.into(), value.into()));
}

/// The store after a save, the paths written and the paths removed.
type Done = Result<(Arc<Store>, Vec<String>, Vec<String>), Error>;

fn save(plan: &H5adPlan, store: &Arc<Store>) -> Done {
    let saved = save_h5ad(plan, store, &SaveOptions::default(), &Session::default())?;
    Ok((saved.store, saved.written, saved.removed))
}

#[test]
fn only_what_changed() {
    let scratch = Scratch::new("changed");
    let path = file(&scratch);
    let first = Store::open_to_save(&path).unwrap();
    // The same values again are no change.
    let mut plan = untouched(&first);
    plan.obs = frame("cell", N).into();
    put(&mut plan.obsm, "X_pca", Value::matrix(N, 3, vec![1.5f64; 3 * N]));
    put(&mut plan.uns, "nested", element::read(&first, "uns/nested").unwrap());
    let before = std::fs::read(&path).unwrap();
    let (same, written, removed) = save(&plan, &first).unwrap();
    assert!(Arc::ptr_eq(&same, &first) && written.is_empty() && removed.is_empty());
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let mut obs = as_frame(&first, "obs");
    put(&mut obs.columns, "leiden", Value::vector(vec![2i64; N]));
    put(&mut obs.columns, "text", Value::strings((0..N).map(|i| format!("new {i}"))));
    obs.columns.retain(|c| c.0 != "group");
    plan = untouched(&first);
    plan.obs = Part::Frame(obs);
    put(&mut plan.obsm, "X_umap", Value::matrix(N, 2, vec![0.5f32; 2 * N]));
    put(&mut plan.obsm, "X_pca", Value::matrix(N, 4, vec![2.5f64; 4 * N]));
    put(&mut plan.varm, "PCs", Value::matrix(M, 2, vec![1.0f64; 2 * M]));
    put(&mut plan.layers, "counts", Part::copy(&first, "X"));
    plan.uns.clear();
    plan.raw = Some(RawPlan { x: Part::copy(&first, "X"), var: Part::copy(&first, "var"), varm: Vec::new() });
    let (second, written, removed) = save(&plan, &first).unwrap();
    let mut written: Vec<&str> = written.iter().map(String::as_str).collect();
    written.sort_unstable();
    let expected =
        ["layers/counts", "obs/leiden", "obs/text", "obsm/X_pca", "obsm/X_umap", "raw/X", "raw/var", "varm/PCs"];
    assert_eq!(written, expected);
    assert_eq!(removed, ["obs/group", "uns/nested"]);
    assert_eq!(scratch.names(), ["x.h5ad"]);

    // The file as a new reader finds it.
    let check = |store: &Arc<Store>| {
        assert_eq!(element::column_names(store, "obs").unwrap(), ["leiden", "text"]);
        assert_eq!(element::read_column(store, "obs", "leiden").unwrap(), Value::vector(vec![2i64; N]));
        assert_eq!(element::read(store, "obsm/X_pca").unwrap(), Value::matrix(N, 4, vec![2.5f64; 4 * N]));
        assert_eq!(store.keys("uns").unwrap(), Vec::<String>::new());
        assert_eq!(element::read(store, "raw/X").unwrap(), element::read(store, "X").unwrap());
        assert_eq!(store.attribute("raw", "encoding-type").unwrap().unwrap().text(), Some("raw"));
        assert_eq!(store.keys("").unwrap().iter().filter(|k| k.contains("new")).count(), 0);
    };
    check(&second);
    // Readers that opened the old state still read it.
    let old = element::read(&first, "obs").unwrap();
    let Value::DataFrame(old) = old else { panic!("no dataframe") };
    assert_eq!(old.columns, frame("cell", N).columns);
    assert_eq!(element::read(&first, "obsm/X_pca").unwrap(), Value::matrix(N, 3, vec![1.5f64; 3 * N]));
    assert!(first.exists("uns/nested") && !first.exists("raw"));

    // The old store can no longer be saved into; the new one can.
    let e = save(&plan, &first).unwrap_err();
    assert!(e.to_string().contains("was saved since"), "{e}");
    let mut plan = untouched(&second);
    put(&mut plan.obsm, "X_pca", Value::matrix(N, 1, vec![9.0f64; N]));
    let (third, written, _) = save(&plan, &second).unwrap();
    assert_eq!(written, ["obsm/X_pca"]);
    assert_eq!(element::read(&second, "obsm/X_pca").unwrap(), Value::matrix(N, 4, vec![2.5f64; 4 * N]));
    assert_eq!(element::read(&first, "obsm/X_pca").unwrap(), Value::matrix(N, 3, vec![1.5f64; 3 * N]));
    drop((first, second, third));
    let fresh = Store::open(&path).unwrap();
    assert_eq!(element::read(&fresh, "obsm/X_pca").unwrap(), Value::matrix(N, 1, vec![9.0f64; N]));
}

/// Checks that matrices can be read during and after saves into their file, by their positioned
/// reads.
#[test]
fn matrices_read_on() {
    let scratch = Scratch::new("read");
    let path = file(&scratch);
    let mut store = Store::open_to_save(&path).unwrap();
    let known = |x: &LazyMatrix| collect(x, &Session::with_threads(2), u64::MAX).unwrap();
    let mut lazy = vec![LazyMatrix::new(matrix::open(&store, "X").unwrap())];
    let mut expected = vec![known(&lazy[0])];
    for round in 0..6u32 {
        let mut plan = untouched(&store);
        let values: Vec<f32> = (0..N * M).map(|i| ((i as u32 + round) % 11) as f32).collect();
        put(&mut plan.layers, "changing", Value::matrix(N, M, values));
        put(&mut plan.uns, &format!("round{round}"), Value::string("x".repeat(1000)));
        store = save(&plan, &store).unwrap().0;
        lazy.push(LazyMatrix::new(matrix::open(&store, "layers/changing").unwrap()));
        expected.push(known(lazy.last().unwrap()));
        for (x, e) in lazy.iter().zip(&expected) {
            assert!(known(x) == *e, "round {round}");
        }
    }
}

#[test]
fn x_only_when_asked() {
    let scratch = Scratch::new("x");
    let path = file(&scratch);
    let store = Store::open_to_save(&path).unwrap();
    let lazy = LazyMatrix::new(matrix::open(&store, "X").unwrap());
    let log = lazy.with(anndataoom_core::chain::nodes::Log1p { base: None }).unwrap();
    let mut plan = untouched(&store);
    plan.x = Some(Part::Matrix(log.clone()));
    let saved = save_h5ad(&plan, &store, &SaveOptions::default(), &Session::default()).unwrap();
    assert_eq!((saved.written.len(), saved.left), (0, vec!["X".to_owned()]));
    let asked = SaveOptions { x: true, ..SaveOptions::default() };
    let saved = save_h5ad(&plan, &store, &asked, &Session::default()).unwrap();
    assert_eq!(saved.written, ["X"]);
    let now = LazyMatrix::new(matrix::open(&saved.store, "X").unwrap());
    let session = Session::default();
    assert_eq!(collect(&now, &session, u64::MAX).unwrap(), collect(&log, &session, u64::MAX).unwrap());
}

#[test]
fn what_is_refused() {
    let scratch = Scratch::new("refused");
    let path = file(&scratch);
    let before = std::fs::read(&path).unwrap();
    let message = |r: Done| r.unwrap_err().to_string();
    let reading = Store::open(&path).unwrap();
    assert!(message(save(&untouched(&reading), &reading)).contains("was opened read-only"));
    drop(reading);

    // A selection of cells, while `X` in the file has all of them.
    let store = Store::open_to_save(&path).unwrap();
    let mut plan = untouched(&store);
    let rows: Vec<u32> = (0..N as u32).rev().collect();
    let lazy = LazyMatrix::new(matrix::open(&store, "X").unwrap()).select(Some(&rows), None).unwrap();
    plan.x = Some(Part::Matrix(lazy));
    assert!(message(save(&plan, &store)).contains("is a selection"));
    let mut plan = untouched(&store);
    plan.x = None;
    plan.obs = frame("cell", 3).into();
    plan.obsm.clear();
    assert!(message(save(&plan, &store)).contains("of another shape"));

    // The file is also open read-only in this process, where pages must not change under HDF5.
    let mut plan = untouched(&store);
    put(&mut plan.uns, "a", Value::number(1.0));
    let reading = Store::open(&path).unwrap();
    assert!(message(save(&plan, &store)).contains("also open elsewhere"));
    drop(reading);
    assert_eq!(std::fs::read(&path).unwrap(), before);

    // Another program has changed the file.
    std::fs::write(&path, &before).unwrap();
    let file = std::fs::File::options().append(true).open(&path).unwrap();
    file.set_len(before.len() as u64 + 1).unwrap();
    assert!(message(save(&plan, &store)).contains("was changed since it was opened"));
    assert_eq!(scratch.names(), ["x.h5ad"]);
}
