//! The vectors of a sparse matrix: their chunks and the types of their indices.

use super::chunks::Chunks;
use super::encode::Piece;
use super::packing::Packing;
use super::spool::Spool;
use crate::chain::LazyMatrix;
use crate::element::{DType, Data};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use crate::store::GroupWriter;

/// The name of offsets and indices in errors.
pub(super) const OFFSETS: &str = "offsets and indices to be written";

/// Default number of values in a chunk of a sparse matrix's `data`, `indices` and `indptr`: 256 KiB
/// of float32. Larger chunks do not compress better, and smaller reads of a few selected rows cost
/// little.
pub const SPARSE_CHUNK: usize = 1 << 16;

/// Writes a vector in chunks of at most `chunk` values; the dataset can grow, as the parts of a
/// sparse matrix written by anndata can.
pub(super) fn write_vector(
    group: &GroupWriter<'_>,
    key: &str,
    values: Data,
    Packing { compression, chunk }: Packing,
    session: &Session,
) -> Result<()> {
    let n = values.len();
    let chunk = chunk.unwrap_or(SPARSE_CHUNK).min(n).max(1);
    let mut chunks = Chunks::vector(group, key, values.dtype(), chunk, compression)?;
    let spool = Spool::new(chunk, compression, &session.monitor);
    spool.put(0, 1, Piece::Dense(values))?;
    let (count, _) = spool.finish()?;
    for number in 0..count {
        let e = spool.take_chunk(number).ok_or_else(|| Error::Internal("a chunk is missing".to_owned()))?;
        chunks.push(&e.data, e.len)?;
    }
    chunks.expect(n)
}

/// Returns the values per chunk for the stored values of `x`: the `asked` number ([`SPARSE_CHUNK`]
/// where `None`), but no more than `x` can have.
pub(super) fn chunk_of(x: &LazyMatrix, asked: Option<usize>) -> usize {
    let (n, m) = x.shape();
    let whole = x.rows().is_none() && x.columns().is_none();
    let most = x.source().nnz().filter(|_| whole).unwrap_or_else(|| (n as u64).saturating_mul(m as u64));
    most.clamp(1, asked.unwrap_or(SPARSE_CHUNK).max(1) as u64) as usize
}

/// Returns the dtype of indices: int64 where `wide`, else int32.
pub(super) fn index_dtype(wide: bool) -> DType {
    if wide {
        DType::I64
    } else {
        DType::I32
    }
}

/// Returns indices in the file's type, which is signed as in scipy.
pub(super) fn index_data(indices: Vec<u32>, wide: bool) -> Result<Data> {
    if wide {
        Ok(Data::I64(memory::collected(indices.into_iter().map(i64::from), OFFSETS)?))
    } else {
        // All are below 2^31, because the width was chosen by the extent of the axis.
        Ok(Data::I32(indices.into_iter().map(|i| i as i32).collect()))
    }
}

/// Returns `indptr` in the file's type: int32 if the last offset, the number of stored values,
/// fits, else int64.
pub(super) fn offsets(indptr: Vec<i64>) -> Result<Data> {
    Ok(match i32::try_from(indptr.last().copied().unwrap_or(0)) {
        Ok(_) => Data::I32(memory::collected(indptr.iter().map(|&p| p as i32), OFFSETS)?),
        Err(_) => indptr.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks widths past 2^31 - 1 values; writing a file of that size would take 8 GB.
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
