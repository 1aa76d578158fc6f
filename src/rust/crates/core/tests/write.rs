//! Checks written files: read back they equal the matrix in memory, their bytes do not depend on
//! the number of threads, and a failed write leaves nothing behind.

use anndataoom_core::chain::nodes::{Log1p, Normalize, Scale};
use anndataoom_core::element::{self, Array, Categorical, Data, DataFrame, Sparse, SparseFormat, Value};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::sim::{SimulatedSource, Simulation};
use anndataoom_core::store::Store;
use anndataoom_core::write::{write_h5ad, Compression, Frame, H5adPlan, Part, RawPlan, WriteOptions};
use anndataoom_core::{Error, LazyMatrix, Session};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of one test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anndataoom-write-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Advances a small generator. It shares no code with the crate under test.
fn noise(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn sparse(n: usize, m: usize, per_cent: u64, data: impl Fn(Vec<f64>) -> Data) -> Sparse {
    let mut state = (n * 31 + m) as u64;
    let (mut indptr, mut indices, mut values) = (vec![0u64], Vec::new(), Vec::new());
    for row in 0..n {
        for c in 0..m as u32 {
            // Every seventh row is empty.
            if row % 7 != 3 && noise(&mut state) % 100 < per_cent {
                indices.push(c);
                values.push((noise(&mut state) % 30 + 1) as f64);
            }
        }
        indptr.push(indices.len() as u64);
    }
    Sparse { format: SparseFormat::Csr, shape: (n, m), indptr, indices, data: data(values) }
}

fn f32s(v: Vec<f64>) -> Data {
    v.into_iter().map(|x| x as f32).collect::<Vec<_>>().into()
}

fn names(prefix: &str, n: usize) -> DataFrame {
    DataFrame {
        index_name: None,
        index: Box::new(Value::strings((0..n).map(|i| format!("{prefix}{i}")))),
        columns: Vec::new(),
    }
}

fn plan_of(x: LazyMatrix) -> H5adPlan {
    let (n, m) = x.shape();
    H5adPlan::new(Some(x.into()), names("cell", n).into(), names("gene", m).into())
}

fn chain(m: &Sparse) -> LazyMatrix {
    LazyMatrix::new(Arc::new(MemorySource::from_sparse(m).unwrap()))
}

fn gzip() -> WriteOptions {
    WriteOptions { compression: Compression::Gzip(4), ..WriteOptions::default() }
}

fn read(path: &Path, element: &str) -> Value {
    element::read(&Store::open(path).unwrap(), element).unwrap()
}

/// Returns rows, columns and dense f64 values, row by row, however the matrix is stored.
fn dense(v: &Value) -> (usize, usize, Vec<f64>) {
    match v {
        Value::Sparse(s) => {
            let (n, m) = s.shape;
            (n, m, MemorySource::from_sparse(s).unwrap().to_dense().unwrap())
        }
        Value::Array(Array { shape, data }) => (shape[0], shape[1], data.to_f64().unwrap()),
        other => panic!("not a matrix: {}", other.encoding()),
    }
}

fn collected(x: &LazyMatrix) -> Value {
    anndataoom_core::stream::collect(x, &Session::with_threads(1), u64::MAX).unwrap()
}

/// Checks that `x`, written and read back, is exactly the matrix that a pass collects in memory,
/// including format and dtype.
fn round_trip(name: &str, x: &LazyMatrix) {
    let dir = Scratch::new(name);
    let all = [Compression::None, Compression::Gzip(1), Compression::Gzip(9), Compression::Lzf, Compression::Zstd(3)];
    for (i, compression) in all.into_iter().enumerate() {
        let path = dir.file(&format!("{i}.h5ad"));
        let options = WriteOptions { compression, ..WriteOptions::default() };
        write_h5ad(&plan_of(x.clone()), &path, &options, &Session::with_threads(2)).unwrap();
        assert_eq!(read(&path, "X"), collected(x), "{name}, {compression:?}");
    }
}

/// Checks that unchanged matrices are compressed anew, in every way, when asked for; all else is
/// copied.
#[test]
fn untouched_matrices_are_compressed_anew_where_it_is_asked() {
    let (dir, session) = (Scratch::new("recompress"), Session::with_threads(3));
    let path = dir.file("from.h5ad");
    write_h5ad(&full_plan(), &path, &gzip(), &session).unwrap();
    let from = Store::open(&path).unwrap();
    let tree = element::tree(&from).unwrap();
    let mut plan = H5adPlan::new(Some(Part::copy(&from, "X")), Part::copy(&from, "obs"), Part::copy(&from, "var"));
    for (slot, parts) in [("layers", &mut plan.layers), ("obsm", &mut plan.obsm), ("uns", &mut plan.uns)] {
        let entries = tree.slots.iter().filter(|s| s.0 == slot).flat_map(|s| &s.1);
        parts.extend(entries.map(|(key, path)| (key.clone(), Part::copy(&from, path.clone()))));
    }
    let filters = |path: &Path, array: &str| {
        let file = hdf5::File::open(path).unwrap();
        format!("{:?}", file.dataset(array).unwrap().filters())
    };
    let sparse = if from.exists("X/data") { "X/data" } else { "X" };
    let before = filters(&path, sparse);
    for compression in [Compression::None, Compression::Gzip(9), Compression::Lzf, Compression::Zstd(19)] {
        for recompress in [false, true] {
            let to = dir.file("to.h5ad");
            let options = WriteOptions { compression, recompress, ..WriteOptions::default() };
            write_h5ad(&plan, &to, &options, &session).unwrap();
            assert_eq!(filters(&to, sparse) != before, recompress, "{compression:?}");
            let written = Store::open(&to).unwrap();
            let elements = tree.slots.iter().filter(|s| ["layers", "obsm", "uns"].contains(&s.0)).flat_map(|s| &s.1);
            for element in elements.map(|(_, path)| path.as_str()).chain(["X", "obs", "var"]) {
                let values = [&from, &written].map(|store| format!("{:?}", element::read(store, element).ok()));
                assert!(values[0] == values[1], "{element}, {compression:?}");
            }
        }
    }
}

fn divisors(n: usize) -> Normalize {
    Normalize { divisors: (0..n).map(|i| 1.0 + i as f64 / 7.0).collect::<Vec<_>>().into(), target_sum: 1e4 }
}

#[test]
fn chains_come_back_as_they_are_seen() {
    let m = sparse(300, 120, 20, f32s);
    let x = chain(&m);
    round_trip("raw", &x);
    let normal = x.with(divisors(300)).unwrap().with(Log1p { base: None }).unwrap();
    round_trip("normalised", &normal);
    let rows: Vec<u32> = (0..500u32).map(|i| (i * 7919) % 300).collect();
    let columns: Vec<u32> = vec![5, 3, 3, 119, 0];
    round_trip("rows", &normal.select(Some(&rows), None).unwrap());
    round_trip("columns", &normal.select(None, Some(&columns)).unwrap());
    round_trip("both", &normal.select(Some(&rows), Some(&columns)).unwrap());
    let scaled = normal
        .with(Scale {
            mean: vec![0.25; 120].into(),
            std: (0..120).map(|i| 0.5 + f64::from(i)).collect::<Vec<_>>().into(),
            max_value: Some(10.0),
            zero_center: true,
        })
        .unwrap();
    assert!(!scaled.is_sparse());
    round_trip("scaled", &scaled);
}

#[test]
fn many_blocks_and_chunks() {
    // 3 million values make several blocks and dozens of chunks, with a block border inside a
    // chunk.
    let x = chain(&sparse(6000, 1000, 60, f32s));
    round_trip("large", &x);
}

#[test]
fn dtypes_are_kept() {
    fn cast<T: element::Number>(v: Vec<f64>) -> Data {
        T::wrap(v.into_iter().map(T::from_f64).collect())
    }
    let makers: [fn(Vec<f64>) -> Data; 12] = [
        cast::<bool>,
        cast::<i8>,
        cast::<i16>,
        cast::<i32>,
        cast::<i64>,
        cast::<u8>,
        cast::<u16>,
        cast::<u32>,
        cast::<u64>,
        cast::<half::f16>,
        cast::<f32>,
        cast::<f64>,
    ];
    for make in makers {
        let m = sparse(50, 40, 25, make);
        round_trip(&format!("dtype-{}", m.data.dtype()), &chain(&m));
        let flat = Array { shape: vec![20, 10], data: make((0..200).map(|i| f64::from(i % 5)).collect()) };
        let x = LazyMatrix::new(Arc::new(MemorySource::from_array(flat).unwrap()));
        round_trip(&format!("dense-{}", m.data.dtype()), &x);
    }
}

#[test]
fn empty_extents() {
    for (n, m) in [(0, 5), (5, 0), (0, 0), (4, 3)] {
        let none = Sparse {
            format: SparseFormat::Csr,
            shape: (n, m),
            indptr: vec![0; n + 1],
            indices: Vec::new(),
            data: Data::F32(Vec::new()),
        };
        round_trip(&format!("empty-{n}-{m}"), &chain(&none));
        let flat = Array { shape: vec![n, m], data: Data::zeros(element::DType::I32, n * m, "counts").unwrap() };
        round_trip(
            &format!("empty-dense-{n}-{m}"),
            &LazyMatrix::new(Arc::new(MemorySource::from_array(flat).unwrap())),
        );
    }
}

#[test]
fn as_dense_and_as_csc_hold_the_same_values() {
    let dir = Scratch::new("formats");
    let x = chain(&sparse(700, 90, 15, f32s));
    let expected = dense(&collected(&x));
    let as_dense = WriteOptions { as_dense: vec!["X".into()], ..gzip() };
    let as_csc = WriteOptions { as_csc: vec!["X".into()], ..gzip() };
    // The memory holds a few columns at a time, so there are many passes.
    let small = Session { memory: 40_000, ..Session::with_threads(2) };
    for (i, (options, session)) in
        [(&as_dense, &Session::with_threads(2)), (&as_csc, &Session::with_threads(2)), (&as_csc, &small)]
            .iter()
            .enumerate()
    {
        let path = dir.file(&format!("{i}.h5ad"));
        write_h5ad(&plan_of(x.clone()), &path, options, session).unwrap();
        let back = read(&path, "X");
        assert_eq!(dense(&back), expected);
        if i > 0 {
            let Value::Sparse(s) = back else { panic!("not sparse") };
            assert_eq!(s.format, SparseFormat::Csc);
            for w in s.indptr.windows(2) {
                assert!(s.indices[w[0] as usize..w[1] as usize].windows(2).all(|p| p[0] < p[1]), "rows ascend");
            }
        }
    }
    assert_eq!(std::fs::read(dir.file("1.h5ad")).unwrap(), std::fs::read(dir.file("2.h5ad")).unwrap());
}

fn simulated(n_obs: usize, n_vars: usize) -> (SimulatedSource, H5adPlan) {
    let make = || SimulatedSource::new(Simulation { n_obs, n_vars, density: 0.15, seed: 5, ..Simulation::default() });
    let source = make().unwrap();
    let mut plan = H5adPlan::new(None, source.obs().into(), source.var().into());
    plan.x = Some(Part::Matrix(LazyMatrix::new(Arc::new(make().unwrap()))));
    (source, plan)
}

#[test]
fn same_bytes_for_any_number_of_threads() {
    let dir = Scratch::new("threads");
    let (_, plan) = simulated(3000, 4000);
    let dense = WriteOptions { as_dense: vec!["X".into()], ..gzip() };
    let csc = WriteOptions { as_csc: vec!["X".into()], ..gzip() };
    let plain = WriteOptions::default();
    for options in [&gzip(), &plain, &dense, &csc] {
        let bytes: Vec<Vec<u8>> = (1..=3)
            .map(|threads| {
                let path = dir.file("x.h5ad");
                write_h5ad(&plan, &path, options, &Session::with_threads(threads)).unwrap();
                std::fs::read(path).unwrap()
            })
            .collect();
        assert!(bytes.windows(2).all(|w| w[0] == w[1]), "{options:?}");
    }
}

fn full_plan() -> H5adPlan {
    let x = chain(&sparse(60, 30, 30, f32s));
    let mut plan = plan_of(x.with(Log1p { base: None }).unwrap());
    let Part::Value(Value::DataFrame(obs)) = &mut plan.obs else { panic!("no dataframe") };
    obs.columns = vec![
        ("n".into(), Value::vector((0..60).collect::<Vec<i64>>())),
        (
            "type".into(),
            Value::Categorical(Categorical {
                codes: (0..60).map(|i| i % 4 - 1).collect(),
                categories: Box::new(Value::strings(["b", "a", "unused"])),
                ordered: true,
            }),
        ),
    ];
    plan.layers.push(("counts".into(), x.clone().into()));
    plan.obsm.push(("X_pca".into(), Value::matrix(60, 2, vec![0.5f32; 120]).into()));
    plan.varm.push(("PCs".into(), Value::matrix(30, 2, vec![0.25f64; 60]).into()));
    plan.obsp.push(("distances".into(), Value::Sparse(sparse(60, 60, 10, f32s)).into()));
    plan.uns.push(("log1p".into(), Value::Dict(vec![("base".into(), Value::Null)]).into()));
    plan.uns.push(("title".into(), Value::string("50 % \"of\" %s").into()));
    plan.raw = Some(RawPlan { x: x.into(), var: names("gene", 30).into(), varm: Vec::new() });
    plan
}

#[test]
fn every_slot_and_verbatim_copies() {
    let dir = Scratch::new("slots");
    let (first, second) = (dir.file("first.h5ad"), dir.file("second.h5ad"));
    let session = Session::with_threads(2);
    let options = WriteOptions { as_csc: vec!["layers/counts".into()], ..gzip() };
    write_h5ad(&full_plan(), &first, &options, &session).unwrap();

    let store = Store::open(&first).unwrap();
    let copy = |element: &str| Part::copy(&store, element);
    let mut plan = H5adPlan::new(Some(copy("X")), copy("obs"), copy("var"));
    plan.obs = Part::Frame(Frame {
        index_name: None,
        index: Box::new(copy("obs/_index")),
        columns: vec![("type".into(), copy("obs/type")), ("new".into(), Value::vector(vec![1u8; 60]).into())],
    });
    plan.layers.push(("counts".into(), copy("layers/counts")));
    plan.obsm.push(("X_pca".into(), copy("obsm/X_pca")));
    plan.obsp.push(("distances".into(), copy("obsp/distances")));
    plan.uns.push(("log1p".into(), copy("uns/log1p")));
    write_h5ad(&plan, &second, &WriteOptions::default(), &session).unwrap();
    for element in ["X", "var", "layers/counts", "obsm/X_pca", "obsp/distances", "uns/log1p", "obs/type", "varp"] {
        assert_eq!(read(&first, element), read(&second, element), "{element}");
    }
    let Value::Sparse(s) = read(&second, "layers/counts") else { panic!("not sparse") };
    assert_eq!(s.format, SparseFormat::Csc, "a copy keeps the format");
    let Value::DataFrame(obs) = read(&second, "obs") else { panic!("no dataframe") };
    assert_eq!(obs.columns.iter().map(|c| c.0.as_str()).collect::<Vec<_>>(), ["type", "new"]);

    // Copies of selected rows and columns.
    let rows = vec![7u32, 7, 0, 59];
    let some = |element: &str, both: bool| Part::Copy {
        store: store.clone(),
        element: element.into(),
        rows: Some(rows.clone()),
        columns: both.then(|| rows.clone()),
    };
    let mut plan = H5adPlan::new(Some(some("X", false)), some("obs", false), copy("var"));
    plan.obsp.push(("distances".into(), some("obsp/distances", true)));
    write_h5ad(&plan, &second, &gzip(), &session).unwrap();
    let (_, m, all) = dense(&read(&first, "X"));
    let (n, _, got) = dense(&read(&second, "X"));
    assert_eq!(n, 4);
    for (i, &r) in rows.iter().enumerate() {
        assert_eq!(got[i * m..(i + 1) * m], all[r as usize * m..(r as usize + 1) * m]);
    }
    // The source of a plan may also be its target.
    write_h5ad(&plan, &first, &gzip(), &session).unwrap();
    assert_eq!(read(&first, "X"), read(&second, "X"));
    assert_eq!(dir.names(), ["first.h5ad", "second.h5ad"]);
}

#[test]
fn wrong_extents_are_named_before_anything_is_written() {
    let dir = Scratch::new("shapes");
    let path = dir.file("x.h5ad");
    let refused = |change: &dyn Fn(&mut H5adPlan), slot: &str| {
        let mut plan = full_plan();
        change(&mut plan);
        let e = write_h5ad(&plan, &path, &gzip(), &Session::with_threads(1)).unwrap_err();
        assert!(matches!(e, Error::Shape { .. } | Error::Parameter { .. }), "{e:?}");
        assert!(e.to_string().contains(slot), "{e}");
        assert!(dir.names().is_empty());
    };
    let vector = || Part::Value(Value::vector(vec![1.0f32; 59]));
    refused(&|p| p.obs = names("c", 59).into(), "X: expected 59 x 30, found 60 x 30");
    refused(&|p| p.x = Some(vector()), "X: expected 60 x 30, found a vector of 59");
    refused(&|p| p.layers.push(("l".into(), Value::matrix(60, 29, vec![0i8; 60 * 29]).into())), "layers/l");
    refused(&|p| p.obsm.push(("m".into(), vector())), "obsm/m: expected 60 rows (cells)");
    refused(&|p| p.varm.push(("m".into(), vector())), "varm/m");
    refused(&|p| p.obsp.push(("g".into(), Value::matrix(60, 1, vec![0i8; 60]).into())), "obsp/g");
    refused(&|p| p.varp.push(("g".into(), vector())), "varp/g");
    refused(&|p| p.obs = vector(), "obs: expected a dataframe, found array");
    refused(&|p| p.raw.as_mut().unwrap().var = names("g", 31).into(), "raw/X");
    refused(&|p| p.uns.push(("title".into(), Value::Null.into())), "'title' twice");
    let mut wrong = gzip();
    wrong.as_dense.push("layers/none".into());
    let e = write_h5ad(&full_plan(), &path, &wrong, &Session::with_threads(1)).unwrap_err();
    assert!(e.to_string().contains("layers/none"), "{e}");
}

#[test]
fn a_failed_or_cancelled_write_leaves_the_old_file() {
    let dir = Scratch::new("faults");
    let path = dir.file("x.h5ad");
    write_h5ad(&full_plan(), &path, &gzip(), &Session::with_threads(1)).unwrap();
    let before = std::fs::read(&path).unwrap();

    // A key that HDF5 cannot hold is noticed while writing.
    let mut plan = full_plan();
    plan.uns.push(("a/b".into(), Value::Null.into()));
    assert!(write_h5ad(&plan, &path, &gzip(), &Session::with_threads(2)).is_err());

    let (_, plan) = simulated(20_000, 4000);
    let session = Session::with_threads(2);
    let monitor = session.monitor.clone();
    let result = std::thread::scope(|s| {
        s.spawn(move || {
            while monitor.fraction() < 0.1 {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            monitor.cancel();
        });
        write_h5ad(&plan, &path, &gzip(), &session)
    });
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    assert_eq!(dir.names(), ["x.h5ad"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let nowhere = dir.file("no/such/directory.h5ad");
    let e = write_h5ad(&full_plan(), &nowhere, &gzip(), &Session::with_threads(1)).unwrap_err();
    assert_eq!(e.class(), "io");
}

/// Checks the file with anndata's own reader, if `ANNDATAOOM_PYTHON` names a Python that has it.
#[test]
fn anndata_reads_the_same() {
    let Ok(python) = std::env::var("ANNDATAOOM_PYTHON") else {
        eprintln!("skipped: ANNDATAOOM_PYTHON is not set");
        return;
    };
    let dir = Scratch::new("python");
    let path = dir.file("x.h5ad");
    let script = dir.file("check.py");
    std::fs::write(&script, include_str!("python/check_h5ad.py")).unwrap();
    let session = Session::with_threads(2);
    let dense_layer = WriteOptions { as_dense: vec!["layers/counts".into()], ..gzip() };
    let csc_layer = WriteOptions { as_csc: vec!["layers/counts".into()], ..WriteOptions::default() };
    let lzf = WriteOptions { compression: Compression::Lzf, ..WriteOptions::default() };
    for options in [gzip(), WriteOptions::default(), lzf, dense_layer, csc_layer] {
        write_h5ad(&full_plan(), &path, &options, &session).unwrap();
        let counts = sparse(60, 30, 30, f32s);
        let values: Vec<String> =
            MemorySource::from_sparse(&counts).unwrap().to_dense().unwrap().iter().map(f64::to_string).collect();
        std::fs::write(dir.file("counts.txt"), values.join(" ")).unwrap();
        let out =
            std::process::Command::new(&python).arg(&script).arg(&path).arg(dir.file("counts.txt")).output().unwrap();
        assert!(out.status.success(), "{options:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}
