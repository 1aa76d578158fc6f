//! The correction: in each cluster a linear model of the coordinates, with an intercept and a
//! ridge-penalised shift of every batch. The shifts are subtracted.

use super::assign::{sizes, Clustering};
use super::soft::{share, unit, Space};
use super::{HarmonyParams, HARMONY};
use crate::error::{Error, Result};
use crate::memory;
use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rayon::prelude::*;

/// Cells of a task.
const CELLS: usize = 512;
/// Tasks whose sums are in memory at a time.
const TASKS: usize = 32;

/// The models of all clusters.
pub(super) struct Shifts {
    /// The shifts: levels x clusters x dimensions.
    shifts: Vec<f32>,
    /// The intercept of each cluster that has a model: the mean of its cells without the shifts.
    intercepts: Vec<Option<Vec<f64>>>,
}

impl Shifts {
    /// Replaces the centroid of each cluster that has a model by the unit vector in the direction
    /// of the intercept of the model. Centroids have `d` coordinates.
    pub(super) fn centroids_into(&self, centroids: &mut [f32], d: usize) {
        for (centroid, intercept) in centroids.chunks_exact_mut(d).zip(&self.intercepts) {
            if let Some(intercept) = intercept {
                let narrow: Vec<f32> = intercept.iter().map(|&v| v as f32).collect();
                unit(&narrow, centroid);
            }
        }
    }
}

/// Work buffers for the shares of cells in the clusters.
struct Shares<'a> {
    rows: Vec<f32>,
    weights: Vec<f32>,
    shifts: Vec<f32>,
    clusters: &'a Clustering<'a>,
}

impl<'a> Shares<'a> {
    fn new(clusters: &'a Clustering<'a>) -> Self {
        Shares { rows: Vec::new(), weights: Vec::new(), shifts: Vec::new(), clusters }
    }

    /// Returns the shares of `cells`, cells x clusters. `points` has the rows of the cells from
    /// `from` on.
    fn weights(&mut self, points: &[f32], from: usize, cells: &[u32]) -> Result<&[f32]> {
        self.clusters.session.monitor.check()?;
        let (k, m) = (self.clusters.space.n_clusters(), cells.len());
        memory::lengthen(&mut self.weights, m * k, 0.0, HARMONY)?;
        memory::lengthen(&mut self.shifts, m, 0.0, HARMONY)?;
        let weights = &mut self.weights[..m * k];
        let positions = cells.iter().map(|&cell| cell as usize - from);
        self.clusters.space.weigh(points, positions, &mut self.rows, weights, &mut self.shifts[..m])?;
        let mut sums = vec![0.0; k];
        for (row, &cell) in weights.chunks_exact_mut(k).zip(cells) {
            share(row, self.clusters.penalties_of(cell as usize), &mut sums);
        }
        Ok(&self.weights[..m * k])
    }
}

/// Returns the cells `from..from + n`, sorted by combination.
fn by_combination(of: &[u32], from: usize, n: usize) -> Vec<u32> {
    let mut cells: Vec<u32> = (from as u32..(from + n) as u32).collect();
    cells.sort_by_key(|&cell| (of[cell as usize], cell));
    cells
}

/// Returns the runs of cells of one combination.
fn runs<'c>(cells: &'c [u32], of: &'c [u32]) -> impl Iterator<Item = &'c [u32]> {
    cells.chunk_by(move |&a, &b| of[a as usize] == of[b as usize])
}

