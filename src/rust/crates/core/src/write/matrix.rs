//! A chain streamed into a group: compressed rows, or dense.

use super::chunks::Chunks;
use super::encode::{Encoded, Piece};
use super::spool::Spool;
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element::{self, DType, Data, SparseFormat};
use crate::error::{Error, Result};
use crate::matrix::Storage;
use crate::memory;
use crate::store::{Compression, GroupWriter};
use crate::stream::in_sequence;

const OFFSETS: &str = "offsets and indices to be written";

/// Values of a chunk of a sparse matrix's `data` and `indices`, and of `indptr`: 256 KiB of float32. Large enough to
/// compress as well as it gets, small enough that a few selected rows do not cost much.
pub const SPARSE_CHUNK: usize = 1 << 16;
/// Bytes of a chunk of a dense matrix; at least one row.
const DENSE_CHUNK_BYTES: usize = 1 << 18;

/// Writes `x` as `csr_matrix` with its present dtype; `indices` are int32 (int64 past 2^31 - 1 columns), `indptr` is int32
/// (int64 past 2^31 - 1 values).
///
/// # Errors
/// Those of the pass; [`Error::Io`] when the file cannot take it; [`Error::Cancelled`].
pub fn write_csr(
    group: &GroupWriter<'_>,
    key: &str,
    x: &LazyMatrix,
    compression: Compression,
    ctx: &Context,
) -> Result<()> {
    let (n, m) = x.shape();
    let group = group.group(key)?;
    element::start_sparse(&group, SparseFormat::Csr, (n, m))?;

    let chunk = chunk_of(x);
    let wide = i32::try_from(m).is_err();
    let spool = Spool::new(chunk, compression, &ctx.monitor);
    let mut data = Chunks::vector(&group, "data", x.dtype(), chunk, compression)?;
    let mut indices = Chunks::vector(&group, "indices", index_dtype(wide), chunk, compression)?;
    let mut drain = |spool: &Spool<'_>, next: &mut u64| -> Result<()> {
        while let Some(Encoded { data: values, indices: columns, len }) = spool.take(*next) {
            let columns = columns.ok_or_else(|| Error::Internal("a chunk without columns".to_owned()))?;
            data.push(&values, len)?;
            indices.push(&columns, len)?;
            *next += 1;
        }
        Ok(())
    };
    let mut next = 0;
    let mut indptr: Vec<i64> = memory::room(n + 1, OFFSETS)?;
    indptr.push(0);
    let mut total = 0i64;
    in_sequence(
        x,
        ctx,
        |rows, values| {
            let Storage::Csr { indptr, indices, data } = values else {
                return Err(Error::Internal("a sparse chain gave a dense block".to_owned()));
            };
            spool.put(rows.start, rows.end, Piece::Sparse { indices: index_data(indices, wide)?, data })?;
            Ok(indptr)
        },
        |offsets: Vec<usize>| {
            indptr.extend(offsets.iter().skip(1).map(|&o| total + o as i64));
            total += offsets.last().map_or(0, |&o| o as i64);
            drain(&spool, &mut next)
        },
    )?;
    let (_, written) = spool.finish()?;
    drain(&spool, &mut next)?;
    if written != total as u64 || indptr.len() != n + 1 {
        return Err(Error::Internal(format!("'{}': rows and values disagree", group.path())));
    }
    data.expect(written as usize)?;
    indices.expect(written as usize)?;
    write_vector(&group, "indptr", offsets(indptr)?, compression, ctx)
}

