//! Inverted file search, with the number of lists compared chosen by measuring recall.
//!
//! k-means cuts space into cells; each point belongs to the list of its cell. A point q in cell a can have a neighbour
//! in cell c only if the plane halfway between their centroids is nearer to q than that neighbour. So q first searches
//! its own list, which bounds the distance of its k-th neighbour by r, and then every list c whose plane is nearer than
//! t r. With t = 1 nothing is missed. In many dimensions a much smaller t misses next to nothing: t is the smallest
//! for which the neighbours of a random sample of points, found by exact search, are recalled as often as asked.
//!
//! Queries of one list are answered together: those that want the same list share one matrix product.

use super::kmeans::{self, Centroids};
use super::points::{scores, Points, Table};
use super::random::Random;
use super::select::{refine, write_row, Candidates, Neighbour};
use super::{exact, Knn, KnnParams, KnnResult, Method};
use crate::context::Context;
use crate::error::Result;
use rayon::prelude::*;

/// Queries answered together.
const QUERIES: usize = 128;
/// Rows per product.
const ROWS: usize = 512;
/// Candidates kept beyond those asked for, against the error of f32.
const SPARE: usize = 8;
/// Points whose recall is measured.
const SAMPLE: usize = 512;
/// Points per list that k-means sees.
const TRAIN: usize = 48;
/// Rounds of k-means.
const ROUNDS: usize = 8;
/// Lists whose results are gathered before they are written.
const BATCH: usize = 64;

/// The points by list.
struct Index {
    centroids: Centroids,
    /// Rows of list c: `starts[c]..starts[c + 1]`.
    starts: Vec<usize>,
    table: Table,
}

impl Index {
    fn list(&self, c: usize) -> (usize, usize) {
        (self.starts.get(c).copied().unwrap_or(0), self.starts.get(c + 1).copied().unwrap_or(0))
    }
}

/// The lists as seen from one of them.
struct Home {
    /// All lists by distance of their centroid, its own first.
    order: Vec<u32>,
    /// Twice the distance of each centroid, in `order`.
    reach: Vec<f32>,
    /// How many of `order` every query searches: enough for `k` neighbours.
    first: usize,
}

/// The neighbours of all points with the recall asked for.
pub(super) fn search(points: &Points, params: &KnnParams, ctx: &Context) -> Result<KnnResult> {
    let (n, k) = (points.n, params.k);
    let t0 = std::time::Instant::now();
    let factor: f64 = std::env::var("LF").ok().and_then(|v| v.parse().ok()).unwrap_or(1.5);
    let n_lists = (((n as f64).sqrt() * factor) as usize).clamp(1, n);
    let index = build(points, n_lists, params.seed, ctx)?;
    eprintln!("build {:?}", t0.elapsed());
    let sample = Random::new(params.seed, 1).sample(n, SAMPLE);
    let (truth_indices, truth) = exact::neighbours(points, &index.table, &sample, k, ctx)?;
    eprintln!("truth {:?}", t0.elapsed());
    let tightness = calibrate(points, &index, &sample, &truth_indices, k, params.recall, ctx)?;
    eprintln!("calibrate {:?} t {tightness}", t0.elapsed());

    let mut indices = vec![0u32; n * k];
    let mut distances = vec![0.0f32; n * k];
    let mut probes = 0;
    ctx.monitor.begin(n as u64);
    for batch in (0..index.centroids.n).step_by(BATCH) {
        let lists = batch..(batch + BATCH).min(index.centroids.n);
        let answers: Vec<Answer> = lists
            .into_par_iter()
            .with_max_len(1)
            .map_init(|| Scratch::new(points, k), |scratch, a| answer(points, &index, a, k, tightness, scratch, ctx))
            .collect::<Result<_>>()?;
        for answer in answers {
            probes += answer.probes;
            for ((&id, i), d) in
                answer.ids.iter().zip(answer.indices.chunks_exact(k)).zip(answer.distances.chunks_exact(k))
            {
                let at = id as usize * k..(id as usize + 1) * k;
                if let (Some(to_i), Some(to_d)) = (indices.get_mut(at.clone()), distances.get_mut(at)) {
                    to_i.copy_from_slice(i);
                    to_d.copy_from_slice(d);
                }
            }
        }
    }
    eprintln!("search {:?} probes {}", t0.elapsed(), probes as f64 / n as f64);
    let ids: Vec<u32> = sample.iter().filter_map(|&row| index.table.ids.get(row as usize).copied()).collect();
    let recall = measured_recall(&ids, &truth, &distances, k);
    Ok(KnnResult {
        knn: Knn { n, k, indices, distances },
        method: Method::Ivf,
        n_lists: Some(index.centroids.n),
        nprobe: Some(probes as f64 / n as f64),
        recall: Some(recall),
    })
}

