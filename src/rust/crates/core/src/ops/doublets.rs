//! Projects cells and simulated doublets on the principal components of the cells (Scrublet:
//! Wolock, Lopez & Klein 2019), as `scanpy.pp.scrublet` prepares them.
//!
//! A doublet is the sum of the counts of two cells. Scaled to the total of a cell, it is the mean
//! of the two weighted by their totals. The same holds for its coordinates, which are linear, so
//! that doublets of unchanged counts are never made. Where counts are sampled again or
//! logarithmised, each doublet is put together from its two sparse rows, projected and forgotten.

use super::view::{for_each_value, with_view};
use super::{filter, hvg, mean_var, normalize};
use super::{
    filter_cells, filter_genes, highly_variable_genes, log1p, n_components, normalize_total, pca, pca_by_lanczos,
    scale, CellCriterion, GeneCriterion, HvgOptions, NormalizeOptions, PcaOptions, ScaleOptions,
};
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::random::{Legacy, Xoshiro};
use crate::session::Session;
use crate::stream::{in_file_order, Needs};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;

/// The parameters of [`simulate_doublets`], by scanpy's names.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubletOptions {
    /// The number of doublets for each cell.
    pub sim_doublet_ratio: f64,
    /// The share of the counts of a doublet that is kept, at random.
    pub synthetic_doublet_umi_subsampling: f64,
    /// Whether genes are scaled to variance 1.
    pub normalize_variance: bool,
    /// Whether counts are logarithmised before they are scaled.
    pub log_transform: bool,
    /// Whether genes are centred.
    pub mean_center: bool,
    /// The number of components.
    pub n_prin_comps: usize,
    /// The seed of the pairs, as for numpy.
    pub seed: u32,
}

/// Cells and simulated doublets, in the principal components of the cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Doublets {
    /// The rows of the matrix that have enough genes.
    pub cells: Vec<u32>,
    /// The two cells of each doublet, as positions in `cells`.
    pub parents: Vec<[u32; 2]>,
    /// The coordinates of the cells, then those of the doublets, row-major with `n_comps` columns.
    pub coordinates: Vec<f32>,
    /// The number of components.
    pub n_comps: usize,
}

/// The least number of cells of a gene, and of genes of a cell.
const AT_LEAST: f64 = 3.0;
/// The total that cells and doublets are scaled to.
const TOTAL: f64 = 1e6;
const DOUBLETS: &str = "scrublet: simulated doublets";
/// The number of doublets of a task.
const TASK: usize = 256;

