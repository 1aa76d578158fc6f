//! Checks that sums stay exact and variances do not cancel: whole numbers beside others, integers
//! beyond 2^53, coordinates far from 0, Pearson residuals of nearly constant genes, and equal
//! scores at the threshold.

mod ops_support;

use anndataoom_core::element::{Data, Value};
use anndataoom_core::ops::{
    self, Axis, CellCriterion, Flavor, GeneCriterion, HvgOptions, PcaOptions, QcOptions, QcSubset, Regressors,
};
use anndataoom_core::{LazyMatrix, Session};
use ops_support::*;

fn column_of(x: &[f64], m: usize, j: usize) -> Vec<f64> {
    x.iter().skip(j).step_by(m).copied().collect()
}

/// Computes mean and variance of multiples of a quarter, exactly up to the last division.
fn exact(v: &[f64]) -> (f64, f64) {
    let n = v.len() as i128;
    let fourths: Vec<i128> = v.iter().map(|x| (x * 4.0) as i128).collect();
    let (sum, squares) = fourths.iter().fold((0, 0), |(s, q), x| (s + x, q + x * x));
    (sum as f64 / (4 * n) as f64, (n * squares - sum * sum) as f64 / (16 * n * (n - 1)) as f64)
}

#[test]
fn rows_of_whole_numbers_and_others_add_up() {
    let (n, m) = (3000, 12);
    let mut x = random_counts(n, m, 0.5, 4);
    for (i, row) in x.chunks_mut(m).enumerate() {
        // Columns of huge values, whose squares do not add up exactly, and a dense, nearly constant
        // column.
        row[0] = 1e9 + (i % 5) as f64;
        row[1] = 2e4 + (i % 3) as f64;
        row[2] = 7.0;
        if i % 7 == 0 {
            row[3] += 0.25;
            row[2] = 7.5;
        }
        if i % 4 != 1 {
            row[0] = 0.0;
        }
    }
    let expected: Vec<(f64, f64)> = (0..m).map(|j| exact(&column_of(&x, m, j))).collect();
    let totals: Vec<f64> = (0..m).map(|j| column_of(&x, m, j).iter().sum()).collect();
    let detected: Vec<i64> = (0..m).map(|j| column_of(&x, m, j).iter().filter(|x| **x != 0.0).count() as i64).collect();
    let make = || [sparse(n, m, &x, None, f64s), sparse(n, m, &x, Some(3), f64s), dense(n, m, &x, f64s)];
    for form in make() {
        let found = ops::mean_var(&form, Axis::Obs, 1, &session()).unwrap();
        let options = HvgOptions { flavor: Flavor::PearsonResiduals, n_top_genes: Some(3), ..Default::default() };
        let hvg = ops::highly_variable_genes(&form, &options, &session()).unwrap();
        let qc = ops::calculate_qc_metrics(&form, &QcOptions { percent_top: vec![], ..Default::default() }, &session());
        let qc = qc.unwrap();
        assert_eq!(qc.n_cells_by_counts, detected);
        assert_close("totals", &qc.gene_total_counts, &totals, 1e-15);
        for (row, (total, genes)) in x.chunks(m).zip(qc.total_counts.iter().zip(&qc.n_genes_by_counts)) {
            assert_eq!((row.iter().sum::<f64>(), row.iter().filter(|x| **x != 0.0).count()), (*total, *genes as usize));
        }
        let after = ops::highly_variable_genes(&form, &options, &session()).unwrap();
        for (j, &(mean, var)) in expected.iter().enumerate() {
            for (found_mean, found) in [
                (found.mean[j], found.var[j]),
                (hvg.means[j], hvg.variances.as_ref().unwrap()[j]),
                (after.means[j], after.variances.as_ref().unwrap()[j]),
            ] {
                assert!((found - var).abs() <= 1e-13 * var, "column {j}: {found:e} {var:e}");
                assert!((found_mean - mean).abs() <= 1e-15 * mean, "column {j}: {found_mean:e} {mean:e}");
            }
        }
        for threads in [2, 3] {
            let again = ops::mean_var(&form, Axis::Obs, 1, &Session::with_threads(threads)).unwrap();
            assert_eq!(again, found);
        }
    }
}