/// The share of the neighbours of `ids` found: those no farther than the true k-th one (`truth`: `ids.len()` x `k`).
pub(super) fn measured_recall(ids: &[u32], truth: &[f32], distances: &[f32], k: usize) -> f64 {
    let mut found = 0usize;
    for (&id, truth) in ids.iter().zip(truth.chunks_exact(k)) {
        let last = truth.last().copied().unwrap_or(0.0);
        let row = distances.get(id as usize * k..(id as usize + 1) * k).unwrap_or_default();
        found += row.iter().filter(|&&d| d <= last).count();
    }
    found as f64 / (ids.len() * k).max(1) as f64
}

fn build(points: &Points, n_lists: usize, seed: u64, ctx: &Context) -> Result<Index> {
    let n = points.n;
    let sample = points.table(Random::new(seed, 0).sample(n, n_lists * TRAIN));
    let centroids = kmeans::train(points, &sample, n_lists, ROUNDS, ctx)?;
    drop(sample);
    let width = points.width();
    let mut nearest = vec![(0u32, 0.0f32); n];
    nearest.par_chunks_mut(QUERIES).enumerate().try_for_each_init(
        || (vec![0.0; QUERIES * width], Vec::new()),
        |(rows, scratch), (block, nearest)| {
            ctx.monitor.check()?;
            for (i, row) in rows.chunks_exact_mut(width).take(nearest.len()).enumerate() {
                points.write_data(block * QUERIES + i, row);
            }
            let rows = rows.get(..nearest.len() * width).unwrap_or_default();
            kmeans::assign_block(points, rows, &centroids, scratch, nearest);
            Ok(())
        },
    )?;
    // counting sort: within a list, points stay in order
    let mut starts = vec![0usize; centroids.n + 1];
    for &(list, _) in &nearest {
        if let Some(start) = starts.get_mut(list as usize + 1) {
            *start += 1;
        }
    }
    for c in 0..centroids.n {
        let before = starts.get(c).copied().unwrap_or(0);
        if let Some(start) = starts.get_mut(c + 1) {
            *start += before;
        }
    }
    let mut next = starts.clone();
    let mut ids = vec![0u32; n];
    for (id, &(list, _)) in nearest.iter().enumerate() {
        if let Some(next) = next.get_mut(list as usize) {
            if let Some(slot) = ids.get_mut(*next) {
                *slot = id as u32;
            }
            *next += 1;
        }
    }
    drop(nearest);
    Ok(Index { centroids, starts, table: points.table(ids) })
}

/// What a task works with.
struct Scratch {
    candidates: Candidates,
    queries: Vec<f32>,
    squares: Vec<f64>,
    gathered: Vec<f32>,
    wanting: Vec<u32>,
    planes: Vec<f32>,
    scores: Vec<f32>,
    found: Vec<Neighbour>,
}

impl Scratch {
    fn new(points: &Points, k: usize) -> Self {
        Scratch {
            candidates: Candidates::new(QUERIES, k + SPARE, points.n),
            queries: Vec::new(),
            squares: Vec::new(),
            gathered: Vec::new(),
            wanting: Vec::new(),
            planes: Vec::new(),
            scores: Vec::new(),
            found: Vec::new(),
        }
    }
}

/// The rows of the result for one list.
struct Answer {
    ids: Vec<u32>,
    indices: Vec<u32>,
    distances: Vec<f32>,
    probes: u64,
}

