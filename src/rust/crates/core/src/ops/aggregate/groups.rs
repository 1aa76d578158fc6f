//! Aggregates groups of cells: a pass over rows whose state is the sums of all pairs of group and
//! gene that occur.

use super::genes::of_genes;
use super::layers::{Layers, Part};
use super::medians::{medians_of_cells, medians_of_genes};
use super::options::{Aggregation, Functions, Members, AGGREGATE};
use crate::chain::LazyMatrix;
use crate::element::{DType, Number, Value};
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::ops::group_sums::{typed, Accumulator, Bands, Both, Exact, GroupSums, Rows, Spread, Total};
use crate::ops::Axis;
use crate::session::{release_memory, Session};
use crate::stream::{no_rows, reduce, Needs, Reducer};
use serde::Serialize;
use std::marker::PhantomData;

/// Aggregates groups of the rows of `x` (a matrix of groups x n_vars) or of its columns (n_obs x
/// groups). Returns a matrix for each function, in the order of [`Functions::NAMES`]. A matrix is
/// dense, except that a matrix of groups x n_vars with more than [`DENSE`](super::DENSE) elements
/// comes as compressed rows. Sums of integers and counts are int64, all else is float64. NaN and
/// infinities propagate.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for another number of codes than rows or columns;
/// [`Error::Memory`](crate::Error::Memory) where there is no room for the sums of all groups; the
/// errors of the pass.
pub fn aggregate(x: &LazyMatrix, asked: &Aggregation, session: &Session) -> Result<Vec<(&'static str, Value)>> {
    let (n, m) = x.shape();
    let members = Members::new(asked, if asked.axis == Axis::Obs { n } else { m })?;
    let plain = Functions { median: false, ..asked.functions };
    let mut out = Vec::new();
    if plain != Functions::default() {
        out = match (x.dtype(), plain.var, plain.count_nonzero) {
            (DType::F16 | DType::F32, true, _) => summed::<Spread<f32>>(x, &members, asked, session)?,
            (DType::F64, true, _) => summed::<Spread<f64>>(x, &members, asked, session)?,
            (_, true, _) => summed::<Exact>(x, &members, asked, session)?,
            (DType::F16 | DType::F32, _, true) => summed::<Both<f32>>(x, &members, asked, session)?,
            (DType::F64, _, true) => summed::<Both<f64>>(x, &members, asked, session)?,
            (_, _, true) => summed::<Both<i64>>(x, &members, asked, session)?,
            (DType::F16 | DType::F32, ..) => summed::<Total<f32>>(x, &members, asked, session)?,
            (DType::F64, ..) => summed::<Total<f64>>(x, &members, asked, session)?,
            _ => summed::<Total<i64>>(x, &members, asked, session)?,
        };
    }
    if asked.functions.median {
        let found = match asked.axis {
            Axis::Obs => medians_of_cells(x, &members, session)?,
            Axis::Var => medians_of_genes(x, &members, session)?,
        };
        out.push(("median", found));
    }
    Ok(out)
}

/// Returns the [`Needs`] of the pass of [`aggregate`] over cells, medians left out, for the plan of
/// `ops::explain`.
pub(in crate::ops) fn passes() -> Vec<Needs> {
    vec![Pass::<Total<f64>>::NEEDS]
}

fn summed<C: Accumulator>(
    x: &LazyMatrix,
    members: &Members,
    asked: &Aggregation,
    session: &Session,
) -> Result<Vec<(&'static str, Value)>> {
    let m = x.shape().1;
    if asked.axis == Axis::Var {
        return of_genes::<C>(x, members, asked, session);
    }
    let (bytes, rows) = room::<C>(x, members.sizes.len());
    let what = format!("aggregate of {} groups x {m} genes", members.sizes.len());
    let _held = session.hold_apart(what, bytes)?;
    let (functions, dof) = (asked.functions, asked.dof);
    let pass = Pass::<C> { n_vars: m, members, functions, dof, rows, session, cell: PhantomData };
    Ok(reduce(x, &pass, session)?.finish(members.sizes.len()))
}

