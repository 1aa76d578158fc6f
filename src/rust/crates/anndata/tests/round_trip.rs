//! Checks an AnnData of a Rust program whose matrices go through verbs of the core and back,
//! against sums made by hand and against the file.

use anndata::data::DataFrameIndex;
use anndata::{AnnData, AnnDataOp, ArrayData, ArrayElemOp, AxisArraysOp, Backend};
use anndata_hdf5::H5;
use anndataoom_anndata::{apply, array_of, lazy_layer, lazy_x, of_array, set_x};
use anndataoom_core::element::{self, Categorical, Value};
use anndataoom_core::ops::{
    calculate_qc_metrics, log1p, normalize_total, pca, scale, NormalizeOptions, PcaOptions, QcOptions, ScaleOptions,
};
use anndataoom_core::patch::Patch;
use anndataoom_core::store::Store;
use anndataoom_core::stream::collect;
use anndataoom_core::{LazyMatrix, Session};
use nalgebra_sparse::CsrMatrix;
use ndarray::Array2;
use std::path::{Path, PathBuf};

const N: usize = 50;
const M: usize = 20;

fn count(i: usize, j: usize) -> f32 {
    if (i * 7 + j * 3).is_multiple_of(5) {
        (i % 4 + j % 3 + 1) as f32
    } else {
        0.0
    }
}

fn counts() -> CsrMatrix<f32> {
    let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
    for i in 0..N {
        for j in (0..M).filter(|&j| count(i, j) != 0.0) {
            columns.push(j);
            values.push(count(i, j));
        }
        offsets.push(columns.len());
    }
    CsrMatrix::try_from_csr_data(N, M, offsets, columns, values).unwrap()
}

fn file(dir: &Path) -> PathBuf {
    let path = dir.join("cells.h5ad");
    let names = |letter: char, n: usize| (0..n).map(|i| format!("{letter}{i}")).collect::<DataFrameIndex>();
    let adata = AnnData::<H5>::new(&path).unwrap();
    adata.set_x(counts()).unwrap();
    adata.set_obs_names(names('c', N)).unwrap();
    adata.set_var_names(names('g', M)).unwrap();
    adata.layers().add("dense", Array2::from_shape_fn((N, M), |(i, j)| count(i, j))).unwrap();
    adata.close().unwrap();
    path
}

fn open(path: &Path) -> AnnData<H5> {
    AnnData::open(H5::open(path).unwrap()).unwrap()
}

#[test]
fn metrics_come_back_into_the_object() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path());
    let adata = open(&path);
    let options = QcOptions { percent_top: vec![], ..QcOptions::default() };
    let found = calculate_qc_metrics(&lazy_x(&adata).unwrap(), &options, &Session::default()).unwrap();
    let dense = calculate_qc_metrics(&lazy_layer(&adata, "dense").unwrap(), &options, &Session::default()).unwrap();
    assert_eq!(found.total_counts, dense.total_counts);

    let adata = apply(adata, &found.patch().unwrap()).unwrap();
    let obs = adata.read_obs().unwrap();
    for i in 0..N {
        let expected: f32 = (0..M).map(|j| count(i, j)).sum();
        assert_eq!(obs.column("total_counts").unwrap().f32().unwrap().get(i), Some(expected));
    }
    assert_eq!(adata.obs_names().into_vec()[1], "c1");
    assert_eq!(adata.x().get::<CsrMatrix<f32>>().unwrap().unwrap(), counts());
}

#[test]
fn what_no_verb_touched_keeps_its_form() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path());
    // Ordered categories in an order of their own, one of them unused; the crate `anndata` would
    // write them as texts.
    let kind = Value::Categorical(Categorical {
        codes: (0..N as i32).map(|i| i % 3 - 1).collect(),
        categories: Box::new(Value::strings(["late", "early", "never"])),
        ordered: true,
    });
    let first = Patch { obs: vec![("stage".to_owned(), kind.clone())], ..Patch::default() };
    apply(open(&path), &first).unwrap().close().unwrap();
    let second = Patch {
        obs: vec![("n".to_owned(), Value::vector(vec![1.5f64; N]))],
        obsm: vec![("X_pca".to_owned(), Value::matrix(N, 2, vec![0.5f32; 2 * N]))],
        uns: vec![("pca".to_owned(), Value::Dict(vec![("zero_center".to_owned(), Value::number(true))]))],
        ..Patch::default()
    };
    let adata = apply(open(&path), &second).unwrap();
    assert_eq!(adata.obsm().get_item::<ndarray::Array2<f32>>("X_pca").unwrap().unwrap().sum(), N as f32);
    adata.close().unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(element::read_column(&store, "obs", "stage").unwrap(), kind);
}

/// Computes ln(1 + 100 x / total of the cell) in f64.
fn logged() -> Array2<f64> {
    let total = |i: usize| (0..M).map(|j| f64::from(count(i, j))).sum::<f64>();
    Array2::from_shape_fn((N, M), |(i, j)| (100.0 * f64::from(count(i, j)) / total(i)).ln_1p())
}

fn normalized(x: &LazyMatrix, session: &Session) -> LazyMatrix {
    let options = NormalizeOptions { target_sum: Some(100.0), ..NormalizeOptions::default() };
    log1p(&normalize_total(x, &options, session).unwrap().0, None).unwrap().0
}

