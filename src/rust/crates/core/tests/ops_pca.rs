//! Compares PCA with a dense SVD in f64 (numpy), by every route that a chain can take.

mod ops_support;
use anndataoom_core::chain::nodes;
use anndataoom_core::element::{DType, Value};
use anndataoom_core::ops::{self, MaskVar, NormalizeOptions, Pca, PcaOptions, ScaleOptions};
use anndataoom_core::{Error, LazyMatrix, Session};
use ops_support::*;

const K: usize = 20;

fn run(x: &LazyMatrix) -> Pca {
    ops::pca(x, &PcaOptions { n_comps: Some(K), ..Default::default() }, &session()).unwrap()
}

/// Compares a PCA with golden values. `tolerance` is the relative one of eigenvalues; loadings have
/// the scale 1, scores the scale sqrt(variance).
fn compare(name: &str, found: &Pca, g: &Goldens, tolerance: f64) {
    assert_close(name, &found.variance, g.get(&format!("pca.{name}.variance")), tolerance);
    assert_close(name, &found.variance_ratio, g.get(&format!("pca.{name}.variance_ratio")), tolerance);
    let w = worst(&every(&found.loadings, K, 10), g.get(&format!("pca.{name}.PCs")), 1.0);
    assert!(w < 1e3 * tolerance + 1e-6, "{name} loadings {w:e}");
    let scores: Vec<f64> = found.x_pca.iter().map(|&x| f64::from(x)).collect();
    let scale = found.variance[0].sqrt();
    let w = worst(&every(&scores, K, 10), g.get(&format!("pca.{name}.X_pca")), scale);
    assert!(w < 1e3 * tolerance + 1e-6, "{name} scores {w:e}");
}

fn logged(x: &LazyMatrix) -> LazyMatrix {
    let to = NormalizeOptions { target_sum: Some(1e4), ..Default::default() };
    ops::log1p(&ops::normalize_total(x, &to, &session()).unwrap().0, None).unwrap().0
}

#[test]
fn every_road_gives_the_dense_svd() {
    let g = Goldens::read("ops.bin");
    let (n, m, x) = g.matrix("X");
    for (form, t) in [
        (sparse(n, m, x, Some(6), f64s), 1e-10),
        (dense(n, m, x, f64s), 1e-10),
        (sparse(n, m, x, None, f32s), 1e-6),
        (sparse(n, m, x, None, u16s), 1e-6),
        (dense(n, m, x, f32s), 1e-6),
    ] {
        compare("counts", &run(&form), &g, t);
        let l = logged(&form);
        compare("log1p", &run(&l), &g, t);
        let scaled =
            ops::scale(&l, &ScaleOptions { max_value: Some(3.0), ..Default::default() }, &session()).unwrap().0;
        compare("scaled", &run(&scaled), &g, t);
        // A selection afterwards, in another order of rows, changes the order only.
        let back: Vec<u32> = (0..n as u32).rev().collect();
        let turned = run(&scaled.select(Some(&back), None).unwrap());
        assert_close("turned", &turned.variance, &run(&scaled).variance, 1e-12);
        let flipped: Vec<f64> = turned.x_pca.chunks(K).rev().flatten().map(|&x| f64::from(x)).collect();
        let straight: Vec<f64> = run(&scaled).x_pca.iter().map(|&x| f64::from(x)).collect();
        assert!(worst(&flipped, &straight, turned.variance[0].sqrt()) < 1e-6);
    }
}

#[test]
fn pearson_residuals() {
    let g = Goldens::read("ops.bin");
    let (n, m, x) = g.matrix("X");
    let plain = sparse(n, m, x, None, f64s);
    let (rows, cols) = (ops::row_sums(&plain, &session()).unwrap(), ops::col_sums(&plain, &session()).unwrap());
    let live = |v: &[f64]| (0..v.len() as u32).filter(|&i| v[i as usize] > 0.0).collect::<Vec<u32>>();
    let plain = plain.select(Some(&live(&rows)), Some(&live(&cols))).unwrap();
    let (rows, cols) = (ops::row_sums(&plain, &session()).unwrap(), ops::col_sums(&plain, &session()).unwrap());
    let op = nodes::PearsonResiduals {
        total: rows.iter().sum(),
        clip: (rows.len() as f64).sqrt(),
        theta: 100.0,
        cell_sums: rows.into(),
        gene_sums: cols.into(),
    };
    compare("residuals", &run(&plain.with(op).unwrap()), &g, 1e-10);
}

#[test]
fn sparse_products_equal_dense_ones_and_bits_do_not_depend_on_threads() {
    let (n, m) = (3000, 400);
    let x = random_counts(n, m, 0.03, 4);
    let options = PcaOptions { n_comps: Some(10), ..Default::default() };
    let form = sparse(n, m, &x, None, f64s);
    let scaled = ops::scale(&form, &ScaleOptions { max_value: Some(4.0), ..Default::default() }, &session()).unwrap().0;
    for (thin, thick) in [(form.clone(), dense(n, m, &x, f64s)), (scaled.clone(), dense(n, m, &values(&scaled), f64s))]
    {
        let a = ops::pca(&thin, &options, &session()).unwrap();
        let b = ops::pca(&thick, &options, &session()).unwrap();
        assert_close("variance", &a.variance, &b.variance, 1e-11);
        for c in [Session::with_threads(2), Session { memory: 1 << 20, ..Session::with_threads(3) }] {
            assert!(ops::pca(&thin, &options, &c).unwrap() == a);
            assert!(ops::pca(&thick, &options, &c).unwrap() == b);
        }
    }
}

