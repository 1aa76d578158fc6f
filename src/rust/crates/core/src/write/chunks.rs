//! A dataset that is filled chunk by chunk with encoded chunks.

use crate::element::DType;
use crate::error::{Error, Result};
use crate::store::{Compression, DatasetWriter, GroupWriter, Kind, Layout, Target};

/// A chunked dataset that is filled from front to back: 1-D and growing, or 2-D in runs of whole
/// rows.
pub(super) struct Chunks<'w> {
    dataset: DatasetWriter<'w>,
    dtype: DType,
    compression: Compression,
    /// Entries of the first axis per chunk.
    rows: usize,
    /// Values per entry of the first axis; `None` for a vector.
    width: Option<usize>,
    /// The number of the next chunk.
    next: u64,
    /// Entries of the first axis written so far.
    len: usize,
}

impl<'w> Chunks<'w> {
    /// Starts a vector of unknown length in chunks of `chunk` values.
    pub(super) fn vector(
        group: &GroupWriter<'w>,
        key: &str,
        dtype: DType,
        chunk: usize,
        compression: Compression,
    ) -> Result<Self> {
        let layout = Layout { chunk: Some(vec![chunk]), resizable: true, compression, shuffle: false };
        Self::create(group, key, dtype, &[0], &layout, chunk, None)
    }

    /// Starts a matrix of `shape`, not empty, in chunks of `rows` whole rows.
    pub(super) fn matrix(
        group: &GroupWriter<'w>,
        key: &str,
        dtype: DType,
        shape: (usize, usize),
        rows: usize,
        compression: Compression,
    ) -> Result<Self> {
        let layout = Layout { chunk: Some(vec![rows, shape.1]), resizable: false, compression, shuffle: false };
        Self::create(group, key, dtype, &[shape.0, shape.1], &layout, rows, Some(shape.1))
    }

    fn create(
        group: &GroupWriter<'w>,
        key: &str,
        dtype: DType,
        shape: &[usize],
        layout: &Layout,
        rows: usize,
        width: Option<usize>,
    ) -> Result<Self> {
        let dataset = group.dataset_of(key, &Kind::from_dtype(dtype), shape, layout)?;
        Ok(Chunks { dataset, dtype, compression: layout.compression, rows, width, next: 0, len: 0 })
    }

    /// Returns the dataset, for its attributes.
    pub(super) fn dataset(&self) -> &DatasetWriter<'w> {
        &self.dataset
    }

    /// Appends the next chunk: its encoded bytes, or its values as they are in memory where the
    /// store applies the compression itself (LZF). `values` is the number of values before padding.
    /// All chunks but the last are full.
    pub(super) fn push(&mut self, bytes: &[u8], values: usize) -> Result<()> {
        let entries = values / self.width.unwrap_or(1).max(1);
        let start = self.next as usize * self.rows;
        self.len = start + entries;
        if self.width.is_none() {
            self.dataset.resize(self.len)?;
        }
        self.next += 1;
        if self.compression == Compression::Lzf {
            // LZF is the backend's filter: it takes values, without padding.
            let (at, count) = (vec![start, 0], [Some(entries), self.width]);
            let count: Vec<usize> = count.into_iter().flatten().collect();
            let place = Some((&at[..count.len()], &count[..]));
            let bytes = bytes.get(..values * self.dtype.size()).unwrap_or(bytes);
            return self.dataset.write_bytes(Target { field: None, place }, bytes);
        }
        self.dataset.write_chunk(start, bytes)
    }

    /// Checks that `len` entries of the first axis were written.
    ///
    /// # Errors
    /// [`Error::Internal`] for another number of entries.
    pub(super) fn expect(&self, len: usize) -> Result<()> {
        if self.len == len {
            return Ok(());
        }
        Err(Error::Internal(format!("'{}' got {} of {len} entries", self.dataset.path(), self.len)))
    }
}
