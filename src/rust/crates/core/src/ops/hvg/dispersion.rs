//! The flavours `seurat` and `cell_ranger`: dispersion relative to genes of similar mean
//! expression. Written after scanpy 1.11.5. Bins are those of `pandas.cut`, percentiles those of
//! numpy (linear).

use super::batches::{moments, Batches};
use super::{nan_last, select_first, Flavor, Hvg, HvgOptions};
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::ops::moments::MeanVar;
use crate::ops::normalize::median;
use crate::ops::view::Check;
use crate::session::Session;

/// The largest relative difference of scores that count as equal.
const EQUAL: f64 = 1e-10;

/// The scores of the genes, a value for each.
struct Scores {
    means: Vec<f64>,
    dispersions: Vec<f64>,
    dispersions_norm: Vec<f64>,
    highly_variable: Vec<bool>,
}

/// Selects and annotates highly variable genes by the flavour `seurat` or `cell_ranger`.
pub(super) fn run(x: &LazyMatrix, options: &HvgOptions, batches: &Batches, session: &Session) -> Result<Hvg> {
    if options.n_bins == 0 {
        return Err(Error::parameter("n_bins", "at least 1", 0));
    }
    let (n_obs, n_vars) = x.shape();
    if n_vars == 0 || n_obs == 0 {
        return Err(Error::State("highly_variable_genes: the matrix has no cells or no genes".to_owned()));
    }
    let check = Check::log_values(x, "highly_variable_genes");
    let sums = if options.flavor == Flavor::Seurat {
        let ln = options.log_base.map_or(1.0, f64::ln);
        moments(x, batches, &check, Some(ln), session)?
    } else {
        moments(x, batches, &check, None, session)?
    };
    let per_batch = sums.per_batch(batches);
    if let Some(gene) =
        (0..n_vars).find(|&j| per_batch.iter().any(|m| !(m.mean[j].is_finite() && m.var[j].is_finite())))
    {
        let expected = format!(
            "a flavor for counts ('seurat_v3', 'pearson_residuals'), or log1p first: '{}' expects \
                                logarithmised values",
            options.flavor.name()
        );
        let found = format!("values of {}, gene {gene} (zero-based), whose exponentials are too large", x.name());
        return Err(Error::parameter("flavor", expected, found));
    }
    let judging = batches.judging();
    // A bin with deviation 0 gives infinite scores. They are stored as the largest float32.
    let most = f64::from(f32::MAX);
    let number = |d: &f64| if d.is_infinite() { most.copysign(*d) } else { *d };
    let result = |s: Scores, nbatches: Option<Vec<i64>>| Hvg {
        flavor: options.flavor,
        highly_variable: s.highly_variable,
        means: s.means,
        variances: None,
        residual_variances: None,
        variances_norm: None,
        dispersions: Some(s.dispersions),
        dispersions_norm: Some(s.dispersions_norm.iter().map(number).collect()),
        highly_variable_rank: None,
        highly_variable_intersection: nbatches
            .as_ref()
            .map(|n| n.iter().map(|&n| n as usize == judging.len()).collect()),
        highly_variable_nbatches: nbatches,
        notes: Vec::new(),
    };
    if !batches.given() {
        return Ok(result(score(&per_batch[0], options)?, None));
    }
    // Each batch scores the genes that it expresses. Other genes count as 0.
    let mut parts = Vec::with_capacity(batches.len());
    for (moments, gene_sums) in judging.iter().map(|&b| (&per_batch[b], &sums.gene_sums[b])) {
        let genes: Vec<usize> = (0..n_vars).filter(|&j| gene_sums[j] > 0.0).collect();
        let pick = |v: &[f64]| genes.iter().map(|&j| v[j]).collect::<Vec<f64>>();
        let some = score(&MeanVar { mean: pick(&moments.mean), var: pick(&moments.var) }, options)?;
        let mut full = Scores {
            means: vec![0.0; n_vars],
            dispersions: vec![0.0; n_vars],
            dispersions_norm: vec![0.0; n_vars],
            highly_variable: vec![false; n_vars],
        };
        for (k, &j) in genes.iter().enumerate() {
            full.means[j] = some.means[k];
            full.dispersions[j] = some.dispersions[k];
            full.dispersions_norm[j] = some.dispersions_norm[k];
            full.highly_variable[j] = some.highly_variable[k];
        }
        parts.push(full);
    }
    let average = |f: fn(&Scores) -> &Vec<f64>| -> Vec<f64> {
        (0..n_vars).map(|j| mean_skipping_nan(parts.iter().map(|p| f(p)[j]))).collect()
    };
    let nbatches: Vec<i64> =
        (0..n_vars).map(|j| parts.iter().filter(|p| p.highly_variable[j]).count() as i64).collect();
    let mut merged = Scores {
        means: average(|s| &s.means),
        dispersions: average(|s| &s.dispersions),
        dispersions_norm: average(|s| &s.dispersions_norm),
        highly_variable: Vec::new(),
    };
    merged.highly_variable = match options.n_top_genes {
        Some(n_top) => {
            let norm = &merged.dispersions_norm;
            let raw = &merged.dispersions;
            select_first(n_vars, n_top, |a, b| {
                let by_norm = || nan_last(-norm[a], -norm[b]);
                nbatches[b].cmp(&nbatches[a]).then_with(by_norm).then_with(|| nan_last(-raw[a], -raw[b]))
            })
        }
        None => {
            merged.dispersions_norm.iter_mut().filter(|d| d.is_nan()).for_each(|d| *d = 0.0);
            in_bounds(&merged.means, &merged.dispersions_norm, options)
        }
    };
    Ok(result(merged, Some(nbatches)))
}