/// Fits the models to the coordinates `z`, with the shares that follow from `points`, the
/// coordinates as corrected so far.
pub(super) fn solve(z: &[f32], points: &[f32], clusters: &Clustering<'_>, params: &HarmonyParams) -> Result<Shifts> {
    let Clustering { space: Space { d, .. }, batches, .. } = clusters;
    let (d, k, n_levels) = (*d, clusters.space.n_clusters(), batches.n_levels());
    let size = memory::count(&[n_levels, k, d], HARMONY)?;
    // Sums of the coordinates, weighted by the shares: levels x clusters x dimensions.
    let mut sums = memory::zeros::<f64>(size, HARMONY)?;
    let n = batches.of.len();
    let tasks: Vec<usize> = (0..n).step_by(CELLS).collect();
    for group in tasks.chunks(TASKS) {
        let of_task = |shares: &mut Shares<'_>, &from: &usize| {
            let cells = by_combination(&batches.of, from, CELLS.min(n - from));
            let weights = shares.weights(points, 0, &cells)?;
            let (mut parts, mut rows, mut at) = (Vec::new(), Vec::new(), 0);
            for run in runs(&cells, &batches.of) {
                rows.clear();
                run.iter().for_each(|&cell| rows.extend_from_slice(&z[cell as usize * d..][..d]));
                let mut part = memory::zeros::<f32>(k * d, HARMONY)?;
                let weights = MatRef::from_column_major_slice(&weights[at * k..][..run.len() * k], k, run.len());
                let rows = MatRef::from_column_major_slice(&rows, d, run.len());
                let to = MatMut::from_column_major_slice_mut(&mut part, d, k);
                matmul(to, Accum::Replace, rows, weights.transpose(), 1.0, Par::Seq);
                parts.push((batches.of[run[0] as usize] as usize, part));
                at += run.len();
            }
            Ok(parts)
        };
        let found = memory::parallel(group.par_iter().map_init(|| Shares::new(clusters), of_task), HARMONY)?;
        for parts in found {
            for (combination, part) in parts? {
                for &level in &batches.combinations[combination] {
                    let to = &mut sums[level as usize * k * d..][..k * d];
                    to.iter_mut().zip(&part).for_each(|(s, &x)| *s += f64::from(x));
                }
            }
        }
    }
    let common = if batches.starts.len() > 2 { in_common(points, clusters)? } else { Vec::new() };
    let all = sizes(&clusters.observed, batches, k);
    let model = |cluster: usize| of_cluster(cluster, clusters, &all, &sums, &common, params);
    let found = memory::parallel((0..k).into_par_iter().map(model), HARMONY)?;
    let mut shifts = memory::zeros::<f32>(size, HARMONY)?;
    let mut intercepts = Vec::new();
    for (cluster, model) in found.into_iter().enumerate() {
        intercepts.push(model?.map(|(levels, rows)| {
            for (at, &level) in levels.iter().enumerate() {
                let to = &mut shifts[(level * k + cluster) * d..][..d];
                to.iter_mut().zip(&rows[(at + 1) * d..]).for_each(|(to, &v)| *to = v as f32);
            }
            rows[..d].to_vec()
        }));
    }
    Ok(Shifts { shifts, intercepts })
}

/// Returns the number of cells assigned (a sum of shares): combinations x clusters.
fn in_common(points: &[f32], clusters: &Clustering<'_>) -> Result<Vec<f64>> {
    let (batches, k) = (clusters.batches, clusters.space.n_clusters());
    let mut counts = memory::zeros::<f64>(memory::count(&[batches.combinations.len(), k], HARMONY)?, HARMONY)?;
    let n = batches.of.len();
    let tasks: Vec<usize> = (0..n).step_by(CELLS).collect();
    for group in tasks.chunks(TASKS) {
        let of_task = |shares: &mut Shares<'_>, &from: &usize| {
            let cells = by_combination(&batches.of, from, CELLS.min(n - from));
            let weights = shares.weights(points, 0, &cells)?;
            let (mut parts, mut at) = (Vec::new(), 0);
            for run in runs(&cells, &batches.of) {
                let mut part = vec![0.0f32; k];
                for row in weights[at * k..][..run.len() * k].chunks_exact(k) {
                    part.iter_mut().zip(row).for_each(|(s, w)| *s += w);
                }
                parts.push((batches.of[run[0] as usize] as usize, part));
                at += run.len();
            }
            Ok::<_, Error>(parts)
        };
        let found = memory::parallel(group.par_iter().map_init(|| Shares::new(clusters), of_task), HARMONY)?;
        for parts in found {
            for (combination, part) in parts? {
                let to = &mut counts[combination * k..][..k];
                to.iter_mut().zip(&part).for_each(|(c, &x)| *c += f64::from(x));
            }
        }
    }
    Ok(counts)
}

/// The levels in the model of a cluster, and its rows of coordinates: the intercept, then the shift
/// of each of the levels. `None` where no factor has two batches in the cluster.
type Model = Option<(Vec<usize>, Vec<f64>)>;

