//! Checks the rules for decoding chunks without the HDF5 library, one by one, on files that h5py
//! wrote (tests/golden/make_matrix.py).

mod matrix_common;

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::element::{Array, Data, Number, Sparse, SparseFormat};
use anndataoom_core::matrix::{MemorySource, Storage};
use anndataoom_core::store::{External, Store};
use anndataoom_core::stream::Order;
use matrix_common::*;
use std::path::PathBuf;

const SHAPE: (usize, usize) = (40, 25);

/// Returns the value at row `i` and column `j` of the matrix that all fixtures hold; see
/// make_matrix.py.
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
    for element in ["zstd", "shuffle_zstd", "lz4", "lz4_blocks", "lzf", "blosc", "blosc_snappy_1", "fletcher32"] {
        check("filters.h5", element, sparse::<f32>());
    }
    for element in ["bitshuffle_none", "bitshuffle_lz4", "bitshuffle_zstd", "blosc2_level0"] {
        check("filters.h5", element, sparse::<f32>());
    }
    check("filters.h5", "bitshuffle_blocks", sparse::<f64>());
    for codec in ["blosclz", "lz4", "lz4hc", "zlib", "zstd"] {
        for shuffle in 0..3 {
            check("filters.h5", &format!("blosc_{codec}_{shuffle}"), sparse::<f32>());
            check("filters.h5", &format!("blosc2_{codec}_{shuffle}"), sparse::<f32>());
        }
    }
    for name in ["zstd", "lz4", "bitshuffle", "blosc", "blosc2"] {
        check("filters.h5", &format!("dense_{name}"), dense::<f64>(value));
    }
    check("filters.h5", "zeros_blosc2", dense::<f64>(|_, _| 0.0));
    check("filters.h5", "threes_blosc2", dense::<i16>(|_, _| 3.0));
}

/// Checks chunks of several compressed blocks, which are split into streams. HDF5 must read the
/// same through the filters that this package registers.
#[test]
fn large_chunks_of_filters() {
    use anndataoom_core::element::{self, Array, Value};
    let store = Store::open(fixture("filters.h5")).unwrap();
    let expected: Vec<f64> = (0..60_000).map(|k| f64::from(k / 3 % 1000)).collect();
    for name in ["blosc2_blosclz", "blosc2_lz4", "blosc2_zstd", "bitshuffle", "blosc"] {
        let x = LazyMatrix::new(open(&fixture("filters.h5"), &format!("large_{name}")).unwrap());
        let mut found = Vec::new();
        for block in blocks(&x, Order::Matrix, 2).unwrap() {
            let Storage::Dense(data) = block.storage else { panic!("{name}") };
            found.extend(data.to_f64().unwrap());
        }
        assert!(found == expected, "{name}");
        let Value::Array(Array { data, .. }) = element::read(&store, &format!("large_{name}")).unwrap() else {
            panic!()
        };
        assert!(data.to_f64().unwrap() == expected, "{name} through the library");
    }
    for codec in ["blosclz", "lz4", "zstd"] {
        let Value::Array(a) = element::read(&store, &format!("run_blosc2_{codec}")).unwrap() else { panic!() };
        assert!(a.data.to_f64().unwrap() == expected, "{codec}");
    }
}

/// Checks files whose texts and categories have these filters too, as anndata writes them with
/// hdf5plugin.
#[test]
fn every_element_behind_a_filter() {
    use anndataoom_core::element;
    let plain = Store::open(fixture("../versions/anndata_0.12.h5ad")).unwrap();
    for name in ["zstd", "lz4", "bitshuffle"] {
        let store = Store::open(fixture(&format!("all_{name}.h5ad"))).unwrap();
        for key in plain.keys("").unwrap() {
            assert_eq!(element::read(&store, &key).unwrap(), element::read(&plain, &key).unwrap(), "{name}: {key}");
        }
    }
}

#[test]
fn unknown_filters_are_named() {
    for (element, name) in [("bzip2", "bzip2"), ("zfp", "zfp")] {
        let e = open(&fixture("filters.h5"), element).unwrap_err();
        assert_eq!(e.class(), "unsupported");
        assert!(e.to_string().contains(&format!("'{name}'")) && e.to_string().contains("filters.h5"), "{e}");
        let store = Store::open(fixture("filters.h5")).unwrap();
        let e = anndataoom_core::element::read(&store, element).unwrap_err();
        assert_eq!(e.class(), "unsupported", "{e}");
        assert!(e.to_string().to_lowercase().contains(name), "{e}");
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

/// Checks that a matrix damaged by `change` gives an error of `class` whose text contains `words`.
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
        ("layers/counts", "missing", "'/' has X, obs, plain, vector"),
        ("obs/x", "missing", "'obs' is empty"),
    ] {
        let e = open(&path, element).unwrap_err();
        assert_eq!(e.class(), class, "{e}");
        assert!(e.to_string().contains(word), "{e}");
    }
}

