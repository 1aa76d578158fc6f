//! Inverted file search, with the number of lists compared chosen by measuring recall.
//!
//! k-means cuts space into cells; each point belongs to the list of its cell. A point q in cell a
//! can have a neighbour in cell c only if the plane halfway between their centroids is nearer to q
//! than that neighbour. So q first searches its own list, which bounds the distance of its k-th
//! neighbour by r, and then every list c whose plane is nearer than t r. With t = 1 no neighbour is
//! missed. In many dimensions a much smaller t misses next to none. The search uses the smallest t
//! with which a random sample of points reaches the recall asked for, compared with exact search.
//!
//! Lists are scanned in bytes (`codes`). Where that loses too many neighbours of the sample, they
//! are scanned in f32.
//!
//! A large t means all lists, so any recall can be reached. Comparing with the neighbours of
//! neighbours instead of with more lists (NN-descent) was tried and dropped: within isotropic
//! clouds of 50 dimensions it is slower and stops below 0.9.

use super::exact::Output;
use super::lists::{answer, build, group, home, search_home, Groups, Index, Rows, Scratch};
use super::points::Points;
use super::{exact, Knn, KnnParams, KnnResult, Method, NEIGHBOURS};
use crate::error::Result;
use crate::memory;
use crate::random::Stream;
use crate::session::Session;
use rayon::prelude::*;

/// Lists per square root of the number of points.
const LISTS: f64 = 0.4;
/// Points on which the recall is measured.
const SAMPLE: usize = 512;
/// Lists whose results are collected before they are stored.
const BATCH: usize = 64;

/// The query points, by the list nearest to them.
struct Asking<'a> {
    index: &'a Index,
    /// The query points where they are not those of `index`; `None` where they are.
    others: Option<&'a Groups>,
}

impl Asking<'_> {
    /// Returns the query points of a list.
    fn queries(&self, list: usize) -> &[u32] {
        self.others.map_or_else(|| self.index.runs.members(list), |others| others.members(list))
    }
}

/// The figures of a search.
pub(super) struct Report {
    /// Number of lists.
    pub(super) n_lists: usize,
    /// The number of lists compared with a point, on average.
    pub(super) nprobe: f64,
    /// Share of the true neighbours found.
    pub(super) recall: f64,
}

/// Finds the neighbours of all points with the recall asked for.
pub(super) fn search(points: &Points, params: &KnnParams, session: &Session) -> Result<KnnResult> {
    let mut knn = Knn::empty(points.n, params.k)?;
    let mut output = Output { indices: &mut knn.indices, distances: &mut knn.distances, stride: params.k, offset: 0 };
    let report = search_subset(points, None, params.k, params, &mut output, session)?;
    Ok(KnnResult {
        knn,
        method: Method::Ivf,
        n_lists: Some(report.n_lists),
        nprobe: Some(report.nprobe),
        recall: Some(report.recall),
    })
}

/// Writes the `k` neighbours of all points among the points `ids` (all points where `None`), of
/// which there are at least `k`, to `output`. Returns the figures of the search.
pub(super) fn search_subset(
    points: &Points,
    ids: Option<&[u32]>,
    k: usize,
    params: &KnnParams,
    output: &mut Output<'_>,
    session: &Session,
) -> Result<Report> {
    let n = points.n;
    let searched = ids.map_or(n, <[u32]>::len);
    let n_lists = (((searched as f64).sqrt() * LISTS) as usize).clamp(1, searched);
    let mut index = build(points, ids, n_lists, params.seed, session)?;
    let others = ids.map(|_| group(points, None, &index.centroids, session)).transpose()?;
    let sample = Stream::of_samples(params.seed, 1).sample(n, SAMPLE)?;
    let truth = exact::of_sample_in_parts(points, index.runs.points(), &sample, k, session)?;
    let truth = Truth { sample: &sample, indices: &truth.0, distances: &truth.1 };
    let mut tight = enough(points, &index, others.as_ref(), &truth, k, params.recall, session)?;
    if matches!(index.rows, Rows::Bytes(_)) && tight.1 < params.recall {
        index.rows = Rows::Floats(points.panels(&index.runs)?);
        tight = enough(points, &index, others.as_ref(), &truth, k, params.recall, session)?;
    }
    let asking = Asking { index: &index, others: others.as_ref() };
    let probes = pass(points, &index, &asking, k, tight.0, output, session)?;
    Ok(Report {
        n_lists: index.centroids.n,
        nprobe: probes as f64 / n as f64,
        recall: measured_recall(&sample, truth.distances, output, k),
    })
}

