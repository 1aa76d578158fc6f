//! A dataset that takes its chunks one after another, already encoded.

use crate::element::DType;
use crate::error::{Error, Result};
use crate::store::{Compression, DatasetWriter, GroupWriter, Item, Layout};
use half::f16;
use hdf5::{h5call, Datatype};
use hdf5_sys::h5d::H5Dwrite_chunk;
use hdf5_sys::h5p::H5P_DEFAULT;

/// A chunked dataset being filled from front to back: 1-D and growing, or 2-D in runs of whole rows.
pub(super) struct Chunks<'w, 'g> {
    group: &'g GroupWriter<'w>,
    dataset: DatasetWriter<'w>,
    dtype: Datatype,
    compression: Compression,
    /// Entries of the first axis in a chunk, values in such an entry.
    rows: usize,
    width: Option<usize>,
    next: u64,
    len: usize,
}

impl<'w, 'g> Chunks<'w, 'g> {
    /// A vector of unknown length in chunks of `chunk` values.
    pub(super) fn vector(
        group: &'g GroupWriter<'w>,
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
        group: &'g GroupWriter<'w>,
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
        group: &'g GroupWriter<'w>,
        key: &str,
        dtype: DType,
        shape: &[usize],
        layout: &Layout,
        rows: usize,
        width: Option<usize>,
    ) -> Result<Self> {
        let dtype = datatype(dtype).map_err(|e| group.writer().fault(&e))?;
        let dataset = group.dataset_of(key, &dtype, shape, layout)?;
        Ok(Chunks { group, dataset, dtype, compression: layout.compression, rows, width, next: 0, len: 0 })
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
            self.dataset.resize(&[self.len])?;
        }
        self.next += 1;
        if self.compression == Compression::Lzf {
            // The library's filter; it reads the entries and leaves the padding.
            let (mut at, mut count) = (vec![start], vec![entries]);
            at.extend(self.width.map(|_| 0));
            count.extend(self.width);
            return self.dataset.write_raw(&self.dtype, Some(&(at, count)), bytes.as_ptr().cast());
        }
        let offset = [start as u64, 0];
        let id = self.dataset.hdf5().id();
        let write = || -> hdf5::Result<()> {
            // `offset` has an entry for every axis (one too many for a vector); the library copies `bytes`.
            h5call!(H5Dwrite_chunk(id, H5P_DEFAULT, 0, offset.as_ptr(), bytes.len(), bytes.as_ptr().cast()))?;
            Ok(())
        };
        write().map_err(|e| self.group.writer().fault(&e))
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

/// The HDF5 type a dtype is stored as.
fn datatype(dtype: DType) -> hdf5::Result<Datatype> {
    match dtype {
        DType::Bool => bool::datatype(),
        DType::I8 => i8::datatype(),
        DType::I16 => i16::datatype(),
        DType::I32 => i32::datatype(),
        DType::I64 => i64::datatype(),
        DType::U8 => u8::datatype(),
        DType::U16 => u16::datatype(),
        DType::U32 => u32::datatype(),
        DType::U64 => u64::datatype(),
        DType::F16 => f16::datatype(),
        DType::F32 => f32::datatype(),
        DType::F64 => f64::datatype(),
    }
}
