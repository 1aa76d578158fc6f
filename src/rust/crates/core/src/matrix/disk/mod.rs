//! Arrays of numbers read by the chunk: where chunks are is asked of the store once, then their bytes are fetched and
//! decoded on the calling thread. What the store cannot locate it reads itself, chunk by chunk, with the same result.

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
