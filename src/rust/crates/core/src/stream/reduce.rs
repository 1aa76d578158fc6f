//! Reduces a whole matrix.

use super::execute::{Leaves, Opened};
use super::partial::together;
use super::reducer::Reducer;
use super::runs::{append, run};
use super::scatter::Scatter;
use super::schedule::Schedule;
use crate::chain::LazyMatrix;
use crate::error::Result;
use crate::matrix::Positions;
use crate::session::Session;

/// Runs `r` over `x` and returns its result. If `session` has a team, this process reads its share
/// of the runs only, and every process of the team gets the whole result.
///
/// # Errors
/// The first error, in block order, of reading and of the reducer;
/// [`Error::Cancelled`](crate::Error::Cancelled) when the monitor asks to stop.
pub fn reduce<R: Reducer>(x: &LazyMatrix, r: &R, session: &Session) -> Result<R::Output> {
    let mut whole = r.whole()?;
    let state = reduce_into(x, r, &mut whole, session)?;
    r.finish(state, whole)
}

/// Runs `r` over `x` as [`reduce`] does, puts the results of rows into `whole`, and returns the
/// merged state of all runs.
///
/// # Errors
/// The errors of [`reduce`].
pub fn reduce_into<R: Reducer>(
    x: &LazyMatrix,
    r: &R,
    whole: &mut (impl Scatter<R::Rows> + ?Sized),
    session: &Session,
) -> Result<R::State> {
    if let Some(team) = &session.team {
        return together(x, r, whole, &**team, session);
    }
    let pass = Opened::new(x, R::NEEDS.order, Leaves::for_needs(R::NEEDS), session)?;
    let schedule = Schedule::new(&pass, R::NEEDS.run);
    let mut all = None;
    let put = |at: &Positions, rows| whole.scatter(at, rows);
    run(&pass, &schedule, 0..schedule.n_runs(), r, session, put, |state| append(r, &mut all, state))?;
    pass.leave(session);
    all.map_or_else(|| r.state(), Ok)
}
