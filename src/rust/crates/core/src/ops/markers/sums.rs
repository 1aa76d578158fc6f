//! Sums of a gene's values by group, and the moments made of them.
//!
//! Values are added to the sums of their group one after the other, in the order of the file: the sums are the same bits
//! whether rows or columns are read, and whatever the layout.

use super::groups::Chosen;
use crate::chain::LazyMatrix;
use crate::element::DType;
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::ops::group_sums::{Bands, Cell, GroupSums, Moments, Rows, Spread};
use crate::session::Session;
use crate::stream::in_file_order;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// The name of the sums in errors.
pub(super) const SUMS: &str = "rank_genes_groups: sums of every gene in every group";

/// Moments of one gene: of every group, and of the cells each is compared with.
pub(super) struct OfGene {
    pub(super) groups: Vec<Moments>,
    pub(super) others: Vec<Moments>,
}

impl OfGene {
    pub(super) fn new(sums: &[Spread<f64>], chosen: &Chosen) -> Result<Self> {
        let groups = memory::collected(sums.iter().zip(&chosen.sizes).map(|(s, &n)| s.with_zeros(n)), SUMS)?;
        let mut others = memory::filled(chosen.names.len(), Moments::default(), SUMS)?;
        match chosen.reference {
            Some(r) => others.fill(groups[r]),
            None => {
                // All groups before each, with all after it: nothing is subtracted.
                let mut all = Moments::default();
                for (other, group) in others.iter_mut().zip(&groups) {
                    *other = all;
                    all = all.with(group);
                }
                let mut after = Moments::default();
                for g in (0..groups.len()).rev() {
                    if let Some(other) = others.get_mut(g) {
                        *other = other.with(&after);
                    }
                    after = groups[g].with(&after);
                }
            }
        }
        Ok(OfGene { groups, others })
    }
}

/// Whether values come as doubles, as [`Block::into_float`] makes them.
fn double(dtype: DType) -> bool {
    matches!(dtype, DType::I32 | DType::I64 | DType::U32 | DType::U64 | DType::F64)
}

/// Sums of every gene, from one pass over rows; `look` sees the values as they come.
pub(super) fn by_rows(
    x: &LazyMatrix,
    chosen: &Chosen,
    look: impl Fn(&Block) -> Result<()> + Sync,
    session: &Session,
) -> Result<Sums> {
    Ok(if double(x.dtype()) {
        Sums::Double(summed(x, chosen, look, session)?)
    } else {
        Sums::Single(summed(x, chosen, look, session)?)
    })
}

fn summed<C: Cell>(
    x: &LazyMatrix,
    chosen: &Chosen,
    look: impl Fn(&Block) -> Result<()> + Sync,
    session: &Session,
) -> Result<GroupSums<C>> {
    let (n_groups, n_vars) = (chosen.sizes.len(), x.shape().1);
    // So many rows wait that the sums of a group are met for many of them.
    let waiting = session.spare(8);
    let bands = Bands::new(n_groups, n_vars, session.threads);
    let mut sums = GroupSums::<C>::new(n_groups, bands, waiting.bytes());
    // Memory of rows that were added, for those that come: to fault in fresh memory takes longer than to fill it.
    let done = Mutex::new(Vec::new());
    // A poisoned lock cannot occur: nothing that can panic runs while it is held.
    let done = || done.lock().unwrap_or_else(PoisonError::into_inner);
    let map = |block: Block| {
        let block = block.into_float()?;
        look(&block)?;
        let again = done().pop();
        let rows = Rows::new(&block, &chosen.labels, bands, again)?;
        block.recycle();
        Ok(rows)
    };
    in_file_order(x, session, map, |rows| {
        let added = sums.add(rows, session)?;
        done().extend(added);
        Ok(())
    })?;
    sums.settle(session)?;
    Ok(sums)
}

/// Sums of all genes in all groups.
pub(super) enum Sums {
    Single(GroupSums<Spread<f32>>),
    Double(GroupSums<Spread<f64>>),
}

impl Sums {
    /// Calls `of` for every gene, on the threads of `session`.
    pub(super) fn map<S: Send>(
        &self,
        of: impl Fn(&[Spread<f64>]) -> Result<S> + Sync,
        session: &Session,
    ) -> Result<Vec<S>> {
        let (groups, genes) = match self {
            Sums::Single(sums) => sums.shape(),
            Sums::Double(sums) => sums.shape(),
        };
        let get = |g, j| match self {
            Sums::Single(sums) => sums.get(g, j).into(),
            Sums::Double(sums) => sums.get(g, j),
        };
        session.monitor.begin(genes as u64);
        session.install(|| {
            let found = (0..genes).into_par_iter().with_min_len(64).map(|j| {
                if j % 64 == 0 {
                    session.monitor.check()?;
                    session.monitor.advance(64);
                }
                of(&memory::collected((0..groups).map(|g| get(g, j)), SUMS)?)
            });
            memory::tried(memory::parallel(found, SUMS)?.into_iter(), SUMS)
        })
    }
}
