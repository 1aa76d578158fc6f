//! Prefetched bytes of chunks in remote stores.

use crate::store::array::Extent;
use crate::store::piece::Piece;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bytes of an extent; `None` for an object that does not exist.
type Stored = Option<Piece>;

/// Bytes that were fetched and not yet requested, by the object and offset of their extent.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<HashMap<(u64, u64), Stored>>);

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, HashMap<(u64, u64), Stored>> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether there are no bytes.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Returns whether the bytes of an extent are there.
    pub(super) fn has(&self, extent: &Extent) -> bool {
        self.lock().contains_key(&(extent.object, extent.at))
    }

    /// Adds the bytes of an extent.
    pub(super) fn put(&self, extent: &Extent, bytes: Stored) {
        self.lock().insert((extent.object, extent.at), bytes);
    }

    /// Returns the bytes of an extent and removes them.
    pub(super) fn remove(&self, extent: &Extent) -> Option<Stored> {
        let found = self.lock().remove(&(extent.object, extent.at))?;
        let whole = |bytes: &Piece| extent.size == Extent::WHOLE || bytes.len() as u64 == extent.size;
        // Another part of a contiguous dataset may begin at the same place.
        found.as_ref().is_none_or(whole).then_some(found)
    }

    /// Removes all bytes.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}
