//! Compares `regress_out` with normal equations solved step by step, with group means, and with
//! itself in other storages.

mod ops_support;

use anndataoom_core::chain::{Description, Parameter, Queued};
use anndataoom_core::ops::{regress_out, Regressors};
use anndataoom_core::{Error, LazyMatrix, Session};
use ops_support::{dense, f32s, f64s, random_counts, session, sparse, values, worst};

const N: usize = 120;
const M: usize = 9;

fn covariates() -> Vec<(String, Vec<f64>)> {
    let a = (0..N).map(|i| 1000.0 + ((i * 37) % 101) as f64).collect();
    let b = (0..N).map(|i| ((i * 53) % 17) as f64 / 17.0).collect();
    vec![("a".to_owned(), a), ("b".to_owned(), b)]
}

/// Computes residuals by Gaussian elimination on the normal equations of (1, a, b); a and b are
/// centred to improve the condition number.
fn twin(y: &[f64]) -> Vec<f64> {
    let mut design: Vec<Vec<f64>> = vec![vec![1.0; N]];
    for (_, v) in covariates() {
        let mean = v.iter().sum::<f64>() / N as f64;
        design.push(v.iter().map(|x| x - mean).collect());
    }
    let k = design.len();
    let mut out = vec![0.0; N * M];
    for j in 0..M {
        let mut system: Vec<Vec<f64>> = (0..k)
            .map(|r| {
                let mut row: Vec<f64> = (0..k).map(|c| (0..N).map(|i| design[r][i] * design[c][i]).sum()).collect();
                row.push((0..N).map(|i| design[r][i] * y[i * M + j]).sum());
                row
            })
            .collect();
        for p in 0..k {
            for r in 0..k {
                if r != p {
                    let f = system[r][p] / system[p][p];
                    let pivot = system[p].clone();
                    system[r].iter_mut().zip(&pivot).for_each(|(x, p)| *x -= f * p);
                }
            }
        }
        for i in 0..N {
            let fit: f64 = (0..k).map(|r| design[r][i] * system[r][k] / system[r][r]).sum();
            out[i * M + j] = y[i * M + j] - fit;
        }
    }
    out
}

fn regressed(x: &LazyMatrix, by: &Regressors) -> LazyMatrix {
    regress_out(x, by, &session()).unwrap()
}

#[test]
fn residuals_are_those_of_the_normal_equations() {
    let y = random_counts(N, M, 0.4, 5);
    let expected = twin(&y);
    for x in [sparse(N, M, &y, Some(3), f64s), dense(N, M, &y, f64s)] {
        let found = regressed(&x, &Regressors::Numbers(covariates()));
        assert!(worst(&values(&found), &expected, 1.0) < 1e-11);
        assert!(!found.is_sparse());
        let keys = Parameter::Names(vec!["a".to_owned(), "b".to_owned()]);
        let call = Description { verb: "regress_out", parameters: vec![("keys", keys)] };
        assert_eq!(found.queued(), [Queued::Verb(call)]);
        // A selection of the result selects residuals.
        let (rows, columns) = ([7u32, 7, 110, 2], [8u32, 0]);
        let part = values(&found.select(Some(&rows), Some(&columns)).unwrap());
        let pick: Vec<f64> = rows
            .iter()
            .flat_map(|&i| columns.iter().map(move |&j| (i, j)))
            .map(|(i, j)| expected[i as usize * M + j as usize])
            .collect();
        assert!(worst(&part, &pick, 1.0) < 1e-11);
        let again = LazyMatrix::from_bytes(x.source().clone(), &found.to_bytes().unwrap()).unwrap();
        assert_eq!(values(&again), values(&found));
    }
    let single = regressed(&sparse(N, M, &y, None, f32s), &Regressors::Numbers(covariates()));
    assert!(worst(&values(&single), &expected, 1.0) < 1e-6);
}

#[test]
fn dependent_covariates_change_nothing() {
    let y = random_counts(N, M, 0.4, 6);
    let x = sparse(N, M, &y, None, f64s);
    let mut more = covariates();
    let both = more[0].1.iter().zip(&more[1].1).map(|(a, b)| 3.0 * a - 2.0 * b + 7.0).collect();
    more.push(("both".to_owned(), both));
    more.push(("constant".to_owned(), vec![4.5; N]));
    more.push(("nothing".to_owned(), vec![0.0; N]));
    let found = regressed(&x, &Regressors::Numbers(more));
    assert!(worst(&values(&found), &twin(&y), 1.0) < 1e-10);
    let centred = values(&regressed(&x, &Regressors::Numbers(Vec::new())));
    assert!((0..M).all(|j| (0..N).map(|i| centred[i * M + j]).sum::<f64>().abs() < 1e-10));
}

#[test]
fn groups_lose_their_means() {
    let y = random_counts(N, M, 0.4, 7);
    let codes: Vec<u32> = (0..N as u32).map(|i| i % 7 % 4).collect();
    let by = Regressors::Groups { name: "batch".to_owned(), codes: codes.clone(), n_groups: 5 };
    let found = values(&regressed(&sparse(N, M, &y, None, f64s), &by));
    for j in 0..M {
        for i in 0..N {
            let group: Vec<f64> = (0..N).filter(|&k| codes[k] == codes[i]).map(|k| y[k * M + j]).collect();
            let mean = group.iter().sum::<f64>() / group.len() as f64;
            assert!((found[i * M + j] - (y[i * M + j] - mean)).abs() < 1e-12);
        }
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let (n, m) = (70_000, 12);
    let y = random_counts(n, m, 0.5, 8);
    let x = sparse(n, m, &y, None, f32s);
    let by = Regressors::Numbers(vec![("k".to_owned(), (0..n).map(|i| (i % 97) as f64).collect())]);
    let one = values(&regress_out(&x, &by, &Session::with_threads(1)).unwrap());
    for threads in [2, 3, 8] {
        assert_eq!(one, values(&regress_out(&x, &by, &Session::with_threads(threads)).unwrap()));
    }
}

#[test]
fn what_cannot_be_regressed_is_refused() {
    let y = random_counts(N, M, 0.4, 9);
    let x = sparse(N, M, &y, None, f64s);
    let short = Regressors::Numbers(vec![("k".to_owned(), vec![1.0; N - 1])]);
    assert!(matches!(regress_out(&x, &short, &session()), Err(Error::Shape { .. })));
    let nan = Regressors::Numbers(vec![("k".to_owned(), vec![f64::NAN; N])]);
    assert!(matches!(regress_out(&x, &nan, &session()), Err(Error::Parameter { .. })));
    let outside = Regressors::Groups { name: "g".to_owned(), codes: vec![3; N], n_groups: 3 };
    assert!(matches!(regress_out(&x, &outside, &session()), Err(Error::Index { .. })));
    let mut bad = y;
    bad[4] = f64::NAN;
    let x = dense(N, M, &bad, f64s);
    assert!(matches!(regress_out(&x, &Regressors::Numbers(covariates()), &session()), Err(Error::Values { .. })));
}
