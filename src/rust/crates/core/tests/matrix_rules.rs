//! The rules of reading chunks past the library, one by one, on files written by h5py (tests/golden/make_matrix.py).

mod matrix_common;

use anndataoom_core::element::{Array, Data, Number, Sparse, SparseFormat};
use anndataoom_core::matrix::MemorySource;
use matrix_common::*;
use std::path::PathBuf;

const SHAPE: (usize, usize) = (40, 25);

/// The matrix all fixtures hold; see make_matrix.py.
fn value(i: usize, j: usize) -> f64 {
    if i != 5 && (5 * i + 11 * j + i * j) % 13 < 4 {
        ((7 * i + 3 * j) % 11 % 6) as f64
    } else {
        0.0
    }
}

fn dense<T: Number>(value: impl Fn(usize, usize) -> f64) -> MemorySource {
    let data: Vec<T> = (0..SHAPE.0 * SHAPE.1).map(|k| T::from_f64(value(k / SHAPE.1, k % SHAPE.1))).collect();
    MemorySource::from_array(Array { shape: vec![SHAPE.0, SHAPE.1], data: T::wrap(data) }).unwrap()
}

fn sparse<T: Number>() -> MemorySource {
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::<T>::new());
    for i in 0..SHAPE.0 {
        for j in 0..SHAPE.1 {
            let x = value(i, j);
            if x != 0.0 {
                indices.push(j as u32);
                data.push(T::from_f64(x));
            }
        }
        indptr.push(indices.len() as u64);
    }
    let m = Sparse { format: SparseFormat::Csr, shape: SHAPE, indptr, indices, data: T::wrap(data) };
    MemorySource::from_sparse(&m).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden/matrix").join(name)
}

fn check(file: &str, element: &str, twin: MemorySource) {
    eprintln!("{file} {element}");
    same_as_twin(&open(&fixture(file), element).unwrap(), twin, 11, 2);
}

#[test]
fn filters_of_hdf5plugin() {
    for element in ["zstd", "shuffle_zstd", "lz4", "lz4_blocks", "lzf", "blosc"] {
        check("filters.h5", element, sparse::<f32>());
    }
    check("filters.h5", "dense_zstd", dense::<f64>(value));
    check("filters.h5", "dense_lz4", dense::<f64>(value));
}

#[test]
fn unknown_filters_are_named() {
    for element in ["bitshuffle", "blosc2"] {
        let e = open(&fixture("filters.h5"), element).unwrap_err();
        assert_eq!(e.class(), "unsupported");
        assert!(e.to_string().contains(&format!("'{element}'")) && e.to_string().contains("/data"), "{e}");
    }
}

#[test]
fn types_and_byte_orders() {
    check("types.h5", "f2", sparse::<half::f16>());
    check("types.h5", "f4_big", sparse::<f32>());
    check("types.h5", "i2_big", sparse::<i16>());
    check("types.h5", "legacy", sparse::<f32>());
    check("types.h5", "dense_f2", dense::<half::f16>(value));
    check("types.h5", "dense_f8_big", dense::<f64>(value));
    check("types.h5", "bool", dense::<bool>(|i, j| f64::from(u8::from(value(i, j) > 0.0))));
}

#[test]
fn addresses_count_from_the_start_of_the_file() {
    check("userblock.h5", "chunked", sparse::<f32>());
    check("userblock.h5", "contiguous", dense::<f32>(value));
}

#[test]
fn chunks_never_written_hold_the_fill_value() {
    let written = |i: usize| (8..16).contains(&i);
    check("layouts.h5", "missing", dense::<f32>(|i, j| if written(i) { value(i, j) } else { 0.0 }));
    check("layouts.h5", "missing_filled", dense::<f32>(|i, j| if written(i) { value(i, j) } else { 3.0 }));
    check("layouts.h5", "never_written", dense::<i32>(|_, _| 2.0));
}

#[test]
fn filter_masks_count_bit_by_bit() {
    check("layouts.h5", "masked", sparse::<f32>());
}

#[test]
fn everything_else_goes_through_the_library() {
    for element in ["unfiltered_edges", "compact", "checksum", "virtual"] {
        check("layouts.h5", element, dense::<f32>(value));
    }
}

#[test]
fn a_file_replaced_while_open_stays_the_same() {
    let m = random_csr::<f32>(200, 30, 8, 1);
    let dir = Dir::new();
    let (path, other) = (dir.file("x.h5ad"), dir.file("y.h5ad"));
    write_sparse::<i32>(&path, "X", &m, &Stored::Chunked { chunk: 100, filter: "gzip" });
    let store = anndataoom_core::store::Store::open(&path).unwrap();
    write_sparse::<i32>(&other, "X", &random_csr::<f32>(10, 3, 2, 5), &Stored::Contiguous);
    std::fs::rename(&other, &path).unwrap();
    let source = anndataoom_core::matrix::open(&store, "X").unwrap();
    same_as_twin(&source, MemorySource::from_sparse(&m).unwrap(), 5, 2);
}

