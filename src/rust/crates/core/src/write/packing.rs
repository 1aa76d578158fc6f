//! How arrays are packed: chunks and their compression.

use crate::store::Compression;

/// How the arrays of a matrix are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packing {
    /// Compression.
    pub compression: Compression,
    /// Values of a chunk; what suits most where it is `None`.
    pub chunk: Option<usize>,
}

impl From<Compression> for Packing {
    fn from(compression: Compression) -> Packing {
        Packing { compression, chunk: None }
    }
}
