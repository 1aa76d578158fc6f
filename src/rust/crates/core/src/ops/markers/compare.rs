//! The tests of a comparison of groups.

use super::groups::Chosen;
use super::logistic::coefficients;
use super::options::{MarkerOptions, Test, Tested, VERB};
use super::ranks::{ranks, Ranks};
use super::sums::{by_rows, OfGene, SUMS};
use super::table::{ranked, Ranked};
use super::tails::student_two_sided;
use crate::chain::LazyMatrix;
use crate::element::{Data, Number};
use crate::error::{Error, Result};
use crate::matrix::{Block, Layout, Storage};
use crate::memory;
use crate::ops::group_sums::{Moments, Spread};
use crate::ops::view::Check;
use crate::session::Session;
use crate::stream::{map_columns, Column, Label, PerColumn, Value};
use std::sync::atomic::{AtomicBool, Ordering};

/// Returns whether a pass over rows is quicker than one over columns: for matrices that are not
/// stored by column, if the sums of all groups fit a quarter of the memory.
fn rows_first(x: &LazyMatrix, n_groups: usize, session: &Session) -> bool {
    let sums = (n_groups as u64).saturating_mul(x.shape().1 as u64).saturating_mul(size_of::<Spread<f64>>() as u64);
    x.source().layout() != Layout::Csc && sums <= session.memory as u64 / 4
}

/// Ranks the genes of `x` (n_obs x n_vars, logarithmised) in every chosen group by a test against
/// the other cells or a reference group.
///
/// Values are added up in f64. p-values are two-sided; those of rank sums use the normal
/// approximation.
///
/// # Errors
/// [`Error::Parameter`] for an unknown group or one of fewer than two cells; [`Error::Values`] for
/// a value that is not finite; the errors of the pass.
pub fn rank_genes_groups(x: &LazyMatrix, options: &MarkerOptions, session: &Session) -> Result<Ranked> {
    let MarkerOptions { groupby, codes, names, groups, reference, .. } = options;
    if codes.len() != x.shape().0 {
        return Err(Error::shape("groupby, one group a cell", x.shape().0, codes.len()));
    }
    let chosen = Chosen::new(groupby, codes, names, groups.as_deref(), reference)?;
    if options.test == Test::Logistic {
        if let [one] = chosen.names.as_slice() {
            let expected = "at least two groups, which a regression tells apart";
            return Err(Error::parameter("groups", expected, format!("'{one}' alone")));
        }
        return ranked(coefficients(x, &chosen, session)?, &chosen, options, false, session);
    }
    let pass = Pass { chosen: &chosen, options, check: Check::finite(x, VERB), counts: AtomicBool::new(true) };
    let genes = match options.test {
        Test::T | Test::TOverestimated if rows_first(x, chosen.sizes.len(), session) => {
            by_rows(x, &chosen, |block| pass.look(block), session)?.map(|sums| pass.t_test(sums), session)?
        }
        _ => map_columns(x, Some(&chosen.labels), &pass, session)?,
    };
    let counts = pass.counts.load(Ordering::Relaxed) && x.shape().1 > 0;
    ranked(genes, &chosen, options, counts, session)
}

struct Pass<'a> {
    chosen: &'a Chosen,
    options: &'a MarkerOptions,
    check: Check,
    /// Whether all values so far look like counts.
    counts: AtomicBool,
}

