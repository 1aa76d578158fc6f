//! Compares normalize_total, log1p and scale with scanpy 1.11.5.

mod ops_support;
use anndataoom_core::element::Value;
use anndataoom_core::ops::{self, NormalizeOptions, ScaleOptions};
use anndataoom_core::{Error, LazyMatrix};
use ops_support::*;

fn forms(g: &Goldens) -> (usize, Vec<LazyMatrix>) {
    let (n, m, x) = g.matrix("X");
    let forms =
        vec![sparse(n, m, x, Some(7), f64s), dense(n, m, x, f64s), sparse(n, m, x, None, u16s), dense(n, m, x, f32s)];
    (m, forms)
}

#[test]
fn normalize_total_equals_scanpy() {
    let g = Goldens::read("ops.bin");
    let (m, forms) = forms(&g);
    let runs = [
        ("median", NormalizeOptions::default()),
        ("1e4", NormalizeOptions { target_sum: Some(1e4), ..Default::default() }),
        ("exclude", NormalizeOptions { exclude_highly_expressed: true, max_fraction: 0.02, ..Default::default() }),
    ];
    for form in &forms {
        for (name, options) in &runs {
            let (y, found) = ops::normalize_total(form, options, &session()).unwrap();
            assert_close(name, &found.norm_factor().unwrap(), g.get(&format!("normalize.{name}.norm_factor")), 1e-12);
            assert_close(name, &every(&values(&y), m, 30), g.get(&format!("normalize.{name}.X")), 3e-7);
            assert_eq!(found.highly_expressed.is_some(), options.exclude_highly_expressed);
        }
    }
    let (_, found) = ops::normalize_total(&forms[0], &runs[0].1, &session()).unwrap();
    assert!(found.patch(None).unwrap().obs.is_empty());
    assert_eq!(found.patch(Some("size")).unwrap().obs[0].0, "size");
}

#[test]
fn log1p_records_its_base() {
    let g = Goldens::read("ops.bin");
    let (_, forms) = forms(&g);
    let plain = values(&forms[0]);
    for (base, divisor, stored) in [(None, 1.0, Value::Null), (Some(2.0), 2f64.ln(), Value::number(2.0))] {
        let (y, patch) = ops::log1p(&forms[0], base).unwrap();
        let expected: Vec<f64> = plain.iter().map(|x| x.ln_1p() / divisor).collect();
        assert_close("log1p", &values(&y), &expected, 1e-15);
        assert_eq!(patch.uns, [("log1p".to_owned(), Value::Dict(vec![("base".to_owned(), stored)]))]);
    }
    for base in [0.0, 1.0, -2.0, f64::NAN] {
        assert!(matches!(ops::log1p(&forms[0], Some(base)), Err(Error::Parameter { parameter: "base", .. })));
    }
}

#[test]
fn scale_equals_scanpy() {
    let g = Goldens::read("ops.bin");
    let (m, forms) = forms(&g);
    for form in &forms {
        let to = NormalizeOptions { target_sum: Some(1e4), ..Default::default() };
        let logged = ops::log1p(&ops::normalize_total(form, &to, &session()).unwrap().0, None).unwrap().0;
        let options = ScaleOptions { max_value: Some(3.0), ..Default::default() };
        let (y, found) = ops::scale(&logged, &options, &session()).unwrap();
        assert_close("mean", &found.mean, g.get("scale.mean"), 1e-6);
        assert_close("std", &found.std, g.get("scale.std"), 1e-6);
        assert!(worst(&every(&values(&y), m, 30), g.get("scale.X"), 1.0) < 2e-6);
        let (y, _) = ops::scale(&logged, &ScaleOptions { zero_center: false, ..options }, &session()).unwrap();
        assert!(worst(&every(&values(&y), m, 30), g.get("scale.no_center.X"), 1.0) < 2e-6);
        let names: Vec<_> = found.patch().unwrap().var.into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["mean", "std"]);
    }
}

#[test]
fn edges_and_refusals() {
    for (n, m) in [(0, 5), (5, 0), (1, 3)] {
        for form in [sparse(n, m, &vec![0.0; n * m], None, f32s), dense(n, m, &vec![0.0; n * m], f32s)] {
            let (y, found) = ops::normalize_total(&form, &NormalizeOptions::default(), &session()).unwrap();
            assert_eq!((values(&y), found.target_sum), (vec![0.0; n * m], 1.0));
            let (y, _) = ops::scale(&form, &ScaleOptions::default(), &session()).unwrap();
            assert_eq!(values(&y), vec![0.0; n * m]);
        }
    }
    let bad = dense(2, 2, &[1.0, 2.0, f64::NAN, 1.0], f64s);
    match ops::scale(&bad, &ScaleOptions::default(), &session()) {
        Err(Error::Values { row: 1, column: 0, operation: "scale", .. }) => {}
        other => panic!("{other:?}"),
    }
    let fine = dense(2, 2, &[1.0, 2.0, 3.0, 1.0], f64s);
    let zero = NormalizeOptions { target_sum: Some(0.0), ..Default::default() };
    assert!(matches!(ops::normalize_total(&fine, &zero, &session()), Err(Error::Parameter { .. })));
    let nan = ScaleOptions { max_value: Some(f64::NAN), ..Default::default() };
    assert!(matches!(ops::scale(&fine, &nan, &session()), Err(Error::Parameter { .. })));
}
