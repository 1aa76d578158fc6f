//! Reducers: passes that add up.

use super::needs::Needs;
use super::scatter::Scatter;
use crate::error::Result;
use crate::matrix::Block;
use serde::de::DeserializeOwned;
use serde::Serialize;

pub use crate::{adds_up, gives_rows, gives_sum, no_rows, no_state};

/// A pass that adds up: it maps blocks, folds their parts into states, merges states and makes a
/// result of them. Its serialised form is its parameters; partial results with other parameters are
/// refused by it.
///
/// Parts are folded in block order into the state of their run; runs are merged in order
/// ([`Schedule`](super::Schedule)). Results of single rows are not in the state: they are put at
/// the positions of their rows ([`Scatter`]).
pub trait Reducer: Serialize + Sync {
    /// The name of the reducer in messages.
    const NAME: &'static str;
    /// The order of rows, the kept columns and the length of runs that the reducer asks for.
    const NEEDS: Needs;

    /// A reduced block, for the state.
    type Part: Send;
    /// The results of the rows of a block; `()` for none.
    type Rows: Send + Serialize + DeserializeOwned;
    /// The sum over one or more runs.
    type State: Serialize + DeserializeOwned;
    /// The results of all rows.
    type Whole: Scatter<Self::Rows>;
    /// The result of the reducer.
    type Output;

    /// Reduces a block, on a worker thread, to its part of the state and the results of its rows.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn map(&self, block: Block) -> Result<(Self::Part, Self::Rows)>;

    /// Returns the state of zero rows.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::error::Error::OutOfMemory).
    fn state(&self) -> Result<Self::State>;

    /// Returns room for the results of all rows.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::error::Error::OutOfMemory).
    fn whole(&self) -> Result<Self::Whole>;

    /// Adds the part of the next block to the state of its run, on the calling thread.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn fold(&self, state: &mut Self::State, part: Self::Part) -> Result<()>;

    /// Closes the state of a run after its last block.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn close(&self, _state: &mut Self::State) -> Result<()> {
        Ok(())
    }

    /// Adds the state `next` of the runs that follow to `state`; both are closed.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()>;

    /// Makes the result of the state of all runs and the results of all rows.
    ///
    /// # Errors
    /// Errors of the reducer.
    fn finish(&self, state: Self::State, whole: Self::Whole) -> Result<Self::Output>;
}

/// Defines the state of a [`Reducer`] that adds nothing up.
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

/// Defines the row results of a [`Reducer`] that has none.
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

/// Defines the parts of a [`Reducer`] that are states themselves. `$add` adds the state of the rows
/// that follow to a state.
#[doc(hidden)]
#[macro_export]
macro_rules! adds_up {
    ($state:ty, $add:expr) => {
        type Part = $state;
        type State = $state;

        fn fold(&self, state: &mut $state, part: $state) -> $crate::Result<()> {
            self.merge(state, part)
        }

        fn merge(&self, state: &mut $state, next: $state) -> $crate::Result<()> {
            let add: fn(&mut $state, $state) = $add;
            add(state, next);
            Ok(())
        }
    };
}

/// Defines all of a [`Reducer`] whose result is the sum of the states of its blocks, except the map
/// to states.
#[doc(hidden)]
#[macro_export]
macro_rules! gives_sum {
    ($state:ty, $add:expr) => {
        type Output = $state;
        $crate::adds_up!($state, $add);
        $crate::no_rows!();

        fn finish(&self, sum: $state, (): ()) -> $crate::Result<$state> {
            Ok(sum)
        }
    };
}

/// Defines all of a [`Reducer`] whose result is the results of the rows, except the map to these.
#[doc(hidden)]
#[macro_export]
macro_rules! gives_rows {
    ($rows:ty) => {
        type Rows = $rows;
        type Whole = $rows;
        type Output = $rows;
        $crate::no_state!();

        fn finish(&self, (): (), rows: $rows) -> $crate::Result<$rows> {
            Ok(rows)
        }
    };
}