impl PerColumn for Pass<'_> {
    type Output = Tested;

    fn column<T: Value, L: Label>(&self, column: &Column<'_, T, L>) -> Result<Tested> {
        let mut sums = memory::filled(self.chosen.sizes.len(), Spread::<f64>::default(), SUMS)?;
        column.labels.iter().zip(column.values).for_each(|(l, x)| sums[l.index()].put(x.to_f64()));
        match self.options.test {
            Test::Wilcoxon { tie_correct } => {
                let found = ranks(column.labels, column.values, self.chosen)?;
                self.wilcoxon(&sums, &found, tie_correct)
            }
            _ => self.t_test(&sums),
        }
    }

    fn look(&self, block: &Block) -> Result<()> {
        self.check.block(block)?;
        if self.counts.load(Ordering::Relaxed) {
            fn counts<T: Number>(v: &[T]) -> bool {
                v.iter().all(|x| x.to_f64() >= 0.0 && x.to_f64().fract() == 0.0)
            }
            let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
            let all = match data {
                Data::F32(v) => counts(v),
                Data::F64(v) => counts(v),
                _ => true,
            };
            if !all {
                self.counts.store(false, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

impl Pass<'_> {
    fn t_test(&self, sums: &[Spread<f64>]) -> Result<Tested> {
        let moments = OfGene::new(sums, self.chosen)?;
        let mut out = self.shares(&moments)?;
        for g in self.chosen.compared() {
            let (own, other) = (&moments.groups[g], &moments.others[g]);
            let n = if self.options.test == Test::TOverestimated { own.n } else { other.n };
            let (va, vb) = (own.var() / own.n, other.var() / n);
            let score = (own.mean - other.mean) / (va + vb).sqrt();
            // The degrees of freedom of two constants are NaN.
            let df = (va + vb) * (va + vb) / (va * va / (own.n - 1.0) + vb * vb / (n - 1.0));
            let p = student_two_sided(score, if df.is_nan() { 1.0 } else { df });
            out.scores.push(if score.is_nan() { 0.0 } else { score });
            out.p.push(if p.is_nan() { 1.0 } else { p });
        }
        Ok(out)
    }

    fn wilcoxon(&self, sums: &[Spread<f64>], found: &Ranks, tie_correct: bool) -> Result<Tested> {
        let moments = OfGene::new(sums, self.chosen)?;
        let mut out = self.shares(&moments)?;
        for g in self.chosen.compared() {
            let (n, m) = (self.chosen.sizes[g] as f64, self.chosen.n_reference(g) as f64);
            let all = n + m;
            let ties = found.ties[if self.chosen.reference.is_some() { g } else { 0 }];
            let kept = if tie_correct { 1.0 - ties as f64 / (all * all * all - all) } else { 1.0 };
            // The rank sum less its expected value, in exact integers.
            let mean = self.chosen.sizes[g] as u64 * (self.chosen.sizes[g] + self.chosen.n_reference(g) + 1) as u64;
            let above = (found.doubled[g] as i64 - mean as i64) as f64 / 2.0;
            let score = above / (kept * n * m * (all + 1.0) / 12.0).sqrt();
            // The score is NaN if all values are one tie.
            out.scores.push(if score.is_nan() { 0.0 } else { score });
        }
        Ok(out)
    }

    /// Returns fold changes and shares of cells, with room for scores and p-values.
    fn shares(&self, moments: &OfGene) -> Result<Tested> {
        let k = self.chosen.names.len();
        let t_test = !matches!(self.options.test, Test::Wilcoxon { .. });
        let ln = self.options.log_base.map_or(1.0, f64::ln);
        let level = |mean: f64| (mean * ln).exp_m1() + 1e-9;
        let folds = self.chosen.compared().map(|g| {
            let (own, other) = (moments.groups[g].mean, moments.others[g].mean);
            (level(own) / level(other)).log2() as f32
        });
        let share = |m: &Moments| m.nonzero as f64 / m.n;
        let pts = if self.options.pts { k } else { 0 };
        let rest = if self.chosen.reference.is_none() { pts } else { 0 };
        Ok(Tested {
            scores: memory::room(k, VERB)?,
            p: memory::room(if t_test { k } else { 0 }, VERB)?,
            folds: memory::exactly(k, folds, VERB)?,
            pts: memory::collected(moments.groups[..pts].iter().map(share), VERB)?,
            pts_rest: memory::collected(moments.others[..rest].iter().map(share), VERB)?,
        })
    }
}
