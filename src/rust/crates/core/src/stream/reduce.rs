//! Reducers: passes that add up.

use super::execute::Opened;
use super::partial::together;
use super::schedule::{Needs, Schedule};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::matrix::{Block, Positions};
use serde::de::DeserializeOwned;
use serde::Serialize;
use std::ops::Range;

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

/// Takes results of rows, block after block, on the calling thread.
pub trait Scatter<R> {
    /// Puts the results `rows` of the rows at `at` in their place.
    ///
    /// # Errors
    /// Errors of the place.
    fn scatter(&mut self, at: &Positions, rows: R) -> Result<()>;
}

impl Scatter<()> for () {
    fn scatter(&mut self, _: &Positions, (): ()) -> Result<()> {
        Ok(())
    }
}

/// The same number of values for every row, row-major.
impl<T: Copy> Scatter<Vec<T>> for [T] {
    fn scatter(&mut self, at: &Positions, rows: Vec<T>) -> Result<()> {
        let width = rows.len() / at.len().max(1);
        let lost = || Error::Internal("values of rows that there are none of".to_owned());
        match at {
            Positions::Range(r) => {
                let to = self.get_mut(r.start * width..r.end * width).ok_or_else(lost)?;
                to.copy_from_slice(rows.get(..to.len()).ok_or_else(lost)?);
            }
            Positions::List(list) => {
                for (&i, row) in list.iter().zip(rows.chunks_exact(width.max(1))) {
                    self.get_mut(i as usize * width..(i as usize + 1) * width).ok_or_else(lost)?.copy_from_slice(row);
                }
            }
        }
        Ok(())
    }
}

impl<T: Copy> Scatter<Vec<T>> for Vec<T> {
    fn scatter(&mut self, at: &Positions, rows: Vec<T>) -> Result<()> {
        self.as_mut_slice().scatter(at, rows)
    }
}

impl<A, B, C: Scatter<A>, D: Scatter<B>> Scatter<(A, B)> for (C, D) {
    fn scatter(&mut self, at: &Positions, (a, b): (A, B)) -> Result<()> {
        self.0.scatter(at, a)?;
        self.1.scatter(at, b)
    }
}

/// Runs `r` over `x` and returns its result.
///
/// # Errors
/// The first error, in block order, of reading and of the reducer; [`Error::Cancelled`] when asked to stop.
pub fn reduce<R: Reducer>(x: &LazyMatrix, r: &R, ctx: &Context) -> Result<R::Output> {
    let mut whole = r.whole()?;
    let state = reduce_into(x, r, &mut whole, ctx)?;
    r.finish(state, whole)
}

/// Runs `r` over `x` with results of rows put into `whole`; returns the state of all runs.
///
/// # Errors
/// The errors of [`reduce`].
pub fn reduce_into<R: Reducer>(
    x: &LazyMatrix,
    r: &R,
    whole: &mut (impl Scatter<R::Rows> + ?Sized),
    ctx: &Context,
) -> Result<R::State> {
    if let Some(team) = &ctx.team {
        return together(x, r, whole, &**team, ctx);
    }
    let pass = Opened::new(x, R::NEEDS.order, R::NEEDS.keeps_columns, ctx)?;
    let schedule = Schedule::new(&pass, R::NEEDS.run);
    let mut all = None;
    let put = |at: &Positions, rows| whole.scatter(at, rows);
    run(&pass, &schedule, 0..schedule.n_runs(), r, ctx, put, |state| append(r, &mut all, state))?;
    pass.leave();
    all.map_or_else(|| r.state(), Ok)
}

/// Merges the next run into those before it; the first becomes the sum without a copy.
pub(super) fn append<R: Reducer>(r: &R, all: &mut Option<R::State>, next: R::State) -> Result<()> {
    match all {
        None => *all = Some(next),
        Some(all) => r.merge(all, next)?,
    }
    Ok(())
}

/// Runs `r` over some runs: `put` gets the results of rows, block by block, `done` the state of every run.
pub(super) fn run<R: Reducer>(
    pass: &Opened<'_>,
    schedule: &Schedule,
    runs: Range<usize>,
    r: &R,
    ctx: &Context,
    mut put: impl FnMut(&Positions, R::Rows) -> Result<()>,
    mut done: impl FnMut(R::State) -> Result<()>,
) -> Result<()> {
    let blocks = schedule.blocks(runs);
    let (mut block, mut state) = (blocks.start, None);
    let map = |b: Block| {
        let at = b.positions.clone();
        let (part, rows) = r.map(b)?;
        Ok((at, part, rows))
    };
    pass.run(blocks, ctx, map, |(at, part, rows)| {
        put(&at, rows)?;
        let mut now = match state.take() {
            Some(state) => state,
            None => r.state()?,
        };
        r.fold(&mut now, part)?;
        if schedule.ends_run(block) {
            r.close(&mut now)?;
            done(now)?;
        } else {
            state = Some(now);
        }
        block += 1;
        Ok(())
    })
}
