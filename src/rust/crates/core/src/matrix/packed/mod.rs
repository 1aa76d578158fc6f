//! Packed rows: what a first pass decoded of a compressed matrix, kept in few bits for the passes after it, which unpack
//! several times faster than they inflate. Entries lie by their positions in the vectors of the matrix, so that whichever
//! rows and columns a pass wants, it reads packed what it would have read of the file, and gives the same blocks.

mod coder;
mod kept;
mod source;
mod state;
mod store;

pub(super) use coder::Packable;
pub(super) use source::Pass;
pub use state::{State, Trouble};
pub(super) use store::{Packed, Reader};
