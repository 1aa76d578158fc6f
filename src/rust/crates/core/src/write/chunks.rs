//! A dataset that takes its chunks one after another, already encoded.

use crate::element::DType;
use crate::error::{Error, Result};
use crate::store::{Compression, DatasetWriter, GroupWriter, Kind, Layout, Target};

/// A chunked dataset being filled from front to back: 1-D and growing, or 2-D in runs of whole rows.
pub(super) struct Chunks<'w> {
    dataset: DatasetWriter<'w>,
    dtype: DType,
    compression: Compression,
    /// Entries of the first axis in a chunk, values in such an entry.
    rows: usize,
    width: Option<usize>,
    next: u64,
    len: usize,
}

impl<'w> Chunks<'w> {
    /// A vector of unknown length in chunks of `chunk` values.
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

    /// A matrix of `shape`, not empty, in chunks of `rows` whole rows.
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
        let dataset = group.dataset_of(key, &Kind::of(dtype), shape, layout)?;
        Ok(Chunks { dataset, dtype, compression: layout.compression, rows, width, next: 0, len: 0 })
    }

    /// The dataset, for its attributes.
    pub(super) fn dataset(&self) -> &DatasetWriter<'w> {
        &self.dataset
    }

    /// Appends the next chunk, which holds `values` values before padding; all but the last are full.
    pub(super) fn push(&mut self, bytes: &[u8], values: usize) -> Result<()> {
        let entries = values / self.width.unwrap_or(1).max(1);
        let start = self.next as usize * self.rows;
        self.len = start + entries;
        if self.width.is_none() {
            self.dataset.resize(self.len)?;
        }
        self.next += 1;
        if self.compression == Compression::Lzf {
            // The backend's filter; the padding is left out.
            let (at, count) = (vec![start, 0], [Some(entries), self.width]);
            let count: Vec<usize> = count.into_iter().flatten().collect();
            let place = Some((&at[..count.len()], &count[..]));
            let bytes = bytes.get(..values * self.dtype.size()).unwrap_or(bytes);
            return self.dataset.write_bytes(Target { field: None, place }, bytes);
        }
        self.dataset.write_chunk(start, bytes)
    }

    /// # Errors
    /// [`Error::Internal`] when another number of entries was written than is due.
    pub(super) fn expect(&self, len: usize) -> Result<()> {
        if self.len == len {
            return Ok(());
        }
        Err(Error::Internal(format!("'{}' got {} of {len} entries", self.dataset.path(), self.len)))
    }
}
