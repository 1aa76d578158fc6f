//! Compares PCA of too many genes for a matrix of second moments with a dense SVD (faer's).

mod ops_support;
use anndataoom_core::element::{Sparse, SparseFormat, Value};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::ops::{self, NormalizeOptions, Pca, PcaOptions, ScaleOptions, MAX_EXACT};
use anndataoom_core::{LazyMatrix, Session};
use faer::Mat;
use ops_support::*;

const N: usize = 240;
const P: usize = MAX_EXACT + 600;
const K: usize = 8;

/// Returns the first `K` squared singular values of `x`, its right singular vectors with our signs,
/// and the total sum of squared deviations from the column means. `center` subtracts these means
/// first.
fn svd(x: &[f64], center: bool) -> (Vec<f64>, Vec<Vec<f64>>, f64) {
    let mut a = Mat::from_fn(N, P, |i, j| x[i * P + j]);
    let mut total = 0.0;
    for j in 0..P {
        let mean = (0..N).map(|i| a[(i, j)]).sum::<f64>() / N as f64;
        total += (0..N).map(|i| (a[(i, j)] - mean).powi(2)).sum::<f64>();
        (0..N).for_each(|i| a[(i, j)] -= if center { mean } else { 0.0 });
    }
    let svd = a.thin_svd().unwrap();
    let (s, v) = (svd.S().column_vector(), svd.V());
    let vectors = (0..K).map(|c| {
        let mut column: Vec<f64> = (0..P).map(|j| v[(j, c)]).collect();
        let largest = column.iter().fold(0.0_f64, |m, &v| if v.abs() > m.abs() { v } else { m });
        column.iter_mut().for_each(|v| *v *= largest.signum());
        column
    });
    ((0..K).map(|c| s[c] * s[c]).collect(), vectors.collect(), total)
}

fn compare(what: &str, x: &LazyMatrix, tolerance: f64) -> Pca {
    let options = PcaOptions { n_comps: Some(K), ..PcaOptions::default() };
    let found = ops::pca(x, &options, &session()).unwrap();
    let (values, vectors, total) = svd(&values(x), true);
    let variance: Vec<f64> = values.iter().map(|v| v / (N - 1) as f64).collect();
    assert_close(what, &found.variance, &variance, tolerance);
    let ratio: Vec<f64> = values.iter().map(|v| v / total).collect();
    assert_close(what, &found.variance_ratio, &ratio, tolerance.max(1e-9));
    for (c, vector) in vectors.iter().enumerate() {
        let cosine: f64 = vector.iter().enumerate().map(|(j, v)| v * found.loadings[j * K + c]).sum();
        assert!(1.0 - cosine < 1e-6 + 1e2 * tolerance, "{what}, component {c}: 1 - cosine = {:e}", 1.0 - cosine);
    }
    let residual = found.residual.unwrap();
    assert!(residual <= 1e-6, "{what}: residual {residual:e}");
    // Scores are orthogonal, and their variances are the ones returned.
    for c in 0..K {
        let score = |i: usize, c: usize| f64::from(found.x_pca[i * K + c]);
        let dot = |d: usize| (0..N).map(|i| score(i, c) * score(i, d)).sum::<f64>() / (N - 1) as f64;
        assert!((dot(c) / found.variance[c] - 1.0).abs() < 1e-5);
        assert!((0..c).all(|d| dot(d).abs() < 1e-5 * found.variance[0]));
    }
    found
}

#[test]
fn it_equals_the_dense_svd() {
    let x = random_counts(N, P, 0.05, 3);
    for (form, t) in
        [(sparse(N, P, &x, Some(6), f64s), 1e-10), (dense(N, P, &x, f64s), 1e-10), (sparse(N, P, &x, None, f32s), 1e-6)]
    {
        let found = compare("counts", &form, t);
        let to = NormalizeOptions { target_sum: Some(1e4), ..Default::default() };
        let log = ops::log1p(&ops::normalize_total(&form, &to, &session()).unwrap().0, None).unwrap().0;
        compare("log1p", &log, t);
        let clip = ScaleOptions { max_value: Some(3.0), ..Default::default() };
        compare("scaled", &ops::scale(&log, &clip, &session()).unwrap().0, t);
        for c in [Session::with_threads(2), Session::with_threads(8), Session { memory: 1 << 20, ..session() }] {
            let options = PcaOptions { n_comps: Some(K), ..PcaOptions::default() };
            assert!(ops::pca(&form, &options, &c).unwrap() == found);
        }
    }
}

#[test]
fn without_centring() {
    let x = random_counts(N, P, 0.05, 5);
    let (values, ..) = svd(&x, false);
    for form in [sparse(N, P, &x, None, f64s), dense(N, P, &x, f64s)] {
        let options = PcaOptions { n_comps: Some(K), zero_center: false };
        let found = ops::pca(&form, &options, &session()).unwrap();
        for (c, value) in values.iter().enumerate() {
            let sum: f64 = (0..N).map(|i| f64::from(found.x_pca[i * K + c]).powi(2)).sum();
            assert!((sum / value - 1.0).abs() < 1e-5, "{sum} {value}");
        }
    }
}

#[test]
fn what_was_reached_is_told() {
    let form = sparse(N, P, &random_counts(N, P, 0.05, 3), None, f32s);
    let found = ops::pca(&form, &PcaOptions { n_comps: Some(3), ..Default::default() }, &session()).unwrap();
    let patch = found.clone().patch(None, None, None).unwrap();
    let Value::Dict(uns) = column(&patch.uns, "pca") else { panic!() };
    let Value::Dict(params) = column(uns, "params") else { panic!() };
    assert_eq!(column(params, "svd_solver"), &Value::string("block_krylov"));
    assert_eq!(column(params, "residual"), &Value::number(found.residual.unwrap()));
    assert_eq!(column(params, "passes"), &Value::number(found.passes as i64));
    let narrow = ops::pca(
        &form.select(None, Some(&(0..900).collect::<Vec<u32>>())).unwrap(),
        &PcaOptions::default(),
        &session(),
    );
    assert_eq!((narrow.as_ref().unwrap().residual, narrow.unwrap().passes), (None, 2));

    // There are fewer directions than vectors: the remaining vectors are rounding noise, and the
    // components that exist are found.
    let few = sparse(3, P, &random_counts(3, P, 0.05, 9), None, f64s);
    let found = ops::pca(&few, &PcaOptions { n_comps: Some(2), ..Default::default() }, &session()).unwrap();
    assert!(found.residual.unwrap() < 1e-6);
    assert!((found.variance_ratio.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    let flat = ops::pca(
        &sparse(5, P, &vec![0.0; 5 * P], None, f32s),
        &PcaOptions { n_comps: Some(1), ..Default::default() },
        &session(),
    );
    assert!(flat.unwrap().variance[0] == 0.0);

    let none = Sparse {
        format: SparseFormat::Csr,
        shape: (P, P),
        indptr: vec![0; P + 1],
        indices: vec![],
        data: f32s(vec![]),
    };
    let many = LazyMatrix::new(MemorySource::from_sparse(&none).unwrap().into());
    let e = ops::pca(&many, &PcaOptions { n_comps: Some(P / 4), ..Default::default() }, &session()).unwrap_err();
    assert_eq!(e.class(), "memory");
}
