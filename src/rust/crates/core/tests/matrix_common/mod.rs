//! Files and matrices for the tests of the sources on disk.
#![allow(dead_code, reason = "each test file uses its part")]

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::element::{Array, Data, Number, Sparse, SparseFormat};
use anndataoom_core::matrix::{Block, MemorySource, Source, Storage};
use anndataoom_core::session::Budget;
use anndataoom_core::store::Store;
use anndataoom_core::stream::{Blocks, Order};
use anndataoom_core::{Error, Session};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// A directory of one test, removed at the end.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("anndataoom-matrix-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A small generator (SplitMix64) that gives the same numbers on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Makes a random CSR matrix of small counts, some of whose rows are empty.
pub fn random_csr<T: Number>(rows: usize, cols: usize, per_row: usize, seed: u64) -> Sparse {
    let mut random = Random(seed);
    let (mut indptr, mut indices, mut data) = (vec![0u64], Vec::new(), Vec::<T>::new());
    for _ in 0..rows {
        let n = if random.below(10) == 0 { 0 } else { random.below(2 * per_row + 1).min(cols) };
        let mut row: Vec<u32> = (0..n).map(|_| random.below(cols) as u32).collect();
        row.sort_unstable();
        row.dedup();
        data.extend(row.iter().map(|_| T::from_f64((random.below(9) + usize::from(random.below(20) > 0)) as f64)));
        indices.extend(row);
        indptr.push(indices.len() as u64);
    }
    Sparse { format: SparseFormat::Csr, shape: (rows, cols), indptr, indices, data: T::wrap(data) }
}

/// Returns the same matrix in CSC form.
pub fn to_csc(m: &Sparse) -> Sparse {
    let (rows, cols) = m.shape;
    let mut by_column = vec![Vec::new(); cols];
    for r in 0..rows {
        for k in m.indptr[r] as usize..m.indptr[r + 1] as usize {
            by_column[m.indices[k] as usize].push((r as u32, k));
        }
    }
    let (mut indptr, mut indices, mut from) = (vec![0u64], Vec::new(), Vec::new());
    for column in by_column {
        indices.extend(column.iter().map(|e| e.0));
        from.extend(column.iter().map(|e| e.1));
        indptr.push(indices.len() as u64);
    }
    Sparse { format: SparseFormat::Csc, shape: m.shape, indptr, indices, data: m.data.select(&from).unwrap() }
}

/// The storage of a test file's datasets.
#[derive(Clone, Debug)]
pub enum Stored {
    Contiguous,
    Chunked { chunk: usize, filter: &'static str },
}

/// Writes a 1-D dataset.
pub fn write_1d<T: hdf5::H5Type + Clone>(group: &hdf5::Group, name: &str, values: &[T], stored: &Stored) {
    let builder = group.new_dataset_builder();
    match stored {
        Stored::Contiguous => builder.with_data(values).create(name).map(|_| ()),
        Stored::Chunked { chunk, filter } => {
            let chunk = (*chunk).max(1);
            filtered(builder.empty::<T>().shape((hdf5::Extent::resizable(values.len()),)).chunk((chunk,)), filter)
                .create(name)
                .and_then(|d| if values.is_empty() { Ok(()) } else { d.write(values) })
        }
    }
    .unwrap();
}

pub fn filtered(b: hdf5::DatasetBuilderEmptyShape, filter: &str) -> hdf5::DatasetBuilderEmptyShape {
    use hdf5::filters::BloscShuffle;
    match filter {
        "none" => b,
        "gzip" => b.deflate(4),
        "shuffle+gzip" => b.shuffle().deflate(4),
        "lzf" => b.lzf(),
        "shuffle+lzf" => b.shuffle().lzf(),
        "shuffle" => b.shuffle(),
        "fletcher32" => b.fletcher32(),
        "shuffle+gzip+fletcher32" => b.shuffle().deflate(4).fletcher32(),
        "blosc:blosclz" => b.blosc_blosclz(5, BloscShuffle::Byte),
        "blosc:lz4" => b.blosc_lz4(5, BloscShuffle::Bit),
        "blosc:zlib" => b.blosc_zlib(5, BloscShuffle::None),
        "blosc:zstd" => b.blosc_zstd(5, BloscShuffle::Byte),
        "blosc:snappy" => b.blosc_snappy(5, BloscShuffle::Byte),
        "scaleoffset" => b.scale_offset(hdf5::filters::ScaleOffset::Integer(0)),
        "nbit" => b.nbit(),
        other => panic!("filter {other}"),
    }
}

/// Writes a string attribute.
pub fn text_attribute(group: &hdf5::Location, name: &str, value: &str) {
    let value: hdf5::types::VarLenUnicode = value.parse().unwrap();
    group.new_attr::<hdf5::types::VarLenUnicode>().create(name).unwrap().write_scalar(&value).unwrap();
}

/// Runs `$body` with `$v` bound to the buffer if the `hdf5` crate can write its type (it has no
/// f16).
#[macro_export]
macro_rules! with_h5 {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            Data::Bool($v) => $body,
            Data::I8($v) => $body,
            Data::I16($v) => $body,
            Data::I32($v) => $body,
            Data::I64($v) => $body,
            Data::U8($v) => $body,
            Data::U16($v) => $body,
            Data::U32($v) => $body,
            Data::U64($v) => $body,
            Data::F32($v) => $body,
            Data::F64($v) => $body,
            Data::F16(_) => panic!("float16"),
        }
    };
}

