//! Sums of a gene's values by group, and the moments made of them.
//!
//! Values are added to the sums of their group one after the other, in the order of the file, around the first value of the
//! group that is not 0; zeros follow in closed form. So the sums are the same bits whether rows or columns are read, and
//! whatever the layout; and they lose no more than the number of values times their rounding: a first value far
//! from all others makes the deviation itself large.

use super::groups::Chosen;
use crate::chain::LazyMatrix;
use crate::element::Number;
use crate::error::Result;
use crate::memory;
use crate::ops::view::{each, View};
use crate::session::Session;
use crate::stream::{in_file_order, NO_LABEL};
use crate::with_data;
use rayon::prelude::*;

/// The name of the sums in errors.
pub(super) const SUMS: &str = "rank_genes_groups: sums of every gene in every group";

/// Values of a gene in a group that are not 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    n: u64,
    shift: f64,
    sum: f64,
    squares: f64,
}

impl Sum {
    #[inline(always)]
    pub(super) fn add(&mut self, x: f64) {
        if self.n == 0 {
            self.shift = x;
        }
        let d = x - self.shift;
        self.n += 1;
        self.sum += d;
        self.squares += d * d;
    }

    /// Moments with the zeros there are among `cells` values.
    pub(super) fn moments(&self, cells: usize) -> Moments {
        if self.n == 0 {
            return Moments { n: cells as f64, ..Moments::default() };
        }
        let n = self.n as f64;
        let offset = self.sum / n;
        let own =
            Moments { n, mean: self.shift + offset, m2: (self.squares - self.sum * offset).max(0.0), nonzero: self.n };
        own.with(&Moments { n: cells as f64 - n, ..Moments::default() })
    }
}

/// Number, mean and sum of squared deviations.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    pub(super) n: f64,
    pub(super) mean: f64,
    pub(super) m2: f64,
    pub(super) nonzero: u64,
}

impl Moments {
    /// Of the values of both (Chan, Golub & LeVeque 1983).
    pub(super) fn with(&self, other: &Moments) -> Moments {
        if self.n == 0.0 {
            return *other;
        }
        if other.n == 0.0 {
            return *self;
        }
        let n = self.n + other.n;
        let d = other.mean - self.mean;
        Moments {
            n,
            mean: self.mean + d * (other.n / n),
            m2: self.m2 + other.m2 + d * d * (self.n * other.n / n),
            nonzero: self.nonzero + other.nonzero,
        }
    }

    /// The variance with divisor n - 1.
    pub(super) fn var(&self) -> f64 {
        self.m2 / (self.n - 1.0)
    }
}

/// Moments of one gene: of every group, and of the cells each is compared with.
pub(super) struct OfGene {
    pub(super) groups: Vec<Moments>,
    pub(super) others: Vec<Moments>,
}

impl OfGene {
    pub(super) fn new(sums: &[Sum], chosen: &Chosen) -> Result<Self> {
        let groups = memory::collected(sums.iter().zip(&chosen.sizes).map(|(s, &n)| s.moments(n)), SUMS)?;
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

/// Sums of every gene, from one pass over rows; `look` sees the values as they come.
pub(super) fn by_rows(
    x: &LazyMatrix,
    chosen: &Chosen,
    look: impl Fn(&crate::matrix::Block) -> Result<()> + Sync,
    session: &Session,
) -> Result<Sums> {
    let (k, m) = (chosen.sizes.len(), x.shape().1);
    let mut sums = memory::filled(memory::count(&[k, m], SUMS)?, Sum::default(), SUMS)?;
    let map = |block: crate::matrix::Block| {
        let block = block.into_float()?;
        look(&block)?;
        Ok(block)
    };
    in_file_order(x, session, map, |block| {
        let (crate::matrix::Storage::Csr { data, .. } | crate::matrix::Storage::Dense(data)) = &block.storage;
        with_data!(data, v => add(&View::new(&block, v), &chosen.labels, &mut sums));
        block.recycle();
        Ok(())
    })?;
    Ok(Sums { n_vars: m, sums })
}

fn add<T: Number>(view: &View<'_, T>, labels: &[u32], sums: &mut [Sum]) {
    for i in 0..view.n_rows() {
        let label = labels[view.positions.at(i)];
        if label == NO_LABEL {
            continue;
        }
        let of = &mut sums[label as usize * view.n_cols..][..view.n_cols];
        each(view.row(i), |c, x| {
            if x != 0.0 {
                of[c].add(x);
            }
        });
    }
}

/// Sums of all genes, group after group.
pub(super) struct Sums {
    n_vars: usize,
    sums: Vec<Sum>,
}

impl Sums {
    /// Calls `of` for every gene, on the threads of `session`.
    pub(super) fn map<S: Send>(&self, of: impl Fn(&[Sum]) -> Result<S> + Sync, session: &Session) -> Result<Vec<S>> {
        let groups = self.sums.len() / self.n_vars.max(1);
        session.monitor.begin(self.n_vars as u64);
        session.install(|| {
            let found = (0..self.n_vars).into_par_iter().with_min_len(64).map(|j| {
                if j % 64 == 0 {
                    session.monitor.check()?;
                    session.monitor.advance(64);
                }
                let gene = memory::collected((0..groups).map(|g| self.sums[g * self.n_vars + j]), SUMS)?;
                of(&gene)
            });
            memory::tried(memory::parallel(found, SUMS)?.into_iter(), SUMS)
        })
    }
}
