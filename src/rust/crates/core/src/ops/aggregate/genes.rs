//! Aggregates groups of genes: a value for each cell and group.

use super::layers::Layers;
use super::options::{Aggregation, Functions, Members, AGGREGATE};
use crate::chain::LazyMatrix;
use crate::element::{Number, Value};
use crate::error::{Error, Result};
use crate::matrix::{Block, Storage};
use crate::memory;
use crate::ops::group_sums::{typed, Accumulator};
use crate::ops::view::View;
use crate::session::Session;
use crate::stream::{no_state, reduce, Needs, Reducer, NO_LABEL};
use serde::Serialize;
use std::marker::PhantomData;

/// Aggregates groups of genes in one pass: a matrix of n_obs x groups for each function asked for
/// but the median, with its name.
pub(super) fn of_genes<C: Accumulator>(
    x: &LazyMatrix,
    members: &Members,
    asked: &Aggregation,
    session: &Session,
) -> Result<Vec<(&'static str, Value)>> {
    let (n, groups) = (x.shape().0, members.sizes.len());
    let bytes = (n as u64).saturating_mul(groups as u64).saturating_mul(size_of::<C>() as u64 + 8);
    let what = format!("aggregate of {n} cells x {groups} groups of genes");
    let _held = session.hold_apart(what, usize::try_from(bytes).unwrap_or(usize::MAX))?;
    let pass = Pass::<C> { n_rows: n, members, functions: asked.functions, dof: asked.dof, cell: PhantomData };
    Ok(reduce(x, &pass, session)?.finish(n))
}

#[derive(Serialize)]
struct Pass<'a, C> {
    n_rows: usize,
    members: &'a Members,
    functions: Functions,
    dof: usize,
    cell: PhantomData<fn(C)>,
}

impl<C: Accumulator> Reducer for Pass<'_, C> {
    const NAME: &'static str = "aggregate: the values of groups of genes";
    const NEEDS: Needs = Needs::FILE;
    no_state!();
    type Rows = Vec<C>;
    type Whole = Vec<C>;
    type Output = Layers;

    fn map(&self, block: Block) -> Result<((), Vec<C>)> {
        let (block, groups) = (typed::<C::Value>(block)?, self.members.sizes.len());
        let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
        let values =
            C::Value::slice(data).ok_or_else(|| Error::Internal("the blocks of a chain differ in dtype".to_owned()))?;
        let view = View::new(&block, values);
        let n = memory::count(&[view.n_rows(), groups], AGGREGATE)?;
        let mut cells = memory::filled(n, C::default(), AGGREGATE)?;
        for (i, to) in cells.chunks_exact_mut(groups.max(1)).enumerate() {
            let (columns, values) = view.row(i);
            for (k, &x) in values.iter().enumerate().filter(|(_, x)| **x != C::Value::default()) {
                let label = self.members.labels[columns.map_or(k, |c| c[k] as usize)];
                if label != NO_LABEL {
                    to[label as usize].add(x);
                }
            }
        }
        block.recycle();
        Ok(((), cells))
    }

    fn whole(&self) -> Result<Vec<C>> {
        let n = memory::count(&[self.n_rows, self.members.sizes.len()], AGGREGATE)?;
        memory::filled(n, C::default(), AGGREGATE)
    }

    fn finish(&self, (): (), cells: Vec<C>) -> Result<Layers> {
        let sizes = &self.members.sizes;
        let mut layers = Layers::dense(&self.functions, C::Value::DTYPE, self.n_rows, sizes.len(), self.dof)?;
        for mut part in layers.parts(std::slice::from_ref(&(0..self.n_rows)))? {
            for (row, of) in cells.chunks_exact(sizes.len().max(1)).enumerate() {
                for (g, (cell, &size)) in of.iter().zip(sizes).enumerate() {
                    part.put(row, size, g..g + 1, 0, &[(0, *cell)]);
                }
            }
        }
        Ok(layers)
    }
}
