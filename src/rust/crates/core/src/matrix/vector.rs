//! Vectors of numbers on disk, read by runs from any thread: what is copied between stores of two kinds.

use super::disk::{with_plain, Cursor, RawDataset, Shared};
use crate::dtype::{DType, Data, Number};
use crate::error::Result;
use crate::store::Node;
use std::ops::Range;

/// A 1-D array of numbers.
#[derive(Debug)]
pub(crate) struct Vector(RawDataset);

impl Vector {
    /// Opens one.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) when it is none; those of opening an array.
    pub(crate) fn open(node: &Node) -> Result<Vector> {
        let values = RawDataset::open(node)?;
        match values.shape() {
            [_] => Ok(Vector(values)),
            shape => Err(values.bad("1 dimension", shape.len())),
        }
    }

    /// Values.
    pub(crate) fn len(&self) -> u64 {
        self.0.shape().first().copied().unwrap_or(0)
    }

    /// Their dtype.
    pub(crate) fn dtype(&self) -> DType {
        self.0.dtype()
    }

    /// Values of a chunk, whose multiples are where runs best end.
    pub(crate) fn chunk(&self) -> u64 {
        self.0.chunk().first().copied().unwrap_or(1)
    }

    /// Reads a run.
    ///
    /// # Errors
    /// Errors of reading and decoding.
    pub(crate) fn read(&self, run: Range<u64>) -> Result<Data> {
        let none = Shared::none();
        with_plain!(self.dtype(), T => {
            let mut out: Vec<T> = Vec::new();
            self.0.append(run, &mut Cursor::new(&none), &mut out)?;
            Ok(T::wrap(out))
        })
    }
}