/// Searches the lists for all `asking` points; returns the number of lists compared, summed over
/// the points.
fn pass(
    points: &Points,
    index: &Index,
    asking: &Asking<'_>,
    k: usize,
    tightness: f32,
    output: &mut Output<'_>,
    session: &Session,
) -> Result<u64> {
    let mut probes = 0;
    session.monitor.begin(points.n as u64);
    for batch in (0..index.centroids.n).step_by(BATCH) {
        let answers: Vec<_> = (batch..(batch + BATCH).min(index.centroids.n))
            .into_par_iter()
            .with_max_len(1)
            .map_init(
                || Scratch::new(points, k),
                |scratch, a| {
                    let scratch = scratch.as_mut().map_err(|e| e.clone())?;
                    answer(points, index, asking.queries(a), a, k, tightness, scratch, session)
                },
            )
            .collect::<Result<_>>()?;
        for (answer, a) in answers.iter().zip(batch..) {
            let ids = asking.queries(a);
            let found = answer.indices.chunks_exact(k).zip(answer.distances.chunks_exact(k));
            for (&id, (indices, distances)) in ids.iter().zip(found) {
                let at = id as usize * output.stride + output.offset;
                let to = (output.indices.get_mut(at..at + k), output.distances.get_mut(at..at + k));
                if let (Some(to_indices), Some(to_distances)) = to {
                    to_indices.copy_from_slice(indices);
                    to_distances.copy_from_slice(distances);
                }
            }
            probes += answer.probes;
        }
    }
    Ok(probes)
}

/// Returns the share of the true neighbours found: a neighbour counts if it is no farther than the
/// true k-th one. Row `i` of `truth` (sample x `k` distances) belongs to query `sample[i]` of the
/// output.
pub(super) fn measured_recall(sample: &[u32], truth: &[f32], output: &Output<'_>, k: usize) -> f64 {
    let found = |(&row, truth): (&u32, &[f32])| {
        let last = truth.last().copied().unwrap_or(0.0);
        let at = row as usize * output.stride + output.offset;
        let row = output.distances.get(at..at + k).unwrap_or_default();
        row.iter().filter(|&&distance| distance <= last).count()
    };
    let found: usize = sample.iter().zip(truth.chunks_exact(k)).map(found).sum();
    found as f64 / (sample.len() * k).max(1) as f64
}

/// Returns the list of each of `n` points; `members` returns the points of a list.
fn list_of<'a>(n: usize, n_lists: usize, members: impl Fn(usize) -> &'a [u32]) -> Result<Vec<u32>> {
    let mut list_of = memory::zeros::<u32>(n, NEIGHBOURS)?;
    for c in 0..n_lists {
        for &id in members(c) {
            list_of.get_mut(id as usize).into_iter().for_each(|list| *list = c as u32);
        }
    }
    Ok(list_of)
}

/// The true neighbours of a sample of points, `k` per point.
struct Truth<'a> {
    sample: &'a [u32],
    indices: &'a [u32],
    distances: &'a [f32],
}

