//! Partial results: the states of some runs of a reducer, as bytes for another process.

use super::execute::{Leaves, Opened};
use super::reducer::Reducer;
use super::runs::{append, run};
use super::scatter::Scatter;
use super::schedule::Schedule;
use super::Team;
use crate::chain::LazyMatrix;
use crate::encoded::{decoded, encoded};
use crate::error::{Error, Result};
use crate::matrix::{hash, Positions};
use crate::session::Session;
use serde::{Deserialize, Serialize};
use std::ops::Range;

const VERSION: u32 = 1;

/// The identity of a pass: partial results with different headers are not merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    version: u32,
    reducer: String,
    /// The hash of the serialised reducer, that is of its parameters.
    parameters: u64,
    /// File and element, for messages.
    name: String,
    /// The hash of what is stored (shape, layout, dtype, size, element, blocks), of the selections
    /// and of the operations.
    matrix: u64,
    n_runs: usize,
}

impl Header {
    fn new<R: Reducer>(x: &LazyMatrix, r: &R, schedule: &Schedule) -> Result<Self> {
        let (source, rows) = (x.source(), schedule.rows());
        // The path is left out: another machine may have another one.
        let stored = (source.layout().name(), source.dtype().name(), source.nnz(), source.disk_bytes());
        let element = source.location().map(|l| l.in_file());
        let matrix = (source.shape(), stored, element, rows, x.to_bytes()?);
        Ok(Header {
            version: VERSION,
            reducer: R::NAME.to_owned(),
            parameters: fingerprint(r)?,
            name: x.name(),
            matrix: fingerprint(&matrix)?,
            n_runs: schedule.n_runs(),
        })
    }

    fn mismatch(&self, what: &str) -> Error {
        Error::State(format!(
            "a partial result of {} over {} is {what}: it cannot be put together with the others",
            self.reducer, self.name
        ))
    }

    /// Checks that this is the header of a partial result of `r` with the same parameters.
    fn is_of<R: Reducer>(&self, r: &R) -> Result<()> {
        if self.reducer != R::NAME {
            return Err(self.mismatch(&format!("not one of {}", R::NAME)));
        }
        if self.parameters != fingerprint(r)? {
            return Err(self.mismatch("one with other parameters"));
        }
        Ok(())
    }
}

fn fingerprint<T: Serialize + ?Sized>(of: &T) -> Result<u64> {
    Ok(hash(&encoded(of, 0, PARTIAL)?))
}

/// The name, in errors, of a partial result.
const PARTIAL: &str = "a partial result";

/// The result of some neighbouring runs of a reducer: their states, and the results of their rows.
/// If the first run of the matrix is among them, the states are merged to one. Otherwise each state
/// is kept by itself, since each has to be merged into the sum of all runs before it.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Partial<R: Reducer> {
    header: Header,
    runs: Range<usize>,
    states: Vec<R::State>,
    rows: Vec<(Positions, R::Rows)>,
}

impl<R: Reducer> std::fmt::Debug for Partial<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partial").field("header", &self.header).field("runs", &self.runs).finish_non_exhaustive()
    }
}

impl<R: Reducer> Partial<R> {
    /// Returns the range of runs that this result covers.
    pub fn runs(&self) -> Range<usize> {
        self.runs.clone()
    }

    /// Returns this result as bytes for another process, a checksum last.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Internal`] if encoding fails, which is not expected.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = encoded(self, size_of::<u64>(), PARTIAL)?;
        if let Some((content, sum)) = bytes.split_last_chunk_mut() {
            *sum = hash(content).to_le_bytes();
        }
        Ok(bytes)
    }

    /// Reads a partial result of `r` from the bytes of [`Partial::to_bytes`].
    ///
    /// # Errors
    /// [`Error::State`] for bytes of another version, damaged bytes, and results of another reducer
    /// or other parameters; [`Error::OutOfMemory`].
    pub fn from_bytes(r: &R, bytes: &[u8]) -> Result<Self> {
        let damaged = || {
            let made = "was cut short, was changed, or was made by another version of anndataoom";
            Error::State(format!("a partial result of {} {made}: make it again", R::NAME))
        };
        let (content, sum) = bytes.split_last_chunk::<8>().ok_or_else(damaged)?;
        if hash(content).to_le_bytes() != *sum {
            return Err(damaged());
        }
        // The header is read first: only the reducer it names can decode the body.
        let header: Header = decoded(content, PARTIAL)?.ok_or_else(damaged)?;
        if header.version != VERSION {
            return Err(damaged());
        }
        header.is_of(r)?;
        decoded(content, PARTIAL)?.ok_or_else(damaged)
    }
}

