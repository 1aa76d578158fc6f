//! A stored array of numbers: its shape, dtype and chunks.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::matrix::Reads;
use crate::store::array::{Access, ChunkedArray, Meta};
use crate::store::Node;
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
        Ok(RawDataset { node: node.clone(), array: node.array()?, decoded: AtomicU64::new(0) })
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