/// Simulates doublets of the cells of `x` (counts) and projects cells and doublets on the principal
/// components of the cells in their highly variable genes. Genes found in fewer than 3 cells are
/// left out first, then cells with fewer than 3 genes.
///
/// # Errors
/// [`Error::Shape`] where fewer than two cells or genes are left; [`Error::Parameter`] for more
/// components than cells or genes allow; [`Error::Values`] for values that are no counts;
/// [`Error::State`] where fewer than two genes are highly variable.
pub fn simulate_doublets(x: &LazyMatrix, options: &DoubletOptions, session: &Session) -> Result<Doublets> {
    let genes = filter_genes(x, GeneCriterion::MinCells(AT_LEAST), session)?.positions()?;
    let x = x.select(None, Some(&genes))?;
    let cells = filter_cells(&x, CellCriterion::MinGenes(AT_LEAST), session)?.positions()?;
    let x = x.select(Some(&cells), None)?;
    if x.shape().0 < 2 || x.shape().1 < 2 {
        let (n, m) = x.shape();
        let found = format!("{n} cells with 3 genes and {m} genes found in 3 cells");
        return Err(Error::shape("scrublet", "at least two of each", found));
    }
    let normalised = normalize_total(&x, &NormalizeOptions::default(), session)?.0;
    let logarithms = log1p(&normalised, None)?.0;
    let variable = highly_variable_genes(&logarithms, &HvgOptions::default(), session)?.positions();
    let (n, m) = (cells.len(), variable.len());
    if m < 2 {
        let found = format!("scrublet: {m} of {} genes are highly variable, too few for components", x.shape().1);
        return Err(Error::State(format!("{found}; take more cells, or counts that are not normalised")));
    }
    let n_comps = n_components((n, m), Some(options.n_prin_comps)).map_err(|error| match error {
        Error::Parameter { expected, found, .. } => Error::Parameter { parameter: "n_prin_comps", expected, found },
        other => other,
    })?;
    let million = NormalizeOptions { target_sum: Some(TOTAL), ..NormalizeOptions::default() };
    let counts = x.select(None, Some(&variable))?;
    let (mut observed, totals) = normalize_total(&counts, &million, session)?;
    if options.log_transform {
        observed = normalize_total(&logarithms.select(None, Some(&variable))?, &million, session)?.0;
    }
    let linear = !options.log_transform && options.synthetic_doublet_umi_subsampling >= 1.0;
    let (mut mean, mut deviation) = (vec![0.0; m], vec![1.0; m]);
    if options.normalize_variance || options.mean_center {
        let centred = ScaleOptions { zero_center: options.mean_center, ..ScaleOptions::default() };
        let (scaled, found) = scale(&observed, &centred, session)?;
        if options.normalize_variance {
            (observed, deviation) = (scaled, found.std);
        }
        mean = found.mean;
    }
    let found =
        pca_by_lanczos(&observed, &PcaOptions { n_comps: Some(n_comps), zero_center: options.mean_center }, session)?;
    let mut coordinates = found.x_pca;
    let counts = if linear { None } else { Some(Counts::read(&counts, session)?) };
    let parents = pairs(n, (n as f64 * options.sim_doublet_ratio) as usize, options.seed)?;
    session.install(|| {
        let Some(counts) = counts else {
            return means(&mut coordinates, n_comps, &parents, &totals.counts_per_cell, session);
        };
        if !options.mean_center {
            mean.fill(0.0);
        }
        let mut loadings = found.loadings;
        for (row, deviation) in loadings.chunks_exact_mut(n_comps).zip(&deviation) {
            row.iter_mut().for_each(|v| *v /= deviation);
        }
        let mut offset = vec![0.0; n_comps];
        for (row, mean) in loadings.chunks_exact(n_comps).zip(&mean) {
            offset.iter_mut().zip(row).for_each(|(o, v)| *o -= mean * v);
        }
        let projection = Projection { counts, loadings, offset, options };
        projection.append(&mut coordinates, &parents, session)
    })?;
    Ok(Doublets { cells, parents, coordinates, n_comps })
}

/// Returns the [`Needs`] of the passes of [`simulate_doublets`] over all counts, with scanpy's
/// defaults, for the plan of `ops::explain`. These passes filter cells and genes, find the variable
/// genes, and compute totals and deviations. Passes whose results are known are left out. Returns
/// also the number of later passes, over the variable genes alone.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn passes(x: &LazyMatrix, session: &Session) -> Result<(Vec<Needs>, usize)> {
    let mut all = Vec::new();
    let known = x.known_columns(session).and_then(|columns| columns.detected);
    let cells = match known {
        Some(_) => {
            let genes = filter_genes(x, GeneCriterion::MinCells(AT_LEAST), session)?.positions()?;
            x.select(None, Some(&genes))?.known_rows(session).map(|rows| rows.detected()).transpose()?.flatten()
        }
        None => {
            all.push(filter::NEEDS);
            None
        }
    };
    if cells.is_none() {
        all.push(filter::NEEDS);
    }
    all.extend(hvg::passes(x, hvg::Flavor::Seurat, session));
    all.push(normalize::TOTALS);
    all.extend(mean_var::passes());
    Ok((all, pca::passes(2).0.len()))
}

