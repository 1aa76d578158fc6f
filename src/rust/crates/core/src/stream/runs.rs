//! Runs a reducer, run after run.

use super::execute::Opened;
use super::reducer::Reducer;
use super::schedule::Schedule;
use crate::error::Result;
use crate::matrix::{Block, Positions};
use crate::session::Session;
use std::ops::Range;

/// Merges the state of the next run into `all`, the state of the runs before it. The first state is
/// moved, not copied.
pub(super) fn append<R: Reducer>(r: &R, all: &mut Option<R::State>, next: R::State) -> Result<()> {
    match all {
        None => *all = Some(next),
        Some(all) => r.merge(all, next)?,
    }
    Ok(())
}

/// Runs `r` over some runs, on the calling thread in block order. `put` gets the results of the
/// rows of each block, `done` the closed state of each run.
pub(super) fn run<R: Reducer>(
    pass: &Opened<'_>,
    schedule: &Schedule,
    runs: Range<usize>,
    r: &R,
    session: &Session,
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
    pass.run(blocks, session, map, |(at, part, rows)| {
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
