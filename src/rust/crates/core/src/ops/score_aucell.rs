//! Scores how high the genes of a set rank among all genes of a cell, by the area under their
//! recovery curve over the first ranks (AUCell, Aibar et al. 2017).

use super::gene_sets::{by_gene, by_set};
use super::view::{with_view, Check, RowOf};
use crate::chain::LazyMatrix;
use crate::element::Number;
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::session::Session;
use crate::stream::{no_state, reduce, Needs, Reducer};
use serde::Serialize;

const SCORES: &str = "score_aucell: scores of the cells";

/// Returns the score of every cell of `x` (n_obs x n_vars) for each of `sets`: n_obs values from 0
/// to 1 a set. A set is positions of genes without repeats. The first `share` of all ranks count,
/// rounded up.
///
/// With T such ranks, a gene of rank r adds T - r to the area. The score is the area over its
/// largest possible value. Genes of equal value have no order: each adds the mean over their ranks,
/// which is what random orders give on average.
///
/// # Errors
/// [`Error::Values`](crate::Error::Values) for values that are not finite; the errors of the pass.
pub fn score_aucell(x: &LazyMatrix, sets: &[Vec<u32>], share: f64, session: &Session) -> Result<Vec<Vec<f64>>> {
    let (n, m) = x.shape();
    let last = ((share * m as f64).ceil() as usize).clamp(1, m.max(1));
    let (starts, of_gene) = by_gene(m, sets, SCORES)?;
    let most = sets.iter().map(|set| area(last, 0, set.len()));
    let most = memory::collected(most, SCORES)?;
    let pass = Ranks { n_rows: n, last, most, starts, of_gene, check: Check::finite(x, "score_aucell") };
    let scores = reduce(x, &pass, session)?;
    by_set(&scores, sets.len(), SCORES)
}

/// Returns the [`Needs`] of the pass of [`score_aucell`], for the plan of `ops::explain`.
pub(super) fn passes() -> Vec<Needs> {
    vec![Ranks::NEEDS]
}

/// Returns the sum of what the `n` ranks after `before` add to an area.
fn area(last: usize, before: usize, n: usize) -> f64 {
    let n = n.min(last.saturating_sub(before + 1));
    // The terms are last - before - 1 down to last - before - n.
    n as f64 * (last as f64 - before as f64) - (n as f64 * (n as f64 + 1.0)) / 2.0
}

#[derive(Serialize)]
struct Ranks {
    n_rows: usize,
    /// The first rank that adds nothing.
    last: usize,
    /// The largest possible area of each set.
    most: Vec<f64>,
    /// The start of each gene in `of_gene`, and the sets of the genes, gene after gene.
    starts: Vec<usize>,
    of_gene: Vec<u32>,
    #[serde(skip)]
    check: Check,
}

impl Ranks {
    /// Adds the areas of a row of `n_cols` genes to `to`, one for each set. `order` is a buffer.
    fn row<T: Number>(
        &self,
        (columns, values): RowOf<'_, T>,
        n_cols: usize,
        order: &mut Vec<(T, u32)>,
        to: &mut [f64],
    ) -> Result<()> {
        order.clear();
        memory::reserve(order, values.len(), SCORES)?;
        let gene = |k: usize| columns.map_or(k as u32, |c| c[k]);
        order.extend(values.iter().enumerate().filter(|(_, x)| **x != T::default()).map(|(k, &x)| (x, gene(k))));
        let zeros = n_cols - order.len();
        let descending = |a: &(T, u32), b: &(T, u32)| b.0.partial_cmp(&a.0).unwrap_or(std::cmp::Ordering::Equal);
        let positive = order.iter().filter(|(x, _)| *x > T::default()).count();
        order.sort_unstable_by(descending);
        let (above, below) = order.split_at(positive);
        self.ranked(above, 0, to);
        if positive + 1 < self.last {
            // Zeros are one tie. Its genes are all genes less those that have a value.
            let each = area(self.last, positive, zeros) / zeros.max(1) as f64;
            let count = |gene: usize, sign: f64, to: &mut [f64]| {
                self.sets(gene).iter().for_each(|&set| to[set as usize] += sign * each);
            };
            (0..n_cols).for_each(|gene| count(gene, 1.0, to));
            order.iter().for_each(|&(_, gene)| count(gene as usize, -1.0, to));
        }
        self.ranked(below, positive + zeros, to);
        Ok(())
    }

    /// Adds the areas of genes in descending order of their values. `before` genes rank before
    /// them.
    fn ranked<T: Number>(&self, order: &[(T, u32)], mut before: usize, to: &mut [f64]) {
        for equal in order.chunk_by(|a, b| a.0 == b.0) {
            if before + 1 >= self.last {
                break;
            }
            let each = area(self.last, before, equal.len()) / equal.len() as f64;
            for &(_, gene) in equal {
                self.sets(gene as usize).iter().for_each(|&set| to[set as usize] += each);
            }
            before += equal.len();
        }
    }

    fn sets(&self, gene: usize) -> &[u32] {
        &self.of_gene[self.starts[gene]..self.starts[gene + 1]]
    }
}

impl Reducer for Ranks {
    const NAME: &'static str = SCORES;
    const NEEDS: Needs = Needs::FILE;
    no_state!();
    type Rows = Vec<f64>;
    type Whole = Vec<f64>;
    type Output = Vec<f64>;

    fn map(&self, block: Block) -> Result<((), Vec<f64>)> {
        let width = self.most.len();
        let mut part = memory::zeros(memory::count(&[block.n_rows(), width], SCORES)?, SCORES)?;
        with_view!(block, view => {
            let mut order = Vec::new();
            for (i, to) in part.chunks_exact_mut(width.max(1)).enumerate() {
                self.check.row(&view, i)?;
                self.row(view.row(i), view.n_cols, &mut order, to)?;
                // A set has no area if only one rank counts.
                to.iter_mut().zip(&self.most).for_each(|(x, most)| *x = if *most > 0.0 { *x / most } else { 0.0 });
            }
            Ok(((), part))
        })
    }

    fn whole(&self) -> Result<Vec<f64>> {
        memory::zeros(memory::count(&[self.n_rows, self.most.len()], SCORES)?, SCORES)
    }

    fn finish(&self, (): (), scores: Vec<f64>) -> Result<Vec<f64>> {
        Ok(scores)
    }
}
