//! The flavours `seurat_v3`: variance of counts, standardised by the variance that a LOESS trend
//! expects at their mean, with values clipped at `sqrt(n)` standard deviations (Stuart et al.
//! 2019).

use super::batches::{count_moments, Batches, Pairs, PerBatch, SUMS};
use super::loess::loess;
use super::{fractions, mean_over, merge_ranks, nan_last, select_first, Flavor, Hvg, HvgOptions};
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::ops::view::{for_each_value, with_view, Check};
use crate::session::Session;
use crate::stream::{adds_up, no_rows, reduce, Needs, Reducer};
use serde::Serialize;

/// Selects and annotates highly variable genes by the flavour `seurat_v3` or `seurat_v3_paper`.
pub(super) fn run(x: &LazyMatrix, options: &HvgOptions, batches: &Batches, session: &Session) -> Result<Hvg> {
    let n_top = options.n_top_genes.unwrap_or(2000);
    if !(options.span > 0.0 && options.span <= 1.0) {
        return Err(Error::parameter("span", "a number above 0, at most 1", options.span));
    }
    let (n_obs, n_vars) = x.shape();
    let check = Check::counts(x, "highly_variable_genes");
    let sums = count_moments(x, batches, &check, session)?;
    let per_batch = sums.per_batch(batches);

    // The expected standard deviation of each gene in each batch, with the largest value that
    // counts and the mean.
    let mut expected = Vec::with_capacity(batches.len());
    for ((m, &n), totals) in per_batch.iter().zip(&batches.sizes).zip(&sums.gene_sums) {
        // In a batch of one cell no gene varies.
        let varying: Vec<usize> = (0..n_vars).filter(|&j| m.var[j] > 0.0).collect();
        // Means are taken from totals, which are exact, so that genes of the same total have the
        // same mean to the last bit.
        let means: Vec<f64> = varying.iter().map(|&j| (totals[j] / n as f64).log10()).collect();
        let vars: Vec<f64> = varying.iter().map(|&j| m.var[j].log10()).collect();
        let fitted = loess(&means, &vars, options.span)?;
        let mut std = vec![1.0; n_vars];
        varying.iter().zip(&fitted).for_each(|(&j, f)| std[j] = 10f64.powf(*f).sqrt());
        let root = (n as f64).sqrt();
        let limits: Vec<(f64, f64)> = std.iter().zip(&m.mean).map(|(s, &m)| (s * root + m, m)).collect();
        expected.push((std, limits));
    }

    let limits = expected.iter().map(|e| e.1.as_slice()).collect();
    let clipped = reduce(x, &Clipped { n_vars, batches, limits }, session)?;

    let norm: Vec<Vec<f64>> = batches
        .judging()
        .into_iter()
        .map(|b| {
            let n = batches.sizes[b] as f64;
            let (std, mean) = (&expected[b].0, &per_batch[b].mean);
            let of = |j: usize| {
                let (sq, stored) = clipped[b][j];
                (sq + (n - stored) * mean[j] * mean[j]) / ((n - 1.0) * std[j] * std[j])
            };
            (0..n_vars).map(of).collect()
        })
        .collect();
    let (nbatches, rank) = merge_ranks(&norm, n_vars, n_top);
    let by_count = |a: usize, b: usize| nbatches[b].cmp(&nbatches[a]);
    let by_rank = |a: usize, b: usize| nan_last(rank[a], rank[b]);
    let scores = mean_over(&norm, n_vars);
    // Genes of the same rank are ordered by score, so that their order in the matrix does not
    // decide.
    let by_score = |a: usize, b: usize| nan_last(-scores[a], -scores[b]);
    let highly_variable = select_first(n_vars, n_top, |a, b| {
        let ranked = match options.flavor {
            Flavor::SeuratV3Paper => by_count(a, b).then_with(|| by_rank(a, b)),
            _ => by_rank(a, b).then_with(|| by_count(a, b)),
        };
        ranked.then_with(|| by_score(a, b))
    });
    let overall = sums.overall(n_vars, n_obs);
    Ok(Hvg {
        flavor: options.flavor,
        highly_variable,
        means: overall.mean,
        variances: Some(overall.var),
        residual_variances: None,
        variances_norm: Some(scores),
        dispersions: None,
        dispersions_norm: None,
        highly_variable_rank: Some(rank),
        highly_variable_nbatches: batches.given().then_some(nbatches),
        highly_variable_intersection: None,
        notes: fractions(options, &sums).into_iter().collect(),
    })
}

/// The pass that gives, for every gene and batch, the sum of squared deviations of the clipped
/// stored values from the mean, and the number of stored values.
#[derive(Serialize)]
pub(super) struct Clipped<'a> {
    n_vars: usize,
    batches: &'a Batches,
    /// The largest value that counts, and the mean, of each gene in each batch.
    limits: Vec<&'a [(f64, f64)]>,
}

impl Reducer for Clipped<'_> {
    const NAME: &'static str = "highly_variable_genes: clipped deviations of every gene in every batch";
    const NEEDS: Needs = Needs::FILE;
    adds_up!(PerBatch<Pairs>, PerBatch::add);
    no_rows!();
    type Output = Vec<Pairs>;

    fn map(&self, block: Block) -> Result<(PerBatch<Pairs>, ())> {
        let mut out = PerBatch::new(self.batches.len());
        with_view!(block, view => {
            for i in 0..view.n_rows() {
                let b = self.batches.batch_of(view.positions.row(i));
                let limits = self.limits[b];
                let acc = out.entry(b, || memory::zeros::<(f64, f64)>(self.n_vars, SUMS))?;
                for_each_value(view.row(i), |c, x| {
                    let (limit, mean) = limits[c];
                    let d = x.min(limit) - mean;
                    let (q, n) = &mut acc[c];
                    *q += d * d;
                    *n += 1.0;
                });
            }
            Ok(())
        })?;
        Ok((out, ()))
    }

    fn state(&self) -> Result<PerBatch<Pairs>> {
        Ok(PerBatch::new(self.batches.len()))
    }

    fn finish(&self, sums: PerBatch<Pairs>, (): ()) -> Result<Vec<Pairs>> {
        sums.complete(self.n_vars)
    }
}