/// What lies in a file, with the class of error and words its message must have.
fn broken(change: impl Fn(&mut Sparse), class: &str, words: &[&str]) {
    use anndataoom_core::chain::LazyMatrix;
    use anndataoom_core::stream::Order;
    for stored in [Stored::Contiguous, Stored::Chunked { chunk: 100, filter: "gzip" }] {
        let mut m = random_csr::<f32>(200, 30, 8, 1);
        change(&mut m);
        let dir = Dir::new();
        let path = dir.file("x.h5ad");
        write_sparse::<i64>(&path, "X", &m, &stored);
        let e = open(&path, "X").and_then(|s| blocks(&LazyMatrix::new(s), Order::Matrix, 2)).unwrap_err();
        assert_eq!(e.class(), class, "{e}");
        words.iter().for_each(|w| assert!(e.to_string().contains(w), "{e}"));
    }
}

#[test]
fn contradictions_are_errors() {
    broken(|m| m.indptr[3] = m.indptr[4] + 1, "format", &["X/indptr", "ascending"]);
    broken(|m| m.indptr[0] = 1, "format", &["X/indptr", "start at 0"]);
    broken(|m| *m.indptr.last_mut().unwrap() += 1, "format", &["X/indptr"]);
    broken(|m| m.indptr[200] = 1 << 60, "format", &["X/indptr"]);
    broken(|m| m.shape.0 = 199, "format", &["X/indptr", "200 offsets"]);
    broken(|m| m.shape = (usize::MAX >> 1, 30), "format", &["'X'", "shape"]);
    broken(|m| m.indices[50] = 30, "format", &["X/indices", "below 30", "found 30"]);
    broken(|m| m.indices[50] = u32::MAX, "format", &["X/indices", "negative or too large"]);
    broken(|m| m.data = Data::F32(vec![1.0; m.data.len() - 1]), "format", &["X/data"]);
    broken(
        |m| {
            let r = m.indptr.windows(2).position(|w| w[1] - w[0] > 1).unwrap();
            let k = m.indptr[r] as usize;
            m.indices[k + 1] = m.indices[k];
            m.data = Data::I8(vec![127; m.data.len()]);
        },
        "format",
        &["X/data", "int8", "overflow"],
    );
}

#[test]
fn what_is_no_matrix_says_so() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    {
        let file = hdf5::File::create(&path).unwrap();
        text_attribute(&file.create_group("obs").unwrap(), "encoding-type", "dataframe");
        file.create_group("plain").unwrap();
        file.new_dataset_builder().with_data(&[1.0f32, 2.0]).create("vector").unwrap();
        let g = file.create_group("X").unwrap();
        text_attribute(&g, "encoding-type", "csr_matrix");
    }
    for (element, class, word) in [
        ("obs", "format", "'dataframe'"),
        ("plain", "format", "without an encoding"),
        ("vector", "format", "2 dimensions"),
        ("X", "format", "'shape'"),
        ("layers/counts", "missing", "the file holds X, obs, plain, vector"),
        ("obs/x", "missing", "obs holds nothing"),
    ] {
        let e = open(&path, element).unwrap_err();
        assert_eq!(e.class(), class, "{e}");
        assert!(e.to_string().contains(word), "{e}");
    }
}

/// Bytes flipped or cut off anywhere in the file: an error or the right values, never a panic.
#[test]
fn damage_is_an_error() {
    use anndataoom_core::chain::LazyMatrix;
    use anndataoom_core::stream::Order;
    for filter in ["gzip", "lzf", "shuffle+gzip+fletcher32", "blosc:lz4", "none"] {
        let m = random_csr::<f32>(100, 30, 8, 1);
        let dir = Dir::new();
        let path = dir.file("x.h5ad");
        write_sparse::<i32>(&path, "X", &m, &Stored::Chunked { chunk: 64, filter });
        let intact = std::fs::read(&path).unwrap();
        let mut random = Random(4);
        let mut failed = 0;
        for round in 0..150 {
            let mut bytes = intact.clone();
            if round % 10 == 0 {
                bytes.truncate(random.below(intact.len()));
            } else {
                for _ in 0..=random.below(4) {
                    let at = random.below(bytes.len());
                    bytes[at] ^= 1 << random.below(8);
                }
            }
            let damaged = dir.file("damaged.h5ad");
            std::fs::write(&damaged, &bytes).unwrap();
            let result = open(&damaged, "X").and_then(|s| blocks(&LazyMatrix::new(s), Order::Matrix, 2));
            if let Err(e) = result {
                assert!(
                    ["format", "file", "missing", "unsupported", "io", "memory"].contains(&e.class()),
                    "{}: {e}",
                    e.class()
                );
                failed += 1;
            }
        }
        eprintln!("{filter}: {failed} of 150 noticed");
        assert!(failed > 14);
    }
}

#[test]
fn truncated_while_open() {
    use anndataoom_core::chain::LazyMatrix;
    use anndataoom_core::stream::Order;
    for stored in [Stored::Contiguous, Stored::Chunked { chunk: 100, filter: "gzip" }] {
        let m = random_csr::<f32>(2000, 30, 8, 1);
        let dir = Dir::new();
        let path = dir.file("x.h5ad");
        write_sparse::<i32>(&path, "X", &m, &stored);
        let x = LazyMatrix::new(open(&path, "X").unwrap());
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3000).unwrap();
        let e = blocks(&x, Order::Matrix, 2).unwrap_err();
        assert_eq!(e.class(), "file", "{e}");
        assert!(e.to_string().contains("truncated"), "{e}");
    }
}