#[test]
fn what_covariates_explain_is_removed_from_whole_numbers_too() {
    let (n, m) = (500, 9);
    let x = random_counts(n, m, 0.6, 9);
    let covariate: Vec<f64> = (0..n).map(|i| ((i * 31) % 17) as f64).collect();
    let by = Regressors::Numbers(vec![("a".to_owned(), covariate.clone())]);
    for form in [sparse(n, m, &x, None, f64s), dense(n, m, &x, f64s)] {
        let left = values(&ops::regress_out(&form, &by, &session()).unwrap());
        for j in 0..m {
            let v = column_of(&left, m, j);
            let along: f64 = v.iter().zip(&covariate).map(|(a, b)| a * b).sum();
            assert!(v.iter().sum::<f64>().abs() < 1e-9 && along.abs() < 1e-8, "gene {j}: {along:e}");
        }
    }
}

#[test]
fn variances_of_coordinates_far_from_zero() {
    let (n, m) = (400, 12);
    let plain = random_counts(n, m, 0.5, 8);
    for far in [0.0, 1e3, 1e5] {
        let x: Vec<f64> = plain.iter().map(|v| v + far).collect();
        for form in [sparse(n, m, &x, None, f64s), dense(n, m, &x, f64s)] {
            let options = PcaOptions { n_comps: Some(2), zero_center: false };
            let found = ops::pca(&form, &options, &session()).unwrap();
            for c in 0..2 {
                // Far from 0 the deviations are the same: scores differ by a constant from those of
                // the plain values.
                let score = |r: &[f64]| r.iter().enumerate().map(|(j, v)| v * found.loadings[j * 2 + c]).sum::<f64>();
                let s: Vec<f64> = plain.chunks(m).map(score).collect();
                let mean = s.iter().sum::<f64>() / n as f64;
                let var = s.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / n as f64;
                let off = (found.variance[c] / var - 1.0).abs();
                assert!(off < 1e-15 * (100.0 + far * 100.0), "far {far}, component {c}: {off:e}");
            }
            for threads in [2, 3] {
                assert!(ops::pca(&form, &options, &Session::with_threads(threads)).unwrap() == found);
            }
        }
    }
}

/// Computes the variance of every gene's Pearson residuals, by two passes over all of them.
fn residual_variances(x: &[f64], m: usize, theta: f64, clip: f64) -> Vec<f64> {
    let n = x.len() / m;
    let cells: Vec<f64> = x.chunks(m).map(|r| r.iter().sum()).collect();
    let total: f64 = cells.iter().sum();
    (0..m)
        .map(|j| {
            let v = column_of(x, m, j);
            let gene: f64 = v.iter().sum();
            let residual = |(x, cell): (&f64, &f64)| {
                let mu = gene * cell / total;
                ((x - mu) / (mu + mu * mu / theta).sqrt()).clamp(-clip, clip)
            };
            let r: Vec<f64> = v.iter().zip(&cells).map(residual).collect();
            let mean = r.iter().sum::<f64>() / n as f64;
            r.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / n as f64
        })
        .collect()
}

#[test]
fn residuals_of_nearly_constant_and_of_high_genes() {
    let (n, m) = (2000, 20);
    let mut x = random_counts(n, m, 0.5, 3);
    for (i, row) in x.chunks_mut(m).enumerate() {
        row[0] = 5.0;
        row[1] = 9e3 + (i % 7) as f64;
        row[2] = if i == 3 { 4e4 } else { 40.0 };
        row[3] = f64::from(u8::from(i == 5));
        // Every cell has the same total, so a constant gene has residuals of 0.
        row[m - 1] = 0.0;
        row[m - 1] = 6e4 - row.iter().sum::<f64>();
    }
    for (theta, clip) in [(100.0, None), (1e9, None), (f64::INFINITY, None), (100.0, Some(0.01)), (1.0, Some(0.0))] {
        let expected = residual_variances(&x, m, theta, clip.unwrap_or((n as f64).sqrt()));
        for form in [sparse(n, m, &x, None, f64s), dense(n, m, &x, f64s)] {
            let options = HvgOptions {
                flavor: Flavor::PearsonResiduals,
                n_top_genes: Some(5),
                theta,
                clip,
                ..Default::default()
            };
            let found = ops::highly_variable_genes(&form, &options, &session()).unwrap().residual_variances.unwrap();
            for (j, (found, expected)) in found.iter().zip(&expected).enumerate() {
                // Variances that decide anything are about 1 or larger.
                let off = (found - expected).abs() / expected.max(1.0);
                assert!(off < 1e-9, "theta {theta}, clip {clip:?}, gene {j}: {found:e} {expected:e}");
            }
        }
    }
}

