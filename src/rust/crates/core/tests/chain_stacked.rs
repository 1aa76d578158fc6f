//! Compares stacked matrices with a twin that is put together entry by entry in memory.

mod matrix_common;

use anndataoom_core::chain::{nodes, Along, Fill, LazyMatrix, Member, Stacked, MISSING};
use anndataoom_core::element::{Array, DType, Data, Number, Sparse, SparseFormat};
use anndataoom_core::matrix::{MemorySource, Source};
use anndataoom_core::stream::Order;
use anndataoom_core::{ops, with_data, Error};
use matrix_common::*;
use std::sync::Arc;

/// A member of a stack and its stored entries by row. A dense member stores every entry.
#[derive(Clone)]
struct Known {
    x: LazyMatrix,
    rows: Vec<Vec<(u32, f64)>>,
}

fn sparse(dir: &Dir, name: &str, m: &Sparse, csc: bool) -> Known {
    let path = dir.file(name);
    let stored = Stored::Chunked { chunk: 97, filter: "gzip" };
    write_sparse::<i32>(&path, "X", &if csc { to_csc(m) } else { m.clone() }, &stored);
    let values = m.data.to_f64().unwrap();
    let row = |r: usize| {
        let range = m.indptr[r] as usize..m.indptr[r + 1] as usize;
        m.indices[range.clone()].iter().copied().zip(values[range].iter().copied()).collect()
    };
    Known { x: LazyMatrix::new(open(&path, "X").unwrap()), rows: (0..m.shape.0).map(row).collect() }
}

fn dense(dir: &Dir, name: &str, a: &Array) -> Known {
    let path = dir.file(name);
    write_dense(&path, "X", a, Some((7, 5)), "gzip");
    let (values, m) = (a.data.to_f64().unwrap(), a.shape[1]);
    let row = |r: usize| (0..m as u32).map(|c| (c, values[r * m + c as usize])).collect();
    Known { x: LazyMatrix::new(open(&path, "X").unwrap()), rows: (0..a.shape[0]).map(row).collect() }
}

fn filled<T: Number>(_: &[T], values: &[f64]) -> Data {
    T::wrap(values.iter().map(|&x| T::from_f64(x)).collect())
}

/// Makes a stack, and its twin in memory.
fn both(
    along: Along,
    known: &[Known],
    from: &[Option<Vec<u32>>],
    aligned: usize,
    fill: Option<Fill>,
) -> (Arc<dyn Source>, MemorySource) {
    let members = known
        .iter()
        .zip(from)
        .map(|(k, f)| Member { x: k.x.clone(), from: f.as_deref().map(|f| f.to_vec().into()) })
        .collect();
    let stack = Stacked::new(along, members, aligned, fill).unwrap();
    let (n, m) = stack.shape();
    let (dtype, is_sparse, fill) = (stack.dtype(), stack.nnz().is_some(), stack.fill().value);
    let mut rows: Vec<Vec<(u32, f64)>> = Vec::new();
    let keep = |x: f64, k: &Known| k.x.is_sparse() || !is_sparse || x != 0.0;
    match along {
        Along::Obs => {
            for (k, f) in known.iter().zip(from) {
                for row in &k.rows {
                    let own = |j: usize| f.as_ref().map_or(j as u32, |f| f[j]);
                    let at = |j: usize| match own(j) {
                        MISSING if is_sparse && fill == 0.0 => None,
                        MISSING => Some((j as u32, fill)),
                        c => row.iter().find(|e| e.0 == c).filter(|e| keep(e.1, k)).map(|e| (j as u32, e.1)),
                    };
                    rows.push((0..m).filter_map(at).collect());
                }
            }
        }
        Along::Var => {
            for r in 0..n {
                let (mut row, mut first) = (Vec::new(), 0);
                for (k, f) in known.iter().zip(from) {
                    let width = k.x.shape().1 as u32;
                    match f.as_ref().map_or(r as u32, |f| f[r]) {
                        MISSING if is_sparse && fill == 0.0 => {}
                        MISSING => row.extend((0..width).map(|c| (first + c, fill))),
                        own => {
                            row.extend(k.rows[own as usize].iter().filter(|e| keep(e.1, k)).map(|e| (first + e.0, e.1)))
                        }
                    }
                    first += width;
                }
                rows.push(row);
            }
        }
    }
    let typed = |values: &[f64]| with_data!(&Data::empty(dtype), v => filled(v, values));
    let twin = if is_sparse {
        let mut indptr = vec![0u64];
        rows.iter().for_each(|r| indptr.push(indptr.last().unwrap() + r.len() as u64));
        let flat: Vec<(u32, f64)> = rows.into_iter().flatten().collect();
        let values: Vec<f64> = flat.iter().map(|e| e.1).collect();
        let indices = flat.iter().map(|e| e.0).collect();
        let data = typed(&values);
        MemorySource::from_sparse(&Sparse { format: SparseFormat::Csr, shape: (n, m), indptr, indices, data }).unwrap()
    } else {
        let values: Vec<f64> = rows.into_iter().flatten().map(|e| e.1).collect();
        MemorySource::from_array(Array { shape: vec![n, m], data: typed(&values) }).unwrap()
    };
    (Arc::new(stack), twin)
}