/// Runs `r` over `runs` of the [`Schedule`] of `x` alone. [`finish`] gives the same bits however
/// the runs are shared out to processes.
///
/// # Errors
/// [`Error::Index`] for runs beyond the last one; the errors of [`reduce`](super::reduce()).
pub fn reduce_runs<R: Reducer>(x: &LazyMatrix, r: &R, runs: Range<usize>, session: &Session) -> Result<Partial<R>> {
    let pass = Opened::new(x, R::NEEDS.order, Leaves::for_needs(R::NEEDS).without_columns(), session)?;
    let schedule = Schedule::new(&pass, R::NEEDS.run);
    let n_runs = schedule.n_runs();
    if runs.start > runs.end || runs.end > n_runs {
        return Err(Error::Index { axis: "runs", index: runs.end as i64, len: n_runs });
    }
    let header = Header::new(x, r, &schedule)?;
    let (mut states, mut first, mut rows) = (Vec::new(), None, Vec::new());
    let keep = |at: &Positions, of_rows| {
        rows.push((at.clone(), of_rows));
        Ok(())
    };
    run(&pass, &schedule, runs.clone(), r, session, keep, |state| {
        if runs.start == 0 {
            append(r, &mut first, state)
        } else {
            states.push(state);
            Ok(())
        }
    })?;
    states.extend(first);
    Ok(Partial { header, runs, states, rows })
}

/// Puts partial results of all runs together, in any order, and returns the result of the reducer.
///
/// # Errors
/// [`Error::State`] for results of different matrices, reducers or parameters, and for runs that
/// are missing or given twice.
pub fn finish<R: Reducer>(r: &R, partials: Vec<Partial<R>>) -> Result<R::Output> {
    let mut whole = r.whole()?;
    let state = put_together(r, partials, &mut whole)?;
    r.finish(state, whole)
}

fn put_together<R: Reducer>(
    r: &R,
    mut partials: Vec<Partial<R>>,
    whole: &mut (impl Scatter<R::Rows> + ?Sized),
) -> Result<R::State> {
    partials.sort_by_key(|p| (p.runs.start, p.runs.end));
    let Some(first) = partials.first().map(|p| p.header.clone()) else {
        return Err(Error::State(format!("no partial result of {} was given", R::NAME)));
    };
    let mut next = 0;
    for Partial { header, runs, .. } in &partials {
        header.is_of(r)?;
        if header.matrix != first.matrix || header.n_runs != first.n_runs {
            return Err(header.mismatch(&format!("of another matrix than that over {}", first.name)));
        }
        if runs.start != next {
            let what = if runs.start < next { "there more than once" } else { "missing" };
            let (from, to) = (runs.start.min(next), runs.start.max(next));
            return Err(Error::State(format!(
                "partial results of {} over {}: runs {from} to {to} (zero-based, the last not included) are {what}",
                R::NAME,
                first.name
            )));
        }
        next = runs.end;
    }
    if next != first.n_runs {
        return Err(Error::State(format!(
            "partial results of {} over {}: runs {next} to {} (zero-based, the last not included) are missing",
            R::NAME,
            first.name,
            first.n_runs
        )));
    }
    let mut all = None;
    for partial in partials {
        for state in partial.states {
            append(r, &mut all, state)?;
        }
        for (at, rows) in partial.rows {
            whole.scatter(&at, rows)?;
        }
    }
    all.map_or_else(|| r.state(), Ok)
}

/// Runs `r` over this process's share of the runs, exchanges partial results with the other
/// processes of `team`, and returns the merged state of all runs.
pub(super) fn together<R: Reducer>(
    x: &LazyMatrix,
    r: &R,
    whole: &mut (impl Scatter<R::Rows> + ?Sized),
    team: &dyn Team,
    session: &Session,
) -> Result<R::State> {
    let n_runs = Schedule::for_reducer(x, r, session)?.n_runs();
    let own = reduce_runs(x, r, team.share(n_runs), session)?;
    let header = own.header.clone();
    let all = team.exchange(own.to_bytes()?)?;
    let all: Vec<Partial<R>> = all.iter().map(|bytes| Partial::from_bytes(r, bytes)).collect::<Result<_>>()?;
    if let Some(other) = all.iter().find(|p| p.header.matrix != header.matrix) {
        return Err(other.header.mismatch(&format!("of another matrix than that over {}", header.name)));
    }
    put_together(r, all, whole)
}