/// Returns an upper bound of the bytes that the sums of all groups and genes take, and the part of
/// them for rows that wait to be added. All rows wait where they take at most twice the bytes of
/// the sums. Otherwise a fifth of the total is for rows, so that each sum is visited few times.
fn room<C: Accumulator>(x: &LazyMatrix, n_groups: usize) -> (usize, usize) {
    let (n, m) = x.shape();
    let stored = x.source().nnz().unwrap_or(u64::MAX).min((n as u64).saturating_mul(m as u64));
    // There are at most as many pairs as stored values.
    let pairs = (n_groups as u64).saturating_mul(m as u64).min(stored);
    let size = |n: u64, of: usize| usize::try_from(n.saturating_mul(of as u64)).unwrap_or(usize::MAX);
    let sums = size(pairs, size_of::<C>() + 4);
    let some = sums / 4;
    let all = size(stored, size_of::<C::Value>() + 2);
    if all <= sums.saturating_mul(2) {
        (all, usize::MAX)
    } else {
        (sums.saturating_add(some), some)
    }
}

#[derive(Serialize)]
struct Pass<'a, C> {
    n_vars: usize,
    members: &'a Members,
    functions: Functions,
    dof: usize,
    /// The bytes of rows that may wait.
    #[serde(skip)]
    rows: usize,
    #[serde(skip)]
    session: &'a Session,
    cell: PhantomData<fn(C)>,
}

impl<C: Accumulator> Pass<'_, C> {
    fn bands(&self) -> Bands {
        Bands::new(self.members.sizes.len(), self.n_vars, self.session.threads)
    }
}

impl<C: Accumulator> Reducer for Pass<'_, C> {
    const NAME: &'static str = AGGREGATE;
    const NEEDS: Needs = Needs::FILE.long();
    no_rows!();
    type Part = Rows<C::Value>;
    type State = GroupSums<C>;
    type Output = Layers;

    fn map(&self, block: Block) -> Result<(Rows<C::Value>, ())> {
        let block = typed::<C::Value>(block)?;
        let rows = Rows::new(&block, &self.members.labels, self.bands(), None)?;
        block.recycle();
        Ok((rows, ()))
    }

    fn state(&self) -> Result<GroupSums<C>> {
        Ok(GroupSums::new(self.members.sizes.len(), self.bands(), self.rows))
    }

    fn fold(&self, state: &mut GroupSums<C>, rows: Rows<C::Value>) -> Result<()> {
        state.add(rows, self.session).map(drop)
    }

    fn merge(&self, state: &mut GroupSums<C>, next: GroupSums<C>) -> Result<()> {
        state.merge(next, self.session)
    }

    fn finish(&self, mut state: GroupSums<C>, (): ()) -> Result<Layers> {
        let (sizes, session) = (&self.members.sizes, self.session);
        let counts = state.counts(session)?;
        let mut totals = memory::zeros::<usize>(sizes.len(), AGGREGATE)?;
        counts.iter().for_each(|band| totals.iter_mut().zip(band).for_each(|(all, &n)| *all += n as usize));
        let mut layers = Layers::of_groups(&self.functions, C::Value::DTYPE, sizes, self.dof, self.n_vars, &totals)?;
        // Band by band, so that the memory of finished bands makes room for results.
        let (shares, mut before) = (state.shares(session), totals);
        before.fill(0);
        for (b, counts) in counts.iter().enumerate() {
            let genes = state.bands().genes(b);
            let parts = shares.iter().cloned().zip(layers.parts(&shares)?).collect();
            let put = |part: &mut Part<'_>, g: usize, sums: &[(u32, C)]| {
                part.put(g, sizes[g], genes.clone(), before[g], sums);
            };
            state.take_band(b, parts, put, session)?;
            before.iter_mut().zip(counts).for_each(|(before, &n)| *before += n as usize);
            release_memory();
        }
        Ok(layers)
    }
}
