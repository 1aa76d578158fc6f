//! Reducers: passes that add up.

use super::needs::Needs;
use super::scatter::Scatter;
use crate::error::Result;
use crate::matrix::Block;
use serde::de::DeserializeOwned;
use serde::Serialize;

pub use crate::{no_rows, no_state};

/// A pass that adds up: maps blocks, folds their parts, merges states and makes a result of them. Its serialised form is its
/// parameters, by which partial results are told apart.
///
/// Parts are folded in block order into the state of their run, runs are merged in order ([`Schedule`]). What belongs to
/// rows is no part of the state: it goes where those rows are ([`Scatter`]).
pub trait Reducer: Serialize + Sync {
    /// Its name in messages.
    const NAME: &'static str;
    /// The order of rows, kept columns and length of runs it asks for.
    const NEEDS: Needs;

    /// A block, reduced, for the state.
    type Part: Send;
    /// Results of the rows of a block; `()` for none.
    type Rows: Send + Serialize + DeserializeOwned;
    /// The sum of one or more runs.
    type State: Serialize + DeserializeOwned;
    /// Results of all rows.
    type Whole: Scatter<Self::Rows>;
    /// The result.
    type Output;

    /// Reduces a block, on a worker thread.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn map(&self, block: Block) -> Result<(Self::Part, Self::Rows)>;

    /// Returns the state of no rows.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::error::Error::OutOfMemory).
    fn state(&self) -> Result<Self::State>;

    /// Returns room for the results of all rows.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::error::Error::OutOfMemory).
    fn whole(&self) -> Result<Self::Whole>;

    /// Adds the part of the next block, on the calling thread.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn fold(&self, state: &mut Self::State, part: Self::Part) -> Result<()>;

    /// Ends a run: called after its last block.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn close(&self, _state: &mut Self::State) -> Result<()> {
        Ok(())
    }

    /// Adds the state of the runs that follow; both are closed.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()>;

    /// Makes the result.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn finish(&self, state: Self::State, whole: Self::Whole) -> Result<Self::Output>;
}

/// The part of a [`Reducer`] that adds nothing up.
#[doc(hidden)]
#[macro_export]
macro_rules! no_state {
    () => {
        type Part = ();
        type State = ();

        fn state(&self) -> $crate::Result<()> {
            Ok(())
        }

        fn fold(&self, (): &mut (), (): ()) -> $crate::Result<()> {
            Ok(())
        }

        fn merge(&self, (): &mut (), (): ()) -> $crate::Result<()> {
            Ok(())
        }
    };
}

/// The part of a [`Reducer`] that has nothing for the rows.
#[doc(hidden)]
#[macro_export]
macro_rules! no_rows {
    () => {
        type Rows = ();
        type Whole = ();

        fn whole(&self) -> $crate::Result<()> {
            Ok(())
        }
    };
}