fn home(points: &Points, index: &Index, a: usize, k: usize, scratch: &mut Scratch) -> Home {
    let width = points.width();
    let centroids = &index.centroids;
    let mut query = vec![0.0; width];
    let own = centroids.rows.get(a * width..(a + 1) * width).unwrap_or_default();
    let square = points.write_query(own, &mut query) as f32;
    let squares = scores(&query, &centroids.rows, width, &mut scratch.scores);
    let mut by: Vec<(f32, u32)> = squares.iter().zip(0u32..).map(|(&s, c)| ((s + square).max(0.0), c)).collect();
    if let Some(own) = by.get_mut(a) {
        own.0 = -1.0;
    }
    by.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut size = 0;
    let mut first = 0;
    for &(_, c) in &by {
        let (from, to) = index.list(c as usize);
        size += to - from;
        first += 1;
        if size >= 2 * k {
            break;
        }
    }
    Home { order: by.iter().map(|b| b.1).collect(), reach: by.iter().map(|b| 2.0 * b.0.max(0.0).sqrt()).collect(), first }
}

/// Offers every row of list `c` to queries `wanting` (rows of `queries`).
fn offer_list(index: &Index, c: usize, width: usize, queries: &[f32], wanting: &[u32], candidates: &mut Candidates, buffer: &mut Vec<f32>) {
    let (start, end) = index.list(c);
    for from in (start..end).step_by(ROWS) {
        let to = (from + ROWS).min(end);
        let scores = scores(queries, index.table.rows(from, to), width, buffer);
        for (&query, scores) in wanting.iter().zip(scores.chunks_exact(to - from)) {
            candidates.offer(query as usize, scores, from as u32);
        }
    }
}

/// Searches the first lists of `home` for the table rows `rows`; leaves the candidates, the queries and their scores
/// against the centroids (lists x queries) in `scratch`, and returns each query's bound on the distance of its k-th
/// neighbour.
fn search_home(points: &Points, index: &Index, home: &Home, rows: (usize, usize), k: usize, scratch: &mut Scratch) -> Vec<f32> {
    let width = points.width();
    let rows = index.table.rows(rows.0, rows.1);
    let n = rows.len() / width;
    scratch.queries.resize(rows.len(), 0.0);
    scratch.squares.clear();
    for (row, query) in rows.chunks_exact(width).zip(scratch.queries.chunks_exact_mut(width)) {
        scratch.squares.push(points.write_query(row, query));
    }
    scores(&index.centroids.rows, &scratch.queries, width, &mut scratch.planes);
    scratch.candidates.clear();
    scratch.wanting.clear();
    scratch.wanting.extend(0..n as u32);
    for &c in home.order.iter().take(home.first) {
        offer_list(index, c as usize, width, &scratch.queries, &scratch.wanting, &mut scratch.candidates, &mut scratch.scores);
    }
    let Scratch { candidates, squares, .. } = scratch;
    let bound = |(query, &square): (usize, &f64)| {
        let square_k = (f64::from(candidates.ranked(query, k)) + square).max(0.0) + points.slack(square);
        square_k.sqrt() as f32
    };
    squares.iter().enumerate().map(bound).collect()
}