#[test]
fn large_offsets_do_not_cancel() {
    let (n, m) = (2000, 30);
    let x = random_counts(n, m, 0.5, 8);
    let options = PcaOptions { n_comps: Some(5), ..Default::default() };
    let near = ops::pca(&dense(n, m, &x, f64s), &options, &session()).unwrap();
    let far: Vec<f64> = x.iter().map(|v| v + 1e7).collect();
    let far = ops::pca(&dense(n, m, &far, f64s), &options, &session()).unwrap();
    assert_close("variance", &far.variance, &near.variance, 1e-8);
}

#[test]
fn without_centring_it_is_truncated_svd() {
    let (n, m) = (50, 20);
    let x = random_counts(n, m, 0.5, 6);
    for form in [sparse(n, m, &x, None, f64s), dense(n, m, &x, f64s)] {
        let o = PcaOptions { n_comps: Some(3), zero_center: false };
        let found = ops::pca(&form, &o, &session()).unwrap();
        let column = |c: usize| (0..m).map(|j| found.loadings[j * 3 + c]).collect::<Vec<f64>>();
        for c in 0..3 {
            let v = column(c);
            // Scores are X v, their variance (divisor n) is the one returned, and v is an
            // eigenvector of X'X.
            let s: Vec<f64> = x.chunks(m).map(|r| r.iter().zip(&v).map(|(a, b)| a * b).sum()).collect();
            let mean = s.iter().sum::<f64>() / n as f64;
            let var = s.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / n as f64;
            assert_close("variance", &[found.variance[c]], &[var], 1e-9);
            let scores: Vec<f64> = (0..n).map(|i| f64::from(found.x_pca[i * 3 + c])).collect();
            assert!(worst(&scores, &s, 1.0) < 1e-5);
            let lambda: f64 = s.iter().map(|s| s * s).sum();
            for j in 0..m {
                let back: f64 = (0..n).map(|i| x[i * m + j] * s[i]).sum();
                assert!((back - lambda * v[j]).abs() < 1e-8 * lambda);
            }
        }
    }
}

#[test]
fn patch_and_refusals() {
    let (n, m) = (60, 30);
    let form = sparse(n, m, &random_counts(n, m, 0.5, 3), None, f32s);
    let options = PcaOptions { n_comps: Some(4), ..Default::default() };
    let found = ops::pca(&form, &options, &session()).unwrap();
    let patch = found.clone().patch(None, None, None).unwrap();
    let is =
        |v: &Value, shape: &[usize], d: DType| matches!(v, Value::Array(a) if a.shape == shape && a.data.dtype() == d);
    assert!(
        is(column(&patch.obsm, "X_pca"), &[n, 4], DType::F32) && is(column(&patch.varm, "PCs"), &[m, 4], DType::F32)
    );
    let positions: Vec<u32> = (0..m as u32).map(|j| j * 2 + 1).collect();
    let mask = MaskVar { name: Some("highly_variable"), positions: &positions, n_vars: 70 };
    let patch = found.clone().patch(Some(mask), None, Some("other")).unwrap();
    let full = numbers(column(&patch.varm, "other"));
    assert!(is(column(&patch.varm, "other"), &[70, 4], DType::F64));
    assert!(full[..4] == [0.0; 4] && full[4..8] == found.loadings[..4]);
    let Value::Dict(uns) = column(&patch.uns, "other") else { panic!() };
    let params = Value::Dict(vec![
        ("zero_center".into(), Value::number(true)),
        ("use_highly_variable".into(), Value::number(true)),
        ("mask_var".into(), Value::string("highly_variable")),
    ]);
    assert_eq!(column(uns, "params"), &params);
    assert_eq!(numbers(column(uns, "variance")).len(), 4);
    assert_eq!(ops::pca(&form, &PcaOptions::default(), &session()).unwrap().shape, (n, m, m - 1));

    for k in [0, m, 100] {
        let e = ops::pca(&form, &PcaOptions { n_comps: Some(k), ..options }, &session()).unwrap_err().to_string();
        assert_eq!(
            e,
            format!("n_comps: expected at least 1 and less than 30, the smaller of 60 cells and 30 genes, found {k}")
        );
    }
    for (n, m) in [(0, 5), (5, 0), (1, 5)] {
        let o = PcaOptions::default();
        let e = ops::pca(&sparse(n, m, &vec![0.0; n * m], None, f32s), &o, &session()).unwrap_err();
        assert_eq!(
            (e.class(), e.to_string()),
            ("shape", format!("matrix for pca: expected at least 2 cells and 2 genes, found {n} x {m}"))
        );
    }
    let mut bad = random_counts(n, m, 0.5, 3);
    bad[17 * m + 4] = f64::NAN;
    for form in [sparse(n, m, &bad, None, f32s), dense(n, m, &bad, f64s)] {
        assert!(matches!(
            ops::pca(&form, &options, &session()),
            Err(Error::Values { row: 17, column: 4, operation: "pca", .. })
        ));
    }
    let one = PcaOptions { n_comps: Some(1), ..options };
    // A constant matrix has no variance to explain; scikit-learn warns and gives NaN.
    let flat = ops::pca(&dense(5, 4, &[2.0; 20], f64s), &one, &session()).unwrap();
    assert!(flat.variance[0] == 0.0 && flat.variance_ratio[0] == 0.0);
}
