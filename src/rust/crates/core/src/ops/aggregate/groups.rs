//! Groups of cells: a pass over rows, whose state is the sums of each group and gene that there are.

use super::genes::of_genes;
use super::layers::Layers;
use super::medians::{medians_of_cells, medians_of_genes};
use super::options::{Aggregation, Functions, Members, AGGREGATE};
use crate::chain::LazyMatrix;
use crate::element::{DType, Number, Value};
use crate::error::Result;
use crate::matrix::Block;
use crate::ops::group_sums::{typed, Both, Cell, Exact, GroupSums, Spread, Total};
use crate::ops::Axis;
use crate::session::Session;
use crate::stream::{no_rows, reduce, Needs, Reducer};
use serde::Serialize;
use std::marker::PhantomData;

/// The values of groups of the rows of `x` (groups x n_vars) or of its columns (n_obs x groups), a matrix a function in the
/// order of [`Functions::NAMES`]: dense, of more than [`DENSE`](super::DENSE) values compressed rows for groups of rows. Sums of
/// integers and counts are int64, all else is float64. NaN and infinities propagate.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for codes of another number of rows or columns; [`Error::Memory`](crate::Error::Memory)
/// where there is no room for the sums of all groups; the errors of the pass.
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

fn summed<C: Cell>(
    x: &LazyMatrix,
    members: &Members,
    asked: &Aggregation,
    session: &Session,
) -> Result<Vec<(&'static str, Value)>> {
    let (n, m) = x.shape();
    if asked.axis == Axis::Var {
        return of_genes::<C>(x, members, asked, session);
    }
    // At most what is stored, each value in a pair of its own.
    let pairs = (members.sizes.len() as u64).saturating_mul(m as u64);
    let stored = x.source().nnz().unwrap_or(u64::MAX).min((n as u64).saturating_mul(m as u64));
    let bytes = pairs.min(stored).saturating_mul(size_of::<C>() as u64 + 4);
    let what = format!("aggregate of {} groups x {m} genes", members.sizes.len());
    let _held = session.hold(what, usize::try_from(bytes).unwrap_or(usize::MAX))?;
    let pass = Pass::<C> { n_vars: m, members, functions: asked.functions, dof: asked.dof, session, cell: PhantomData };
    Ok(reduce(x, &pass, session)?.finish(members.sizes.len()))
}

#[derive(Serialize)]
struct Pass<'a, C> {
    n_vars: usize,
    members: &'a Members,
    functions: Functions,
    dof: usize,
    #[serde(skip)]
    session: &'a Session,
    cell: PhantomData<fn(C)>,
}

impl<C: Cell> Reducer for Pass<'_, C> {
    const NAME: &'static str = AGGREGATE;
    const NEEDS: Needs = Needs::FILE.long();
    no_rows!();
    type Part = Block;
    type State = GroupSums<C>;
    type Output = Layers;

    fn map(&self, block: Block) -> Result<(Block, ())> {
        Ok((typed::<C::Value>(block)?, ()))
    }

    fn state(&self) -> Result<GroupSums<C>> {
        GroupSums::new(self.members.sizes.len(), self.n_vars)
    }

    fn fold(&self, state: &mut GroupSums<C>, block: Block) -> Result<()> {
        state.add(&block, &self.members.labels, self.session)?;
        block.recycle();
        Ok(())
    }

    fn merge(&self, state: &mut GroupSums<C>, next: GroupSums<C>) -> Result<()> {
        state.merge(next)
    }

    fn finish(&self, mut state: GroupSums<C>, (): ()) -> Result<Layers> {
        let sizes = &self.members.sizes;
        let stored = (0..sizes.len()).map(|g| state.entries(g).count()).sum();
        let mut layers = Layers::of_groups(&self.functions, C::Value::DTYPE, sizes, self.dof, self.n_vars, stored)?;
        for (g, &size) in sizes.iter().enumerate() {
            layers.begin(g, size);
            state.entries(g).for_each(|(gene, cell)| layers.put(gene, cell));
            layers.end();
            state.forget(g);
        }
        Ok(layers)
    }
}
