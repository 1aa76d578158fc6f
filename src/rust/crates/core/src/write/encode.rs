//! Encoding of chunks: values of blocks are assembled to bytes and compressed.

use crate::codec::{make, Compression};
use crate::dtype::{as_bytes, Data};
use crate::error::Result;
use crate::memory;
use crate::with_data;
use std::ops::Range;
use std::sync::Arc;

const CHUNK: &str = "a chunk to be written";

/// The values of a block on their way to the file: the stored values with their columns, or all
/// values.
#[derive(Debug)]
pub(super) enum Piece {
    /// Stored values, and their columns in the file's index type.
    Sparse { indices: Data, data: Data },
    /// Values of whole rows, or of a vector.
    Dense(Data),
    /// Compressed rows that are written dense. Spans of them are whole rows.
    Rows { indptr: Vec<usize>, indices: Vec<u32>, data: Data, n_cols: usize },
}

impl Piece {
    /// Returns the number of values that are written to the file.
    pub(super) fn len(&self) -> usize {
        match self {
            Piece::Sparse { data, .. } | Piece::Dense(data) => data.len(),
            Piece::Rows { indptr, n_cols, .. } => indptr.len().saturating_sub(1) * n_cols,
        }
    }
}

/// A run of the values of a piece.
pub(super) struct Span {
    /// The piece.
    pub(super) piece: Arc<Piece>,
    /// The values of the piece, counted from 0.
    pub(super) range: Range<usize>,
}

/// An encoded chunk.
#[derive(Debug)]
pub(super) struct Encoded {
    /// Bytes of the chunk of values.
    pub(super) data: Vec<u8>,
    /// Bytes of the chunk of columns; `None` for dense pieces.
    pub(super) indices: Option<Vec<u8>>,
    /// Number of values, without padding.
    pub(super) len: usize,
}

/// Joins `spans` into one chunk of `chunk` values, padded with zeros, and compresses it. The store
/// itself applies LZF, so chunks for it are not compressed here.
pub(super) fn encode(spans: &[Span], chunk: usize, compression: Compression) -> Result<Encoded> {
    let len = spans.iter().map(|s| s.range.len()).sum();
    let (mut values, mut columns) = (Vec::new(), Vec::new());
    let mut width = 0;
    for Span { piece, range } in spans {
        match &**piece {
            Piece::Dense(data) => width = append(&mut values, data, range, chunk)?,
            Piece::Sparse { indices, data } => {
                width = append(&mut values, data, range, chunk)?;
                append(&mut columns, indices, range, chunk)?;
            }
            Piece::Rows { indptr, indices, data, n_cols } => {
                width = scatter(&mut values, indptr, indices, data, *n_cols, range, chunk)?;
            }
        }
    }
    memory::lengthen(&mut values, chunk * width, 0, CHUNK)?;
    let indices = if columns.is_empty() {
        None
    } else {
        let width = columns.len() / len;
        memory::lengthen(&mut columns, chunk * width, 0, CHUNK)?;
        Some(make(columns, compression)?)
    };
    Ok(Encoded { data: make(values, compression)?, indices, len })
}

/// Appends the bytes of `data[range]`; returns the bytes per value.
fn append(out: &mut Vec<u8>, data: &Data, range: &Range<usize>, chunk: usize) -> Result<usize> {
    let width = data.dtype().size();
    if out.is_empty() {
        *out = memory::room(chunk * width, CHUNK)?;
    }
    let values = &bytes(data)[range.start * width..range.end * width];
    memory::reserve(out, values.len(), CHUNK)?;
    out.extend_from_slice(values);
    Ok(width)
}

/// Appends the compressed rows that `range`, of dense values, covers, with zeros between the stored
/// values; returns the bytes per value.
fn scatter(
    out: &mut Vec<u8>,
    indptr: &[usize],
    indices: &[u32],
    data: &Data,
    n_cols: usize,
    range: &Range<usize>,
    chunk: usize,
) -> Result<usize> {
    let width = data.dtype().size();
    if out.is_empty() {
        *out = memory::room(chunk * width, CHUNK)?;
    }
    let start = out.len();
    memory::lengthen(out, start + range.len() * width, 0, CHUNK)?;
    let (target, source) = (&mut out[start..], bytes(data));
    let first = range.start / n_cols;
    for (i, w) in indptr[first..=range.end / n_cols].windows(2).enumerate() {
        for k in w[0]..w[1] {
            let at = (i * n_cols + indices[k] as usize) * width;
            target[at..at + width].copy_from_slice(&source[k * width..(k + 1) * width]);
        }
    }
    Ok(width)
}

/// Returns a buffer as bytes, in this machine's byte order, with which the array is created.
fn bytes(data: &Data) -> &[u8] {
    with_data!(data, v => as_bytes(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pieces: &[Vec<i32>]) -> Vec<Span> {
        pieces
            .iter()
            .map(|p| {
                let piece = Arc::new(Piece::Sparse { indices: p.clone().into(), data: Data::F64(vec![1.5; p.len()]) });
                Span { range: 0..p.len(), piece }
            })
            .collect()
    }

    #[test]
    fn chunks_are_joined_and_padded() {
        let e = encode(&spans(&[vec![1, 2], vec![3]]), 5, Compression::None).unwrap();
        let expected: Vec<u8> = [1i32, 2, 3, 0, 0].iter().flat_map(|x| x.to_ne_bytes()).collect();
        assert_eq!(e.indices.unwrap(), expected);
        assert_eq!((e.data.len(), e.len), (40, 3));
    }

    #[test]
    fn sparse_rows_are_filled_with_zeros() {
        let rows =
            Piece::Rows { indptr: vec![0, 1, 1, 3], indices: vec![2, 0, 1], data: vec![7u8, 8, 9].into(), n_cols: 3 };
        assert_eq!(rows.len(), 9);
        let e = encode(&[Span { piece: Arc::new(rows), range: 3..9 }], 9, Compression::None).unwrap();
        assert_eq!(e.data, [0, 0, 0, 8, 9, 0, 0, 0, 0]);
    }

    #[test]
    fn gzip_is_zlib_that_inflates_to_the_same() {
        let e = encode(&spans(&[(0..500).collect()]), 512, Compression::Gzip(4)).unwrap();
        let mut out = vec![0; 2048];
        let n = libdeflater::Decompressor::new().zlib_decompress(&e.indices.unwrap(), &mut out).unwrap();
        assert_eq!(n, 2048);
        let back: Vec<i32> = out.chunks(4).map(|b| i32::from_ne_bytes(b.try_into().unwrap())).collect();
        assert_eq!(back[..500], (0..500).collect::<Vec<_>>());
        assert!(back[500..].iter().all(|&x| x == 0));
    }
}
