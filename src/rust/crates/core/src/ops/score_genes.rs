//! Scores of gene sets: the mean of a set's genes less that of control genes of like expression
//! (Tirosh et al. 2016), as `scanpy.tl.score_genes` has it.
//!
//! Any number of sets take two passes. The first finds the means of the genes, unless an earlier
//! pass has left them; the second reads the genes that are in a set or among its controls.

use super::gene_sets::by_set;
use super::sums::col_sums;
use super::view::{with_view, Check, RowOf};
use crate::chain::LazyMatrix;
use crate::element::Number;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::random::Legacy;
use crate::session::Session;
use crate::simd::{self, Level};
use crate::stream::{no_state, reduce, Needs, Reducer};
use rayon::prelude::*;
use serde::Serialize;

const SCORES: &str = "score_genes: scores of the cells";

/// The choice of control genes in [`score_genes`], by scanpy's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Whether the controls of a bin are sampled from its genes with those of the set among them,
    /// which are then dropped from the sample. Without it they are left out before.
    pub ctrl_as_ref: bool,
    /// The number of control genes sampled from each bin.
    pub ctrl_size: usize,
    /// Positions of the genes from which controls are sampled; `None` for all genes.
    pub gene_pool: Option<Vec<u32>>,
    /// The number of bins of mean expression, at least two.
    pub n_bins: usize,
    /// The seed of the sampling, as for numpy.
    pub seed: u32,
}

/// Returns the score of every cell of `x` (n_obs x n_vars) for each of `sets`, positions of genes;
/// n_obs values each. The genes of a set are in its order; every set starts from the seed anew.
///
/// # Errors
/// [`Error::Parameter`] for a set none of whose bins has control genes; [`Error::Values`] for
/// values that are not finite; the errors of the passes.
pub fn score_genes(
    x: &LazyMatrix,
    sets: &[Vec<u32>],
    options: &ScoreOptions,
    session: &Session,
) -> Result<Vec<Vec<f64>>> {
    let (n, m) = x.shape();
    let all;
    let pool = match &options.gene_pool {
        Some(pool) => pool,
        None => {
            all = memory::collected(0..m as u32, SCORES)?;
            &all
        }
    };
    let sums = col_sums(x, session)?;
    let means = memory::collected(pool.iter().map(|&j| sums[j as usize] / n as f64), SCORES)?;
    let bins = Bins::new(pool, bins(&means, options.n_bins)?)?;
    // Every set starts from the seed anew, so that sets need not wait for one another.
    let controls = session.install(|| {
        let each = sets.par_iter().map(|set| {
            session.monitor.check()?;
            bins.controls(set, m, options)
        });
        memory::parallel(each, SCORES)
    })?;
    let mut by_gene: Vec<(u32, u32, f64)> = Vec::new();
    for (k, (set, controls)) in sets.iter().zip(controls).enumerate() {
        let controls = controls?;
        if controls.is_empty() {
            let hint = if options.ctrl_as_ref { "; try ctrl_as_ref={false}" } else { "" };
            let expected =
                format!("genes whose bins have others to compare with (a larger gene_pool, or ctrl_size){hint}");
            return Err(Error::parameter("gene_list", expected, format!("none for set {} of {}", k + 1, sets.len())));
        }
        for (genes, sign) in [(set, 1.0), (&controls, -1.0)] {
            memory::reserve(&mut by_gene, genes.len(), SCORES)?;
            by_gene.extend(genes.iter().map(|&j| (j, k as u32, sign / genes.len() as f64)));
        }
    }
    by_gene.sort_by_key(|&(gene, set, _)| (gene, set));
    // Values of the other genes are not asked for where all are known to be finite.
    let finite = sums.iter().all(|s| s.is_finite());
    let n_chosen = by_gene.chunk_by(|a, b| a.0 == b.0).count();
    let chosen: Option<Vec<u32>> = match finite && 2 * n_chosen <= m {
        true => Some(memory::exactly(n_chosen, by_gene.chunk_by(|a, b| a.0 == b.0).map(|of| of[0].0), SCORES)?),
        false => None,
    };
    let part = x.select(None, chosen.as_deref())?;
    let weights = Weights::new(&by_gene, chosen.as_deref(), m, sets.len())?;
    let pass = Scores { n_rows: n, weights: &weights, check: Check::finite(x, "score_genes") };
    let scores = reduce(&part, &pass, session).map_err(|e| match (e, &chosen) {
        (Error::Values { element, operation, expected, found, row, column }, Some(chosen)) => {
            Error::Values { element, operation, expected, found, row, column: chosen[column] as usize }
        }
        (e, _) => e,
    })?;
    by_set(&scores, sets.len(), SCORES)
}

