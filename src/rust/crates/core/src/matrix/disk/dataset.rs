//! A stored array of numbers: its shape, dtype and chunks.

use super::ahead::Ahead;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::matrix::{Fetch, Reads};
use crate::session::run_both;
use crate::store::array::{Access, ChunkedArray, Extent, Meta, Take};
use crate::store::{Node, Traffic};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// An array of numbers of one or two dimensions, read chunk by chunk from any thread.
#[derive(Debug)]
pub(crate) struct RawDataset {
    node: Node,
    /// The array in its store.
    pub(super) array: Arc<dyn ChunkedArray>,
    /// Chunks decoded so far.
    pub(super) decoded: AtomicU64,
    /// Stored bytes that came before they were asked for.
    ahead: Ahead,
}

impl RawDataset {
    /// Opens an array.
    ///
    /// # Errors
    /// [`Error::Format`] where it is no array of one or two dimensions or has invalid chunks;
    /// [`Error::Unsupported`] for a type or filter that this build cannot read.
    pub(crate) fn open(node: &Node) -> Result<Self> {
        node.expect_array()?;
        let rank = node.shape().map_or(0, |shape| shape.len());
        if rank != 1 && rank != 2 {
            return Err(node.format("1 or 2 dimensions", rank.to_string()));
        }
        Ok(RawDataset { node: node.clone(), array: node.array()?, decoded: AtomicU64::new(0), ahead: Ahead::default() })
    }

    /// Returns the description of the array in its store.
    pub(super) fn meta(&self) -> &Meta {
        self.array.meta()
    }

    /// Returns the path of the array in its store.
    pub(super) fn element(&self) -> &str {
        self.node.path()
    }

    /// Returns the extents.
    pub(crate) fn shape(&self) -> &[u64] {
        &self.meta().shape
    }

    /// Returns the extents of a chunk, or of the pieces in which the array is read.
    pub(crate) fn chunk(&self) -> &[u64] {
        &self.meta().chunk
    }

    /// Returns the dtype.
    pub(crate) fn dtype(&self) -> DType {
        self.meta().number.dtype
    }

