//! Compares dense elements of every dtype, layout and filter with a twin in memory.

mod matrix_common;

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::element::{Array, Data};
use anndataoom_core::matrix::{Layout, MemorySource, Source};
use anndataoom_core::stream::Order;
use matrix_common::*;
use std::sync::Arc;

fn check(a: &Array, chunk: Option<(usize, usize)>, filter: &str) {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write_dense(&path, "X", a, chunk, filter);
    let source = open(&path, "X").unwrap();
    assert_eq!((source.layout(), source.nnz()), (Layout::Dense, None));
    same_as_twin(&source, MemorySource::from_array(a.clone()).unwrap(), 5, 2);
}

#[test]
fn every_filter_and_chunk_shape() {
    let a = random_dense::<f32>(53, 31, 1);
    check(&a, None, "none");
    for chunk in [(10, 31), (10, 7), (1, 31), (53, 1), (1, 1), (53, 31), (100, 100), (7, 40)] {
        check(&a, Some(chunk), "gzip");
    }
    for filter in ["none", "shuffle+gzip", "lzf", "fletcher32", "blosc:lz4", "nbit"] {
        check(&a, Some((10, 31)), filter);
        check(&a, Some((9, 10)), filter);
    }
}

#[test]
fn every_dtype() {
    macro_rules! each {
        ($($t:ty),*) => { $(
            let a = random_dense::<$t>(20, 11, 2);
            check(&a, None, "none");
            check(&a, Some((6, 4)), "shuffle+gzip");
        )* };
    }
    each!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);
}

#[test]
fn empty_shapes() {
    for (n, m) in [(0, 0), (0, 4), (4, 0)] {
        let a = Array { shape: vec![n, m], data: Data::F32(vec![]) };
        let dir = Dir::new();
        let path = dir.file("x.h5ad");
        write_dense(&path, "X", &a, Some((3, 3)), "gzip");
        let x = LazyMatrix::new(open(&path, "X").unwrap());
        assert_eq!(x.shape(), (n, m));
        assert_eq!(blocks(&x, Order::Matrix, 2).unwrap().iter().map(|b| b.n_rows()).sum::<usize>(), n);
    }
}

/// Checks several blocks whose borders lie within chunks.
#[test]
fn several_blocks() {
    let a = random_dense::<f32>(3000, 900, 3);
    let twin: Arc<dyn Source> = Arc::new(MemorySource::from_array(a.clone()).unwrap());
    for (chunk, filter) in
        [(None, "none"), (Some((100, 900)), "gzip"), (Some((700, 250)), "shuffle+gzip"), (Some((3000, 64)), "lzf")]
    {
        let dir = Dir::new();
        let path = dir.file("x.h5ad");
        write_dense(&path, "layers", &a, chunk, filter);
        let source = open(&path, "layers").unwrap();
        let skipping: Vec<u32> = (0..3000).step_by(3).collect();
        let reversed: Vec<u32> = (0..3000).rev().collect();
        for rows in [None, Some(skipping), Some(reversed)] {
            for columns in [None, Some(vec![5, 3, 899, 5]), Some(vec![10, 11, 12])] {
                let select = |s: &Arc<dyn Source>| {
                    LazyMatrix::new(s.clone()).select(rows.as_deref(), columns.as_deref()).unwrap()
                };
                let expected =
                    rows_of(&blocks(&select(&twin), Order::Matrix, 1).unwrap(), rows.as_ref().map_or(3000, Vec::len));
                for threads in [1, 2, 3] {
                    let got = blocks(&select(&source), Order::File, threads).unwrap();
                    assert!(rows_of(&got, expected.len()) == expected);
                }
            }
        }
    }
}
