//! Buffers of finished blocks, kept for the next block of the same thread: the page faults of fresh
//! memory take as long as several passes over it.

use super::disk::Plain;
use super::{Block, Storage};
use crate::element::Number;
use crate::with_data;
use std::any::Any;
use std::cell::RefCell;

thread_local! {
    static SPARE: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Buffers kept per thread: indices and values of a block.
const MOST: usize = 2;
/// Bytes of the smallest buffer worth keeping.
const LEAST: usize = 1 << 16;

/// Returns an empty buffer, with the memory of an earlier one if there is one of this type.
pub(super) fn buffer<T: Plain>() -> Vec<T> {
    SPARE.with_borrow_mut(|spare| {
        let at = spare.iter().position(|buffer| buffer.is::<Vec<T>>());
        at.and_then(|at| spare.swap_remove(at).downcast().ok()).map_or_else(Vec::new, |buffer| *buffer)
    })
}

/// Keeps a buffer for the next block of this thread.
pub(super) fn keep<T: Number>(mut buffer: Vec<T>) {
    if buffer.capacity() * size_of::<T>() >= LEAST {
        buffer.clear();
        SPARE.with_borrow_mut(|spare| {
            spare.truncate(MOST - 1);
            spare.insert(0, Box::new(buffer));
        });
    }
}

impl Block {
    /// Drops the block and keeps its memory for the next block read on this thread.
    pub fn recycle(self) {
        match self.storage {
            Storage::Csr { indices, data, .. } => {
                with_data!(data, v => keep(v));
                keep(indices);
            }
            Storage::Dense(data) => with_data!(data, v => keep(v)),
        }
    }
}
