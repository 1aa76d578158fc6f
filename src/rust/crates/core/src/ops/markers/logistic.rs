//! Multinomial logistic regression of the groups on the genes, as scikit-learn's
//! `LogisticRegression()` (L2, C = 1, an intercept that is not penalised, one set of coefficients
//! for two groups), at its minimum. The penalty makes the function strongly convex, so that no
//! coefficient is further from the minimum than the gradient is long.

use super::groups::Chosen;
use super::newton::{minimum, Convex};
use super::options::{Tested, VERB};
use crate::chain::LazyMatrix;
use crate::element::{Data, Number, Value};
use crate::error::{Error, Result};
use crate::matrix::{Block, Positions, Storage};
use crate::memory;
use crate::ops::view::{for_each_value, Check, View};
use crate::session::Session;
use crate::stream::collect;
use rayon::prelude::*;

const WHAT: &str = "rank_genes_groups 'logreg'";
/// The length of the gradient at which the iteration ends.
const TOLERANCE: f64 = 1e-8;

/// Returns the coefficients of each gene: one for every chosen group; for two groups, the
/// coefficient of the first group alone.
///
/// # Errors
/// [`Error::Memory`] where the values of the cells and genes do not fit half of the memory;
/// [`Error::Values`] for a value that is not finite; [`Error::State`] where the minimum is not
/// reached.
pub(super) fn coefficients(x: &LazyMatrix, chosen: &Chosen, session: &Session) -> Result<Vec<Tested>> {
    let k = chosen.names.len();
    let rows = (0..x.shape().0 as u32).filter(|&i| (chosen.labels[i as usize] as usize) < k);
    let rows: Vec<u32> = memory::exactly(x.shape().0, rows, WHAT)?;
    let labels = memory::collected(rows.iter().map(|&i| chosen.labels[i as usize]), WHAT)?;
    let (n, m) = (rows.len(), x.shape().1);
    let part = x.select(Some(&rows), None)?;
    let limit = session.memory as u64 / 2;
    let values = collect(&part, session, limit).map_err(|e| match e {
        Error::Memory { needed, limit, .. } => Error::Memory {
            what: format!("{WHAT}: the values of {n} cells and {m} genes"),
            needed,
            limit,
            hint:
                ", half of the setting memory; choose genes with mask_var (the highly variable ones), or raise memory"
                    .to_owned(),
        },
        other => other,
    })?;
    let storage = match values {
        Value::Sparse(s) => Storage::Csr {
            indptr: memory::collected(s.indptr.iter().map(|&e| e as usize), WHAT)?,
            indices: s.indices,
            data: s.data,
        },
        Value::Array(a) => Storage::Dense(a.data),
        other => return Err(Error::Internal(format!("a matrix in memory is {}", other.encoding()))),
    };
    let block = Block { positions: Positions::Range(0..n), n_cols: m, storage }.into_float()?;
    Check::finite(x, VERB).block(&block)?;
    let width = if k == 2 { 1 } else { k };
    let bytes = n.saturating_mul(width).saturating_mul(24).saturating_add((m + 1).saturating_mul(width * 8 * 24));
    let _held = session.hold(format!("{WHAT} of {k} groups and {m} genes"), bytes)?;
    let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
    let mut at = memory::zeros::<f64>((m + 1) * width, WHAT)?;
    match data {
        Data::F32(v) => fit(&View::new(&block, v), &labels, width, &mut at, session)?,
        Data::F64(v) => fit(&View::new(&block, v), &labels, width, &mut at, session)?,
        other => return Err(Error::Internal(format!("a float block holds {}", other.dtype()))),
    }
    let gene = |j: usize| {
        let own = &at[j * width..(j + 1) * width];
        Ok(Tested { scores: memory::copied(own, WHAT)?, ..Tested::default() })
    };
    memory::tried((0..m).map(gene), WHAT)
}

