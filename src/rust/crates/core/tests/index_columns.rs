//! Compares the column index with the matrix that it was made from.

mod matrix_common;

use anndataoom_core::element::{Data, Sparse, SparseFormat};
use anndataoom_core::matrix::Source;
use anndataoom_core::ops::index_columns;
use anndataoom_core::stream::{Blocks, Order};
use anndataoom_core::{Error, LazyMatrix, Session};
use matrix_common::*;
use std::path::Path;
use std::sync::Arc;

const GZIP: Stored = Stored::Chunked { chunk: 5000, filter: "gzip" };

fn session() -> Session {
    call(2)
}

fn read(source: &Arc<dyn Source>) -> u64 {
    source.reads().decoded
}

/// Checks that every selection of columns gives the same blocks with the index as without, and
/// decodes nothing of the file.
fn check(path: &Path, dir: &Path, rows: usize, columns: usize) {
    let plain = LazyMatrix::new(open(path, "X").unwrap());
    let source = open(path, "X").unwrap();
    let indexed = LazyMatrix::new(source.clone());
    // A chain made before the index uses it too.
    let before = indexed.select(None, Some(&[1])).unwrap();
    let found = index_columns(&indexed, dir, &Session { memory: 1 << 20, ..session() }).unwrap();
    assert!(found.made && found.bytes > 0 && found.path.starts_with(dir));
    let decoded = read(&source);
    for list in [vec![3], vec![5, 1], vec![2, 2, 0], (0..columns as u32 / 2).collect()] {
        for rows in selections(rows, 5) {
            let select = |x: &LazyMatrix| x.select(rows.as_deref(), Some(&list)).unwrap();
            for order in [Order::Matrix, Order::File] {
                let expected = blocks(&select(&plain), order, 1).unwrap();
                for threads in [1, 2, 8] {
                    assert!(blocks(&select(&indexed), order, threads).unwrap() == expected);
                }
            }
        }
    }
    assert_eq!(
        blocks(&before, Order::File, 1).unwrap(),
        blocks(&plain.select(None, Some(&[1])).unwrap(), Order::File, 1).unwrap()
    );
    assert_eq!(read(&source), decoded);
    // Whole rows are still read from the file, and so are columns that do not fit into the working
    // memory.
    blocks(&indexed, Order::File, 1).unwrap();
    let from_file = |decoded| read(&source) > decoded || source.reads().chunks == 0;
    assert!(from_file(decoded));
    let decoded = read(&source);
    let small = Session { memory: 1 << 10, ..session() };
    Blocks::new(&before, Order::File, &small).unwrap().for_each(|b| drop(b.unwrap()));
    assert!(from_file(decoded));
}

#[test]
fn it_gives_what_the_file_gives() {
    macro_rules! each {
        ($($t:ty),*) => { $(
            let m = random_csr::<$t>(900, 60, 15, 2);
            let dir = Dir::new();
            let path = dir.file("x.h5ad");
            write_sparse::<i32>(&path, "X", &m, &GZIP);
            let folder = dir.file("index");
            std::fs::create_dir(&folder).unwrap();
            check(&path, &folder, 900, 60);
            // There is one file in the folder of indexes, and none beside the source.
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
            assert_eq!(std::fs::read_dir(dir.file("")).unwrap().count(), 2);
        )* };
    }
    each!(bool, i8, i64, u16, f32, f64);
    let mut m = random_csr::<f64>(900, 60, 15, 4);
    m.data = Data::F64(m.data.to_f64().unwrap().iter().enumerate().map(|(i, x)| x / 3.0 - (i % 5) as f64).collect());
    let dir = Dir::new();
    write_sparse::<i64>(&dir.file("x.h5ad"), "X", &m, &Stored::Contiguous);
    check(&dir.file("x.h5ad"), &dir.file(""), 900, 60);
}

#[test]
fn several_blocks_and_runs() {
    let m = random_csr::<f32>(9000, 600, 350, 7);
    assert!(m.data.len() > 1 << 20);
    let dir = Dir::new();
    write_sparse::<i32>(&dir.file("x.h5ad"), "X", &m, &Stored::Chunked { chunk: 65_536, filter: "lzf" });
    check(&dir.file("x.h5ad"), &dir.file(""), 9000, 600);
}

#[test]
fn empty_matrices() {
    for (rows, cols) in [(0, 5), (5, 0), (3, 4)] {
        let m = Sparse {
            format: SparseFormat::Csr,
            shape: (rows, cols),
            indptr: vec![0; rows + 1],
            indices: vec![],
            data: Data::F32(vec![]),
        };
        let dir = Dir::new();
        write_sparse::<i32>(&dir.file("x.h5ad"), "X", &m, &GZIP);
        let x = LazyMatrix::new(open(&dir.file("x.h5ad"), "X").unwrap());
        index_columns(&x, &dir.file(""), &session()).unwrap();
        let all: Vec<u32> = (0..cols as u32).collect();
        let found = blocks(&x.select(None, Some(&all)).unwrap(), Order::Matrix, 2).unwrap();
        let found = rows_of(&found, rows);
        assert_eq!(found.len(), rows);
        assert!(found.iter().all(|row| row.as_ref().is_some_and(Vec::is_empty)), "{rows} x {cols}: {found:?}");
    }
}

