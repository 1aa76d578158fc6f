//! Variance of analytic Pearson residuals (Lause, Berens & Kobak 2021).
//!
//! The residual of a zero depends on the cell only through its total, so that zeros are summed over
//! groups of cells with equal total: `-mu / sqrt(mu + mu^2 / theta) = -sqrt(mu / (1 + mu /
//! theta))`. Each stored value then adds its difference to a zero.

use super::batches::{count_moments, Batches, Pairs, PerBatch, SUMS};
use super::{fractions, mean_over, merge_ranks, nan_last, select_first, Flavor, Hvg, HvgOptions};
use crate::chain::LazyMatrix;
use crate::element::Number;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::ops::view::{with_view, Check, View};
use crate::session::Session;
use crate::simd::{self, Level};
use crate::stream::{adds_up, no_rows, reduce, Needs, Reducer};
use rayon::prelude::*;
use serde::Serialize;

/// The parameters of the residuals of one batch.
#[derive(Serialize)]
pub(super) struct Model<'a> {
    gene_sums: &'a [f64],
    total: f64,
    theta: f64,
    clip: f64,
}

/// Selects and annotates highly variable genes by the variance of their Pearson residuals.
pub(super) fn run(x: &LazyMatrix, options: &HvgOptions, batches: &Batches, session: &Session) -> Result<Hvg> {
    let n_top = options.n_top_genes.ok_or_else(|| {
        Error::parameter("n_top_genes", "the number of genes to select, for flavor 'pearson_residuals'", "none")
    })?;
    if options.theta.is_nan() || options.theta <= 0.0 {
        return Err(Error::parameter("theta", "a positive number", options.theta));
    }
    if let Some(c) = options.clip.filter(|c| c.is_nan() || *c < 0.0) {
        return Err(Error::parameter("clip", "a number not below 0", c));
    }
    let (n_obs, n_vars) = x.shape();
    let check = Check::counts(x, "highly_variable_genes");
    let sums = count_moments(x, batches, &check, session)?;
    let judging = batches.judging();
    // scanpy 1.11.5 sets the default clip by the first batch and keeps it for the others.
    let clip = options.clip.unwrap_or_else(|| judging.first().map_or(0.0, |&b| (batches.sizes[b] as f64).sqrt()));
    let models: Vec<Model> = sums
        .gene_sums
        .iter()
        .map(|g| Model { gene_sums: g, total: g.iter().sum(), theta: options.theta, clip })
        .collect();

    // Sum and sum of squares of the residuals: first as if every count were 0, then corrected for
    // stored values.
    let mut residuals: Vec<Vec<(f64, f64)>> = models
        .iter()
        .enumerate()
        .map(|(b, model)| zeros(model, &totals(&sums.cell_sums, batches, b), session))
        .collect::<Result<_>>()?;
    let stored = reduce(x, &Stored { n_vars, batches, models: &models, cell_sums: &sums.cell_sums }, session)?;
    for (to, from) in residuals.iter_mut().zip(stored) {
        to.iter_mut().zip(from).for_each(|(t, f)| *t = (t.0 + f.0, t.1 + f.1));
    }

    let per_batch: Vec<Vec<f64>> = judging
        .iter()
        .map(|&b| (&residuals[b], batches.sizes[b], &models[b]))
        .map(|(pairs, n, model)| {
            let n = n as f64;
            // Subtracting the squared mean loses little precision, far below differences that
            // decide between genes. Only squares of large counts exceed `min(theta, clip^2)`. A
            // mean is at most `sqrt(n)` deviations, as not all residuals of a gene have the same
            // sign.
            let variance = |&(s, q): &(f64, f64)| (q / n - (s / n) * (s / n)).max(0.0);
            // A gene without counts in the batch has variance 0.
            pairs.iter().zip(model.gene_sums).map(|(p, &g)| if g == 0.0 { 0.0 } else { variance(p) }).collect()
        })
        .collect();
    let (nbatches, rank) = merge_ranks(&per_batch, n_vars, n_top);
    let scores = mean_over(&per_batch, n_vars);
    // Genes of the same number of batches and median rank are ordered by score, so that their order
    // in the matrix does not decide.
    let highly_variable = select_first(n_vars, n_top, |a, b| {
        let ranked = nbatches[b].cmp(&nbatches[a]).then_with(|| nan_last(rank[a], rank[b]));
        ranked.then_with(|| nan_last(-scores[a], -scores[b]))
    });
    let overall = sums.overall(n_vars, n_obs);
    let all = nbatches.iter().map(|&n| n as usize == judging.len()).collect();
    Ok(Hvg {
        flavor: Flavor::PearsonResiduals,
        highly_variable,
        means: overall.mean,
        variances: Some(overall.var),
        residual_variances: Some(scores),
        variances_norm: None,
        dispersions: None,
        dispersions_norm: None,
        highly_variable_rank: Some(rank),
        highly_variable_nbatches: batches.given().then_some(nbatches),
        highly_variable_intersection: batches.given().then_some(all),
        notes: fractions(options, &sums).into_iter().collect(),
    })
}

/// Returns the distinct totals of the cells of a batch, ascending, and the number of cells with
/// each.
fn totals(cell_sums: &[f64], batches: &Batches, batch: usize) -> Vec<(f64, f64)> {
    let mut sums: Vec<f64> =
        cell_sums.iter().enumerate().filter(|&(i, _)| batches.batch_of(i) == batch).map(|(_, &s)| s).collect();
    sums.sort_unstable_by(f64::total_cmp);
    let mut groups: Vec<(f64, f64)> = Vec::new();
    for s in sums {
        match groups.last_mut() {
            Some((t, n)) if *t == s => *n += 1.0,
            _ => groups.push((s, 1.0)),
        }
    }
    groups
}

