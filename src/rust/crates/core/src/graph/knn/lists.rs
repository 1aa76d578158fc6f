//! The inverted file: points grouped by k-means, and queries answered list by list.

use super::candidates::Candidates;
use super::codes::{Codes, Queries};
use super::kmeans::{self, Centroids};
use super::panels::Panels;
use super::points::{Points, Runs};
use super::select::{nearest, write_row, Neighbour};
use super::NEIGHBOURS;
use crate::error::Result;
use crate::graph::groups::members;
use crate::memory;
use crate::random::Stream;
use crate::session::Session;
use rayon::prelude::*;

/// Queries answered together, as a rule all of a list: each list they are compared with is then
/// read from memory once for all of them.
const QUERIES: usize = 2048;
/// Returns the number of candidates kept for `k` neighbours: more than `k`, to allow for the error
/// of the distances compared.
fn n_candidates(k: usize) -> usize {
    k + k / 4 + 4
}
/// Sample points per list on which k-means is trained.
const TRAIN: usize = 48;
/// Rounds of k-means.
const ROUNDS: usize = 8;

/// Points by list: list c has the points `ids[starts[c]..starts[c + 1]]`.
pub(super) struct Groups {
    starts: Vec<usize>,
    ids: Vec<u32>,
}

impl Groups {
    /// Returns the points of list `c`; none where there is no such list.
    pub(super) fn members(&self, c: usize) -> &[u32] {
        let range = self.starts.get(c).zip(self.starts.get(c + 1));
        range.and_then(|(&from, &to)| self.ids.get(from..to)).unwrap_or_default()
    }
}

/// The points searched, by list.
pub(super) struct Index {
    /// The centroid of each list.
    pub(super) centroids: Centroids,
    /// List c is run c of these.
    pub(super) runs: Runs,
    /// The coordinates of the points, in the order of `runs`.
    pub(super) rows: Rows,
}

/// The form in which the searched points are compared.
pub(super) enum Rows {
    /// One byte per coordinate: fast, but inexact in lists where one far point widens the steps of
    /// a list of close ones.
    Bytes(Codes),
    /// f32.
    Floats(Panels),
}

impl Index {
    /// Compares the points of list `c` with the queries numbered in `scratch.wanting` and adds the
    /// near ones to `scratch.candidates`. `width` is the length of a query.
    fn offer(&self, c: usize, width: usize, scratch: &mut Scratch) -> Result<()> {
        let Scratch { candidates, queries, wanting, gathered, coded, .. } = scratch;
        let wanted = wanting.iter().map(|&query| {
            let query = query as usize * width;
            queries.get(query..query + width).unwrap_or_default()
        });
        let (from, to) = self.runs.run(c);
        match &self.rows {
            Rows::Bytes(codes) => {
                coded.clear();
                coded.reserve(wanted.len(), width - 1)?;
                wanted.for_each(|query| coded.push(query, self.centroids.row(c, width - 1)));
                codes.offer(c, (from, to), coded, wanting, candidates);
                Ok(())
            }
            Rows::Floats(panels) => {
                gathered.clear();
                memory::reserve(gathered, wanted.len() * width, NEIGHBOURS)?;
                wanted.for_each(|query| gathered.extend_from_slice(query));
                panels.offer(from, to, gathered, wanting, candidates)
            }
        }
    }

    /// Returns the offset from scores to squared distances, for a query of this squared length.
    fn score_offset(&self, square: f64) -> f64 {
        match self.rows {
            Rows::Bytes(_) => 0.0,
            Rows::Floats(_) => square,
        }
    }
}

/// The order in which the queries of one list search all lists.
pub(super) struct Home {
    /// All lists by ascending distance of their centroid from this list's; the list itself is
    /// first.
    pub(super) order: Vec<u32>,
    /// Twice the distance of each centroid from this list's, in the order of `order`.
    pub(super) reach: Vec<f32>,
    /// The number of lists at the front of `order` that every query searches; they hold at least
    /// `2 k` points, if there are as many.
    pub(super) first: usize,
}

/// The number of coordinates up to which sums of products of bytes cannot overflow an i32.
const CODED: usize = 1 << 14;

