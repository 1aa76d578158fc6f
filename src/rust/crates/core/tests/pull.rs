//! Checks rows pulled by block or chunk, and columns one by one: the values are those of the
//! matrix, stored chunks are decoded once, and a consumer that stops also stops the pass.

mod matrix_common;

use anndataoom_core::element::{Array, Data, Value};
use anndataoom_core::matrix::Rows;
use anndataoom_core::ops::log1p;
use anndataoom_core::stream::{
    self as columns, collect, map_columns, Blocks, Chunks, Column, Label, Order, PerColumn, NO_LABEL,
};
use anndataoom_core::{Error, LazyMatrix, Session};
use matrix_common::*;
use std::path::Path;

const CELLS: usize = 6000;
const GENES: usize = 300;

fn write(path: &Path) {
    let m = random_csr::<f32>(CELLS, GENES, 200, 7);
    let stored = Stored::Chunked { chunk: 65_537, filter: "lzf" };
    write_sparse::<i32>(path, "csr", &m, &stored);
    write_sparse::<i32>(path, "csc", &to_csc(&m), &stored);
    let (mut dense, values) = (vec![0f32; CELLS * GENES], m.data.to_f64().unwrap());
    for i in 0..CELLS {
        for k in m.indptr[i] as usize..m.indptr[i + 1] as usize {
            dense[i * GENES + m.indices[k] as usize] = values[k] as f32;
        }
    }
    let dense = Array { shape: vec![CELLS, GENES], data: Data::F32(dense) };
    write_dense(path, "dense", &dense, Some((333, 100)), "lzf");
}

fn dense(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(a) => a.data.to_f64().unwrap(),
        Value::Sparse(s) => {
            let (mut out, values) = (vec![0.0; s.shape.0 * s.shape.1], s.data.to_f64().unwrap());
            for i in 0..s.shape.0 {
                for k in s.indptr[i] as usize..s.indptr[i + 1] as usize {
                    out[i * s.shape.1 + s.indices[k] as usize] = values[k];
                }
            }
            out
        }
        other => panic!("{}", other.encoding()),
    }
}

fn chains(path: &Path) -> Vec<LazyMatrix> {
    let mut random = Random(3);
    let cells: Vec<u32> = (0..4000).map(|_| random.below(CELLS) as u32).collect();
    let genes: Vec<u32> = (0..GENES as u32).rev().step_by(3).collect();
    let mut all = Vec::new();
    for element in ["csr", "csc", "dense"] {
        let x = LazyMatrix::new(open(path, element).unwrap());
        all.push(log1p(&x, None).unwrap().0.select(Some(&cells), Some(&genes)).unwrap());
        all.push(x);
    }
    all
}

#[test]
fn chunks_are_the_rows_in_order() {
    let dir = Dir::new();
    write(&dir.file("x.h5ad"));
    for x in chains(&dir.file("x.h5ad")) {
        let (n, m) = x.shape();
        let all = dense(&collect(&x, &Session::with_threads(2), u64::MAX).unwrap());
        for (size, threads) in [(1000, 1), (777, 3), (n, 2), (usize::MAX, 2), (1, 2)] {
            let before = x.source().reads();
            let mut next = 0;
            let step = size.min(n);
            for chunk in Chunks::new(&x, size, &Session::with_threads(threads)).unwrap() {
                let (rows, value) = chunk.unwrap();
                assert_eq!(rows, next..(next + step).min(n));
                assert!(dense(&value) == all[next * m..rows.end * m], "rows {rows:?}");
                next = rows.end;
            }
            assert_eq!(next, n);
            let read = x.source().reads().decoded - before.decoded;
            if x.rows().is_none() {
                assert!(read <= before.chunks, "{read} chunks of {}", before.chunks);
            }
        }
    }
    let x = LazyMatrix::new(open(&dir.file("x.h5ad"), "csr").unwrap());
    let none = x.select(Some(&[]), None).unwrap();
    assert_eq!(Chunks::new(&none, 10, &Session::default()).unwrap().count(), 0);
    let e = Chunks::new(&x, 0, &Session::default()).unwrap_err().to_string();
    assert_eq!(e, "chunk_size: expected at least 1 row, found 0");
}