/// Draws `n_pairs` different pairs of `n` cells, in the order of
/// `sklearn.utils.random.sample_without_replacement` with this seed.
fn pairs(n: usize, n_pairs: usize, seed: u32) -> Result<Vec<[u32; 2]>> {
    let all = (n as u64).saturating_mul(n as u64);
    if n_pairs == 0 || n_pairs as u64 > all {
        let found = format!("{n_pairs} doublets of {n} cells");
        return Err(Error::parameter("sim_doublet_ratio", format!("from 1 to {all} doublets"), found));
    }
    let mut random = Legacy::new(seed);
    let pair = |i: u64| [(i / n as u64) as u32, (i % n as u64) as u32];
    let ratio = n_pairs as f64 / all as f64;
    if ratio > 0.01 && ratio < 0.99 {
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        let mut order = memory::collected(0..all, DOUBLETS)?;
        random.shuffle(&mut order);
        return memory::collected(order[..n_pairs].iter().map(|&i| pair(i as u64)), DOUBLETS);
    }
    if ratio >= 0.99 {
        // The first `n_pairs` are kept, then replaced at random by later ones.
        let mut kept: Vec<u64> = (0..n_pairs as u64).collect();
        for i in n_pairs as u64..all {
            let j = random.below_or_at(i);
            if let Some(place) = usize::try_from(j).ok().and_then(|j| kept.get_mut(j)) {
                *place = i;
            }
        }
        return memory::collected(kept.into_iter().map(pair), DOUBLETS);
    }
    let mut seen = HashSet::new();
    seen.try_reserve(n_pairs).map_err(|_| memory::refused::<u64>(n_pairs, DOUBLETS))?;
    let mut drawn = memory::room(n_pairs, DOUBLETS)?;
    while drawn.len() < n_pairs {
        let i = random.below_or_at(all - 1);
        if seen.insert(i) {
            drawn.push(pair(i));
        }
    }
    Ok(drawn)
}

/// Appends the coordinates of the doublets: the means of the coordinates of the parents, weighted
/// by their totals.
fn means(coordinates: &mut Vec<f32>, k: usize, parents: &[[u32; 2]], totals: &[f64], session: &Session) -> Result<()> {
    let n = coordinates.len();
    memory::reserve(coordinates, memory::count(&[parents.len(), k], DOUBLETS)?, DOUBLETS)?;
    coordinates.resize(n + parents.len() * k, 0.0);
    let (cells, doublets) = coordinates.split_at_mut(n);
    let cells = &*cells;
    doublets.par_chunks_mut(TASK * k).zip(parents.par_chunks(TASK)).try_for_each(|(rows, parents)| {
        session.monitor.check()?;
        for (row, &[a, b]) in rows.chunks_exact_mut(k).zip(parents) {
            let (a, b) = (a as usize, b as usize);
            // A cell without counts has weight 0. If both have none, the doublet is like the first.
            let share = if totals[a] + totals[b] > 0.0 { totals[a] / (totals[a] + totals[b]) } else { 1.0 };
            for ((to, &x), &y) in row.iter_mut().zip(&cells[a * k..][..k]).zip(&cells[b * k..][..k]) {
                *to = (share * f64::from(x) + (1.0 - share) * f64::from(y)) as f32;
            }
        }
        Ok(())
    })
}

/// The counts of all cells, without zeros.
struct Counts {
    /// The range of each cell in `columns` and `values`.
    rows: Vec<Range<usize>>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Counts {
    fn read(x: &LazyMatrix, session: &Session) -> Result<Self> {
        let rows = memory::filled(x.shape().0, 0..0, DOUBLETS)?;
        let mut all = Counts { rows, columns: Vec::new(), values: Vec::new() };
        let prepare = |block: Block| {
            with_view!(block, view => {
                let (mut ends, mut columns, mut values) = (Vec::new(), Vec::new(), Vec::new());
                for i in 0..view.n_rows() {
                    for_each_value(view.row(i), |column, value| {
                        if value != 0.0 {
                            columns.push(column as u32);
                            values.push(value as f32);
                        }
                    });
                    ends.push((view.positions.row(i), columns.len()));
                }
                Ok((ends, columns, values))
            })
        };
        in_file_order(x, session, prepare, |(ends, columns, values)| {
            let (start, mut from) = (all.values.len(), all.values.len());
            for (row, end) in ends {
                all.rows[row] = from..start + end;
                from = start + end;
            }
            memory::reserve(&mut all.columns, columns.len(), DOUBLETS)?;
            all.columns.extend(columns);
            memory::reserve(&mut all.values, values.len(), DOUBLETS)?;
            all.values.extend(values);
            Ok(())
        })?;
        Ok(all)
    }
}

/// The projection of doublets that are put together from counts.
struct Projection<'a> {
    counts: Counts,
    /// The loadings, genes x components, divided by the deviation of the gene.
    loadings: Vec<f64>,
    /// The coordinates of a cell without counts.
    offset: Vec<f64>,
    options: &'a DoubletOptions,
}