/// Makes the maps of an outer join: some columns are shared, some belong to one member.
fn outer(known: &[Known], along: Along, aligned: usize, seed: u64) -> Vec<Option<Vec<u32>>> {
    let mut random = Random(seed);
    known
        .iter()
        .map(|k| {
            let own = if along == Along::Obs { k.x.shape().1 } else { k.x.shape().0 };
            let mut places: Vec<usize> = (0..aligned).collect();
            for i in (1..aligned).rev() {
                places.swap(i, random.below(i + 1));
            }
            let mut map = vec![MISSING; aligned];
            places.iter().take(own).enumerate().for_each(|(c, &p)| map[p] = c as u32);
            Some(map)
        })
        .collect()
}

#[test]
fn along_obs() {
    let dir = Dir::new();
    let csr = sparse(&dir, "a.h5ad", &random_csr::<f32>(90, 30, 8, 1), false);
    let csc = sparse(&dir, "b.h5ad", &random_csr::<f32>(70, 30, 8, 2), true);
    let full = dense(&dir, "c.h5ad", &random_dense::<i16>(40, 30, 3));
    let empty = sparse(&dir, "d.h5ad", &random_csr::<f32>(0, 30, 8, 4), false);
    let same = |n: usize| vec![None; n];
    for (known, fill) in [
        (vec![csr.clone(), csc.clone(), csr.clone()], None),
        (vec![csr.clone(), empty.clone(), full.clone(), csc.clone()], None),
        (vec![full.clone(), full.clone()], None),
        (vec![empty.clone(), empty.clone()], None),
    ] {
        let (stack, twin) = both(Along::Obs, &known, &same(known.len()), 30, fill);
        same_as_twin(&stack, twin, 7, 2);
    }
    for (known, fill) in [
        (vec![csr.clone(), csc.clone()], None),
        (vec![csr.clone(), full.clone(), empty], None),
        (vec![full.clone(), full.clone()], None),
        (vec![full.clone(), full.clone()], Some(Fill { value: 3.0, integer: true })),
        (vec![csr, csc], Some(Fill { value: 2.5, integer: false })),
    ] {
        let from = outer(&known, Along::Obs, 41, 11);
        let (stack, twin) = both(Along::Obs, &known, &from, 41, fill);
        same_as_twin(&stack, twin, 8, 3);
    }
}

#[test]
fn along_var() {
    let dir = Dir::new();
    let csr = sparse(&dir, "a.h5ad", &random_csr::<f32>(80, 30, 8, 1), false);
    let csc = sparse(&dir, "b.h5ad", &random_csr::<f64>(80, 12, 4, 2), true);
    let full = dense(&dir, "c.h5ad", &random_dense::<f32>(80, 9, 3));
    for known in [vec![csr.clone(), csc.clone()], vec![full.clone(), csr.clone(), csc.clone()], vec![full.clone(); 2]] {
        let (stack, twin) = both(Along::Var, &known, &vec![None; known.len()], 80, None);
        same_as_twin(&stack, twin, 7, 2);
        for fill in [None, Some(Fill { value: 2.0, integer: false })] {
            let from = outer(&known, Along::Var, 95, 5);
            let (stack, twin) = both(Along::Var, &known, &from, 95, fill);
            same_as_twin(&stack, twin, 9, 3);
        }
    }
}

/// Checks rows that are dealt among the members, so that many blocks of the stack need the same
/// block of a member.
#[test]
fn interleaved_rows_of_many_blocks() {
    let dir = Dir::new();
    let known: Vec<Known> =
        (0..3).map(|i| sparse(&dir, &format!("{i}.h5ad"), &random_csr::<f32>(70_000, 6, 1, i), i == 1)).collect();
    let (stack, twin) = both(Along::Obs, &known, &vec![None; 3], 6, None);
    let twin: Arc<dyn Source> = Arc::new(twin);
    let mut rows: Vec<u32> = (0..210_000).collect();
    let mut random = Random(3);
    for i in (1..rows.len()).rev() {
        rows.swap(i, random.below(i + 1));
    }
    let of = |s: &Arc<dyn Source>| LazyMatrix::new(s.clone()).select(Some(&rows), Some(&[5, 1, 2])).unwrap();
    let expected = rows_of(&blocks(&of(&twin), Order::Matrix, 1).unwrap(), rows.len());
    for threads in [1, 2, 8] {
        let got = blocks(&of(&stack), Order::Matrix, threads).unwrap();
        assert!(rows_of(&got, rows.len()) == expected);
    }
    let ordered = blocks(&of(&stack), Order::File, 2).unwrap();
    assert!(rows_of(&ordered, rows.len()) == expected);
}