/// Writes a sparse matrix as AnnData does, with indices and offsets of type `I`.
pub fn write_sparse<I: hdf5::H5Type + Clone + TryFrom<u64>>(path: &Path, element: &str, m: &Sparse, stored: &Stored) {
    let file = hdf5::File::append(path).unwrap();
    let group = file.create_group(element).unwrap();
    let format = if m.format == SparseFormat::Csr { "csr_matrix" } else { "csc_matrix" };
    text_attribute(&group, "encoding-type", format);
    text_attribute(&group, "encoding-version", "0.1.0");
    let shape = [m.shape.0 as i64, m.shape.1 as i64];
    group.new_attr_builder().with_data(&shape).create("shape").unwrap();
    fn as_index<I: TryFrom<u64>>(x: u64) -> I {
        I::try_from(x).ok().unwrap()
    }
    let indices: Vec<I> = m.indices.iter().map(|&i| as_index(i.into())).collect();
    let indptr: Vec<I> = m.indptr.iter().map(|&i| as_index(i)).collect();
    with_h5!(&m.data, v => write_1d(&group, "data", v, stored));
    write_1d(&group, "indices", &indices, stored);
    write_1d(&group, "indptr", &indptr, stored);
}

/// Writes a dense matrix, contiguous or in chunks.
pub fn write_dense(path: &Path, element: &str, a: &Array, chunk: Option<(usize, usize)>, filter: &str) {
    let file = hdf5::File::append(path).unwrap();
    let shape = (a.shape[0], a.shape[1]);
    with_h5!(&a.data, v => {
        let view = ndarray::ArrayView2::from_shape(shape, v).unwrap();
        match chunk {
            None => { file.new_dataset_builder().with_data(view).create(element).unwrap(); }
            Some(chunk) => {
                fn empty<T: hdf5::H5Type>(f: &hdf5::File, _: &[T]) -> hdf5::DatasetBuilderEmpty {
                    f.new_dataset_builder().empty::<T>()
                }
                let extents = (hdf5::Extent::resizable(shape.0), hdf5::Extent::resizable(shape.1));
                filtered(empty(&file, v).shape(extents).chunk(chunk), filter).create(element).unwrap().write(view).unwrap();
            }
        }
    });
}

pub fn open(path: &Path, element: &str) -> Result<Arc<dyn Source>, Error> {
    anndataoom_core::matrix::open(&Store::open(path)?, element)
}

/// Returns a session for one call. It shares what the file's tests have in common and has a memory
/// budget of its own.
pub fn call(threads: usize) -> Session {
    static SESSION: LazyLock<Session> = LazyLock::new(Session::default);
    Session { threads, budget: Budget::default(), ..SESSION.call() }
}

/// Returns all blocks of a pass over `x`.
pub fn blocks(x: &LazyMatrix, order: Order, threads: usize) -> Result<Vec<Block>, Error> {
    Blocks::new(x, order, &call(threads))?.collect()
}