#[test]
fn a_pipeline_comes_back_into_the_object() {
    const K: usize = 3;
    let dir = tempfile::tempdir().unwrap();
    let adata = open(&file(dir.path()));
    let session = Session::default();
    let (scaled, found) = {
        let x = normalized(&lazy_x(&adata).unwrap(), &session);
        let (x, scaled) = scale(&x, &ScaleOptions::default(), &session).unwrap();
        // A chain of the file is alive, so nothing may be saved.
        let refused = format!("{:#}", apply(open(&adata.filename()), &scaled.patch().unwrap()).unwrap_err());
        assert!(refused.contains("cannot save into"), "{refused}");
        let options = PcaOptions { n_comps: Some(K), ..PcaOptions::default() };
        (scaled, pca(&x, &options, &session).unwrap())
    };
    let coordinates = Array2::from_shape_vec((N, K), found.x_pca.clone()).unwrap();
    let adata = apply(adata, &scaled.patch().unwrap()).unwrap();
    adata.close().unwrap();
    let adata = apply(open(&dir.path().join("cells.h5ad")), &found.patch(None, None, None).unwrap()).unwrap();
    assert_eq!(adata.obsm().get_item::<Array2<f32>>("X_pca").unwrap().unwrap(), coordinates);

    // Standardises columns by hand, and multiplies their covariance by each component, which must
    // give the component times its variance.
    let mut z = logged();
    for mut column in z.columns_mut() {
        let (mean, sd) = (column.mean().unwrap(), column.std(1.0));
        column.mapv_inplace(|v| (v - mean) / sd);
    }
    let covariance = z.t().dot(&z) / (N - 1) as f64;
    let components = adata.varm().get_item::<Array2<f32>>("PCs").unwrap().unwrap().mapv(f64::from);
    for k in 0..K {
        let component = components.column(k);
        let variance = component.dot(&covariance.dot(&component));
        let off = covariance.dot(&component) - &component * variance;
        assert!(off.iter().all(|d| d.abs() < 1e-4), "component {k}: {off}");
        let along = z.dot(&component);
        let same = along.iter().zip(coordinates.column(k)).all(|(a, b)| (a - f64::from(*b)).abs() < 1e-3);
        assert!(same, "component {k}: {along} is not {}", coordinates.column(k));
    }
    assert_eq!(adata.x().get::<CsrMatrix<f32>>().unwrap().unwrap(), counts());
}

#[test]
fn a_chain_is_streamed_into_another_object() {
    let dir = tempfile::tempdir().unwrap();
    let adata = open(&file(dir.path()));
    let session = Session::default();
    let x = normalized(&lazy_x(&adata).unwrap(), &session);
    let to = AnnData::<H5>::new(dir.path().join("logged.h5ad")).unwrap();
    set_x(&to, &x, &session).unwrap();
    let found: ArrayData = to.x().get().unwrap().unwrap();
    assert_eq!(found, array_of(collect(&x, &session, u64::MAX).unwrap()).unwrap());
    let rows = to.x().get::<CsrMatrix<f32>>().unwrap().unwrap();
    assert_eq!(rows.nnz(), counts().nnz());
    let expected = logged();
    let same = rows.triplet_iter().all(|(i, j, v)| (f64::from(*v) - expected[[i, j]]).abs() < 1e-6);
    assert!(same, "values are not ln(1 + 100 x / total)");
}

#[test]
fn arrays_in_memory_go_across() {
    let session = Session::default();
    for array in [ArrayData::from(counts()), Array2::from_shape_fn((N, M), |(i, j)| count(i, j)).into()] {
        let there = of_array(array.clone()).unwrap();
        assert_eq!(array_of(collect(&there, &session, u64::MAX).unwrap()).unwrap(), array);
    }
    let by_columns = nalgebra_sparse::CscMatrix::from(&counts());
    let there = of_array(by_columns.into()).unwrap();
    assert_eq!(array_of(collect(&there, &session, u64::MAX).unwrap()).unwrap(), counts().into());
}

#[test]
fn errors_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path());
    let adata = open(&path);
    let missing = lazy_layer(&adata, "counts").unwrap_err().to_string();
    assert!(missing.contains("no layer 'counts'; its layers: dense"), "{missing}");
    adata.close().unwrap();
    let writing = AnnData::<H5>::open(H5::open_rw(&path).unwrap()).unwrap();
    let locked = format!("{:#}", lazy_x(&writing).unwrap_err());
    assert!(locked.contains("use H5::open()"), "{locked}");
    writing.close().unwrap();

    // A result of another length: nothing is written.
    let before = std::fs::read(&path).unwrap();
    let short = Patch { obs: vec![("n".to_owned(), Value::vector(vec![1.5f64; N - 1]))], ..Patch::default() };
    let refused = format!("{:#}", apply(open(&path), &short).unwrap_err());
    assert!(refused.contains("50") && refused.contains("49"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let texts = ndarray::Array2::from_elem((1, 1), "a".to_owned());
    assert!(of_array(texts.into()).unwrap_err().to_string().contains("found texts"));
}