fn fit<T: Number>(view: &View<'_, T>, labels: &[u32], width: usize, at: &mut [f64], session: &Session) -> Result<()> {
    let n = view.n_rows();
    // The number of parts is bounded, as each has a gradient, which is large for many genes.
    let parts = ((1 << 23) / at.len().max(1)).clamp(2, 64);
    let mut f = Regression {
        view,
        labels,
        width,
        share: n.div_ceil(parts).max(1),
        chances: memory::zeros(n * width, WHAT)?,
        session,
    };
    minimum(&mut f, at, TOLERANCE, WHAT)
}

/// The loss: that of all cells, and half the squares of the coefficients. Coefficients lie gene
/// after gene, with the intercepts last.
struct Regression<'a, T> {
    view: &'a View<'a, T>,
    labels: &'a [u32],
    /// The number of coefficients of a gene: one a group, a single one for two groups.
    width: usize,
    /// The number of cells of a part, by which sums are added up. It does not depend on threads, so
    /// that sums are the same bits.
    share: usize,
    /// The probability of each group for each cell, at the point of the last [`Convex::look`].
    chances: Vec<f64>,
    session: &'a Session,
}

impl<T: Number> Regression<'_, T> {
    /// Writes the linear predictors of cell `i` under the coefficients `at` to `to`.
    fn linear(&self, i: usize, at: &[f64], to: &mut [f64]) {
        let width = self.width;
        to.copy_from_slice(&at[self.view.n_cols * width..]);
        for_each_value(self.view.row(i), |j, x| {
            to.iter_mut().zip(&at[j * width..(j + 1) * width]).for_each(|(t, w)| *t += x * w);
        });
    }

    /// Adds the values of cell `i`, times `by`, to sums by gene.
    fn spread(&self, i: usize, by: &[f64], sums: &mut [f64]) {
        let width = self.width;
        for_each_value(self.view.row(i), |j, x| {
            sums[j * width..(j + 1) * width].iter_mut().zip(by).for_each(|(s, b)| *s += x * b);
        });
        sums[self.view.n_cols * width..].iter_mut().zip(by).for_each(|(s, b)| *s += b);
    }

    /// Turns linear predictors into probabilities, in place, and returns the loss of a cell of
    /// group `label`.
    fn chances(&self, label: u32, z: &mut [f64]) -> f64 {
        if let [z] = z {
            // The first group against the second.
            let own = if label == 0 { *z } else { -*z };
            let loss = if own > 0.0 { (-own).exp().ln_1p() } else { own.exp().ln_1p() - own };
            *z = 1.0 / (1.0 + (-*z).exp());
            return loss;
        }
        let most = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let own = z[label as usize] - most;
        z.iter_mut().for_each(|z| *z = (*z - most).exp());
        let sum: f64 = z.iter().sum();
        z.iter_mut().for_each(|z| *z /= sum);
        sum.ln() - own
    }

    /// Returns the penalty: half the squares of the coefficients. For more than two groups it has
    /// half the square of the sum of the intercepts too. The loss does not depend on that sum, so
    /// that this makes the minimum unique and leaves the coefficients as they are.
    fn penalty(&self, at: &[f64]) -> f64 {
        let (genes, intercepts) = at.split_at(self.view.n_cols * self.width);
        let common: f64 = if self.width > 1 { intercepts.iter().sum() } else { 0.0 };
        (genes.iter().map(|w| w * w).sum::<f64>() + common * common) / 2.0
    }

    /// Adds the gradient of the penalty at `at`. As the penalty is quadratic, this is also the
    /// product of its second derivatives with `at`.
    fn penalise(&self, at: &[f64], to: &mut [f64]) {
        let genes = self.view.n_cols * self.width;
        to[..genes].iter_mut().zip(at).for_each(|(t, w)| *t += w);
        if self.width > 1 {
            let common: f64 = at[genes..].iter().sum();
            to[genes..].iter_mut().for_each(|t| *t += common);
        }
    }

    /// Adds up over the cells, in parts of a fixed size that are summed in order; `of` adds a cell
    /// to the sums of its part.
    fn sums<const N: usize>(
        &self,
        to: [&mut [f64]; N],
        of: impl Fn(usize, &mut [f64], &mut [Vec<f64>; N]) + Sync,
    ) -> Result<()> {
        let (n, length) = (self.view.n_rows(), to.first().map_or(0, |t| t.len()));
        let found: Vec<[Vec<f64>; N]> = self.session.install(|| {
            let parts = (0..n.div_ceil(self.share)).into_par_iter().map(|part| {
                self.session.monitor.check()?;
                let mut sums = [const { Vec::new() }; N];
                for sum in &mut sums {
                    *sum = memory::zeros(length, WHAT)?;
                }
                let mut z = memory::zeros::<f64>(self.width, WHAT)?;
                (part * self.share..((part + 1) * self.share).min(n)).for_each(|i| of(i, &mut z, &mut sums));
                Ok(sums)
            });
            parts.collect::<Result<_>>()
        })?;
        for (k, to) in to.into_iter().enumerate() {
            to.fill(0.0);
            found.iter().for_each(|part| to.iter_mut().zip(&part[k]).for_each(|(t, p)| *t += p));
        }
        Ok(())
    }
}

