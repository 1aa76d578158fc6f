//! Compares aggregation by groups with a twin written for clarity: in every layout and dtype, on
//! any number of threads, in pieces, and with sparse results where there are many groups.

mod matrix_common;

use anndataoom_core::element::{Array, Data, Value};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::ops::{aggregate, Aggregation, Axis, Functions, DENSE};
use anndataoom_core::{Error, LazyMatrix, Session};
use matrix_common::*;
use std::sync::Arc;

const CELLS: usize = 700;
const GENES: usize = 130;

fn all() -> Functions {
    Functions::named(&Functions::NAMES).unwrap()
}

fn asked(axis: Axis, extent: usize, n_groups: usize) -> Aggregation {
    // Some positions belong to no group, and the last group has no members.
    let codes = (0..extent as i32).map(|i| (i * i / 5 + i) % n_groups as i32 - 1).collect();
    Aggregation { axis, codes, n_groups, functions: all(), dof: 1 }
}

/// Returns a matrix as doubles, row by row.
fn dense(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(a) => a.data.to_f64().unwrap(),
        Value::Sparse(s) => {
            let (n, m) = s.shape;
            let (mut out, values) = (vec![0.0; n * m], s.data.to_f64().unwrap());
            for i in 0..n {
                for k in s.indptr[i] as usize..s.indptr[i + 1] as usize {
                    out[i * m + s.indices[k] as usize] = values[k];
                }
            }
            out
        }
        other => panic!("{}", other.encoding()),
    }
}

/// Computes an aggregate function of `values` by its definition.
fn twin(name: &str, values: &[f64], dof: usize) -> f64 {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    match name {
        "sum" => sum,
        "mean" => sum / n,
        "count_nonzero" => values.iter().filter(|&&x| x != 0.0).count() as f64,
        "var" if values.len() <= dof => f64::NAN,
        "var" => values.iter().map(|x| (x - sum / n).powi(2)).sum::<f64>() / (n - dof as f64),
        _ if values.is_empty() => f64::NAN,
        _ => {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            (sorted[(values.len() - 1) / 2] + sorted[values.len() / 2]) / 2.0
        }
    }
}

fn near(a: f64, b: f64) -> bool {
    a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) + 1e-9
}

fn check(x: &LazyMatrix, values: &[f64], asked: &Aggregation, threads: usize) {
    let (n, m) = x.shape();
    let found = aggregate(x, asked, &call(threads)).unwrap();
    assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), Functions::NAMES);
    for (name, value) in found {
        let of = dense(&value);
        for g in 0..asked.n_groups {
            let members: Vec<usize> = (0..asked.codes.len()).filter(|&i| asked.codes[i] == g as i32).collect();
            let (others, at): (usize, &dyn Fn(usize, usize) -> (usize, usize)) = match asked.axis {
                Axis::Obs => (m, &|i, j| (i, j)),
                Axis::Var => (n, &|i, j| (j, i)),
            };
            for other in 0..others {
                let of_group: Vec<f64> = members
                    .iter()
                    .map(|&i| {
                        let (row, column) = at(i, other);
                        values[row * m + column]
                    })
                    .collect();
                let place = if asked.axis == Axis::Obs { g * m + other } else { other * asked.n_groups + g };
                let expected = twin(name, &of_group, asked.dof);
                assert!(near(of[place], expected), "{name} of {g}, {other}: {}, not {expected}", of[place]);
            }
        }
    }
}

