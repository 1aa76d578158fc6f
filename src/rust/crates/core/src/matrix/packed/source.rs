//! The decision when rows are packed, and for which passes.

use super::{Packed, PackedState};
use crate::error::Result;
use crate::matrix::sparse::SparseParts;
use crate::session::{Allowance, Keeping, Space};
use std::sync::Arc;

/// The least number of entries worth packing: fewer are read as fast from the file.
const LEAST: u64 = 1 << 16;

/// The packed rows of one pass.
#[derive(Debug)]
pub(in crate::matrix) struct Pass {
    /// The packed rows, complete or not.
    pub(in crate::matrix) packed: Arc<Packed>,
    /// Whether the pass keeps the entries that it reads from the file.
    pub(in crate::matrix) fills: bool,
}

impl Pass {
    /// Returns whether an entry is read from the packed rows, and not from the file.
    pub(in crate::matrix) fn holds(&self, entry: u64) -> bool {
        self.packed.holds(entry)
    }
}

impl SparseParts {
    /// Returns a text that identifies the matrix and the present state of its file, by which the
    /// packed rows are found again; `None` where the state cannot be told. It is not the name of a
    /// file.
    pub(super) fn packed_name(&self) -> Option<String> {
        let stamp = self.stamp()?;
        let place = self.location();
        Some(format!("packed {} {} {:?} {stamp:?}", place.store, place.element, self.shape))
    }

    /// Returns the packed rows of this name; where the setting `scratch` is 0, only those of a file
    /// that stays.
    fn packed_now(&self, name: &str, keeping: &Keeping) -> Option<Arc<Packed>> {
        let packed = keeping.caches().named::<Packed>(name)?;
        (!keeping.is_off() || packed.path().is_some()).then_some(packed)
    }

    /// Returns whether the matrix is large enough, and compressed by a slow filter.
    fn is_worth_packing(&self) -> bool {
        self.nnz() >= LEAST && (self.indices.is_slow() || self.data.is_slow())
    }

    /// Returns the packed rows that a pass reads. A pass over all rows creates them where it may.
    /// `cuts` returns the positions at which the pass begins to read, and the number of entries.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(in crate::matrix) fn packed(
        &self,
        allowed: &Allowance,
        all_rows: bool,
        cuts: impl FnOnce() -> Result<Vec<u64>>,
    ) -> Result<Option<Pass>> {
        let keeping = &allowed.keeping;
        let Some(name) = self.packed_name() else { return Ok(None) };
        if let Some(packed) = self.packed_now(&name, keeping) {
            self.hold(Some(&packed));
            return Ok(Some(Pass { packed, fills: keeping.fills() }));
        }
        if keeping.is_off() || !self.is_worth_packing() || !(keeping.fills() && all_rows) {
            return Ok(None);
        }
        // Packed rows of another state, and those of matrices that nobody holds any more, are
        // deleted first.
        self.hold(None);
        keeping.caches().forget_unused::<Packed>();
        let limit = keeping.limit(self.disk_bytes, &allowed.scratch);
        let packed = Arc::new(Packed::new(&cuts()?, limit, &allowed.scratch)?);
        allowed.scratch.may_take_back(&packed);
        keeping.caches().keep_named(name, packed.clone());
        self.hold(Some(&packed));
        Ok(Some(Pass { packed, fills: true }))
    }

    /// Returns the present state of the packed rows.
    pub(in crate::matrix) fn packed_state(&self, keeping: &Keeping, scratch: &Space) -> PackedState {
        let Some(name) = self.packed_name() else { return PackedState::None };
        match self.packed_now(&name, keeping) {
            Some(packed) => {
                let (kept, all) = packed.pieces();
                let trouble = packed.trouble().cloned();
                PackedState::Kept { kept, all, bytes: packed.bytes(), path: packed.path(), trouble }
            }
            None if keeping.is_off() || !self.is_worth_packing() => PackedState::None,
            None => PackedState::Planned(keeping.limit(self.disk_bytes, scratch)),
        }
    }
}