/// Groups the points `ids` (all points where `None`) into `n_lists` lists, in bytes up to [`CODED`]
/// coordinates and else in f32.
pub(super) fn build(
    points: &Points,
    ids: Option<&[u32]>,
    n_lists: usize,
    seed: u64,
    session: &Session,
) -> Result<Index> {
    let n = ids.map_or(points.n, <[u32]>::len);
    let mut sample = Stream::of_samples(seed, 0).sample(n, n_lists * TRAIN)?;
    if let Some(ids) = ids {
        sample.iter_mut().for_each(|i| *i = ids.get(*i as usize).copied().unwrap_or(0));
    }
    let sample = points.rows(&sample)?;
    let centroids = kmeans::train(points, &sample, n_lists, ROUNDS, session)?;
    drop(sample);
    let Groups { starts, ids } = group(points, ids, &centroids, session)?;
    let runs = Runs::new(&ids, &starts, points.n)?;
    drop((starts, ids));
    let rows = if points.d <= CODED {
        Rows::Bytes(Codes::encode(points, &centroids, &runs)?)
    } else {
        Rows::Floats(points.panels(&runs)?)
    };
    Ok(Index { centroids, runs, rows })
}

/// Groups the points `ids` (all points where `None`) by their nearest centroid; within a list they
/// stay in order.
pub(super) fn group(points: &Points, ids: Option<&[u32]>, centroids: &Centroids, session: &Session) -> Result<Groups> {
    let width = points.width();
    let n = ids.map_or(points.n, <[u32]>::len);
    let id = |i: usize| ids.map_or(i as u32, |ids| ids.get(i).copied().unwrap_or(0));
    let mut nearest = memory::filled(n, (0u32, 0.0f32), NEIGHBOURS)?;
    session.monitor.begin(n as u64);
    nearest.par_chunks_mut(QUERIES).enumerate().try_for_each_init(
        || (Vec::new(), Vec::new()),
        |(rows, scratch), (block, nearest)| {
            session.monitor.check()?;
            memory::lengthen(rows, QUERIES * width, 0.0, NEIGHBOURS)?;
            for (i, row) in rows.chunks_exact_mut(width).take(nearest.len()).enumerate() {
                points.write_data(id(block * QUERIES + i) as usize, row);
            }
            let rows = rows.get(..nearest.len() * width).unwrap_or_default();
            kmeans::assign_block(points, rows, centroids, scratch, nearest)?;
            session.monitor.advance(nearest.len() as u64);
            Ok(())
        },
    )?;
    let nearest: Vec<u32> = memory::collected(nearest.iter().map(|&(list, _)| list), NEIGHBOURS)?;
    let (starts, mut ids) = members(&nearest, centroids.n)?;
    ids.iter_mut().for_each(|i| *i = id(*i as usize));
    Ok(Groups { starts, ids })
}

/// Work buffers of a task.
pub(super) struct Scratch {
    candidates: Candidates,
    queries: Vec<f32>,
    squares: Vec<f64>,
    gathered: Vec<f32>,
    coded: Queries,
    wanting: Vec<u32>,
    /// Scores of the centroids against the queries of the block: lists x queries, each list's row
    /// `stride` long.
    planes: Vec<f32>,
    stride: usize,
    scores: Vec<f32>,
    found: Vec<Neighbour>,
}

impl Scratch {
    /// Makes empty buffers for searches of `k` neighbours.
    pub(super) fn new(points: &Points, k: usize) -> Result<Self> {
        Ok(Scratch {
            candidates: Candidates::new(QUERIES, n_candidates(k), points.n)?,
            queries: Vec::new(),
            squares: Vec::new(),
            gathered: Vec::new(),
            coded: Queries::default(),
            wanting: Vec::new(),
            planes: Vec::new(),
            stride: 0,
            scores: Vec::new(),
            found: Vec::new(),
        })
    }
}

impl Scratch {
    /// Returns the scores of centroid `c` against the queries of the block, padded to `stride`.
    pub(super) fn plane(&self, c: usize) -> &[f32] {
        self.planes.get(c * self.stride..(c + 1) * self.stride).unwrap_or_default()
    }
}

/// The neighbours of the queries of one list, `k` per query, in the order of the queries.
pub(super) struct Answer {
    /// Point numbers: queries x `k`.
    pub(super) indices: Vec<u32>,
    /// Distances: queries x `k`, in the order of the neighbours.
    pub(super) distances: Vec<f32>,
    /// The number of lists compared with a query, summed over the queries.
    pub(super) probes: u64,
}