/// Returns the smallest tightness with which the lists searched hold as many of the sample's
/// neighbours as `recall` asks for, and the share of the neighbours that a search with it finds.
fn enough(
    points: &Points,
    index: &Index,
    others: Option<&Groups>,
    truth: &Truth<'_>,
    k: usize,
    recall: f64,
    session: &Session,
) -> Result<(f32, f64)> {
    let n = index.centroids.n;
    let asking = Asking { index, others };
    let homes = list_of(points.n, n, |c| asking.queries(c))?;
    let lists = list_of(points.n, n, |c| index.runs.members(c))?;
    let list = |lists: &[u32], id: u32| lists.get(id as usize).copied().unwrap_or(0) as usize;
    let each =
        || truth.sample.par_iter().zip(truth.indices.par_chunks_exact(k).zip(truth.distances.par_chunks_exact(k)));
    let needed = each().map_init(
        || Scratch::new(points, k),
        |scratch, (&id, (truth, _))| {
            session.monitor.check()?;
            let scratch = scratch.as_mut().map_err(|e| e.clone())?;
            let needed = needed_tightness(points, index, list(&homes, id), id, k, scratch)?;
            memory::collected(truth.iter().map(|&id| needed.get(list(&lists, id)).copied().unwrap_or(0.0)), NEIGHBOURS)
        },
    );
    let tight = tightness(&needed.collect::<Result<Vec<_>>>()?, recall)?;
    let found = each().map_init(
        || Scratch::new(points, k),
        |scratch, (&id, (_, truth))| {
            let scratch = scratch.as_mut().map_err(|e| e.clone())?;
            let answer = answer(points, index, &[id], list(&homes, id), k, tight, scratch, session)?;
            let last = truth.last().copied().unwrap_or(0.0);
            Ok(answer.distances.iter().filter(|&&distance| distance <= last).count())
        },
    );
    let found: usize = found.collect::<Result<Vec<_>>>()?.iter().sum();
    Ok((tight, found as f64 / truth.indices.len().max(1) as f64))
}

/// Returns, for each list, the smallest tightness with which point `id` of list `a` searches it.
fn needed_tightness(
    points: &Points,
    index: &Index,
    a: usize,
    id: u32,
    k: usize,
    scratch: &mut Scratch,
) -> Result<Vec<f32>> {
    let home = home(points, index, a, k, scratch)?;
    let bound = search_home(points, index, &home, &[id], k, scratch)?;
    let bound = bound.first().copied().unwrap_or(0.0);
    let mut needed = memory::zeros::<f32>(index.centroids.n, NEIGHBOURS)?;
    let own = scratch.plane(a).first().copied().unwrap_or(0.0);
    for (&c, reach) in home.order.iter().zip(&home.reach).skip(home.first) {
        let beyond = scratch.plane(c as usize).first().map_or(0.0, |plane| plane - own);
        if let Some(needed) = needed.get_mut(c as usize) {
            *needed = if beyond > 0.0 { beyond / (reach * bound) } else { 0.0 };
        }
    }
    Ok(needed)
}

/// Returns the smallest tightness with which the mean recall of the sample, less two standard
/// errors, reaches `target`. `needed` has, for each sample point, the tightness that each of its
/// neighbours needs.
fn tightness(needed: &[Vec<f32>], target: f64) -> Result<f32> {
    let enough = |t: f32| {
        let share = |row: &Vec<f32>| row.iter().filter(|&&need| need <= t).count() as f64 / row.len() as f64;
        let shares: Vec<f64> = needed.iter().map(share).collect();
        let m = shares.len() as f64;
        let mean = shares.iter().sum::<f64>() / m;
        let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / m;
        mean - 2.0 * (variance / m).sqrt() >= target
    };
    let size = needed.iter().map(Vec::len).sum();
    let mut steps: Vec<f32> = memory::exactly(size, needed.iter().flatten().copied(), NEIGHBOURS)?;
    steps.sort_unstable_by(f32::total_cmp);
    steps.dedup();
    let at = steps.partition_point(|&t| !enough(t)).min(steps.len().saturating_sub(1));
    // Products of another shape round differently, so the result is a little above the step. More
    // than 1 is never needed in exact arithmetic; the upper bound avoids infinity (from a bound of
    // 0) times 0.
    Ok((steps.get(at).copied().unwrap_or(1.0) * 1.0001).min(1e6))
}