/// Returns the rows of `blocks` in matrix order, each as (column, bits of the value); a row in no
/// block is `None`.
pub fn rows_of(blocks: &[Block], n: usize) -> Vec<Option<Vec<(u32, u64)>>> {
    fn bits<T: Number>(v: &[T]) -> Vec<u64> {
        v.iter().map(|x| x.to_f64().to_bits()).collect()
    }
    let mut rows = vec![None; n];
    for b in blocks {
        match &b.storage {
            Storage::Csr { indptr, indices, data } => {
                assert_eq!(indptr.len(), b.n_rows() + 1);
                assert_eq!((indptr[0], *indptr.last().unwrap()), (0, indices.len()));
                assert_eq!(indices.len(), data.len());
                let values = anndataoom_core::with_data!(data, v => bits(v));
                for i in 0..b.n_rows() {
                    let range = indptr[i]..indptr[i + 1];
                    assert!(indices[range.clone()].windows(2).all(|w| w[0] < w[1]), "columns ascend");
                    assert!(indices[range.clone()].iter().all(|&c| (c as usize) < b.n_cols));
                    let row = indices[range.clone()].iter().copied().zip(values[range].iter().copied()).collect();
                    assert!(rows[b.positions.row(i)].replace(row).is_none(), "each row once");
                }
            }
            Storage::Dense(data) => {
                let values = anndataoom_core::with_data!(data, v => bits(v));
                assert_eq!(values.len(), b.n_rows() * b.n_cols);
                for i in 0..b.n_rows() {
                    let row = values[i * b.n_cols..(i + 1) * b.n_cols].iter().copied();
                    let row = row.enumerate().map(|(c, x)| (c as u32, x)).collect();
                    assert!(rows[b.positions.row(i)].replace(row).is_none(), "each row once");
                }
            }
        }
    }
    rows
}

/// Returns selections of every kind on an axis of length `n`.
pub fn selections(n: usize, seed: u64) -> Vec<Option<Vec<u32>>> {
    let mut random = Random(seed);
    let some = |random: &mut Random, k: usize| (0..k).map(|_| random.below(n.max(1)) as u32).collect::<Vec<_>>();
    let mut out = vec![None, Some(Vec::new())];
    if n > 0 {
        let mut sorted = some(&mut random, n / 3 + 1);
        sorted.sort_unstable();
        out.push(Some(sorted.clone()));
        sorted.dedup();
        out.push(Some(sorted));
        out.push(Some(some(&mut random, n)));
        out.push(Some((0..n as u32).rev().collect()));
        out.push(Some(vec![n as u32 - 1]));
        out.push(Some((0..n as u32).step_by(7).collect()));
        out.push(Some((n as u32 / 2..n as u32).collect()));
    }
    out
}

/// Checks that `source` gives the same rows as its twin in memory, for selections of every kind.
pub fn same_as_twin(source: &Arc<dyn Source>, twin: MemorySource, seed: u64, threads: usize) {
    let twin: Arc<dyn Source> = Arc::new(twin);
    assert_eq!(source.shape(), twin.shape());
    assert_eq!(source.dtype(), twin.dtype());
    let (n, m) = source.shape();
    for (i, rows) in selections(n, seed).iter().enumerate() {
        for (j, cols) in selections(m, seed + 1).iter().enumerate() {
            if i > 2 && j > 1 && (i + j) % 3 != 0 {
                continue;
            }
            let select =
                |s: &Arc<dyn Source>| LazyMatrix::new(s.clone()).select(rows.as_deref(), cols.as_deref()).unwrap();
            let (x, t) = (select(source), select(&twin));
            let expected = rows_of(&blocks(&t, Order::Matrix, 1).unwrap(), t.shape().0);
            for order in [Order::Matrix, Order::File] {
                let got = blocks(&x, order, threads).unwrap();
                assert!(got.iter().all(|b| b.n_cols == x.shape().1));
                assert_eq!(rows_of(&got, x.shape().0), expected, "rows {i}, columns {j}, {order:?}");
            }
        }
    }
}

/// Makes a matrix of random dense values.
pub fn random_dense<T: Number>(rows: usize, cols: usize, seed: u64) -> Array {
    let mut random = Random(seed);
    let data: Vec<T> = (0..rows * cols).map(|_| T::from_f64(random.below(100) as f64)).collect();
    Array { shape: vec![rows, cols], data: T::wrap(data) }
}