/// Writes `x` as a dense `array`, whatever its layout, in chunks of whole rows (compressed or not).
///
/// # Errors
/// As [`write_csr`].
pub fn write_dense(
    group: &GroupWriter<'_>,
    key: &str,
    x: &LazyMatrix,
    compression: Compression,
    ctx: &Context,
) -> Result<()> {
    let (n, m) = x.shape();
    if n == 0 || m == 0 {
        let none = Chunks::matrix(group, key, x.dtype(), (n, m), 1, compression)?;
        return element::ARRAY.mark_array(none.dataset());
    }
    let rows = (DENSE_CHUNK_BYTES / x.dtype().size() / m).clamp(1, n);
    let mut chunks = Chunks::matrix(group, key, x.dtype(), (n, m), rows, compression)?;
    element::ARRAY.mark_array(chunks.dataset())?;
    let spool = Spool::new(rows * m, compression, &ctx.monitor);
    let mut next = 0;
    let mut drain = |spool: &Spool<'_>, chunks: &mut Chunks<'_>| -> Result<()> {
        while let Some(e) = spool.take(next) {
            chunks.push(&e.data, e.len)?;
            next += 1;
        }
        Ok(())
    };
    in_sequence(
        x,
        ctx,
        |rows, values| {
            let piece = match values {
                Storage::Dense(data) => Piece::Dense(data),
                // Zeros are filled in chunk by chunk: a block of sparse rows can be a hundred times larger dense.
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

/// Writes a vector in chunks of [`SPARSE_CHUNK`], growable as anndata makes the parts of a sparse matrix.
pub(super) fn write_vector(
    group: &GroupWriter<'_>,
    key: &str,
    values: Data,
    compression: Compression,
    ctx: &Context,
) -> Result<()> {
    let n = values.len();
    let chunk = SPARSE_CHUNK.min(n).max(1);
    let mut chunks = Chunks::vector(group, key, values.dtype(), chunk, compression)?;
    let spool = Spool::new(chunk, compression, &ctx.monitor);
    spool.put(0, 1, Piece::Dense(values))?;
    let (count, _) = spool.finish()?;
    for number in 0..count {
        let e = spool.take(number).ok_or_else(|| Error::Internal("a chunk is missing".to_owned()))?;
        chunks.push(&e.data, e.len)?;
    }
    chunks.expect(n)
}

/// Values of a chunk for the stored values of `x`: no more than it can have.
pub(super) fn chunk_of(x: &LazyMatrix) -> usize {
    let (n, m) = x.shape();
    let whole = x.rows().is_none() && x.columns().is_none();
    let most = x.source().nnz().filter(|_| whole).unwrap_or_else(|| (n as u64).saturating_mul(m as u64));
    most.clamp(1, SPARSE_CHUNK as u64) as usize
}

pub(super) fn index_dtype(wide: bool) -> DType {
    if wide {
        DType::I64
    } else {
        DType::I32
    }
}

/// Indices in the file's type: signed, as scipy has them.
pub(super) fn index_data(indices: Vec<u32>, wide: bool) -> Result<Data> {
    if wide {
        Ok(Data::I64(memory::collected(indices.into_iter().map(i64::from), OFFSETS)?))
    } else {
        // All are below 2^31: the width was chosen by the extent of the axis.
        Ok(Data::I32(indices.into_iter().map(|i| i as i32).collect()))
    }
}

/// `indptr` in the file's type: 32 bits while the last offset, the number of stored values, fits.
pub(super) fn offsets(indptr: Vec<i64>) -> Result<Data> {
    Ok(match i32::try_from(indptr.last().copied().unwrap_or(0)) {
        Ok(_) => Data::I32(memory::collected(indptr.iter().map(|&p| p as i32), OFFSETS)?),
        Err(_) => indptr.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Past 2^31 - 1 values, where writing the file itself would take 8 GB.
    #[test]
    fn wide_offsets() {
        let most = i64::from(i32::MAX);
        assert_eq!(offsets(vec![0, 5, most]).unwrap(), Data::I32(vec![0, 5, i32::MAX]));
        assert_eq!(offsets(vec![0, 5, most + 1]).unwrap(), Data::I64(vec![0, 5, most + 1]));
        assert_eq!(offsets(vec![0]).unwrap(), Data::I32(vec![0]));
        assert_eq!((index_dtype(false), index_dtype(true)), (DType::I32, DType::I64));
        assert_eq!(index_data(vec![u32::MAX], true).unwrap(), Data::I64(vec![i64::from(u32::MAX)]));
    }
}
