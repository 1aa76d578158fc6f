//! Vectors of numbers on disk, read in runs from any thread, for copies between stores of two
//! kinds.

use super::disk::{with_plain, Cursor, RawDataset, Shared};
use crate::dtype::{DType, Data, Number};
use crate::error::Result;
use crate::store::Node;
use std::ops::Range;

/// A 1-D array of numbers.
#[derive(Debug)]
pub(crate) struct Vector(RawDataset);

impl Vector {
    /// Opens a 1-D array of numbers.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) for another number of dimensions; errors of opening
    /// an array.
    pub(crate) fn open(node: &Node) -> Result<Vector> {
        let values = RawDataset::open(node)?;
        match values.shape() {
            [_] => Ok(Vector(values)),
            shape => Err(values.bad("1 dimension", shape.len())),
        }
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> u64 {
        self.0.shape().first().copied().unwrap_or(0)
    }

    /// Returns the dtype of the values.
    pub(crate) fn dtype(&self) -> DType {
        self.0.dtype()
    }

    /// Returns the values per chunk; runs are read best if they end at its multiples.
    pub(crate) fn chunk(&self) -> u64 {
        self.0.chunk().first().copied().unwrap_or(1)
    }

    /// Reads a run of values.
    ///
    /// # Errors
    /// Errors of reading and decoding.
    pub(crate) fn read(&self, run: Range<u64>) -> Result<Data> {
        let none = Shared::unshared();
        with_plain!(self.dtype(), T => {
            let mut out: Vec<T> = Vec::new();
            self.0.append(run, &mut Cursor::new(&none), &mut out)?;
            Ok(T::wrap(out))
        })
    }
}
