//! Several processes that run the same verbs on the same matrix and share the passes.

use crate::error::Result;
use std::fmt::Debug;
use std::ops::Range;

/// The processes that share every pass of a verb. All of them call the verb. Each reads its share
/// of the runs and gets all partial results, so each has the same bits as a process alone.
pub trait Team: Debug + Send + Sync {
    /// Returns the runs of `0..n_runs` that this process takes. The shares of all processes cover
    /// them without overlap.
    fn share(&self, n_runs: usize) -> Range<usize>;

    /// Sends the partial result of this process to the others and returns those of all, its own
    /// included, in any order. Called once per pass, in the same order in every process.
    ///
    /// # Errors
    /// An error when one of the others cannot be reached.
    fn exchange(&self, partial: Vec<u8>) -> Result<Vec<Vec<u8>>>;
}