/// Returns the scores of the genes of one batch (scanpy's `_highly_variable_genes_single_batch`).
fn score(moments: &MeanVar, options: &HvgOptions) -> Result<Scores> {
    let seurat = options.flavor == Flavor::Seurat;
    let mut means: Vec<f64> = moments.mean.iter().map(|&m| if m == 0.0 { 1e-12 } else { m }).collect();
    let mut dispersions: Vec<f64> = moments.var.iter().zip(&means).map(|(v, m)| v / m).collect();
    if seurat {
        dispersions.iter_mut().for_each(|d| *d = if *d == 0.0 { f64::NAN } else { d.ln() });
        means.iter_mut().for_each(|m| *m = m.ln_1p());
    }
    // Bins are closed on the right, as those of `pandas.cut`. Only bins in use are numbered, as
    // there may be more bins than genes.
    let mut bins: Vec<usize> = if seurat {
        let edges = EqualWidth::new(&means, options.n_bins);
        means.iter().map(|&m| edges.below(m)).collect()
    } else {
        let edges = percentile_edges(&means)?;
        means.iter().map(|m| edges.partition_point(|e| e < m)).collect()
    };
    let mut used = bins.clone();
    used.sort_unstable();
    used.dedup();
    bins.iter_mut().for_each(|b| *b = used.partition_point(|u| u < b));
    let mut members: Vec<Vec<f64>> = vec![Vec::new(); used.len()];
    for (&b, &d) in bins.iter().zip(&dispersions) {
        if !d.is_nan() {
            members[b].push(d);
        }
    }
    let stats: Vec<(f64, f64)> =
        members.into_iter().map(|m| if seurat { mean_and_std(&m) } else { median_and_mad(m) }).collect();
    let dispersions_norm: Vec<f64> =
        dispersions.iter().zip(&bins).map(|(d, &b)| (d - stats[b].0) / stats[b].1).collect();
    let highly_variable = match options.n_top_genes {
        None => in_bounds(&means, &dispersions_norm, options),
        Some(n) => {
            let mut sorted: Vec<f64> = dispersions_norm.iter().copied().filter(|d| !d.is_nan()).collect();
            sorted.sort_unstable_by(|a, b| b.total_cmp(a));
            let cutoff = sorted.get(n.min(sorted.len()).wrapping_sub(1)).copied().unwrap_or(f64::INFINITY);
            // Genes that are alone in their bin all have the same score but for rounding. All genes
            // that equal the last one are selected.
            let lowest = if cutoff.is_finite() { cutoff - EQUAL * cutoff.abs() } else { cutoff };
            dispersions_norm.iter().map(|&d| d >= lowest).collect()
        }
    };
    Ok(Scores { means, dispersions, dispersions_norm, highly_variable })
}

