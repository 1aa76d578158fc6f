//! The origin of a matrix, for whoever keeps something made from it.

use serde::{Deserialize, Serialize};

/// A mark of one state of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub bytes: u64,
    /// Time of the last change since 1970: seconds, nanoseconds.
    pub modified: (u64, u32),
    /// Number of the file in its file system; 0 where there is none.
    pub inode: u64,
    /// Checksum of the offsets of the matrix's rows.
    pub offsets: u64,
}
