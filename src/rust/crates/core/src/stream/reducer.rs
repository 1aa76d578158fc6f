//! Reducers: passes that add up.

use super::needs::Needs;
use super::scatter::Scatter;
use crate::error::Result;
use crate::matrix::Block;
use serde::de::DeserializeOwned;
use serde::Serialize;

pub use crate::{adds_up, gives_rows, gives_sum, no_rows, no_state};

/// A pass that adds up: maps blocks, folds their parts, merges states and makes a result of them. Its serialised form is its
/// parameters, by which partial results are told apart.
///
/// Parts are folded in block order into the state of their run, runs are merged in order ([`Schedule`](super::Schedule)). What belongs to
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

/// The part of a [`Reducer`] whose blocks are reduced to states: how the state of the rows that follow is added to one.
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

/// All of a [`Reducer`] whose result is the sum of the states of its blocks but the states themselves.
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

/// All of a [`Reducer`] whose result is those of the rows but the results themselves.
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