#[test]
fn values_are_those_of_the_twin() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    let stored = Stored::Chunked { chunk: 3001, filter: "lzf" };
    let mut m = random_csr::<f32>(CELLS, GENES, 30, 5);
    let mut random = Random(9);
    let mut values: Vec<f32> = m.data.to_f64().unwrap().iter().map(|&x| x as f32).collect();
    // Some values are negative, some are stored zeros.
    values.iter_mut().for_each(|x| match random.below(9) {
        0 => *x = -*x,
        1 => *x = 0.0,
        _ => {}
    });
    let whole: Vec<i64> = values.iter().map(|&x| (x * 8.0) as i64).collect();
    let kinds: [(&str, Data); 4] = [
        ("f32", Data::F32(values.clone())),
        ("f64", Data::F64(values.iter().map(|&x| f64::from(x) / 3.0).collect())),
        ("i64", Data::I64(whole.clone())),
        ("i16", Data::I16(whole.iter().map(|&x| x as i16).collect())),
    ];
    for (kind, data) in kinds {
        m.data = data;
        let numbers = dense(&Value::Sparse(m.clone()));
        write_sparse::<i32>(&path, &format!("csr_{kind}"), &m, &stored);
        write_sparse::<i32>(&path, &format!("csc_{kind}"), &to_csc(&m), &stored);
        let array = LazyMatrix::new(Arc::new(
            MemorySource::from_array(Array { shape: vec![CELLS, GENES], data: Data::F64(numbers.clone()) }).unwrap(),
        ));
        for element in ["csr", "csc"] {
            let x = LazyMatrix::new(open(&path, &format!("{element}_{kind}")).unwrap());
            for (axis, extent, groups) in [(Axis::Obs, CELLS, 7), (Axis::Obs, CELLS, 1), (Axis::Var, GENES, 5)] {
                for threads in [1, 3] {
                    check(&x, &numbers, &asked(axis, extent, groups), threads);
                }
            }
            let rows: Vec<u32> = (0..CELLS as u32).rev().step_by(2).collect();
            let columns: Vec<u32> = (0..GENES as u32).step_by(3).rev().collect();
            let part = x.select(Some(&rows), Some(&columns)).unwrap();
            let some = rows.iter().flat_map(|&i| columns.iter().map(move |&j| (i, j)));
            let some: Vec<f64> = some.map(|(i, j)| numbers[i as usize * GENES + j as usize]).collect();
            check(&part, &some, &Aggregation { dof: 0, ..asked(Axis::Obs, rows.len(), 4) }, 2);
        }
        check(&array, &numbers, &asked(Axis::Obs, CELLS, 7), 2);
        check(&array, &numbers, &asked(Axis::Var, GENES, 7), 2);
    }
}

#[test]
fn layouts_and_threads_give_the_same_bits() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    let m = random_csr::<f32>(CELLS, GENES, 30, 6);
    write_sparse::<i32>(&path, "csr", &m, &Stored::Contiguous);
    write_sparse::<i32>(&path, "csc", &to_csc(&m), &Stored::Contiguous);
    let bits = |element: &str, threads| {
        let x = LazyMatrix::new(open(&path, element).unwrap());
        let found = aggregate(&x, &asked(Axis::Obs, CELLS, 6), &call(threads)).unwrap();
        found.iter().flat_map(|(_, v)| dense(v)).map(f64::to_bits).collect::<Vec<_>>()
    };
    let first = bits("csr", 1);
    for (element, threads) in [("csr", 4), ("csc", 1), ("csc", 3)] {
        assert_eq!(bits(element, threads), first);
    }
}