/// Returns the [`Needs`] of each pass of [`score_genes`], for the plan of `ops::explain`: one pass
/// where the sums of the genes are known.
pub(super) fn passes(x: &LazyMatrix, session: &Session) -> Vec<Needs> {
    let sums = x.known_column_sums(session).is_none().then_some(Needs::FILE);
    sums.into_iter().chain([Scores::NEEDS]).collect()
}

/// Returns the bin of each gene of the pool: its rank by mean, the least of those that tie, over
/// the genes of a bin.
fn bins(means: &[f64], n_bins: usize) -> Result<Vec<u32>> {
    let each = (means.len() as f64 / (n_bins as f64 - 1.0)).round_ties_even();
    if each < 1.0 {
        let expected = format!("few enough for {} genes of the pool to fill them", means.len());
        return Err(Error::parameter("n_bins", expected, n_bins));
    }
    let mut order: Vec<u32> = memory::collected(0..means.len() as u32, SCORES)?;
    order.sort_by(|&a, &b| means[a as usize].total_cmp(&means[b as usize]));
    let mut bins = memory::zeros::<u32>(means.len(), SCORES)?;
    let mut before = 0usize;
    for equal in order.chunk_by(|&a, &b| means[a as usize] == means[b as usize]) {
        equal.iter().for_each(|&j| bins[j as usize] = ((before + 1) as f64 / each).floor() as u32);
        before += equal.len();
    }
    Ok(bins)
}

/// The genes of a pool, and where the genes of each bin are.
struct Bins<'a> {
    pool: &'a [u32],
    /// The bin of each gene of the pool.
    bins: Vec<u32>,
    /// Where the genes of each bin begin in `genes`, which has them in the order of the pool.
    starts: Vec<usize>,
    genes: Vec<u32>,
}

impl<'a> Bins<'a> {
    /// Sorts the genes of the pool by their bins.
    fn new(pool: &'a [u32], bins: Vec<u32>) -> Result<Self> {
        let n = bins.iter().max().map_or(0, |&bin| bin as usize + 1);
        let mut starts = memory::zeros::<usize>(n + 1, SCORES)?;
        bins.iter().for_each(|&bin| starts[bin as usize + 1] += 1);
        (0..n).for_each(|bin| starts[bin + 1] += starts[bin]);
        let mut next = memory::collected(starts.iter().copied(), SCORES)?;
        let mut genes = memory::zeros::<u32>(pool.len(), SCORES)?;
        for (&gene, &bin) in pool.iter().zip(&bins) {
            genes[next[bin as usize]] = gene;
            next[bin as usize] += 1;
        }
        Ok(Bins { pool, bins, starts, genes })
    }

    /// Returns the control genes of a set, positions among the `m` genes of the matrix, ascending.
    fn controls(&self, set: &[u32], m: usize, options: &ScoreOptions) -> Result<Vec<u32>> {
        let mut in_set = memory::zeros::<bool>(m, SCORES)?;
        set.iter().for_each(|&j| in_set[j as usize] = true);
        let mut met: Vec<u32> = memory::room(set.len(), SCORES)?;
        met.extend(self.pool.iter().zip(&self.bins).filter(|(&j, _)| in_set[j as usize]).map(|(_, &bin)| bin));
        met.sort_unstable();
        met.dedup();
        let mut random = Legacy::new(options.seed);
        let mut out = Vec::new();
        for bin in met {
            let of_bin = &self.genes[self.starts[bin as usize]..self.starts[bin as usize + 1]];
            let mut genes: Vec<u32> = memory::room(of_bin.len(), SCORES)?;
            genes.extend(of_bin.iter().filter(|&&j| options.ctrl_as_ref || !in_set[j as usize]));
            if options.ctrl_size < genes.len() {
                random.shuffle(&mut genes);
                genes.truncate(options.ctrl_size);
            }
            memory::reserve(&mut out, genes.len(), SCORES)?;
            out.extend(genes.into_iter().filter(|&j| !in_set[j as usize]));
        }
        out.sort_unstable();
        Ok(out)
    }
}

