//! Inverted file search, with the number of lists compared chosen by measuring recall.
//!
//! k-means cuts space into cells; each point belongs to the list of its cell. A point q in cell a can have a neighbour
//! in cell c only if the plane halfway between their centroids is nearer to q than that neighbour. So q first searches
//! its own list, which bounds the distance of its k-th neighbour by r, and then every list c whose plane is nearer than
//! t r. With t = 1 nothing is missed. In many dimensions a much smaller t misses next to nothing: t is the smallest
//! for which the neighbours of a random sample of points, found by exact search, are recalled as often as asked.
//!
//! Where that would still compare a point with thousands of others (large clouds without structure), a looser t finds most
//! of the neighbours, and their neighbours the rest (see `descent`). Recall is measured again after that, and should it fall
//! short, the search is done with the t that reaches it.

use super::descent::{self, Graph};
use super::lists::{answer, build, home, search_home, Index, Scratch};
use super::points::Points;
use super::random::Random;
use super::{exact, Knn, KnnParams, KnnResult, Method};
use crate::context::Context;
use crate::error::Result;
use rayon::prelude::*;

/// Lists per square root of the number of points.
const LISTS: f64 = 1.5;
/// Points whose recall is measured.
const SAMPLE: usize = 512;
/// Lists whose results are gathered before they are stored.
const BATCH: usize = 64;
/// Recall of the search that precedes descent.
const LOOSE: f64 = 0.8;
/// Rounds of descent before it is given up.
const DESCENTS: usize = 3;
/// What a look at a neighbour's neighbour costs, in comparisons within a matrix product (measured: 6).
const DESCENT_COST: f64 = 6.0;

/// The neighbours of all points with the recall asked for.
pub(super) fn search(points: &Points, params: &KnnParams, ctx: &Context) -> Result<KnnResult> {
    let (n, k) = (points.n, params.k);
    let t0 = std::time::Instant::now();
    let n_lists = (((n as f64).sqrt() * LISTS) as usize).clamp(1, n);
    let index = build(points, n_lists, params.seed, ctx)?;
    eprintln!("build {:?}", t0.elapsed());
    let sample = Random::new(params.seed, 1).sample(n, SAMPLE);
    let (truth_indices, truth) = exact::neighbours(points, &index.table, &sample, k, ctx)?;
    eprintln!("truth {:?}", t0.elapsed());
    let calibration = Calibration::new(points, &index, &sample, &truth_indices, k, ctx)?;
    let loose_share: f64 = std::env::var("LOOSE").ok().and_then(|v| v.parse().ok()).unwrap_or(LOOSE);
    let tight = calibration.tightness(params.recall, 2.0);
    let loose = calibration.tightness(params.recall * loose_share, 0.0);
    let saved = calibration.comparisons(&index, tight) - calibration.comparisons(&index, loose);
    drop(calibration);
    let worthwhile = k > 2 && saved > 2.0 * DESCENT_COST * ((k - 1) * (k - 1)) as f64;
    eprintln!("calibrate {:?} {tight} {loose} {saved}", t0.elapsed());

    let (mut graph, mut probes) = pass(points, &index, k, if worthwhile { loose } else { tight }, ctx)?;
    eprintln!("pass {:?}", t0.elapsed());
    let recall = |graph: &Graph| measured_recall(&sample, &truth, &graph.distances, k);
    let mut reached = recall(&graph);
    if worthwhile {
        for _ in 0..DESCENTS {
            if reached.lower() >= params.recall {
                break;
            }
            graph = descent::round(points, &index.table, &graph, k, ctx)?;
            reached = recall(&graph);
            eprintln!("descent {:?} {}", t0.elapsed(), reached.mean);
        }
        if reached.lower() < params.recall {
            drop(graph);
            (graph, probes) = pass(points, &index, k, tight, ctx)?;
            reached = recall(&graph);
        }
    }
    let n_lists = index.centroids.n;
    let knn = by_point(index, graph, k);
    Ok(KnnResult {
        knn,
        method: Method::Ivf,
        n_lists: Some(n_lists),
        nprobe: Some(probes as f64 / n as f64),
        recall: Some(reached.mean),
    })
}

/// Searches the lists for all points; also the number of lists compared, summed over the points.
fn pass(points: &Points, index: &Index, k: usize, tightness: f32, ctx: &Context) -> Result<(Graph, u64)> {
    let size = points.n * k;
    let mut graph = Graph { rows: Vec::with_capacity(size), distances: Vec::with_capacity(size) };
    let mut probes = 0;
    ctx.monitor.begin(points.n as u64);
    for batch in (0..index.centroids.n).step_by(BATCH) {
        let answers: Vec<_> = (batch..(batch + BATCH).min(index.centroids.n))
            .into_par_iter()
            .with_max_len(1)
            .map_init(|| Scratch::new(points, k), |scratch, a| answer(points, index, a, k, tightness, scratch, ctx))
            .collect::<Result<_>>()?;
        for answer in answers {
            graph.rows.extend_from_slice(&answer.rows);
            graph.distances.extend_from_slice(&answer.distances);
            probes += answer.probes;
        }
    }
    Ok((graph, probes))
}