fn shown(columns: &[(String, Value)], name: &str) -> Data {
    match column(columns, name) {
        Value::Array(a) => a.data.clone(),
        other => panic!("{name} is {}", other.encoding()),
    }
}

#[test]
fn counts_of_integers_are_exact_in_numpys_dtype() {
    const BIG: u64 = (1 << 53) + 1;
    let signed = |v: &[u64]| Data::I64(v.iter().map(|&v| v as i64).collect());
    let unsigned = |v: &[u64]| Data::U64(v.to_vec());
    let big: [u64; 6] = [BIG, 1, 4, BIG - 1, 0, 3];
    let small: [u64; 6] = [200, 1, 4, 199, 0, 3];
    type Make<'a> = &'a dyn Fn(&[u64]) -> Data;
    let cases: [(Data, &[u64], Make); 4] = [
        (signed(&big), &big, &signed),
        (unsigned(&big), &big, &unsigned),
        (Data::U8(small.map(|v| v as u8).to_vec()), &small, &unsigned),
        (Data::I32(small.map(|v| v as i32).to_vec()), &small, &signed),
    ];
    for (data, v, make) in cases {
        let array = anndataoom_core::element::Array { shape: vec![2, 3], data: data.clone() };
        let stored = anndataoom_core::element::Sparse {
            format: anndataoom_core::element::SparseFormat::Csr,
            shape: (2, 3),
            indptr: vec![0, 3, 6],
            indices: vec![0, 1, 2, 0, 1, 2],
            data,
        };
        use anndataoom_core::matrix::MemorySource;
        for x in [
            LazyMatrix::new(MemorySource::from_array(array).unwrap().into()),
            LazyMatrix::new(MemorySource::from_sparse(&stored).unwrap().into()),
        ] {
            let set = QcSubset { name: "mt".into(), mask: vec![true, true, false] };
            let options = QcOptions { qc_vars: vec![set], percent_top: vec![], log1p: true };
            let patch = ops::calculate_qc_metrics(&x, &options, &session()).unwrap().patch().unwrap();
            let (cells, genes) =
                (make(&[v[0] + v[1] + v[2], v[3] + v[4] + v[5]]), make(&[v[0] + v[3], v[1] + v[4], v[2] + v[5]]));
            assert_eq!(shown(&patch.obs, "total_counts"), cells);
            assert_eq!(shown(&patch.obs, "total_counts_mt"), make(&[v[0] + v[1], v[3] + v[4]]));
            assert_eq!(shown(&patch.var, "total_counts"), genes);
            let cells_of = ops::filter_cells(&x, CellCriterion::MinCounts(1.0), &session()).unwrap().patch().unwrap();
            assert_eq!(shown(&cells_of.obs, "n_counts"), cells);
            let genes_of = ops::filter_genes(&x, GeneCriterion::MinCounts(1.0), &session()).unwrap().patch().unwrap();
            assert_eq!(shown(&genes_of.var, "n_counts"), genes);
        }
    }
}

/// Checks four bins of two genes each, whose scores are all plus or minus the square root of a
/// half.
#[test]
fn genes_of_the_same_score_at_the_cut_are_all_chosen() {
    let (n, m) = (60, 8);
    let x: Vec<f64> = (0..n * m)
        .map(|k| {
            let (i, bin) = (k / m, (k % m / 2) as f64);
            let by = ((i * 37 + k % m * 5) % 11) as f64 * if k % 2 == 0 { 0.3 } else { 0.03 };
            // The means are about 1, 7, 50 and 350; each has two deviations.
            (7f64.powf(bin) + by).ln_1p()
        })
        .collect();
    let options = |n_top| HvgOptions { n_top_genes: Some(n_top), n_bins: 4, ..Default::default() };
    for form in [sparse(n, m, &x, None, f32s), sparse(n, m, &x, None, f64s), dense(n, m, &x, f64s)] {
        let found = ops::highly_variable_genes(&form, &options(1), &session()).unwrap();
        let norm = found.dispersions_norm.clone().unwrap();
        let high: Vec<bool> = norm.iter().map(|d| (d - 0.5f64.sqrt()).abs() < 1e-12).collect();
        assert_eq!(high.iter().filter(|&&h| h).count(), 4, "{norm:?}");
        for n_top in 1..=4 {
            let found = ops::highly_variable_genes(&form, &options(n_top), &session()).unwrap();
            assert_eq!(found.highly_variable, high, "{n_top}");
        }
    }
}