#[test]
fn whoever_stops_stops_the_pass() {
    let dir = Dir::new();
    write(&dir.file("x.h5ad"));
    for x in chains(&dir.file("x.h5ad")) {
        for threads in [1, 3] {
            for taken in 0..3 {
                let session = Session { memory: 1 << 20, ..Session::with_threads(threads) };
                let mut blocks = Blocks::new(&x, Order::Matrix, &session).unwrap();
                for _ in 0..taken {
                    blocks.next().map(|b| b.unwrap());
                }
                drop(blocks);
                assert!(session.monitor.check().is_ok());
            }
            let session = Session::with_threads(threads);
            let mut blocks = Blocks::new(&x, Order::File, &session).unwrap();
            let first = blocks.next().unwrap().unwrap();
            assert!(first.n_rows() > 0);
            session.monitor.cancel();
            // A block that is already done may come first.
            let last = blocks.by_ref().find(Result::is_err);
            assert!(matches!(last, Some(Err(Error::Cancelled)) | None));
            assert!(blocks.next().is_none());
        }
    }
}

#[test]
fn columns_are_those_of_the_matrix_whatever_the_memory() {
    let dir = Dir::new();
    write(&dir.file("x.h5ad"));
    for x in chains(&dir.file("x.h5ad")) {
        let (n, m) = x.shape();
        let all = dense(&collect(&x, &Session::default(), u64::MAX).unwrap());
        for memory in [64 << 20, 4 << 20, 1 << 16] {
            if memory < 1 << 20 && m > 200 {
                // This would take one pass per gene.
                continue;
            }
            let session = Session { memory, ..Session::with_threads(2) };
            let columns = map_columns(&x, None, &Spread { n }, &session).unwrap();
            assert_eq!(columns.len(), m);
            for (j, (index, values)) in columns.iter().enumerate() {
                assert_eq!(*index, j);
                assert!((0..n).all(|i| values[i] == all[i * m + j]), "column {j}");
            }
            // Rows by label: the values of every third row are added up, and the first row of each
            // three is left out.
            let labels: Vec<u32> = (0..n as u32).map(|i| if i % 3 == 0 { NO_LABEL } else { i % 3 - 1 }).collect();
            let sums = map_columns(&x, Some(&labels), &Spread { n: 2 }, &session).unwrap();
            for (j, (_, values)) in sums.iter().enumerate() {
                #[allow(clippy::needless_range_loop)] // A label of the rows, not a place alone.
                for label in 0..2 {
                    let last = (0..n).filter(|i| i % 3 == label + 1).map(|i| all[i * m + j]).filter(|&v| v != 0.0);
                    let found: f64 = last.sum();
                    assert!((values[label] - found).abs() < 1e-9 * found.abs().max(1.0));
                }
            }
        }
        let e = map_columns(&x, None, &Fails, &Session::default());
        assert_eq!(e.unwrap_err().to_string(), "no");
        let e = map_columns(&x, Some(&[0]), &Fails, &Session::default()).unwrap_err().to_string();
        assert!(e.contains("labels, one a row"), "{e}");
    }
}

/// The sum of a column's values for each label.
struct Spread {
    n: usize,
}

impl PerColumn for Spread {
    type Output = (usize, Vec<f64>);

    fn column<T: columns::Value, L: Label>(&self, column: &Column<'_, T, L>) -> Result<Self::Output, Error> {
        let mut values = vec![0.0; self.n];
        for (label, x) in column.labels.iter().zip(column.values) {
            assert!(x.to_f64() != 0.0);
            values[label.index()] += x.to_f64();
        }
        Ok((column.index, values))
    }
}

struct Fails;

impl PerColumn for Fails {
    type Output = ();

    fn column<T: columns::Value, L: Label>(&self, column: &Column<'_, T, L>) -> Result<(), Error> {
        match column.index {
            3 => Err(Error::Numerical("no".to_owned())),
            _ => Ok(()),
        }
    }
}

#[test]
fn bands_of_compressed_columns_read_them_alone() {
    let dir = Dir::new();
    write(&dir.file("x.h5ad"));
    let x = LazyMatrix::new(open(&dir.file("x.h5ad"), "csc").unwrap());
    let few = x.select(None, Some(&[0, 1])).unwrap();
    let before = x.source().reads();
    map_columns(&few, None, &Spread { n: 6000 }, &Session::default()).unwrap();
    assert!(x.source().reads().decoded - before.decoded <= 4);
    assert!(x.source().pass_bytes(&Rows::All, None) > 0);
}
