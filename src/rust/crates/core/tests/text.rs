//! Checks matrices as text with little memory: sorting through buckets that are split again, any
//! number of repeats, and bounds.

use anndataoom_core::element::{self, Data, Value};
use anndataoom_core::store::Store;
use anndataoom_core::text::{read_10x_mtx, MtxOptions};
use anndataoom_core::{Error, Session};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a folder of `cells` and `genes`, with a matrix of the given entries (gene, cell, value).
fn folder(name: &str, cells: usize, genes: usize, body: &[(usize, usize, i64)]) -> Folder {
    let path = std::env::temp_dir().join(format!("anndataoom-text-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    let mut text = format!("%%MatrixMarket matrix coordinate integer general\n{genes} {cells} {}\n", body.len());
    for (gene, cell, value) in body {
        writeln!(text, "{} {} {value}", gene + 1, cell + 1).unwrap();
    }
    std::fs::write(path.join("matrix.mtx"), text).unwrap();
    let names = |n: usize, columns: &str| (0..n).map(|i| format!("n{i}{columns}\n")).collect::<String>();
    std::fs::write(path.join("genes.tsv"), names(genes, "\ts")).unwrap();
    std::fs::write(path.join("barcodes.tsv"), names(cells, "")).unwrap();
    Folder(path)
}

/// The offsets, columns and values of the rows.
type Csr = (Vec<u64>, Vec<u32>, Vec<f64>);

fn read(path: &Path, memory: usize) -> Result<Csr, Error> {
    let to = path.join("x.h5ad");
    let session = Session { threads: 2, memory, ..Session::default() };
    read_10x_mtx(path, &MtxOptions::default(), &to, &session)?;
    let Value::Sparse(x) = element::read(&Store::open(&to)?, "X")? else { panic!("no sparse matrix") };
    std::fs::remove_file(to).unwrap();
    Ok((x.indptr, x.indices, x.data.to_f64()?))
}

/// Computes the expected CSR matrix from a map that adds up repeats.
fn expected(cells: usize, body: &[(usize, usize, i64)]) -> (Vec<u64>, Vec<u32>, Vec<f64>) {
    let mut sums = BTreeMap::new();
    for &(gene, cell, value) in body {
        *sums.entry((cell, gene)).or_insert(0) += value;
    }
    let mut indptr = vec![0; cells + 1];
    for (cell, _) in sums.keys() {
        indptr[cell + 1] += 1;
    }
    for i in 0..cells {
        indptr[i + 1] += indptr[i];
    }
    (indptr, sums.keys().map(|k| k.1 as u32).collect(), sums.values().map(|&v| v as f64).collect())
}

/// Makes `n` entries (gene, cell, value) in random order with a generator of Knuth's.
fn scattered(n: usize, cells: usize, genes: usize) -> Vec<(usize, usize, i64)> {
    let mut state = 1_u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    (0..n).map(|_| (next(genes), next(cells), next(9) as i64 + 1)).collect()
}

#[test]
fn any_order_in_little_memory() {
    let body = scattered(200_000, 5000, 300);
    let folder = folder("scattered", 5000, 300, &body);
    // 3.2 MB of values, with less memory than that and with more.
    for memory in [1 << 20, 64 << 20] {
        assert_eq!(read(&folder.0, memory).unwrap(), expected(5000, &body));
    }
}

#[test]
fn buckets_that_are_too_large_are_split() {
    // All values are in 3 neighbouring cells of 100,000, and one cell has more repeats than memory.
    let mut body = scattered(60_000, 3, 5000);
    body.iter_mut().for_each(|b| b.1 += 70_000);
    body.extend((0..30_000).map(|i| (i % 7, 5, 1)));
    let folder = folder("skewed", 100_000, 5000, &body);
    assert_eq!(read(&folder.0, 1 << 20).unwrap(), expected(100_000, &body));
}

#[test]
fn repeats_of_one_cell_are_added_as_they_come() {
    let mut body: Vec<_> = (0..700_000).map(|i| (i % 3, 0, 1)).collect();
    body.push((0, 1, 4));
    let folder = folder("repeats", 2, 3, &body);
    assert_eq!(read(&folder.0, 1 << 20).unwrap(), expected(2, &body));
}

#[test]
fn a_header_takes_no_memory() {
    let folder = folder("header", 2, 3, &[(0, 0, 1)]);
    let text = "%%MatrixMarket matrix coordinate integer general\n3 2 1000000000000\n2 2 1\n1 1 1\n";
    std::fs::write(folder.0.join("matrix.mtx"), text).unwrap();
    let error = read(&folder.0, 1 << 20).unwrap_err().to_string();
    assert!(error.contains("ends after 2 of the 1000000000000 values"), "{error}");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 3);
}

#[test]
fn it_is_stopped() {
    let body = scattered(200_000, 500, 300);
    let folder = folder("stopped", 500, 300, &body);
    let session = Session::with_threads(2);
    session.monitor.cancel();
    let found = read_10x_mtx(&folder.0, &MtxOptions::default(), folder.0.join("x.h5ad"), &session);
    assert!(matches!(found, Err(Error::Cancelled)), "{found:?}");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 3);
}

#[test]
fn whole_numbers_and_their_type() {
    for (value, wide) in [(16_777_216, false), (16_777_217, true)] {
        let folder = folder("wide", 2, 3, &[(0, 1, value), (1, 0, 1)]);
        let to = folder.0.join("x.h5ad");
        read_10x_mtx(&folder.0, &MtxOptions::default(), &to, &Session::with_threads(2)).unwrap();
        let Value::Sparse(x) = element::read(&Store::open(&to).unwrap(), "X").unwrap() else { panic!("no matrix") };
        assert_eq!(matches!(x.data, Data::F64(_)), wide);
        assert_eq!(x.data.to_f64().unwrap(), [1.0, value as f64]);
    }
}
