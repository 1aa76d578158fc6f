//! Sums of a gene's values by group, and the moments computed from them.
//!
//! Values are added to the sums of their group one after the other, in the order of the file. The
//! sums are then the same bits whether rows or columns are read, and for every layout.

use super::groups::Chosen;
use crate::chain::LazyMatrix;
use crate::element::DType;
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::ops::group_sums::{Accumulator, Bands, GroupSums, Moments, Rows, Spread};
use crate::session::Session;
use crate::stream::in_file_order;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// The name, in errors, of the sums.
pub(super) const SUMS: &str = "rank_genes_groups: sums of every gene in every group";

/// The moments of one gene: in every group, and in the cells that each group is compared with.
pub(super) struct OfGene {
    pub(super) groups: Vec<Moments>,
    pub(super) others: Vec<Moments>,
}

impl OfGene {
    /// Computes the moments of a gene in each group, zeros included, and in the cells that each
    /// group is compared with.
    pub(super) fn new(sums: &[Spread<f64>], chosen: &Chosen) -> Result<Self> {
        let groups = memory::collected(sums.iter().zip(&chosen.sizes).map(|(s, &n)| s.with_zeros(n)), SUMS)?;
        let mut others = memory::filled(chosen.names.len(), Moments::default(), SUMS)?;
        match chosen.reference {
            Some(r) => others.fill(groups[r]),
            None => {
                // The moments before each group and those after it are merged, so that nothing is
                // subtracted.
                let mut all = Moments::default();
                for (other, group) in others.iter_mut().zip(&groups) {
                    *other = all;
                    all = all.merged(group);
                }
                let mut after = Moments::default();
                for g in (0..groups.len()).rev() {
                    if let Some(other) = others.get_mut(g) {
                        *other = other.merged(&after);
                    }
                    after = groups[g].merged(&after);
                }
            }
        }
        Ok(OfGene { groups, others })
    }
}

/// Returns whether [`Block::into_float`] turns values into doubles.
fn double(dtype: DType) -> bool {
    matches!(dtype, DType::I32 | DType::I64 | DType::U32 | DType::U64 | DType::F64)
}

/// Computes the sums of every gene in every group in one pass over rows. `look` is called with each
/// block.
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

fn summed<C: Accumulator>(
    x: &LazyMatrix,
    chosen: &Chosen,
    look: impl Fn(&Block) -> Result<()> + Sync,
    session: &Session,
) -> Result<GroupSums<C>> {
    let (n_groups, n_vars) = (chosen.sizes.len(), x.shape().1);
    // Enough rows wait that the sums of a group are visited once for many of them.
    let waiting = session.spare(8);
    let bands = Bands::new(n_groups, n_vars, session.threads);
    let mut sums = GroupSums::<C>::new(n_groups, bands, waiting.bytes());
    // The memory of rows that were added is used for later ones: fresh memory takes longer to fault
    // in than to fill.
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

/// The sums of all genes in all groups.
pub(super) enum Sums {
    Single(GroupSums<Spread<f32>>),
    Double(GroupSums<Spread<f64>>),
}

impl Sums {
    /// Calls `of` with the sums of every gene, a sum for each group, on the threads of `session`.
    /// Returns the results in the order of the genes.
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
