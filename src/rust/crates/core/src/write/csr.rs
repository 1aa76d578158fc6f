//! The arrays of compressed rows while they are written: values and columns chunk by chunk, offsets
//! at the end.

use super::chunks::Chunks;
use super::encode::Encoded;
use super::packing::Packing;
use super::spool::Spool;
use super::vectors::{index_dtype, offsets, write_vector, OFFSETS};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use crate::store::GroupWriter;

/// The arrays `data`, `indices` and `indptr` of a group.
pub(super) struct CsrOut<'w> {
    data: Chunks<'w>,
    indices: Chunks<'w>,
    indptr: Vec<i64>,
    rows: usize,
    /// The number of chunks written.
    next: u64,
    /// Whether columns and offsets are int64.
    wide: bool,
    packing: Packing,
}

impl<'w> CsrOut<'w> {
    /// Starts the arrays of a matrix of `rows` rows. With `wide`, columns and offsets are int64
    /// even where int32 would do.
    pub(super) fn new(
        group: &GroupWriter<'w>,
        dtype: DType,
        chunk: usize,
        rows: usize,
        wide: bool,
        packing: Packing,
    ) -> Result<Self> {
        let compression = packing.compression;
        let mut indptr = memory::room(rows + 1, OFFSETS)?;
        indptr.push(0);
        Ok(CsrOut {
            data: Chunks::vector(group, "data", dtype, chunk, compression)?,
            indices: Chunks::vector(group, "indices", index_dtype(wide), chunk, compression)?,
            indptr,
            rows,
            next: 0,
            wide,
            packing,
        })
    }

    /// Adds the offsets of the next rows, and writes the chunks of values that are encoded. `run`
    /// is the `indptr` of these rows alone: 0, then the end of each row.
    pub(super) fn add(&mut self, run: &[usize], spool: &Spool<'_>) -> Result<()> {
        let before = self.indptr.last().copied().unwrap_or(0);
        self.indptr.extend(run.iter().skip(1).map(|&o| before + o as i64));
        self.drain(spool)
    }

    /// Writes the chunks that are encoded and next in order.
    fn drain(&mut self, spool: &Spool<'_>) -> Result<()> {
        while let Some(Encoded { data, indices, len }) = spool.take_chunk(self.next) {
            let indices = indices.ok_or_else(|| Error::Internal("a chunk without columns".to_owned()))?;
            self.data.push(&data, len)?;
            self.indices.push(&indices, len)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Writes the remaining chunks, and the offsets (int64 with `wide`).
    pub(super) fn finish(mut self, group: &GroupWriter<'_>, spool: &Spool<'_>, session: &Session) -> Result<()> {
        let (_, written) = spool.finish()?;
        self.drain(spool)?;
        let total = self.indptr.last().copied().unwrap_or(0);
        if written != total as u64 || self.indptr.len() != self.rows + 1 {
            return Err(Error::Internal(format!("'{}': rows and values disagree", group.path())));
        }
        self.data.expect(written as usize)?;
        self.indices.expect(written as usize)?;
        let indptr = if self.wide { self.indptr.into() } else { offsets(self.indptr)? };
        write_vector(group, "indptr", indptr, self.packing, session)
    }
}
