//! Numeric HDF5 datasets read without the library: the chunk table is taken once, then bytes are read at their
//! addresses and decompressed on the calling thread, outside HDF5's global lock. What is not covered goes through the
//! library, chunk by chunk, with the same result.

mod dataset;
mod file;
mod number;
mod read;
mod scratch;
mod shared;

pub(super) use dataset::RawDataset;
pub(super) use file::{read_exact_at, RawFile};
pub(super) use number::{as_bytes_mut, with_plain, Bit, Plain};
pub(super) use read::{grow, reserve};
pub(crate) use scratch::Scratch;
pub(super) use shared::{Cursor, Shared};
