//! The column index: a copy of a matrix by column in a file of its own, so that a few genes are
//! read without a pass over all cells. Every column is packed in few bits and has a checksum. The
//! index holds the state of the file it was made of, and is not used for any other.

mod file;
mod pack;
mod pass;

pub(super) use file::hash_words;
pub(crate) use file::{hash, ColumnIndex, Writer};
pub(crate) use pack::{pack, Bits};
