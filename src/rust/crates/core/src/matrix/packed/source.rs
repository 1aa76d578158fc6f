//! When rows are packed, and for which passes.

use super::{Packed, State};
use crate::error::Result;
use crate::matrix::sparse::SparseParts;
use crate::session::{Allowance, Keeping, Space};
use std::sync::Arc;

/// Fewer entries are read as fast from the file.
const LEAST: u64 = 1 << 16;

/// The packed rows of one pass.
#[derive(Debug)]
pub(in crate::matrix) struct Pass {
    pub(in crate::matrix) packed: Arc<Packed>,
    /// Whether it leaves what it reads of the file.
    pub(in crate::matrix) fills: bool,
}

impl SparseParts {
    /// A name of the matrix in the state the file is in now; `None` where there is nothing to tell it by.
    pub(super) fn packed_name(&self) -> Option<String> {
        let stamp = self.stamp()?;
        let place = self.location();
        Some(format!("packed {} {} {:?} {stamp:?}", place.store, place.element, self.shape))
    }

    /// The packed rows there are: where the setting is 0, those of a file that stays alone.
    fn packed_now(&self, name: &str, keeping: &Keeping) -> Option<Arc<Packed>> {
        let packed = keeping.caches().named::<Packed>(name)?;
        (!keeping.is_off() || packed.path().is_some()).then_some(packed)
    }

    fn is_worth_packing(&self) -> bool {
        self.nnz() >= LEAST && (self.indices.is_slow() || self.data.is_slow())
    }

    /// The packed rows a pass reads; a pass over all rows leaves them where it may. `cuts` gives the positions at which it begins
    /// to read, and the number of entries.
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
        // Packed rows of another state, and of matrices that nobody has any more, make room.
        self.hold(None);
        keeping.caches().forget_unused::<Packed>();
        let limit = keeping.limit(self.disk_bytes, &allowed.scratch);
        let packed = Arc::new(Packed::new(&cuts()?, limit, &allowed.scratch)?);
        allowed.scratch.may_take_back(&packed);
        keeping.caches().keep_named(name, packed.clone());
        self.hold(Some(&packed));
        Ok(Some(Pass { packed, fills: true }))
    }

    /// State of the packed rows now.
    pub(in crate::matrix) fn packed_state(&self, keeping: &Keeping, scratch: &Space) -> State {
        let Some(name) = self.packed_name() else { return State::None };
        match self.packed_now(&name, keeping) {
            Some(packed) => {
                let (kept, all) = packed.pieces();
                let trouble = packed.trouble().cloned();
                State::Kept { kept, all, bytes: packed.bytes(), path: packed.path(), trouble }
            }
            None if keeping.is_off() || !self.is_worth_packing() => State::None,
            None => State::Planned(keeping.limit(self.disk_bytes, scratch)),
        }
    }
}
