//! The state of packed rows, for plans and for display.

use std::path::PathBuf;

/// The state of the packed rows of a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackedState {
    /// There are none: the matrix is not compressed, is too small, or has no file whose state can
    /// be told, or the setting `scratch` is 0.
    None,
    /// The first pass over all rows will create them, in at most this many bytes.
    Planned(u64),
    /// Some or all pieces of the matrix are packed.
    Kept {
        /// The number of packed pieces.
        kept: usize,
        /// The number of pieces of the matrix.
        all: usize,
        /// The bytes of the packed pieces.
        bytes: u64,
        /// The file that outlives the session; `None` for a scratch file.
        path: Option<PathBuf>,
        /// The reason why pieces are missing.
        trouble: Option<Trouble>,
    },
}

/// The reason why not all entries of a matrix are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The entries take more than this limit in bytes.
    Limit(u64),
    /// A scratch file could not be written, with the error's text.
    Scratch(String),
    /// They were deleted because scratch files of other work, which cannot do without, needed the
    /// space.
    GivenUp,
    /// Packed bytes were damaged.
    Damaged,
}
