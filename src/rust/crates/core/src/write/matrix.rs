//! Streaming a chain into a group, as compressed rows or as a dense array.

use super::chunks::Chunks;
use super::csr::CsrOut;
use super::encode::Piece;
use super::packing::Packing;
use super::spool::Spool;
use super::vectors::{chunk_of, index_data, OFFSETS};
use crate::chain::LazyMatrix;
use crate::element::{self, Data, Number, SparseFormat};
use crate::error::Result;
use crate::matrix::Storage;
use crate::memory;
use crate::session::Session;
use crate::store::GroupWriter;
use crate::stream::in_sequence;
use crate::with_data;

/// Bytes per chunk of a dense matrix; a chunk has one row at least.
const DENSE_CHUNK_BYTES: usize = 1 << 18;

/// Writes `x`, sparse or dense, as `csr_matrix` in its present dtype. `indices` are int32 (int64
/// past 2^31 - 1 columns), `indptr` is int32 (int64 past 2^31 - 1 values).
///
/// # Errors
/// Errors of the pass; [`Error::Io`](crate::Error::Io) where the file cannot be written;
/// [`Error::Cancelled`](crate::Error::Cancelled).
pub fn write_csr(
    group: &GroupWriter<'_>,
    key: &str,
    x: &LazyMatrix,
    packing: impl Into<Packing>,
    session: &Session,
) -> Result<()> {
    let (n, m) = x.shape();
    let group = group.group(key)?;
    element::start_sparse(&group, SparseFormat::Csr, (n, m))?;

    let packing = packing.into();
    let compression = packing.compression;
    let chunk = chunk_of(x, packing.chunk);
    let wide = i32::try_from(m).is_err();
    let spool = Spool::new(chunk, compression, &session.monitor);
    let mut out = CsrOut::new(&group, x.dtype(), chunk, n, wide, packing)?;
    in_sequence(
        x,
        session,
        |rows, values| {
            let (indptr, indices, data) = match values {
                Storage::Csr { indptr, indices, data } => (indptr, indices, data),
                Storage::Dense(data) => with_data!(&data, v => compressed(v, m)?),
            };
            spool.put(rows.start, rows.end, Piece::Sparse { indices: index_data(indices, wide)?, data })?;
            Ok(indptr)
        },
        |offsets: Vec<usize>| out.add(&offsets, &spool),
    )?;
    out.finish(&group, &spool, session)
}

/// Compresses dense rows of `m` values: returns the offsets, columns and values of those that are
/// not 0.
fn compressed<T: Number>(values: &[T], m: usize) -> Result<(Vec<usize>, Vec<u32>, Data)> {
    let stored = values.iter().filter(|&&v| v != T::default()).count();
    let mut indptr = memory::room(values.len() / m.max(1) + 1, OFFSETS)?;
    let (mut indices, mut data) = (memory::room(stored, OFFSETS)?, memory::room(stored, OFFSETS)?);
    indptr.push(0);
    for row in values.chunks(m.max(1)) {
        for (&v, column) in row.iter().zip(0..).filter(|(&v, _)| v != T::default()) {
            indices.push(column);
            data.push(v);
        }
        indptr.push(data.len());
    }
    Ok((indptr, indices, T::wrap(data)))
}

/// Writes `x` as a dense `array`, whatever its layout, in chunks of whole rows, compressed or not.
///
/// # Errors
/// Errors of [`write_csr`].
pub fn write_dense(
    group: &GroupWriter<'_>,
    key: &str,
    x: &LazyMatrix,
    packing: impl Into<Packing>,
    session: &Session,
) -> Result<()> {
    let (n, m) = x.shape();
    let Packing { compression, chunk } = packing.into();
    if n == 0 || m == 0 {
        let none = Chunks::matrix(group, key, x.dtype(), (n, m), 1, compression)?;
        return element::ARRAY.mark_array(none.dataset());
    }
    let values = chunk.unwrap_or(DENSE_CHUNK_BYTES / x.dtype().size());
    let rows = (values / m).clamp(1, n);
    let mut chunks = Chunks::matrix(group, key, x.dtype(), (n, m), rows, compression)?;
    element::ARRAY.mark_array(chunks.dataset())?;
    let spool = Spool::new(rows * m, compression, &session.monitor);
    let mut next = 0;
    let mut drain = |spool: &Spool<'_>, chunks: &mut Chunks<'_>| -> Result<()> {
        while let Some(e) = spool.take_chunk(next) {
            chunks.push(&e.data, e.len)?;
            next += 1;
        }
        Ok(())
    };
    in_sequence(
        x,
        session,
        |rows, values| {
            let piece = match values {
                Storage::Dense(data) => Piece::Dense(data),
                // Zeros are filled in chunk by chunk, because a block of sparse rows can be a
                // hundred times larger as a dense one.
                Storage::Csr { indptr, indices, data } => Piece::Rows { indptr, indices, data, n_cols: m },
            };
            spool.put(rows.start, rows.end, piece)
        },
        |()| drain(&spool, &mut chunks),
    )?;
    spool.finish()?;
    drain(&spool, &mut chunks)?;
    chunks.expect(n)
}
