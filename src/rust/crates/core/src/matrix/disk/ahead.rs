//! Stored bytes of chunks far away, fetched before they are asked for.

use crate::error::Result;
use crate::memory;
use crate::store::array::Extent;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bytes of an extent; none for an object that is not there.
type Stored = Option<Vec<u8>>;

/// Bytes that came, until who asked for them takes them.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<HashMap<(u64, u64), Stored>>);

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, HashMap<(u64, u64), Stored>> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn has(&self, extent: &Extent) -> bool {
        self.lock().contains_key(&(extent.object, extent.at))
    }

    pub(super) fn put(&self, extent: &Extent, bytes: Option<&[u8]>) -> Result<()> {
        let bytes = bytes.map(|bytes| memory::copied(bytes, "a stored chunk")).transpose()?;
        self.lock().insert((extent.object, extent.at), bytes);
        Ok(())
    }

    /// Takes the bytes of an extent.
    pub(super) fn take(&self, extent: &Extent) -> Option<Stored> {
        let found = self.lock().remove(&(extent.object, extent.at))?;
        let whole = |bytes: &Vec<u8>| extent.size == Extent::WHOLE || bytes.len() as u64 == extent.size;
        // Of a run of values another part may begin there.
        found.as_ref().is_none_or(whole).then_some(found)
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}
