//! The fixed tree in which the states of blocks are put together.
//!
//! The source sets the blocks, independently of threads, memory and process. A run is a fixed
//! number of neighbouring blocks. The parts of its blocks are folded from left to right, and the
//! states of the runs are merged from left to right. So any split of the runs over threads,
//! processes or machines gives the same bits.

use super::execute::{Leaves, Opened};
use super::reducer::Reducer;
use crate::chain::LazyMatrix;
use crate::error::Result;
use crate::session::Session;
use std::ops::Range;

/// The runs of one reducer over one matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    blocks: Vec<Range<usize>>,
    run: usize,
}

impl Schedule {
    /// Returns the runs of a pass of a reducer over `x`. Reads no values.
    ///
    /// # Errors
    /// Errors of preparing a pass.
    pub fn for_reducer<R: Reducer>(x: &LazyMatrix, _: &R, session: &Session) -> Result<Self> {
        Ok(Schedule::new(&Opened::new(x, R::NEEDS.order, Leaves::NOTHING, session)?, R::NEEDS.run))
    }

    /// Makes the runs of a pass, of `run` blocks each; the last one may have fewer.
    pub(super) fn new(pass: &Opened<'_>, run: usize) -> Self {
        Schedule { blocks: pass.blocks().to_vec(), run: run.max(1) }
    }

    /// Returns the number of runs.
    pub fn n_runs(&self) -> usize {
        self.blocks.len().div_ceil(self.run)
    }

    /// Returns the range of blocks of the runs `runs`.
    pub fn blocks(&self, runs: Range<usize>) -> Range<usize> {
        let at = |run: usize| run.saturating_mul(self.run).min(self.blocks.len());
        at(runs.start)..at(runs.end)
    }

    /// Returns whether a run ends with block `block`.
    pub(super) fn ends_run(&self, block: usize) -> bool {
        (block + 1).is_multiple_of(self.run) || block + 1 == self.blocks.len()
    }

    /// Returns the rows of every block, in the order of the pass.
    pub(super) fn rows(&self) -> &[Range<usize>] {
        &self.blocks
    }
}