/// The neighbours of all points of list `a`.
fn answer(points: &Points, index: &Index, a: usize, k: usize, tightness: f32, scratch: &mut Scratch, ctx: &Context) -> Result<Answer> {
    let width = points.width();
    let (start, end) = index.list(a);
    let size = end - start;
    let mut answer =
        Answer { ids: Vec::with_capacity(size), indices: vec![0; size * k], distances: vec![0.0; size * k], probes: 0 };
    if size == 0 {
        return Ok(answer);
    }
    let home = home(points, index, a, k, scratch);
    let mut outputs = answer.indices.chunks_exact_mut(k).zip(answer.distances.chunks_exact_mut(k));
    for from in (start..end).step_by(QUERIES) {
        ctx.monitor.check()?;
        let to = (from + QUERIES).min(end);
        let n = to - from;
        let mut limits = search_home(points, index, &home, (from, to), k, scratch);
        limits.iter_mut().for_each(|limit| *limit *= tightness);
        answer.probes += (n * home.first) as u64;
        let Scratch { candidates, queries, squares, gathered, wanting, planes, scores: buffer, found } = scratch;
        let own = planes.get(a * n..(a + 1) * n).unwrap_or_default();
        for (&c, &reach) in home.order.iter().zip(&home.reach).skip(home.first) {
            let c = c as usize;
            let plane = planes.get(c * n..(c + 1) * n).unwrap_or_default();
            wanting.clear();
            for (query, ((&plane, &own), &limit)) in plane.iter().zip(own).zip(&limits).enumerate() {
                if plane - own <= limit * reach {
                    wanting.push(query as u32);
                }
            }
            if wanting.is_empty() {
                continue;
            }
            answer.probes += wanting.len() as u64;
            gathered.clear();
            for &query in wanting.iter() {
                let query = query as usize * width;
                gathered.extend_from_slice(queries.get(query..query + width).unwrap_or_default());
            }
            offer_list(index, c, width, gathered, wanting, candidates, buffer);
        }
        for (query, (&id, &square)) in
            index.table.ids.get(from..to).unwrap_or_default().iter().zip(squares.iter()).enumerate()
        {
            refine(points, &index.table, id, square, candidates.of(query), k - 1, found);
            if let Some((indices, distances)) = outputs.next() {
                write_row(points, id, found, indices, distances);
            }
            answer.ids.push(id);
        }
        ctx.monitor.advance(n as u64);
    }
    Ok(answer)
}

/// The smallest tightness t with which the sample is recalled as asked, two standard errors of the mean included.
fn calibrate(
    points: &Points,
    index: &Index,
    sample: &[u32],
    truth: &[u32],
    k: usize,
    target: f64,
    ctx: &Context,
) -> Result<f32> {
    let mut list_of = vec![0u32; points.n];
    for c in 0..index.centroids.n {
        let (from, to) = index.list(c);
        for &id in index.table.ids.get(from..to).unwrap_or_default() {
            if let Some(list) = list_of.get_mut(id as usize) {
                *list = c as u32;
            }
        }
    }
    // for each query and each of its neighbours, the tightness that finds it
    let needed: Vec<Vec<f32>> = sample
        .par_iter()
        .zip(truth.par_chunks_exact(k))
        .map_init(
            || Scratch::new(points, k),
            |scratch, (&row, truth)| {
                ctx.monitor.check()?;
                let of = |id: u32| list_of.get(id as usize).copied().unwrap_or(0) as usize;
                let a = index.table.ids.get(row as usize).map_or(0, |&id| of(id));
                let home = home(points, index, a, k, scratch);
                let bound = search_home(points, index, &home, (row as usize, row as usize + 1), k, scratch);
                let bound = bound.first().copied().unwrap_or(0.0);
                let mut rank = vec![0; index.centroids.n];
                for (position, &c) in home.order.iter().enumerate() {
                    if let Some(rank) = rank.get_mut(c as usize) {
                        *rank = position;
                    }
                }
                let need = |&id: &u32| {
                    let c = of(id);
                    let position = rank.get(c).copied().unwrap_or(0);
                    let plane = |c: usize| scratch.planes.get(c).copied().unwrap_or(0.0);
                    let beyond = plane(c) - plane(a);
                    if position < home.first || beyond <= 0.0 {
                        0.0
                    } else {
                        beyond / (home.reach.get(position).copied().unwrap_or(0.0) * bound)
                    }
                };
                Ok(truth.iter().map(need).collect())
            },
        )
        .collect::<Result<_>>()?;
    let mut steps: Vec<f32> = needed.iter().flatten().copied().collect();
    steps.push(0.0);
    steps.sort_unstable_by(f32::total_cmp);
    steps.dedup();
    let enough = |t: f32| {
        let shares: Vec<f64> =
            needed.iter().map(|row| row.iter().filter(|&&need| need <= t).count() as f64 / k as f64).collect();
        let m = shares.len() as f64;
        let mean = shares.iter().sum::<f64>() / m;
        let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / m;
        mean - 2.0 * (variance / m).sqrt() >= target
    };
    let at = steps.partition_point(|&t| !enough(t));
    // products of another shape round differently: stay clear of the last step
    Ok(steps.get(at.min(steps.len() - 1)).copied().unwrap_or(f32::MAX) * 1.0001)
}
