//! Compares CSR elements of every dtype, layout and filter with a twin in memory.

mod matrix_common;

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::element::{Data, Sparse, SparseFormat};
use anndataoom_core::matrix::{Layout, MemorySource};
use anndataoom_core::stream::Order;
use matrix_common::*;

fn check(m: &Sparse, write: impl Fn(&std::path::Path)) {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write(&path);
    let source = open(&path, "X").unwrap();
    assert_eq!(source.layout(), Layout::Csr);
    assert_eq!(source.nnz(), Some(m.data.len() as u64));
    assert!(source.disk_bytes() > 0);
    same_as_twin(&source, MemorySource::from_sparse(m).unwrap(), 5, 2);
}

#[test]
fn every_filter() {
    let m = random_csr::<f32>(300, 50, 12, 1);
    for filter in [
        "none",
        "gzip",
        "shuffle+gzip",
        "lzf",
        "shuffle+lzf",
        "shuffle",
        "fletcher32",
        "shuffle+gzip+fletcher32",
        "blosc:blosclz",
        "blosc:lz4",
        "blosc:zlib",
        "blosc:zstd",
        "blosc:snappy",
        "nbit",
    ] {
        eprintln!("{filter}");
        check(&m, |p| write_sparse::<i32>(p, "X", &m, &Stored::Chunked { chunk: 100, filter }));
    }
    let m = random_csr::<i16>(300, 50, 12, 1);
    check(&m, |p| write_sparse::<i32>(p, "X", &m, &Stored::Chunked { chunk: 100, filter: "scaleoffset" }));
}

#[test]
fn every_dtype() {
    macro_rules! each {
        ($($t:ty),*) => { $(
            let m = random_csr::<$t>(120, 40, 9, 2);
            check(&m, |p| write_sparse::<i32>(p, "X", &m, &Stored::Contiguous));
            check(&m, |p| write_sparse::<i32>(p, "X", &m, &Stored::Chunked { chunk: 77, filter: "gzip" }));
        )* };
    }
    each!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);
}

#[test]
fn every_index_type() {
    let m = random_csr::<f32>(25, 40, 4, 3);
    macro_rules! each {
        ($($t:ty),*) => { $(
            check(&m, |p| write_sparse::<$t>(p, "X", &m, &Stored::Chunked { chunk: 33, filter: "gzip" }));
            check(&m, |p| write_sparse::<$t>(p, "X", &m, &Stored::Contiguous));
        )* };
    }
    each!(u8, i16, u16, i32, u32, i64, u64);
}

#[test]
fn chunk_sizes_around_the_number_of_values() {
    let m = random_csr::<f32>(50, 30, 6, 4);
    let nnz = m.data.len();
    for chunk in [1, 7, nnz - 1, nnz, nnz + 1, 10 * nnz] {
        check(&m, |p| write_sparse::<i32>(p, "X", &m, &Stored::Chunked { chunk, filter: "shuffle+gzip" }));
    }
}

#[test]
fn empty_shapes() {
    for (rows, cols) in [(0, 0), (0, 5), (5, 0), (3, 4)] {
        let m = Sparse {
            format: SparseFormat::Csr,
            shape: (rows, cols),
            indptr: vec![0; rows + 1],
            indices: vec![],
            data: Data::F32(vec![]),
        };
        let dir = Dir::new();
        let path = dir.file("x.h5ad");
        write_sparse::<i32>(&path, "X", &m, &Stored::Chunked { chunk: 10, filter: "gzip" });
        let x = LazyMatrix::new(open(&path, "X").unwrap());
        let all = rows_of(&blocks(&x, Order::Matrix, 2).unwrap(), rows);
        assert!(all.iter().all(|r| r.as_ref().is_some_and(Vec::is_empty)));
    }
}

#[test]
fn unsorted_and_repeated_columns() {
    let mut m = random_csr::<i32>(200, 30, 8, 6);
    let mut random = Random(9);
    for r in 0..200 {
        let (a, b) = (m.indptr[r] as usize, m.indptr[r + 1] as usize);
        for k in a..b {
            let other = a + random.below(b - a);
            m.indices.swap(k, other);
            if random.below(4) == 0 {
                m.indices[k] = m.indices[other];
            }
        }
    }
    check(&m, |p| write_sparse::<i32>(p, "X", &m, &Stored::Chunked { chunk: 64, filter: "gzip" }));
    m.data = Data::F32(m.data.to_f64().unwrap().iter().map(|&x| x as f32).collect());
    check(&m, |p| write_sparse::<i64>(p, "X", &m, &Stored::Contiguous));
}

/// Checks several blocks with chunks that do not divide them, so that threads share chunks.
#[test]
fn several_blocks() {
    let m = random_csr::<f32>(9000, 900, 350, 7);
    assert!(m.data.len() > 2 << 20);
    for (chunk, filter) in [(65_536, "gzip"), (9_999, "none"), (3_000_000, "lzf"), (1_500_000, "gzip")] {
        let dir = Dir::new();
        let path = dir.file("x.h5ad");
        write_sparse::<i32>(&path, "X", &m, &Stored::Chunked { chunk, filter });
        let source = open(&path, "X").unwrap();
        let twin: std::sync::Arc<dyn anndataoom_core::matrix::Source> = MemorySource::from_sparse(&m).unwrap().into();
        let mut random = Random(3);
        let permuted: Vec<u32> = (0..9000).map(|_| random.below(9000) as u32).collect();
        let skipping: Vec<u32> = (0..9000).step_by(3).collect();
        let mut repeated = permuted.clone();
        repeated.sort_unstable();
        for rows in [None, Some(permuted), Some(skipping), Some(repeated)] {
            let x = LazyMatrix::new(source.clone()).select(rows.as_deref(), None).unwrap();
            let t = LazyMatrix::new(twin.clone()).select(rows.as_deref(), None).unwrap();
            let expected = blocks(&t, Order::File, 1).unwrap();
            for threads in [1, 2, 3] {
                assert_eq!(blocks(&x, Order::File, threads).unwrap(), expected);
            }
            let (got, expected) = (blocks(&x, Order::Matrix, 2).unwrap(), blocks(&t, Order::Matrix, 1).unwrap());
            assert_eq!(got, expected);
        }
    }
}
