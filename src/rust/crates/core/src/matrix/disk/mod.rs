//! Arrays of numbers, read chunk by chunk. The store is asked once where chunks are; their bytes
//! are then fetched and decoded on the calling thread. Chunks that the store cannot locate are read
//! by the store itself, with the same result.

mod ahead;
mod dataset;
mod read;
mod scratch;
mod shared;

pub(super) use crate::dtype::{as_bytes_mut, with_plain, Plain};
pub(super) use dataset::RawDataset;
pub(super) use read::{grow, reserve};
pub(crate) use scratch::Scratch;
pub(super) use shared::{Cursor, Shared};
