//! The state of a file and matrix, for everything that is made from the matrix and kept.

use serde::{Deserialize, Serialize};

/// The state of a file, by which a change of it is detected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Time of the last change since 1970: seconds and nanoseconds.
    pub modified: (u64, u32),
    /// Number of the file in its file system; 0 where there is none.
    pub inode: u64,
    /// Checksum of the matrix's `indptr`.
    pub offsets: u64,
}