impl Projection<'_> {
    /// Appends the coordinates of the doublets.
    fn append(&self, coordinates: &mut Vec<f32>, parents: &[[u32; 2]], session: &Session) -> Result<()> {
        let (n, k) = (coordinates.len(), self.offset.len());
        memory::reserve(coordinates, memory::count(&[parents.len(), k], DOUBLETS)?, DOUBLETS)?;
        coordinates.resize(n + parents.len() * k, 0.0);
        let tasks = coordinates[n..].par_chunks_mut(TASK * k).zip(parents.par_chunks(TASK)).enumerate();
        tasks.try_for_each(|(task, (rows, parents))| {
            session.monitor.check()?;
            let mut values = memory::zeros::<f64>(self.loadings.len() / k, DOUBLETS)?;
            let mut genes = Vec::new();
            for (i, (to, pair)) in rows.chunks_exact_mut(k).zip(parents).enumerate() {
                self.project((task * TASK + i) as u64, *pair, &mut values, &mut genes, to);
            }
            Ok(())
        })
    }

    /// Writes the coordinates of doublet `number` to `to`. `values` has to be zeros and is zeros
    /// again afterwards.
    fn project(&self, number: u64, pair: [u32; 2], values: &mut [f64], genes: &mut Vec<u32>, to: &mut [f32]) {
        genes.clear();
        for cell in pair {
            let row = self.counts.rows[cell as usize].clone();
            for (&gene, &value) in self.counts.columns[row.clone()].iter().zip(&self.counts.values[row]) {
                if values[gene as usize] == 0.0 {
                    genes.push(gene);
                }
                values[gene as usize] += f64::from(value);
            }
        }
        genes.sort_unstable();
        let rate = self.options.synthetic_doublet_umi_subsampling;
        if rate < 1.0 {
            let mut random = Xoshiro::new(u64::from(self.options.seed), number);
            for &gene in &*genes {
                let kept = (0..values[gene as usize].round() as u64).filter(|_| random.uniform() < rate).count();
                values[gene as usize] = kept as f64;
            }
        }
        if self.options.log_transform {
            genes.iter().for_each(|&gene| values[gene as usize] = values[gene as usize].ln_1p());
        }
        let total: f64 = genes.iter().map(|&gene| values[gene as usize]).sum();
        let factor = if total > 0.0 { TOTAL / total } else { 0.0 };
        let mut row = self.offset.clone();
        for &gene in &*genes {
            let value = std::mem::take(&mut values[gene as usize]) * factor;
            let loadings = &self.loadings[gene as usize * row.len()..][..row.len()];
            row.iter_mut().zip(loadings).for_each(|(sum, v)| *sum += value * v);
        }
        to.iter_mut().zip(&row).for_each(|(to, &v)| *to = v as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::pairs;

    /// Compares pairs with `sample_without_replacement(n * n, n_pairs, random_state=seed)` of
    /// scikit-learn 1.9.
    #[test]
    fn pairs_are_those_of_scikit_learn() {
        let flat = |n: usize, n_pairs, seed| {
            let pairs = pairs(n, n_pairs, seed).unwrap();
            pairs.iter().map(|[a, b]| *a as usize * n + *b as usize).collect::<Vec<_>>()
        };
        assert_eq!(flat(300, 600, 0)[..6], [68268, 43567, 42613, 45891, 21243, 41993]);
        assert_eq!(flat(80_000, 5, 7), [5271381188, 5664942582, 6251689575, 1322904761, 1133316631]);
        assert_eq!(flat(20, 40, 3)[..6], [376, 16, 365, 82, 107, 217]);
        assert_eq!(flat(2, 4, 1), [0, 1, 2, 3]);
        assert!(pairs(2, 5, 0).is_err() && pairs(9, 0, 0).is_err());
    }
}