#[test]
fn sums_of_integers_are_exact_and_nothing_is_lost_far_from_zero() {
    let large = (1i64 << 53) + 1;
    let data = Data::I64(vec![large, 0, 2, large, -1, 7]);
    let array = |data, shape: [usize; 2]| {
        LazyMatrix::new(Arc::new(MemorySource::from_array(Array { shape: shape.to_vec(), data }).unwrap()))
    };
    let one = Aggregation { codes: vec![0; 2], n_groups: 1, ..asked(Axis::Obs, 2, 1) };
    for functions in [all(), Functions { sum: true, ..Functions::default() }] {
        let found =
            aggregate(&array(data.clone(), [2, 3]), &Aggregation { functions, ..one.clone() }, &call(2)).unwrap();
        let Value::Array(a) = &found[0].1 else { panic!() };
        assert_eq!(a.data, Data::I64(vec![2 * large, -1, 9]));
    }
    let far = Data::F64(vec![1e9, 1e9 + 1.0, 1e9 + 2.0]);
    let one = Aggregation { codes: vec![0; 3], n_groups: 1, ..asked(Axis::Obs, 3, 1) };
    let found = aggregate(&array(far, [3, 1]), &one, &call(1)).unwrap();
    assert_eq!(found.iter().map(|(_, v)| dense(v)[0]).collect::<Vec<_>>(), [3e9 + 3.0, 1e9 + 1.0, 1.0, 3.0, 1e9 + 1.0]);
    // Neither NaN nor infinities are lost.
    let odd = Data::F64(vec![f64::NAN, f64::INFINITY, 1.0, 1.0, 2.0, f64::INFINITY]);
    let found = aggregate(&array(odd, [2, 3]), &Aggregation { codes: vec![0; 2], ..one }, &call(1)).unwrap();
    let at = |k: usize| dense(&found[k].1);
    assert!(at(0)[0].is_nan() && at(0)[1..] == [f64::INFINITY; 2] && at(1)[1..] == [f64::INFINITY; 2]);
    assert!(at(2).iter().all(|v| v.is_nan()) && at(3) == [2.0; 3]);
    assert!(at(4)[0].is_nan() && at(4)[1..] == [f64::INFINITY; 2]);
}

#[test]
fn many_groups_are_compressed_rows() {
    let (cells, genes) = (9000, 4000);
    let m = random_csr::<f32>(cells, genes, 12, 8);
    let x = LazyMatrix::new(Arc::new(MemorySource::from_sparse(&m).unwrap()));
    let groups = DENSE / genes + 100;
    assert!(groups < cells);
    let codes: Vec<i32> = (0..cells).map(|i| (i % groups) as i32).collect();
    let ask = Aggregation { axis: Axis::Obs, codes: codes.clone(), n_groups: groups, functions: all(), dof: 0 };
    let found = aggregate(&x, &ask, &call(2)).unwrap();
    let values = m.data.to_f64().unwrap();
    let row = |i: usize| {
        let mut row = vec![0.0; genes];
        (m.indptr[i] as usize..m.indptr[i + 1] as usize).for_each(|k| row[m.indices[k] as usize] = values[k]);
        row
    };
    for (name, value) in &found {
        let Value::Sparse(s) = value else { panic!("{name} is dense") };
        for g in [0, 17, 611, groups - 1] {
            let members: Vec<Vec<f64>> = (0..cells).filter(|&i| codes[i] == g as i32).map(row).collect();
            let mut own = vec![0.0; genes];
            let (indices, data) = (&s.indices, s.data.to_f64().unwrap());
            (s.indptr[g] as usize..s.indptr[g + 1] as usize).for_each(|k| own[indices[k] as usize] = data[k]);
            for j in 0..genes {
                let of: Vec<f64> = members.iter().map(|row| row[j]).collect();
                assert!(near(own[j], twin(name, &of, 0)), "{name} of {g}, {j}");
            }
        }
    }
}

#[test]
fn what_cannot_be_is_an_error() {
    let m = random_csr::<f32>(30, 20, 5, 1);
    let x = LazyMatrix::new(Arc::new(MemorySource::from_sparse(&m).unwrap()));
    assert!(matches!(aggregate(&x, &asked(Axis::Obs, 29, 3), &call(1)), Err(Error::Shape { .. })));
    let small = Session { graph_memory: Some(100), ..Session::with_threads(1) };
    let found = aggregate(&x, &asked(Axis::Obs, 30, 3), &small).unwrap_err();
    assert!(matches!(&found, Error::Memory { what, .. } if what == "aggregate of 3 groups x 20 genes"), "{found}");
    let functions = Functions { median: false, ..all() };
    let ask = Aggregation { functions, ..asked(Axis::Var, 20, 3) };
    assert!(matches!(aggregate(&x, &ask, &small), Err(Error::Memory { .. })));
    assert!(Functions::named(&["max"]).is_err() && Functions::named::<&str>(&[]).is_err());
}
