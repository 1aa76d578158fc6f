//! State of packed rows, for who plans or shows it.

use std::path::PathBuf;

/// State of the packed rows of a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The matrix is not compressed, too small, or has no state to tell it by; or the setting `scratch` is 0.
    None,
    /// The first pass over all rows leaves them, in so many bytes at most.
    Planned(u64),
    /// Of `all` pieces of the matrix, `kept` are there in so many bytes.
    Kept {
        /// Pieces that are there.
        kept: usize,
        /// Pieces of the matrix.
        all: usize,
        /// Bytes they take.
        bytes: u64,
        /// The file that stays with them; `None` for a scratch file.
        path: Option<PathBuf>,
        /// Why pieces are missing.
        trouble: Option<Trouble>,
    },
}

/// The reason why not all entries of a matrix are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// They take more than they may.
    Limit(u64),
    /// A scratch file could not be written.
    Scratch(String),
    /// Scratch files of work that cannot do without needed the room.
    GivenUp,
    /// Bytes were not as they were written.
    Damaged,
}