fn in_bounds(means: &[f64], norm: &[f64], o: &HvgOptions) -> Vec<bool> {
    let inside = |m: f64, d: f64| m > o.min_mean && m < o.max_mean && d > o.min_disp && d < o.max_disp;
    // `numpy.nan_to_num` turns NaN into 0 and infinities into the largest finite numbers.
    let finite = |d: f64| if d.is_nan() { 0.0 } else { d.clamp(f64::MIN, f64::MAX) };
    means.iter().zip(norm).map(|(&m, &d)| inside(m, finite(d))).collect()
}

/// The edges of `n` bins of equal width over the range of the values, the lowest moved down a
/// little (`pandas.cut`).
struct EqualWidth {
    n: usize,
    lowest: f64,
    low: f64,
    high: f64,
}

impl EqualWidth {
    fn new(x: &[f64], n: usize) -> Self {
        // Above 2^52 bins, neighbouring edges would be equal in f64.
        let n = n.min(1 << 52);
        let low = x.iter().copied().fold(f64::INFINITY, f64::min);
        let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low == high {
            let by = |v: f64| if v == 0.0 { 0.001 } else { 0.001 * v.abs() };
            let (low, high) = (low - by(low), high + by(high));
            return EqualWidth { n, lowest: low, low, high };
        }
        EqualWidth { n, lowest: low - (high - low) * 0.001, low, high }
    }

    fn edge(&self, i: usize) -> f64 {
        match i {
            0 => self.lowest,
            i if i == self.n => self.high,
            i => i as f64 * ((self.high - self.low) / self.n as f64) + self.low,
        }
    }

    /// Returns the number of edges below `x`.
    fn below(&self, x: f64) -> usize {
        let (mut from, mut to) = (0, self.n + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.edge(middle) < x {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }
}

/// Returns the 10th, 15th, ... 100th percentile as edges, with infinities at both ends.
fn percentile_edges(x: &[f64]) -> Result<Vec<f64>> {
    let mut sorted = x.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let mut edges = vec![f64::NEG_INFINITY];
    for q in (10..=100).step_by(5) {
        let at = f64::from(q) / 100.0 * last as f64;
        let (below, t) = ((at.floor() as usize).min(last), at - at.floor());
        let (Some(&a), Some(&b)) = (sorted.get(below), sorted.get((below + 1).min(last))) else { continue };
        // This is numpy's interpolation, which starts from the nearer end.
        edges.push(if t >= 0.5 { b - (b - a) * (1.0 - t) } else { a + (b - a) * t });
    }
    if edges.windows(2).any(|w| w[0] == w[1]) {
        return Err(Error::State(
            "highly_variable_genes with flavor 'cell_ranger': too many genes share one mean (5 % of them, usually \
             genes without counts) to bin genes by percentiles; remove them first with filter_genes(min_cells = 1)"
                .to_owned(),
        ));
    }
    edges.push(f64::INFINITY);
    Ok(edges)
}

/// Returns mean and standard deviation (n - 1). A gene alone in its bin gets (0, its value), so
/// that it scores 1.
fn mean_and_std(v: &[f64]) -> (f64, f64) {
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    if v.len() < 2 {
        return (0.0, mean);
    }
    (mean, (v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// Returns the median, and the median absolute deviation scaled to the standard deviation of a
/// normal distribution.
fn median_and_mad(v: Vec<f64>) -> (f64, f64) {
    const NORMAL_QUARTILE: f64 = 0.674_489_750_196_081_7;
    let middle = median(v.clone()).unwrap_or(f64::NAN);
    let mad = median(v.iter().map(|x| (x - middle).abs() / NORMAL_QUARTILE).collect());
    (middle, mad.unwrap_or(f64::NAN))
}

fn mean_skipping_nan(v: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = v.filter(|x| !x.is_nan()).fold((0.0, 0.0), |(s, n), x| (s + x, n + 1.0));
    sum / n
}