/// The number of genes of a task.
const TILE: usize = 256;

/// Returns the sum and the sum of squares, over all cells, of each gene's residual of a zero.
fn zeros(model: &Model<'_>, groups: &[(f64, f64)], session: &Session) -> Result<Vec<(f64, f64)>> {
    let tiles: Vec<Vec<(f64, f64)>> = session.install(|| {
        model
            .gene_sums
            .par_chunks(TILE)
            .map(|genes| {
                session.monitor.check()?;
                let (mut sum, mut sq) = ([0.0; TILE], [0.0; TILE]);
                for &(total, cells) in groups {
                    add_zeros(genes, total / model.total, cells, model, &mut sum, &mut sq);
                }
                Ok(sum.into_iter().zip(sq).take(genes.len()).collect())
            })
            .collect()
    })?;
    Ok(tiles.concat())
}

simd::vectorized! {
    /// Adds the residuals of zeros in `cells` cells, whose total is the share `share` of the counts
    /// of the batch.
    fn add_zeros [](
        genes: &[f64],
        share: f64,
        cells: f64,
        model: &Model<'_>,
        sum: &mut [f64; TILE],
        sq: &mut [f64; TILE],
    ) where _level in [Avx2]: Level {
        let (inverse, clip) = (1.0 / model.theta, model.clip);
        for ((s, q), g) in sum.iter_mut().zip(sq.iter_mut()).zip(genes) {
            let mu = g * share;
            let z = (mu / (1.0 + mu * inverse)).sqrt();
            let z = if z < clip { z } else { clip };
            *s -= cells * z;
            *q += cells * z * z;
        }
    }
}

/// The pass that gives, for every gene and batch, how sum and sum of squares differ from those of
/// zeros because of stored values.
#[derive(Serialize)]
pub(super) struct Stored<'a> {
    n_vars: usize,
    batches: &'a Batches,
    models: &'a [Model<'a>],
    cell_sums: &'a [f64],
}

impl Reducer for Stored<'_> {
    const NAME: &'static str = "highly_variable_genes: Pearson residuals of every gene in every batch";
    const NEEDS: Needs = Needs::FILE;
    adds_up!(PerBatch<Pairs>, PerBatch::add);
    no_rows!();
    type Output = Vec<Pairs>;

    fn map(&self, block: Block) -> Result<(PerBatch<Pairs>, ())> {
        with_view!(block, view => Ok((stored(&view, self)?, ())))
    }

    fn state(&self) -> Result<PerBatch<Pairs>> {
        Ok(PerBatch::new(self.models.len()))
    }

    fn finish(&self, sums: PerBatch<Pairs>, (): ()) -> Result<Vec<Pairs>> {
        sums.complete(self.n_vars)
    }
}

fn stored<T: Number>(view: &View<'_, T>, pass: &Stored<'_>) -> Result<PerBatch<Pairs>> {
    let Stored { batches, models, cell_sums, .. } = *pass;
    let mut out = PerBatch::new(models.len());
    let (mut counts, mut means, mut squares) = ([0.0; CHUNK], [0.0; CHUNK], [0.0; CHUNK]);
    for i in 0..view.n_rows() {
        let cell = view.positions.row(i);
        let b = batches.batch_of(cell);
        let model = &models[b];
        let acc = out.entry(b, || memory::zeros::<(f64, f64)>(view.n_cols, SUMS))?;
        let share = cell_sums[cell] / model.total;
        let (clip, theta) = (model.clip, model.theta);
        let (columns, values) = view.row(i);
        let mut from = 0;
        while from < values.len() {
            let end = (from + CHUNK).min(values.len());
            let at = |k: usize| columns.map_or(from + k, |c| c[from + k] as usize);
            for (k, x) in values[from..end].iter().enumerate() {
                (counts[k], means[k]) = (x.to_f64(), model.gene_sums[at(k)] * share);
            }
            residuals(&counts, &mut means, &mut squares, theta, clip);
            for k in 0..end - from {
                let (s, q) = &mut acc[at(k)];
                *s += means[k];
                *q += squares[k];
            }
            from = end;
        }
    }
    Ok(out)
}

/// The number of values that are computed together.
const CHUNK: usize = 128;

simd::vectorized! {
    /// Computes, for counts `x` with expectations `mu`, the differences of their residuals to those
    /// of zeros. Writes the differences of the residuals over `mu` and those of the squares to
    /// `squares`. No multiplication is fused, so that every processor gives the same bits.
    fn residuals [](x: &[f64; CHUNK], mu: &mut [f64; CHUNK], squares: &mut [f64; CHUNK], theta: f64, clip: f64)
    where _level in [Avx2]: Level {
        let inverse = 1.0 / theta;
        for k in 0..CHUNK {
            let m = mu[k];
            let scale = 1.0 / (m + m * m * inverse).sqrt();
            let (r, z) = ((x[k] - m) * scale, -m * scale);
            let r = if r < clip { r } else { clip };
            let r = if r > -clip { r } else { -clip };
            let z = if z > -clip { z } else { -clip };
            // A stored zero adds nothing, nor do entries left from the chunk before, whose sums are
            // not read.
            let stored = x[k] != 0.0;
            mu[k] = if stored { r - z } else { 0.0 };
            squares[k] = if stored { r * r - z * z } else { 0.0 };
        }
    }
}
