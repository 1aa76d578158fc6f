//! The fixed tree in which the states of blocks are put together.
//!
//! Blocks are cut by the source, whatever the threads, the memory and the process. A run is a fixed number of neighbouring
//! blocks, whose parts are folded from left to right; the states of the runs are merged from left to right. So any split of
//! the runs, over threads, processes or machines, gives the same bits.

use super::execute::Opened;
use super::{Order, Reducer};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::error::Result;
use std::ops::Range;

/// Blocks of a run: at a million values a block, a million cells of 2,000 genes each are 30 runs to share out.
pub const RUN: usize = 64;
/// Blocks of a run where states are large (columns by columns): a thousand million values, so that all but the largest
/// matrices are one run, whose state becomes the result without a second one beside it.
pub const LONG_RUN: usize = 1024;

/// Needs of a reducer, for `ops::explain` as for the pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The order of the rows.
    pub order: Order,
    /// Whether a pass over selected columns leaves them for the passes after it: for verbs that come in a row over the same
    /// selection.
    pub keeps_columns: bool,
    /// Blocks of a run; a constant of the reducer, as it decides in which order sums are added up.
    pub run: usize,
}

impl Needs {
    /// Rows in the order of the file, runs of [`RUN`] blocks, nothing kept.
    pub const FILE: Needs = Needs { order: Order::File, keeps_columns: false, run: RUN };

    /// [`Needs::FILE`] with selected columns kept.
    pub const KEEPS: Needs = Needs { keeps_columns: true, ..Needs::FILE };

    /// Returns these needs with runs of [`LONG_RUN`] blocks.
    pub const fn long(self) -> Needs {
        Needs { run: LONG_RUN, ..self }
    }
}

/// The runs of one reducer over one matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    blocks: Vec<Range<usize>>,
    run: usize,
}

impl Schedule {
    /// Returns the runs of a pass of a reducer over `x`, without reading values.
    ///
    /// # Errors
    /// Errors of preparing a pass.
    pub fn of<R: Reducer>(x: &LazyMatrix, _: &R, ctx: &Context) -> Result<Self> {
        Ok(Schedule::new(&Opened::new(x, R::NEEDS.order, false, ctx)?, R::NEEDS.run))
    }

    pub(super) fn new(pass: &Opened<'_>, run: usize) -> Self {
        Schedule { blocks: pass.blocks().to_vec(), run: run.max(1) }
    }

    /// Returns the number of runs.
    pub fn n_runs(&self) -> usize {
        self.blocks.len().div_ceil(self.run)
    }

    /// Returns the blocks of some runs.
    pub fn blocks(&self, runs: Range<usize>) -> Range<usize> {
        let at = |run: usize| run.saturating_mul(self.run).min(self.blocks.len());
        at(runs.start)..at(runs.end)
    }

    /// Whether a run ends with this block.
    pub(super) fn ends_run(&self, block: usize) -> bool {
        (block + 1).is_multiple_of(self.run) || block + 1 == self.blocks.len()
    }

    /// Rows of every block, in the order of the pass.
    pub(super) fn rows(&self) -> &[Range<usize>] {
        &self.blocks
    }
}