/// The weights of each gene in the scores of the sets, gene after gene.
#[derive(Serialize)]
struct Weights {
    starts: Vec<usize>,
    entries: Vec<(u32, f64)>,
    /// Of the genes that many sets share, as controls are: where their weights in all sets begin in
    /// `rows`.
    shared: Vec<u32>,
    rows: Vec<f64>,
    width: usize,
}

/// No row of weights.
const ALONE: u32 = u32::MAX;

impl Weights {
    /// Makes the weights of `by_gene`: genes, sets and weights in order. The genes are the `chosen`
    /// ones, or the first `m`.
    fn new(by_gene: &[(u32, u32, f64)], chosen: Option<&[u32]>, m: usize, width: usize) -> Result<Self> {
        let n = chosen.map_or(m, <[u32]>::len);
        let (mut starts, mut shared) = (memory::zeros::<usize>(n + 1, SCORES)?, memory::filled(n, ALONE, SCORES)?);
        let mut entries: Vec<(u32, f64)> = memory::room(by_gene.len(), SCORES)?;
        let mut rows = Vec::new();
        let mut genes = by_gene.chunk_by(|a, b| a.0 == b.0).peekable();
        for j in 0..n {
            let gene = chosen.map_or(j as u32, |chosen| chosen[j]);
            if let Some(of) = genes.next_if(|of| of[0].0 == gene) {
                if 4 * of.len() > width && width > 4 {
                    let start = rows.len();
                    memory::reserve(&mut rows, width, SCORES)?;
                    rows.resize(start + width, 0.0);
                    of.iter().for_each(|&(_, set, w)| rows[start + set as usize] += w);
                    shared[j] = (start / width) as u32;
                } else {
                    entries.extend(of.iter().map(|&(_, set, w)| (set, w)));
                }
            }
            starts[j + 1] = entries.len();
        }
        Ok(Weights { starts, entries, shared, rows, width })
    }
}

simd::vectorized! {
    /// Adds the values of a cell to its scores. Products and sums round one by one at every level:
    /// the same bits.
    fn add_row [T: Number](weights: &Weights, row: RowOf<'_, T>, to: &mut [f64]) where level in [Avx512, Avx2]: Level {
        let _ = level;
        // A loop and no closure, which would not be compiled for the level.
        let (columns, values) = row;
        for (k, x) in values.iter().enumerate() {
            let (gene, x) = (columns.map_or(k, |columns| columns[k] as usize), x.to_f64());
            match weights.shared[gene] {
                ALONE => {
                    for &(set, w) in &weights.entries[weights.starts[gene]..weights.starts[gene + 1]] {
                        to[set as usize] += w * x;
                    }
                }
                shared => {
                    let of = &weights.rows[shared as usize * weights.width..][..weights.width];
                    for (to, w) in to.iter_mut().zip(of) {
                        *to += w * x;
                    }
                }
            }
        }
    }
}

#[derive(Serialize)]
struct Scores<'a> {
    n_rows: usize,
    weights: &'a Weights,
    #[serde(skip)]
    check: Check,
}

impl Reducer for Scores<'_> {
    const NAME: &'static str = SCORES;
    const NEEDS: Needs = Needs::FILE;
    no_state!();
    type Rows = Vec<f64>;
    type Whole = Vec<f64>;
    type Output = Vec<f64>;

    fn map(&self, block: Block) -> Result<((), Vec<f64>)> {
        let width = self.weights.width;
        let mut part = memory::zeros(memory::count(&[block.n_rows(), width], SCORES)?, SCORES)?;
        with_view!(block, view => {
            for (i, to) in part.chunks_exact_mut(width.max(1)).enumerate() {
                self.check.row(&view, i)?;
                add_row(self.weights, view.row(i), to);
            }
            Ok(((), part))
        })
    }

    fn whole(&self) -> Result<Vec<f64>> {
        memory::zeros(memory::count(&[self.n_rows, self.weights.width], SCORES)?, SCORES)
    }

    fn finish(&self, (): (), scores: Vec<f64>) -> Result<Vec<f64>> {
        Ok(scores)
    }
}
