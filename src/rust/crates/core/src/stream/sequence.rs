//! Hands blocks on one after the other in the order of the matrix, for writers.

use super::execute::map_fold;
use super::Order;
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::matrix::{Block, Positions, Storage};
use crate::session::Session;
use std::ops::Range;

/// Runs a pass in matrix order whose output is a sequence. `prepare` gets the rows of a block and
/// their values, on worker threads; `take` gets the result of each block, in order, on the calling
/// thread. The pass keeps nothing and has no state that could be merged: passes that add up are
/// [reducers](super::Reducer).
///
/// # Errors
/// The first error, in the order of the matrix, of reading, `prepare` or `take`;
/// [`Error::Cancelled`] when the monitor asks to stop.
pub fn in_sequence<S: Send>(
    x: &LazyMatrix,
    session: &Session,
    prepare: impl Fn(Range<usize>, Storage) -> Result<S> + Sync,
    take: impl FnMut(S) -> Result<()>,
) -> Result<()> {
    let prepare = |block: Block| match block.positions {
        Positions::Range(rows) => prepare(rows, block.storage),
        Positions::List(_) => Err(Error::Internal("a pass in matrix order gave scattered rows".to_owned())),
    };
    map_fold(x, Order::Matrix, session, prepare, take)
}

/// Runs a pass in the order of the file, and merges nothing. It is for sums whose values must be
/// added one by one in the same order, whatever the layout of the matrix. `prepare` gets a block,
/// on worker threads; `take` gets the result of each, in order, on the calling thread.
///
/// # Errors
/// The errors of [`in_sequence`].
pub(crate) fn in_file_order<S: Send>(
    x: &LazyMatrix,
    session: &Session,
    prepare: impl Fn(Block) -> Result<S> + Sync,
    take: impl FnMut(S) -> Result<()>,
) -> Result<()> {
    map_fold(x, Order::File, session, prepare, take)
}