/// Checks that an index is found again for the same file, and that it is made anew, never used, for
/// another state of the file.
#[test]
fn it_belongs_to_one_state_of_one_file() {
    let dir = Dir::new();
    let (path, other) = (dir.file("x.h5ad"), dir.file("y.h5ad"));
    let m = random_csr::<f32>(900, 60, 15, 2);
    write_sparse::<i32>(&path, "X", &m, &GZIP);
    let fresh = |path: &Path| LazyMatrix::new(open(path, "X").unwrap());
    let first = index_columns(&fresh(&path), &dir.file(""), &session()).unwrap();
    let again = index_columns(&fresh(&path), &dir.file(""), &session()).unwrap();
    assert!(first.made && !again.made && first.path == again.path && first.bytes == again.bytes);

    // Other values with the same shape, offsets and size, in a file at the same path.
    let mut changed = m.clone();
    changed.data = Data::F32(m.data.to_f64().unwrap().iter().map(|x| (9.0 - x) as f32).collect());
    let x = fresh(&path);
    index_columns(&x, &dir.file(""), &session()).unwrap();
    write_sparse::<i32>(&other, "X", &changed, &GZIP);
    std::fs::rename(&other, &path).unwrap();
    // The open file is still the old one, and its index belongs to it.
    let column = |x: &LazyMatrix| blocks(&x.select(None, Some(&[7])).unwrap(), Order::File, 1);
    let old = column(&x).unwrap();
    let now = fresh(&path);
    let remade = index_columns(&now, &dir.file(""), &session()).unwrap();
    assert!(remade.made && remade.path == first.path);
    assert!(column(&now).unwrap() != old && column(&now).unwrap() == column(&fresh(&path)).unwrap());

    // A file that was changed in place after it was opened is an error that says so.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let e = column(&now).unwrap_err();
    assert!(e.class() == "state" && e.to_string().contains("was changed after it was opened"), "{e}");
    assert!(e.to_string().contains("index_columns()"), "{e}");
    column(&fresh(&path)).unwrap();
}

#[test]
fn damage_is_noticed() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write_sparse::<i32>(&path, "X", &random_csr::<f32>(900, 60, 15, 2), &GZIP);
    let x = LazyMatrix::new(open(&path, "X").unwrap());
    let found = index_columns(&x, &dir.file(""), &session()).unwrap();
    let intact = std::fs::read(&found.path).unwrap();
    // A selection of all columns in their order would be none, and read no index.
    let all: Vec<u32> = (0..60).rev().collect();
    let expected = blocks(&x.select(None, Some(&all)).unwrap(), Order::File, 1).unwrap();
    let mut random = Random(8);
    for round in 0..100 {
        let mut bytes = intact.clone();
        if round % 4 == 0 {
            bytes.truncate(random.below(intact.len()));
        } else {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        std::fs::write(&found.path, &bytes).unwrap();
        let y = LazyMatrix::new(open(&path, "X").unwrap());
        // An index with a damaged footer is made again; a damaged column is an error when it is
        // read.
        let made = index_columns(&y, &dir.file(""), &session()).unwrap().made;
        match blocks(&y.select(None, Some(&all)).unwrap(), Order::File, 1) {
            Ok(found) => assert!(made && found == expected),
            Err(e) => assert!(!made && e.class() == "file" && e.to_string().contains("damaged"), "{e}"),
        }
    }
}

#[test]
fn what_cannot_have_one_says_why() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    let m = random_csr::<f32>(50, 20, 5, 2);
    write_sparse::<i32>(&path, "csc", &to_csc(&m), &GZIP);
    write_dense(&path, "dense", &random_dense::<f32>(20, 10, 3), None, "none");
    write_sparse::<i32>(&path, "X", &m, &GZIP);
    let refused = |x: LazyMatrix, word: &str| {
        let e = index_columns(&x, &dir.file(""), &session()).unwrap_err();
        assert!(e.class() == "state" && e.to_string().contains(word), "{e}");
    };
    refused(LazyMatrix::new(open(&path, "csc").unwrap()), "without an index");
    refused(LazyMatrix::new(open(&path, "dense").unwrap()), "is dense");
    refused(LazyMatrix::new(anndataoom_core::matrix::MemorySource::from_sparse(&m).unwrap().into()), "in memory");
    let x = LazyMatrix::new(open(&path, "X").unwrap());
    assert!(matches!(index_columns(&x, &dir.file("nowhere"), &session()), Err(Error::Io { .. })));
}

/// Checks that an index made of packed rows has the same bytes as one made of the file, and reads
/// nothing of it.
#[test]
fn it_is_made_of_packed_rows() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write_sparse::<i32>(&path, "X", &random_csr::<f32>(4000, 700, 90, 3), &GZIP);
    let made = |session: &Session, passes: usize| {
        let source = open(&path, "X").unwrap();
        let x = LazyMatrix::new(source.clone());
        (0..passes).for_each(|_| drop(anndataoom_core::ops::row_sums(&x, session).unwrap()));
        let before = read(&source);
        let folder = dir.file(&format!("index {passes}"));
        std::fs::create_dir(&folder).unwrap();
        let found = index_columns(&x, &folder, session).unwrap();
        (std::fs::read(&found.path).unwrap(), read(&source) - before)
    };
    let (of_file, decoded) = made(&Session { packed: Some(0), ..Session::with_threads(2) }, 0);
    let (of_packed, nothing) = made(&Session { packed: Some(1 << 30), ..Session::with_threads(2) }, 1);
    assert!(decoded > 0 && nothing == 0);
    assert!(of_file == of_packed);
}
