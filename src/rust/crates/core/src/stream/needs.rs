//! The needs of a pass.

use super::Order;

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
