//! Several processes that run the same verbs on the same matrix and share the passes.

use crate::error::Result;
use std::fmt::Debug;
use std::ops::Range;

/// The processes that share every pass of a verb. All of them call the verb; each reads its share of the runs, all get all
/// partial results, and so every one of them goes on with the same bits as a process alone.
pub trait Team: Debug + Send + Sync {
    /// The runs of `0..n_runs` this process takes; those of all processes cover them without overlap.
    fn share(&self, n_runs: usize) -> Range<usize>;

    /// Gives the partial result of this process to the others and returns those of all, its own among them, in any order.
    /// Called once a pass, in the same order in every process.
    ///
    /// # Errors
    /// When one of the others cannot be reached.
    fn exchange(&self, partial: Vec<u8>) -> Result<Vec<Vec<u8>>>;
}
