//! The columns of a source that a pass keeps, and their places in the output.

use crate::error::Result;
use crate::memory;

const MAP: &str = "a map of selected columns";

/// A column selection in the form that decoding needs: the output columns of each source column.
#[derive(Debug, Clone)]
pub struct ColumnMap {
    n_source: usize,
    selected: Vec<u32>,
    /// First output column of each source column, `NONE` where it is dropped. It ends with the last
    /// column that is kept, as a file may claim any number of columns.
    first: Vec<u32>,
    /// Next output column of the same source column, by output column; `NONE` at the end. Empty
    /// when no column repeats.
    next: Vec<u32>,
    ascending: bool,
}

const NONE: u32 = u32::MAX;

impl ColumnMap {
    /// Makes the map that sends source column `selected[j]` to output column `j`. All entries must
    /// be `< n_source`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(n_source: usize, selected: &[u32]) -> Result<Self> {
        let n_first = selected.iter().max().map_or(0, |&last| last as usize + 1);
        let mut first = memory::filled(n_first, NONE, MAP)?;
        let mut next = Vec::new();
        for (j, &c) in selected.iter().enumerate().rev() {
            let seen = first[c as usize];
            if seen != NONE {
                memory::lengthen(&mut next, selected.len(), NONE, MAP)?;
                next[j] = seen;
            }
            first[c as usize] = j as u32;
        }
        let ascending = selected.windows(2).all(|w| w[0] < w[1]);
        Ok(ColumnMap { n_source, selected: memory::copied(selected, MAP)?, first, next, ascending })
    }

    /// Returns the number of columns of the source.
    pub fn n_source(&self) -> usize {
        self.n_source
    }

    /// Returns the number of output columns.
    pub fn n_out(&self) -> usize {
        self.selected.len()
    }

    /// Returns the source column of each output column.
    pub fn selected(&self) -> &[u32] {
        &self.selected
    }

    /// Returns whether output columns are in source order without repeats, so that rows stay
    /// sorted.
    pub fn ascending(&self) -> bool {
        self.ascending
    }

    /// Returns the only output column of source column `c`, `u32::MAX` where it is dropped; for an
    /// [`ascending`](Self::ascending) map only.
    #[inline(always)]
    pub fn single(&self, c: u32) -> u32 {
        self.first.get(c as usize).copied().unwrap_or(NONE)
    }

    /// Returns all output columns of source column `c`, ascending.
    pub fn outputs(&self, c: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.single(c);
        std::iter::from_fn(move || {
            (at != NONE).then(|| {
                let now = at;
                at = self.next.get(now as usize).copied().unwrap_or(NONE);
                now
            })
        })
    }
}
