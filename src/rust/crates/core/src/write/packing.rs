//! The chunks and the compression of arrays.

use crate::store::Compression;

/// The way in which the arrays of a matrix are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packing {
    /// Compression of the chunks.
    pub compression: Compression,
    /// Values per chunk; `None` for the default of the kind of array.
    pub chunk: Option<usize>,
}

impl From<Compression> for Packing {
    fn from(compression: Compression) -> Packing {
        Packing { compression, chunk: None }
    }
}
