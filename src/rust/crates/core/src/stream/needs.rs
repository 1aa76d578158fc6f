//! The needs of a pass.

use super::Order;

/// The number of blocks of a run. At a million values a block, a million cells of 2,000 genes are
/// about 30 runs, enough to share out among processes.
pub const RUN: usize = 64;
/// The number of blocks of a run of a reducer with large states (columns by columns). A run has
/// about 1e9 values, so that all but the largest matrices are one run, whose state becomes the
/// result without a second state in memory.
pub const LONG_RUN: usize = 1024;

/// The demands of a reducer on its pass: the order of the rows, whether selected columns are kept,
/// and the length of a run. The pass and the plan of `ops::explain` both read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The order of the rows.
    pub order: Order,
    /// Whether a pass over selected columns keeps them for later passes: for verbs that follow each
    /// other over the same selection.
    pub keeps_columns: bool,
    /// The number of blocks of a run. It is a constant of the reducer, as it decides in which order
    /// sums are added up.
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
