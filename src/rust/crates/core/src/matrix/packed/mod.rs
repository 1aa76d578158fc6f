//! Packed rows: the entries of a compressed matrix that a first pass decoded, kept in few bits for
//! later passes, which unpack them several times faster than they inflate chunks. Entries are
//! addressed by their positions in the vectors of the matrix. A pass over any rows and columns
//! therefore reads from the packed rows what it would read from the file, and gives the same
//! blocks.

mod coder;
mod kept;
mod source;
mod state;
mod store;

pub(super) use coder::Packable;
pub(super) use source::Pass;
pub use state::{PackedState, Trouble};
pub(super) use store::{Packed, Reader};