/// Returns the order in which the queries of list `a` search the lists.
pub(super) fn home(points: &Points, index: &Index, a: usize, k: usize, scratch: &mut Scratch) -> Result<Home> {
    let width = points.width();
    let centroids = &index.centroids;
    let mut query = memory::zeros::<f32>(width, NEIGHBOURS)?;
    let own = centroids.rows.get(a * width..(a + 1) * width).unwrap_or_default();
    let square = points.write_query(own, &mut query) as f32;
    let (squares, _) = centroids.panels.scores(&query, &mut scratch.scores)?;
    let by = squares.iter().take(centroids.n).enumerate().map(|(c, &s)| ((s + square).max(0.0), c as u32));
    let mut by: Vec<(f32, u32)> = memory::collected(by, NEIGHBOURS)?;
    if let Some(own) = by.get_mut(a) {
        own.0 = -1.0;
    }
    by.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut size = 0;
    let mut first = 0;
    for &(_, c) in &by {
        let (from, to) = index.runs.run(c as usize);
        size += to - from;
        first += 1;
        if size >= 2 * k {
            break;
        }
    }
    Ok(Home {
        order: memory::collected(by.iter().map(|b| b.1), NEIGHBOURS)?,
        reach: memory::collected(by.iter().map(|b| 2.0 * b.0.max(0.0).sqrt()), NEIGHBOURS)?,
        first,
    })
}

/// Searches the first lists of `home` for the points `ids`. Leaves the candidates, the queries and
/// their scores against the centroids in `scratch`. Returns each query's upper bound on the
/// distance of its k-th neighbour, `ids.len()` values.
pub(super) fn search_home(
    points: &Points,
    index: &Index,
    home: &Home,
    ids: &[u32],
    k: usize,
    scratch: &mut Scratch,
) -> Result<Vec<f32>> {
    points.write_queries(ids, &mut scratch.queries, &mut scratch.squares)?;
    let turned = Panels::from_rows(&scratch.queries, points.width())?;
    scratch.stride = turned.scores(&index.centroids.rows, &mut scratch.planes)?.1;
    scratch.candidates.clear();
    scratch.wanting.clear();
    scratch.wanting.extend(0..ids.len() as u32);
    for &c in home.order.iter().take(home.first) {
        index.offer(c as usize, points.width(), scratch)?;
    }
    let Scratch { candidates, squares, .. } = scratch;
    let bound = |(query, &square): (usize, &f64)| {
        let square_k = (f64::from(candidates.ranked(query, k)) + index.score_offset(square)).max(0.0);
        (square_k + points.slack(square)).sqrt() as f32
    };
    memory::collected(squares.iter().enumerate().map(bound), NEIGHBOURS)
}

/// Returns the `k` neighbours of the points `ids` of list `a`. A point that is in the index is its
/// own first neighbour. A list is searched where its plane is nearer than `tightness` times the
/// bound (see [`super::ivf`]).
#[allow(clippy::too_many_arguments)]
pub(super) fn answer(
    points: &Points,
    index: &Index,
    ids: &[u32],
    a: usize,
    k: usize,
    tightness: f32,
    scratch: &mut Scratch,
    session: &Session,
) -> Result<Answer> {
    let width = points.width();
    let size = memory::count(&[ids.len(), k], NEIGHBOURS)?;
    let (indices, distances) = (memory::zeros(size, NEIGHBOURS)?, memory::zeros(size, NEIGHBOURS)?);
    let mut answer = Answer { indices, distances, probes: 0 };
    if size == 0 {
        return Ok(answer);
    }
    let home = home(points, index, a, k, scratch)?;
    let mut outputs = answer.indices.chunks_exact_mut(k).zip(answer.distances.chunks_exact_mut(k));
    for ids in ids.chunks(QUERIES) {
        session.monitor.check()?;
        let n = ids.len();
        let mut limits = search_home(points, index, &home, ids, k, scratch)?;
        limits.iter_mut().for_each(|limit| *limit *= tightness);
        answer.probes += (n * home.first) as u64;
        for (&c, &reach) in home.order.iter().zip(&home.reach).skip(home.first) {
            let Scratch { planes, stride, wanting, .. } = &mut *scratch;
            let plane = |c: usize| planes.get(c * *stride..c * *stride + n).unwrap_or_default();
            wanting.clear();
            for (query, ((&plane, &own), &limit)) in (0u32..).zip(plane(c as usize).iter().zip(plane(a)).zip(&limits)) {
                if plane - own <= limit * reach {
                    wanting.push(query);
                }
            }
            if !scratch.wanting.is_empty() {
                answer.probes += scratch.wanting.len() as u64;
                index.offer(c as usize, width, scratch)?;
            }
        }
        let Scratch { candidates, found, .. } = scratch;
        for (query, (&id, (indices, distances))) in ids.iter().zip(outputs.by_ref()).enumerate() {
            let own = index.runs.holds(id).then_some(id);
            let most = k - usize::from(own.is_some());
            nearest(points, &index.runs, id, candidates.entries(query).0, n_candidates(k), most, found);
            write_row(points, own, found, indices, distances);
        }
        session.monitor.advance(n as u64);
    }
    Ok(answer)
}
