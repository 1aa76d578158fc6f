//! A reducer over a whole matrix.

use super::execute::Opened;
use super::partial::together;
use super::reducer::Reducer;
use super::runs::{append, run};
use super::scatter::Scatter;
use super::schedule::Schedule;
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::error::Result;
use crate::matrix::Positions;

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
    pass.leave(ctx);
    all.map_or_else(|| r.state(), Ok)
}