    /// Returns the bytes that the array takes in the file.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.meta().stored
    }

    /// Returns the number of chunks (0 for a contiguous array), and how many have been decoded.
    pub(crate) fn reads(&self) -> Reads {
        let chunks = match self.meta().access {
            Access::Run(_) => 0,
            _ => self.shape().iter().zip(self.chunk()).map(|(&n, &c)| n.div_ceil(c)).product(),
        };
        Reads { chunks, decoded: self.decoded.load(Ordering::Relaxed) }
    }

    /// Returns whether values are stored in the other byte order.
    pub(crate) fn is_swapped(&self) -> bool {
        self.meta().number.swapped
    }

    /// Returns whether the array is in a remote store.
    pub(crate) fn is_remote(&self) -> bool {
        self.array.is_remote()
    }

    /// Returns the requests and bytes of its store so far; `None` unless the store is far.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        self.node.store().traffic()
    }

    /// Returns the extents of the stored bytes to fetch: the extents of the chunks with numbers
    /// `chunks` or, for a contiguous array, of the values in `runs`. Chunks that are not stored or
    /// already prefetched are left out. The result is empty where the store cannot locate bytes.
    ///
    /// # Errors
    /// Errors of locating them.
    pub(crate) fn wanted(&self, chunks: impl Iterator<Item = u64>, runs: &[Range<u64>]) -> Result<Vec<Extent>> {
        let mut extents = Vec::new();
        match &self.meta().access {
            Access::Chunks(_) => {
                for chunk in chunks {
                    let found = self.array.locate(chunk)?;
                    extents.extend(found.filter(|extent| !self.ahead.has(extent)));
                }
            }
            Access::Run(Some(run)) => {
                let size = self.dtype().size() as u64;
                let part = |values: &Range<u64>| Extent {
                    at: run.at.saturating_add(values.start * size),
                    size: (values.end - values.start) * size,
                    ..*run
                };
                extents.extend(runs.iter().filter(|values| !values.is_empty()).map(part));
            }
            Access::Run(None) | Access::Boxes => {}
        }
        Ok(extents)
    }

    /// Returns the number of bytes of extents. The size of an extent that is a whole object is not
    /// known before it is fetched; the size of a decoded chunk is used in its place.
    pub(crate) fn bytes_of(&self, extents: &[Extent]) -> u64 {
        let decoded = self.chunk().iter().fold(self.dtype().size() as u64, |n, &e| n.saturating_mul(e));
        let size = |extent: &Extent| if extent.size == Extent::WHOLE { decoded } else { extent.size };
        extents.iter().map(size).fold(0, u64::saturating_add)
    }

    /// Returns the work that fetches located bytes, which is not begun yet, and the number of these
    /// bytes.
    pub(crate) fn ahead(&self, wanted: Vec<Extent>) -> Fetch<'_> {
        Fetch { bytes: self.bytes_of(&wanted), run: Box::new(move || self.fetch_ahead(&wanted, None)) }
    }

    /// Prefetches stored bytes, many at a time. `other` is a second array with its extents; both
    /// arrays are fetched by the same requests if they are in one file.
    ///
    /// # Errors
    /// Errors of fetching them.
    pub(crate) fn fetch_ahead(&self, wanted: &[Extent], other: Option<(&RawDataset, &[Extent])>) -> Result<()> {
        let fetch = |dataset: &RawDataset, wanted: &[Extent]| match wanted {
            [] => Ok(()),
            _ => dataset.array.fetch_pieces(wanted, &mut |i, bytes| {
                dataset.ahead.put(&wanted[i], bytes);
                Ok(())
            }),
        };
        let Some((other, of_other)) = other else { return fetch(self, wanted) };
        if self.array.file().is_none() || self.array.file() != other.array.file() {
            let (first, second) = run_both(|| fetch(self, wanted), || fetch(other, of_other));
            return first.and(second);
        }
        let all: Vec<Extent> = wanted.iter().chain(of_other).copied().collect();
        if all.is_empty() {
            return Ok(());
        }
        self.array.fetch_pieces(&all, &mut |i, bytes| {
            let dataset = if i < wanted.len() { self } else { other };
            dataset.ahead.put(&all[i], bytes);
            Ok(())
        })
    }

    /// Drops prefetched bytes that were not requested.
    pub(crate) fn forget_ahead(&self) {
        self.ahead.clear();
    }

    /// Fetches extents and passes each to `take` (see [`ChunkedArray::fetch`]). Prefetched ones are
    /// not fetched again.
    pub(super) fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()> {
        if !self.is_remote() || self.ahead.is_empty() {
            return self.array.fetch(extents, take);
        }
        let (mut left, mut places) = (Vec::new(), Vec::new());
        for (i, extent) in extents.iter().enumerate() {
            match self.ahead.remove(extent) {
                Some(bytes) => take(i, bytes.as_deref())?,
                None => {
                    left.push(*extent);
                    places.push(i);
                }
            }
        }
        match left.is_empty() {
            true => Ok(()),
            false => self.array.fetch(&left, &mut |i, bytes| take(places[i], bytes)),
        }
    }

    /// Returns whether the array is contiguous: one run of bytes without chunks.
    pub(crate) fn is_contiguous(&self) -> bool {
        matches!(self.meta().access, Access::Run(_))
    }

    /// Returns whether its chunks take much longer to decode than to copy.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(&self.meta().access, Access::Chunks(pipeline) if pipeline.is_slow())
    }

    /// Makes an [`Error::Format`] about this array.
    pub(crate) fn bad(&self, expected: impl Into<String>, found: impl ToString) -> Error {
        self.node.format(expected, found.to_string())
    }
}