/// Checks that nodes recorded on a member stay on it, and that more can be recorded on the stack.
#[test]
fn recorded_operations() {
    let dir = Dir::new();
    let m = random_csr::<f32>(50, 8, 3, 1);
    let a = sparse(&dir, "a.h5ad", &m, false).x;
    let divisors: Vec<f64> = (0..50).map(|i| 1.0 + f64::from(i)).collect();
    let normal = a.with(nodes::Normalize { divisors: divisors.into(), target_sum: 1.0 }).unwrap();
    let scaled = normal
        .with(nodes::Scale {
            mean: vec![1.0; 8].into(),
            std: vec![2.0; 8].into(),
            max_value: Some(1.5),
            zero_center: true,
        })
        .unwrap();
    let chosen = normal.select(Some(&[4, 4, 0, 49]), None).unwrap();
    let stack = |x: [&LazyMatrix; 3]| {
        let members = x.iter().map(|x| Member { x: (*x).clone(), from: None }).collect();
        LazyMatrix::new(Arc::new(Stacked::new(Along::Obs, members, 8, None).unwrap()))
    };
    for parts in [[&normal, &chosen, &a], [&scaled, &scaled, &scaled], [&scaled, &a, &chosen]] {
        let whole = stack(parts);
        let log = whole.with(nodes::Log1p { base: None }).unwrap();
        let mut first = 0;
        for part in parts {
            let (n, rows) = (part.shape().0, |x: &LazyMatrix| x.shape().0);
            let here: Vec<u32> = (first..first + n as u32).rev().collect();
            let back: Vec<u32> = (0..n as u32).rev().collect();
            first += n as u32;
            let nonzero = |rows: Vec<Option<Vec<(u32, u64)>>>| -> Vec<Vec<(u32, u64)>> {
                rows.into_iter()
                    .map(|r| r.unwrap().into_iter().filter(|e| f64::from_bits(e.1) != 0.0).collect())
                    .collect()
            };
            for (x, part) in [(&whole, part.clone()), (&log, part.with(nodes::Log1p { base: None }).unwrap())] {
                let x = x.select(Some(&here), Some(&[3, 0])).unwrap();
                let part = part.select(Some(&back), Some(&[3, 0])).unwrap();
                let got = nonzero(rows_of(&blocks(&x, Order::Matrix, 2).unwrap(), rows(&x)));
                let expected = nonzero(rows_of(&blocks(&part, Order::Matrix, 1).unwrap(), rows(&part)));
                // A member hands its values to the stack as float32, so the last bits may differ.
                for (got, expected) in got.iter().zip(&expected) {
                    assert_eq!(got.len(), expected.len());
                    for (g, e) in got.iter().zip(expected) {
                        let (a, b) = (f64::from_bits(g.1), f64::from_bits(e.1));
                        assert!(g.0 == e.0 && (a - b).abs() <= 2e-7 * b.abs(), "{a} {b}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit() {
    let dir = Dir::new();
    let a = sparse(&dir, "a.h5ad", &random_csr::<f32>(5, 8, 3, 1), false).x;
    let member = |from: Option<Vec<u32>>| vec![Member { x: a.clone(), from: from.map(Into::into) }];
    let stack = |m, n| Stacked::new(Along::Obs, m, n, None).map(|s| s.dtype());
    assert!(matches!(stack(vec![], 3), Err(Error::Parameter { .. })));
    assert!(matches!(stack(member(None), 9), Err(Error::Shape { .. })));
    assert!(matches!(stack(member(Some(vec![0; 3])), 4), Err(Error::Shape { .. })));
    assert!(matches!(stack(member(Some(vec![0, 8])), 2), Err(Error::Index { .. })));
    assert_eq!(stack(member(Some(vec![0, MISSING])), 2).unwrap(), DType::F32);
}

#[test]
fn selected_columns_are_kept_between_passes() {
    let dir = Dir::new();
    let known = [
        sparse(&dir, "a.h5ad", &random_csr::<f32>(90, 30, 8, 1), false),
        sparse(&dir, "b.h5ad", &random_csr::<f32>(70, 30, 8, 2), false),
    ];
    let (stack, twin) = both(Along::Obs, &known, &[None, None], 30, None);
    let columns = [3, 4, 9, 20];
    let selected = |source: Arc<dyn Source>| LazyMatrix::new(source).select(None, Some(&columns)).unwrap();
    let (x, twin) = (selected(stack.clone()), selected(Arc::new(twin)));
    let moments = |x: &LazyMatrix| ops::mean_var(x, ops::Axis::Obs, 1, &call(2)).unwrap();
    assert_eq!(stack.reads().decoded, 0);
    let first = moments(&x);
    let once = stack.reads();
    assert!(once.chunks > 2 && once.decoded == once.chunks, "{once:?}");
    let expected = moments(&twin);
    let pairs = first.mean.iter().zip(&expected.mean).chain(first.var.iter().zip(&expected.var));
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} {b}"));
    assert_eq!(first, moments(&x));
    assert_eq!(stack.reads(), once);
}