/// From rows of the table to points.
fn by_point(index: Index, graph: Graph, k: usize) -> Knn {
    let ids = index.into_ids();
    let n = ids.len();
    let mut row_of = vec![0u32; n];
    for (&id, row) in ids.iter().zip(0..) {
        if let Some(slot) = row_of.get_mut(id as usize) {
            *slot = row;
        }
    }
    let mut knn = Knn { n, k, indices: vec![0; n * k], distances: vec![0.0; n * k] };
    let rows = knn.indices.par_chunks_mut(k).zip(knn.distances.par_chunks_mut(k)).zip(&row_of);
    rows.with_min_len(1024).for_each(|((indices, distances), &row)| {
        let at = row as usize * k..(row as usize + 1) * k;
        for (index, &row) in indices.iter_mut().zip(graph.rows.get(at.clone()).unwrap_or_default()) {
            *index = ids.get(row as usize).copied().unwrap_or(0);
        }
        distances.copy_from_slice(graph.distances.get(at).unwrap_or_default());
    });
    knn
}

/// A mean over the sample.
pub(super) struct Recall {
    pub(super) mean: f64,
    error: f64,
}

impl Recall {
    fn new(shares: &[f64]) -> Self {
        let m = shares.len().max(1) as f64;
        let mean = shares.iter().sum::<f64>() / m;
        let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / m;
        Recall { mean, error: (variance / m).sqrt() }
    }

    /// The mean less two standard errors.
    fn lower(&self) -> f64 {
        self.mean - 2.0 * self.error
    }
}

/// The share of the neighbours found: those no farther than the true k-th one. Row `sample[i]` of `distances` belongs to
/// row `i` of `truth`, both with `k` columns.
pub(super) fn measured_recall(sample: &[u32], truth: &[f32], distances: &[f32], k: usize) -> Recall {
    let share = |(&row, truth): (&u32, &[f32])| {
        let last = truth.last().copied().unwrap_or(0.0);
        let row = distances.get(row as usize * k..(row as usize + 1) * k).unwrap_or_default();
        row.iter().filter(|&&distance| distance <= last).count() as f64 / k as f64
    };
    Recall::new(&sample.iter().zip(truth.chunks_exact(k)).map(share).collect::<Vec<_>>())
}

/// What the sample says about tightness.
struct Calibration {
    /// For each query of the sample and each list, the smallest tightness with which the list is searched.
    lists: Vec<Vec<f32>>,
    /// The same for the list of each true neighbour.
    neighbours: Vec<Vec<f32>>,
}

impl Calibration {
    fn new(points: &Points, index: &Index, sample: &[u32], truth: &[u32], k: usize, ctx: &Context) -> Result<Self> {
        let mut list_of = vec![0u32; points.n];
        for c in 0..index.centroids.n {
            let (from, to) = index.list(c);
            for &id in index.table.ids.get(from..to).unwrap_or_default() {
                if let Some(list) = list_of.get_mut(id as usize) {
                    *list = c as u32;
                }
            }
        }
        let of = |id: &u32| list_of.get(*id as usize).copied().unwrap_or(0) as usize;
        let lists = sample.par_iter().map_init(
            || Scratch::new(points, k),
            |scratch, &row| {
                ctx.monitor.check()?;
                let a = index.table.ids.get(row as usize).map_or(0, of);
                let home = home(points, index, a, k, scratch);
                let bound = search_home(points, index, &home, (row as usize, row as usize + 1), k, scratch);
                let bound = bound.first().copied().unwrap_or(0.0);
                let mut needed = vec![0.0; index.centroids.n];
                let own = scratch.planes.get(a).copied().unwrap_or(0.0);
                for (&c, reach) in home.order.iter().zip(&home.reach).skip(home.first) {
                    let beyond = scratch.planes.get(c as usize).map_or(0.0, |plane| plane - own);
                    if let Some(needed) = needed.get_mut(c as usize) {
                        *needed = if beyond > 0.0 { beyond / (reach * bound) } else { 0.0 };
                    }
                }
                Ok(needed)
            },
        );
        let lists: Vec<Vec<f32>> = lists.collect::<Result<_>>()?;
        let rows = lists.iter().zip(truth.chunks_exact(k));
        let neighbours = rows
            .map(|(needed, truth)| truth.iter().map(|id| needed.get(of(id)).copied().unwrap_or(0.0)).collect())
            .collect();
        Ok(Calibration { lists, neighbours })
    }

    /// The smallest tightness with which the sample's recall, less `errors` standard errors, is `target`.
    fn tightness(&self, target: f64, errors: f64) -> f32 {
        let enough = |t: f32| {
            let share = |row: &Vec<f32>| row.iter().filter(|&&need| need <= t).count() as f64 / row.len() as f64;
            let recall = Recall::new(&self.neighbours.iter().map(share).collect::<Vec<_>>());
            recall.mean - errors * recall.error >= target
        };
        let mut steps: Vec<f32> = self.neighbours.iter().flatten().copied().collect();
        steps.sort_unstable_by(f32::total_cmp);
        steps.dedup();
        let at = steps.partition_point(|&t| !enough(t)).min(steps.len().saturating_sub(1));
        // products of another shape round differently: stay clear of the step itself
        steps.get(at).copied().unwrap_or(1.0) * 1.0001
    }

    /// Points compared with a query, on average.
    fn comparisons(&self, index: &Index, tightness: f32) -> f64 {
        let size = |(c, _): (usize, &f32)| {
            let (from, to) = index.list(c);
            to - from
        };
        let of = |row: &Vec<f32>| row.iter().enumerate().filter(|(_, &need)| need <= tightness).map(size).sum::<usize>();
        self.lists.iter().map(of).sum::<usize>() as f64 / self.lists.len().max(1) as f64
    }
}
