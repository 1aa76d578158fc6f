//! Compares CSC elements streamed by rows with the same matrix in memory.

mod matrix_common;

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::element::Data;
use anndataoom_core::matrix::{Layout, MemorySource, Rows, Source};
use anndataoom_core::session::{Allowance, Keeping, Space};
use anndataoom_core::stream::Order;
use matrix_common::*;
use std::sync::Arc;

#[test]
fn every_dtype_and_filter() {
    macro_rules! each {
        ($($t:ty),*) => { $(
            let m = random_csr::<$t>(120, 40, 9, 2);
            for stored in [Stored::Contiguous, Stored::Chunked { chunk: 77, filter: "shuffle+gzip" }] {
                let dir = Dir::new();
                let path = dir.file("x.h5ad");
                write_sparse::<i32>(&path, "X", &to_csc(&m), &stored);
                let source = open(&path, "X").unwrap();
                assert_eq!(source.layout(), Layout::Csc);
                same_as_twin(&source, MemorySource::from_sparse(&m).unwrap(), 5, 2);
            }
        )* };
    }
    each!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);
}

#[test]
fn unsorted_and_repeated_rows() {
    let mut m = to_csc(&random_csr::<f32>(200, 30, 8, 6));
    let mut random = Random(9);
    for c in 0..30 {
        let (a, b) = (m.indptr[c] as usize, m.indptr[c + 1] as usize);
        for k in a..b {
            let other = a + random.below(b - a);
            m.indices.swap(k, other);
            if random.below(4) == 0 {
                m.indices[k] = m.indices[other];
            }
        }
    }
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write_sparse::<i64>(&path, "X", &m, &Stored::Chunked { chunk: 64, filter: "gzip" });
    same_as_twin(&open(&path, "X").unwrap(), MemorySource::from_sparse(&m).unwrap(), 5, 3);
}

/// Checks several blocks and groups, in memory and through the scratch file, with 1 to 3 threads.
#[test]
fn several_blocks_and_scratch() {
    let m = random_csr::<f32>(9000, 900, 350, 7);
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write_sparse::<i32>(&path, "X", &to_csc(&m), &Stored::Chunked { chunk: 65_536, filter: "gzip" });
    let source = open(&path, "X").unwrap();
    let twin: Arc<dyn Source> = MemorySource::from_sparse(&m).unwrap().into();
    let permuted: Vec<u32> = (0..9000u32).map(|i| (i * 7919) % 9000).collect();
    for rows in [None, Some(permuted)] {
        let select = |s: &Arc<dyn Source>| LazyMatrix::new(s.clone()).select(rows.as_deref(), None).unwrap();
        let expected = rows_of(&blocks(&select(&twin), Order::Matrix, 1).unwrap(), 9000);
        let first = blocks(&select(&source), Order::Matrix, 1).unwrap();
        assert!(first.len() > 1);
        assert!(rows_of(&first, 9000) == expected);
        for threads in [2, 3] {
            assert!(blocks(&select(&source), Order::Matrix, threads).unwrap() == first);
        }
        // The budget is so small that nearly everything goes through the scratch file.
        let list = rows.as_ref().map_or(Rows::All, |r| Rows::List(r.clone().into()));
        let allowed = Allowance { memory: 1 << 20, scratch: Space::default(), keeping: Keeping::default() };
        let pass = source.pass(list, None, &allowed).unwrap();
        let small: Vec<_> = (0..pass.blocks().len()).map(|b| pass.read(b).unwrap()).collect();
        assert!(small == first);
    }
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let mine = format!("anndataoom-{}-", std::process::id());
    assert_eq!(
        left.filter(|f| f.file_name().to_string_lossy().starts_with(&mine)).count(),
        0,
        "scratch files are gone"
    );
}

#[test]
fn rows_past_the_end() {
    let mut m = to_csc(&random_csr::<f32>(50, 30, 8, 6));
    m.indices[17] = 50;
    let column = m.indptr.partition_point(|&p| p <= 17) - 1;
    m.data = Data::F32(m.data.into_f32().unwrap());
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write_sparse::<i32>(&path, "X", &m, &Stored::Contiguous);
    let e = blocks(&LazyMatrix::new(open(&path, "X").unwrap()), Order::Matrix, 2).unwrap_err();
    assert_eq!(e.class(), "format");
    let text = e.to_string();
    assert!(
        text.contains("X/indices") && text.contains(&format!("column {column}")) && text.contains("found 50"),
        "{text}"
    );
}
