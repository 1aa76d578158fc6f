//! Compares lazy nodes with plain arithmetic: sparse and dense, with a selection before and after
//! the nodes, and after saving the chain and reading it back.

mod ops_support;

use anndataoom_core::chain::nodes::{
    Arcsinh, Combat, Covariates, Log1p, Normalize, PearsonResiduals, RegressOut, Scale,
};
use anndataoom_core::chain::nodes::{Sqrt, Square};
use anndataoom_core::chain::Vector;
use anndataoom_core::{Error, LazyMatrix};
use ops_support::{dense, f64s, random_counts, sparse, u16s, values};

const N: usize = 60;
const M: usize = 14;

/// Queues one node of each kind on a matrix of counts; the last nodes fill in zeros.
fn every_node(x: &LazyMatrix) -> LazyMatrix {
    let by_row: Vector<f64> = (0..N).map(|i| 1.0 + i as f64 / 8.0).collect::<Vec<_>>().into();
    let by_column: Vector<f64> = (0..M).map(|j| 0.5 + j as f64).collect::<Vec<_>>().into();
    let x = x.with(Normalize { divisors: by_row.clone(), target_sum: 1.0 }).unwrap();
    let x = x.with(Square).and_then(|x| x.with(Sqrt)).and_then(|x| x.with(Arcsinh { cofactor: 5.0 })).unwrap();
    let x = x.with(Log1p { base: Some(2.0) }).and_then(|x| x.with(Log1p { base: None })).unwrap();
    let scale =
        |zero_center| Scale { mean: by_column.clone(), std: by_column.clone(), max_value: Some(0.4), zero_center };
    let x = x.with(scale(false)).and_then(|x| x.with(scale(true))).unwrap();
    let coefficients: Vector<f64> = (0..2 * M).map(|j| j as f64 / 9.0).collect::<Vec<_>>().into();
    let groups = Covariates::Groups((0..N as u32).map(|i| i % 2).collect::<Vec<_>>().into());
    let x =
        x.with(RegressOut { covariates: groups, coefficients, width: 2, keys: vec!["g".to_owned()].into() }).unwrap();
    let each: Vector<f64> = (0..3 * M).map(|at| 0.5 + at as f64 / 20.0).collect::<Vec<_>>().into();
    let low: Vector<f64> = (0..M).map(|j| 0.05 + j as f64 / 100.0).collect::<Vec<_>>().into();
    let combat = Combat {
        batches: (0..N as u32).map(|i| i % 3).collect::<Vec<_>>().into(),
        n_batches: 3,
        covariates: by_row,
        width: 1,
        mean: low.clone(),
        coefficients: low,
        factor: each.clone(),
        offset: each,
        keys: vec!["g".to_owned()].into(),
    };
    x.with(combat).unwrap()
}

/// Computes what [`every_node`] queues, by plain arithmetic on dense values.
fn twin(counts: &[f64]) -> Vec<f64> {
    let one = |(at, &x): (usize, &f64)| {
        let (i, j) = (at / M, at % M);
        let y = (x / (1.0 + i as f64 / 8.0)).powi(2).sqrt();
        let y = ((y / 5.0).asinh().ln_1p() / 2f64.ln()).ln_1p();
        let c = 0.5 + j as f64;
        let y = (y / c).min(0.4);
        let y = ((y - c) / c).clamp(-0.4, 0.4) - (2 * j + i % 2) as f64 / 9.0;
        let (m, each) = ((0.05 + j as f64 / 100.0) * (2.0 + i as f64 / 8.0), 0.5 + (3 * j + i % 3) as f64 / 20.0);
        (y - m) * each + m + each
    };
    counts.iter().enumerate().map(one).collect()
}

#[test]
fn values_are_the_formulas_in_every_layout() {
    let counts = random_counts(N, M, 0.4, 3);
    let expected = twin(&counts);
    for plain in [sparse(N, M, &counts, Some(3), u16s), sparse(N, M, &counts, None, f64s), dense(N, M, &counts, f64s)] {
        let x = every_node(&plain);
        let close = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&values(&x), &expected));
        // A selection after the nodes, and a chain saved in between.
        let (rows, columns) = ([5u32, 59, 5, 0], [13u32, 2, 2]);
        let part = x.select(Some(&rows), Some(&columns)).unwrap();
        let wanted: Vec<f64> = rows
            .iter()
            .flat_map(|&i| columns.iter().map(move |&j| (i, j)))
            .map(|(i, j)| expected[i as usize * M + j as usize])
            .collect();
        assert!(close(&values(&part), &wanted));
        let back = LazyMatrix::from_bytes(plain.source().clone(), &part.to_bytes().unwrap()).unwrap();
        assert_eq!(values(&back), values(&part));
        assert_eq!(back.queued(), part.queued());
    }
}

#[test]
fn elementwise_nodes_keep_the_matrix_sparse() {
    let x = sparse(N, M, &random_counts(N, M, 0.4, 3), None, f64s);
    let arcsinh = x.with(Arcsinh { cofactor: 5.0 }).unwrap();
    assert!(arcsinh.is_sparse() && x.with(Sqrt).unwrap().is_sparse() && x.with(Square).unwrap().is_sparse());
    let ones: Vector<f64> = vec![1.0; M].into();
    let scale = Scale { mean: ones.clone(), std: ones, max_value: None, zero_center: true };
    assert!(!arcsinh.with(scale).unwrap().is_sparse());
}

#[test]
fn nodes_of_another_shape_are_refused() {
    let x = sparse(N, M, &random_counts(N, M, 0.4, 3), None, f64s);
    let short: Vector<f64> = vec![1.0; 5].into();
    let all = |n: usize| -> Vector<f64> { vec![1.0; n].into() };
    let shape = |r: Result<LazyMatrix, Error>| matches!(r, Err(Error::Shape { .. }));
    assert!(shape(x.with(Normalize { divisors: short.clone(), target_sum: 1.0 })));
    assert!(shape(x.with(Scale { mean: all(M), std: short.clone(), max_value: None, zero_center: true })));
    let residuals = PearsonResiduals { cell_sums: all(N), gene_sums: short, total: 1.0, theta: 100.0, clip: 1.0 };
    assert!(shape(x.with(residuals)));
}

#[test]
fn a_saved_node_that_is_not_known_is_named() {
    let x = sparse(N, M, &random_counts(N, M, 0.4, 3), None, f64s);
    let mut bytes = x.with(Sqrt).unwrap().to_bytes().unwrap();
    let at = bytes.windows(4).position(|w| w == b"sqrt").unwrap();
    bytes[at..at + 4].copy_from_slice(b"cube");
    let error = LazyMatrix::from_bytes(x.source().clone(), &bytes).unwrap_err().to_string();
    assert!(error.contains("'cube'") && error.contains("version 1"), "{error}");
}