/// Checks that flipping or truncating bytes anywhere in the file gives an error or the right
/// values, and never a panic.
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

/// Checks that an external link is an error unless the caller permits it, also where a soft link
/// leads to it. If permitted, the matrix is read from the file that the link names.
#[test]
fn links_are_followed() {
    let dir = Dir::new();
    let (path, other) = (dir.file("x.h5ad"), dir.file("other.h5"));
    let m = random_csr::<f32>(200, 30, 8, 1);
    for stored in [Stored::Contiguous, Stored::Chunked { chunk: 100, filter: "gzip" }] {
        write_sparse::<i32>(&other, "matrices/counts", &m, &stored);
        let file = hdf5::File::create(&path).unwrap();
        file.new_dataset_builder().with_data(&[7.0f32; 5000]).create("filler").unwrap();
        file.link_external("other.h5", "/matrices/counts", "X").unwrap();
        file.create_group("layers").unwrap();
        file.link_soft("/X", "layers/soft").unwrap();
        file.close().unwrap();
        let allowed = || Store::open_as(&path, false, External::SameFolder).unwrap();
        for element in ["X", "layers/soft"] {
            let e = open(&path, element).unwrap_err();
            assert!(e.class() == "external" && e.to_string().contains("other.h5"), "{e}");
            let x = anndataoom_core::matrix::open(&allowed(), element).unwrap();
            same_as_twin(&x, MemorySource::from_sparse(&m).unwrap(), 5, 2);
        }
        let v = anndataoom_core::element::read(&allowed(), "X").unwrap();
        assert_eq!(v, anndataoom_core::element::Value::Sparse(m.clone()));
        std::fs::remove_file(&other).unwrap();
        let e = anndataoom_core::matrix::open(&allowed(), "X").unwrap_err();
        assert!(e.to_string().contains("x.h5ad") && e.to_string().contains("'X'"), "{e}");
    }
}

/// Checks more values than 32 bits can count: one compressed chunk of ones, written 129 times at
/// its place in the dataset.
#[test]
fn more_than_2_to_the_31_values() {
    const CHUNK: usize = 1 << 24;
    const CHUNKS: usize = 129;
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    let (rows, per_row) = (CHUNK * CHUNKS / 4096, 4096);
    {
        let file = hdf5::File::create(&path).unwrap();
        let g = file.create_group("X").unwrap();
        text_attribute(&g, "encoding-type", "csr_matrix");
        g.new_attr_builder().with_data(&[rows as i64, per_row as i64]).create("shape").unwrap();
        let indptr: Vec<i64> = (0..=rows as i64).map(|r| r * per_row as i64).collect();
        g.new_dataset_builder().deflate(1).with_data(&indptr).create("indptr").unwrap();
        let zip = |bytes: &[u8]| {
            let mut c = libdeflater::Compressor::new(libdeflater::CompressionLvl::fastest());
            let mut out = vec![0; c.zlib_compress_bound(bytes.len())];
            let n = c.zlib_compress(bytes, &mut out).unwrap();
            out.truncate(n);
            out
        };
        let columns: Vec<u8> = (0..CHUNK).flat_map(|k| ((k % per_row) as i32).to_ne_bytes()).collect();
        for (name, bytes) in [("indices", zip(&columns)), ("data", zip(&vec![1u8; CHUNK]))] {
            let shape = CHUNK * CHUNKS;
            let d = if name == "data" {
                g.new_dataset::<i8>().shape(shape).chunk(CHUNK).deflate(1).create(name).unwrap()
            } else {
                g.new_dataset::<i32>().shape(shape).chunk(CHUNK).deflate(1).create(name).unwrap()
            };
            for k in 0..CHUNKS {
                let at = [(k * CHUNK) as u64];
                hdf5::sync::sync(|| {
                    // SAFETY: bytes and offset are those of a chunk of this dataset.
                    let status = unsafe {
                        let bytes_at = bytes.as_ptr().cast();
                        hdf5_sys::h5d::H5Dwrite_chunk(
                            d.id(),
                            hdf5_sys::h5p::H5P_DEFAULT,
                            0,
                            at.as_ptr(),
                            bytes.len(),
                            bytes_at,
                        )
                    };
                    assert!(status >= 0);
                });
            }
        }
    }
    let source = open(&path, "X").unwrap();
    assert_eq!(source.nnz(), Some((CHUNK * CHUNKS) as u64));
    assert!(source.nnz() > Some(1 << 31));
    let last = rows as u32 - 1;
    let x = LazyMatrix::new(source).select(Some(&[last, 0, last - 3]), Some(&[4095, 0])).unwrap();
    let found = rows_of(&blocks(&x, Order::Matrix, 1).unwrap(), 3);
    let one = 1f64.to_bits();
    assert_eq!(found, vec![Some(vec![(0, one), (1, one)]); 3]);
}