impl<T: Number> Convex for Regression<'_, T> {
    fn look(&mut self, at: &[f64], gradient: &mut [f64], diagonal: &mut [f64]) -> Result<f64> {
        let (width, share, n) = (self.width, self.share, self.view.n_rows());
        let mut chances = std::mem::take(&mut self.chances);
        let losses: Vec<f64> = self.session.install(|| {
            let parts = chances.par_chunks_mut(share * width).enumerate().map(|(part, to)| {
                let cells = to.chunks_exact_mut(width).enumerate();
                Ok(cells
                    .map(|(k, z)| {
                        let i = part * share + k;
                        self.linear(i, at, z);
                        self.chances(self.labels[i], z)
                    })
                    .sum::<f64>())
            });
            parts.collect::<Result<_>>()
        })?;
        self.chances = chances;
        debug_assert_eq!(self.chances.len(), n * width);
        self.sums([&mut *gradient, &mut *diagonal], |i, z, [gradient, diagonal]| {
            let p = &self.chances[i * width..(i + 1) * width];
            let label = self.labels[i];
            for (k, (z, p)) in z.iter_mut().zip(p).enumerate() {
                // For two groups the coefficients are those of the first.
                *z = p - f64::from(u8::from(label as usize == k));
            }
            self.spread(i, z, gradient);
            for_each_value(self.view.row(i), |j, x| {
                let own = diagonal[j * width..(j + 1) * width].iter_mut();
                own.zip(p).for_each(|(d, p)| *d += x * x * p * (1.0 - p));
            });
            let intercepts = diagonal[self.view.n_cols * width..].iter_mut();
            intercepts.zip(p).for_each(|(d, p)| *d += p * (1.0 - p));
        })?;
        self.penalise(at, gradient);
        let penalised = if width > 1 { diagonal.len() } else { self.view.n_cols };
        diagonal[..penalised].iter_mut().for_each(|d| *d += 1.0);
        Ok(losses.iter().sum::<f64>() + self.penalty(at))
    }

    fn value(&mut self, at: &[f64]) -> Result<f64> {
        let mut loss = [0.0];
        self.sums([&mut loss], |i, z, [loss]| {
            self.linear(i, at, z);
            loss[0] += self.chances(self.labels[i], z);
        })?;
        Ok(loss[0] + self.penalty(at))
    }

    fn times(&mut self, direction: &[f64], to: &mut [f64]) -> Result<()> {
        let width = self.width;
        self.sums([&mut *to], |i, z, [sums]| {
            self.linear(i, direction, z);
            let p = &self.chances[i * width..(i + 1) * width];
            if let ([z], [p]) = (&mut *z, p) {
                *z *= p * (1.0 - p);
            } else {
                let mean: f64 = z.iter().zip(p).map(|(z, p)| z * p).sum();
                z.iter_mut().zip(p).for_each(|(z, p)| *z = p * (*z - mean));
            }
            self.spread(i, z, sums);
        })?;
        self.penalise(direction, to);
        Ok(())
    }
}