/// Fits the model of a cluster. `all` has the cells assigned to each cluster, `sums` the weighted
/// sums of the coordinates, `common` the cells of each combination (with several factors only).
fn of_cluster(
    cluster: usize,
    clusters: &Clustering<'_>,
    all: &[f64],
    sums: &[f64],
    common: &[f64],
    params: &HarmonyParams,
) -> Result<Model> {
    let (batches, d, k) = (clusters.batches, clusters.space.d, clusters.space.n_clusters());
    let n = batches.of.len() as f64;
    let observed = |level: usize| clusters.observed[level * k + cluster].max(0.0);
    let mut levels = Vec::new();
    for factor in batches.factors() {
        let part = |&level: &usize| observed(level) > params.batch_prop_cutoff * batches.shares[level] * n;
        let there: Vec<usize> = factor.filter(part).collect();
        if there.len() > 1 {
            levels.extend(there);
        }
    }
    if levels.is_empty() {
        return Ok(None);
    }
    let of = |level: usize| &sums[(level * k + cluster) * d..][..d];
    let penalty = |level: usize| match &batches.lamb {
        Some(lamb) => lamb[level],
        None => params.alpha * all[cluster] * batches.shares[level],
    };
    let mut total = vec![0.0; d];
    let first = batches.factors().next().unwrap_or_default();
    first.clone().for_each(|level| total.iter_mut().zip(of(level)).for_each(|(t, s)| *t += s));
    let mut rows = vec![0.0; (levels.len() + 1) * d];
    if batches.starts.len() == 2 {
        // With one factor the system is solved directly: each shift follows from the intercept.
        let mut weight: f64 = first.filter(|level| !levels.contains(level)).map(observed).sum();
        for &level in &levels {
            let (o, p) = (observed(level), penalty(level));
            weight += o * p / (o + p);
            total.iter_mut().zip(of(level)).for_each(|(t, s)| *t -= o / (o + p) * s);
        }
        let (intercept, shifts) = rows.split_at_mut(d);
        intercept.iter_mut().zip(&total).for_each(|(b, t)| *b = t / weight);
        for (row, &level) in shifts.chunks_exact_mut(d).zip(&levels) {
            let (o, p) = (observed(level), penalty(level));
            row.iter_mut().zip(of(level)).zip(&*intercept).for_each(|((b, s), b0)| *b = (s - o * b0) / (o + p));
        }
    } else {
        let size = levels.len() + 1;
        let mut products = Mat::<f64>::zeros(size, size);
        products[(0, 0)] = all[cluster];
        for (i, &a) in levels.iter().enumerate() {
            products[(i + 1, 0)] = observed(a);
            products[(i + 1, i + 1)] = observed(a) + penalty(a);
        }
        for (combination, of) in batches.combinations.iter().enumerate() {
            let there: Vec<usize> =
                levels.iter().enumerate().filter(|(_, l)| of.contains(&(**l as u32))).map(|(i, _)| i + 1).collect();
            for (x, &i) in there.iter().enumerate() {
                there[..x].iter().for_each(|&j| products[(i, j)] += common[combination * k + cluster]);
            }
        }
        let right = Mat::from_fn(size, d, |i, j| if i == 0 { total[j] } else { of(levels[i - 1])[j] });
        let root = products.llt(Side::Lower).map_err(|e| Error::Internal(format!("harmony_integrate: {e:?}")))?;
        let found = root.solve(&right);
        rows.iter_mut().enumerate().for_each(|(at, to)| *to = found[(at / d, at % d)]);
    }
    Ok(Some((levels, rows)))
}

/// Replaces `points` by the coordinates `z` less the shifts, weighted by each cell's shares of the
/// clusters.
pub(super) fn correct(z: &[f32], points: &mut [f32], clusters: &Clustering<'_>, found: &Shifts) -> Result<()> {
    let (batches, d, k) = (clusters.batches, clusters.space.d, clusters.space.n_clusters());
    // The shift of a combination is the sum of the shifts of its levels.
    let size = memory::count(&[batches.combinations.len(), k, d], HARMONY)?;
    let mut shifts = memory::zeros::<f32>(size, HARMONY)?;
    for (to, levels) in shifts.chunks_exact_mut(k * d).zip(&batches.combinations) {
        for &level in levels {
            let of = &found.shifts[level as usize * k * d..][..k * d];
            to.iter_mut().zip(of).for_each(|(to, x)| *to += x);
        }
    }
    let tasks = points.par_chunks_mut(CELLS * d).zip(z.par_chunks(CELLS * d)).enumerate();
    tasks.try_for_each_init(
        || (Shares::new(clusters), Vec::new()),
        |(shares, shift), (task, (rows, z))| {
            let from = task * CELLS;
            let cells = by_combination(&batches.of, from, rows.len() / d);
            let weights = shares.weights(rows, from, &cells)?;
            let mut at = 0;
            for run in runs(&cells, &batches.of) {
                memory::lengthen(shift, run.len() * d, 0.0f32, HARMONY)?;
                let combination = batches.of[run[0] as usize] as usize;
                let of = MatRef::from_column_major_slice(&shifts[combination * k * d..][..k * d], d, k);
                let weights = MatRef::from_column_major_slice(&weights[at * k..][..run.len() * k], k, run.len());
                let to = MatMut::from_column_major_slice_mut(&mut shift[..run.len() * d], d, run.len());
                matmul(to, Accum::Replace, of, weights, 1.0, Par::Seq);
                for (&cell, shift) in run.iter().zip(shift.chunks_exact(d)) {
                    let at = (cell as usize - from) * d;
                    let row = rows[at..][..d].iter_mut().zip(&z[at..][..d]);
                    row.zip(shift).for_each(|((to, x), s)| *to = x - s);
                }
                at += run.len();
            }
            Ok(())
        },
    )
}
