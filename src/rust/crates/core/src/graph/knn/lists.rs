//! The inverted file: points grouped by k-means, and queries answered list by list.

use super::kmeans::{self, Centroids};
use super::points::{scores, Points, Table};
use super::random::Random;
use super::select::{refine, write_row, Candidates, Neighbour};
use crate::context::Context;
use crate::error::Result;
use crate::graph::groups::members;
use rayon::prelude::*;

/// Queries answered together.
const QUERIES: usize = 128;
/// Rows per product.
const ROWS: usize = 512;
/// Candidates kept beyond those asked for, against the error of f32.
const SPARE: usize = 8;
/// Points per list that k-means sees.
const TRAIN: usize = 48;
/// Rounds of k-means.
const ROUNDS: usize = 8;

/// Points by list.
pub(super) struct Lists {
    /// Rows of list c: `starts[c]..starts[c + 1]`.
    starts: Vec<usize>,
    pub(super) table: Table,
}

impl Lists {
    /// Rows of list `c`: from, to.
    pub(super) fn of(&self, c: usize) -> (usize, usize) {
        (self.starts.get(c).copied().unwrap_or(0), self.starts.get(c + 1).copied().unwrap_or(0))
    }
}

/// The points searched, by list.
pub(super) struct Index {
    pub(super) centroids: Centroids,
    pub(super) lists: Lists,
}

/// The lists as seen from one of them.
pub(super) struct Home {
    /// All lists by distance of their centroid, its own first.
    pub(super) order: Vec<u32>,
    /// Twice the distance of each centroid, in `order`.
    pub(super) reach: Vec<f32>,
    /// How many of `order` every query searches: enough for `k` neighbours.
    pub(super) first: usize,
}

/// Groups the points `ids` (all points where `None`) into `n_lists` lists.
pub(super) fn build(points: &Points, ids: Option<&[u32]>, n_lists: usize, seed: u64, ctx: &Context) -> Result<Index> {
    let n = ids.map_or(points.n, <[u32]>::len);
    let mut sample = Random::new(seed, 0).sample(n, n_lists * TRAIN);
    if let Some(ids) = ids {
        sample.iter_mut().for_each(|i| *i = ids.get(*i as usize).copied().unwrap_or(0));
    }
    let sample = points.table(sample);
    let centroids = kmeans::train(points, &sample, n_lists, ROUNDS, ctx)?;
    drop(sample);
    let lists = group(points, ids, &centroids, ctx)?;
    Ok(Index { centroids, lists })
}

/// The points `ids` (all where `None`) by nearest centroid; within a list they stay in order.
pub(super) fn group(points: &Points, ids: Option<&[u32]>, centroids: &Centroids, ctx: &Context) -> Result<Lists> {
    let width = points.width();
    let n = ids.map_or(points.n, <[u32]>::len);
    let id = |i: usize| ids.map_or(i as u32, |ids| ids.get(i).copied().unwrap_or(0));
    let mut nearest = vec![(0u32, 0.0f32); n];
    ctx.monitor.begin(n as u64);
    nearest.par_chunks_mut(QUERIES).enumerate().try_for_each_init(
        || (vec![0.0; QUERIES * width], Vec::new()),
        |(rows, scratch), (block, nearest)| {
            ctx.monitor.check()?;
            for (i, row) in rows.chunks_exact_mut(width).take(nearest.len()).enumerate() {
                points.write_data(id(block * QUERIES + i) as usize, row);
            }
            let rows = rows.get(..nearest.len() * width).unwrap_or_default();
            kmeans::assign_block(points, rows, centroids, scratch, nearest);
            ctx.monitor.advance(nearest.len() as u64);
            Ok(())
        },
    )?;
    let nearest: Vec<u32> = nearest.iter().map(|&(list, _)| list).collect();
    let (starts, mut members) = members(&nearest, centroids.n);
    let table = match ids {
        None => points.table(members),
        Some(_) => {
            members.iter_mut().for_each(|i| *i = id(*i as usize));
            points.part(members)
        }
    };
    Ok(Lists { starts, table })
}

/// What a task works with.
pub(super) struct Scratch {
    candidates: Candidates,
    queries: Vec<f32>,
    squares: Vec<f64>,
    gathered: Vec<f32>,
    wanting: Vec<u32>,
    /// Scores of the centroids against the queries of the block: lists x queries.
    pub(super) planes: Vec<f32>,
    scores: Vec<f32>,
    found: Vec<Neighbour>,
}

impl Scratch {
    pub(super) fn new(points: &Points, k: usize) -> Self {
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

/// The neighbours of the queries of one list, `k` per query, in their order.
pub(super) struct Answer {
    pub(super) indices: Vec<u32>,
    pub(super) distances: Vec<f32>,
    /// Lists compared with a query, summed over the queries.
    pub(super) probes: u64,
}

/// The lists as seen from list `a`.
pub(super) fn home(points: &Points, index: &Index, a: usize, k: usize, scratch: &mut Scratch) -> Home {
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
        let (from, to) = index.lists.of(c as usize);
        size += to - from;
        first += 1;
        if size >= 2 * k {
            break;
        }
    }
    Home {
        order: by.iter().map(|b| b.1).collect(),
        reach: by.iter().map(|b| 2.0 * b.0.max(0.0).sqrt()).collect(),
        first,
    }
}

/// Offers every row of list `c` to queries `wanting` (rows of `queries`).
fn offer_list(
    index: &Index,
    c: usize,
    width: usize,
    queries: &[f32],
    wanting: &[u32],
    candidates: &mut Candidates,
    buffer: &mut Vec<f32>,
) {
    let (start, end) = index.lists.of(c);
    for from in (start..end).step_by(ROWS) {
        let to = (from + ROWS).min(end);
        let scores = scores(queries, index.lists.table.rows(from, to), width, buffer);
        for (&query, scores) in wanting.iter().zip(scores.chunks_exact(to - from)) {
            candidates.offer(query as usize, scores, from as u32);
        }
    }
}

/// Searches the first lists of `home` for the rows `rows` of `from`; leaves the candidates, the queries and their scores
/// against the centroids (lists x queries) in `scratch`, and returns each query's bound on the distance of its k-th
/// neighbour.
pub(super) fn search_home(
    points: &Points,
    index: &Index,
    home: &Home,
    from: &Table,
    rows: (usize, usize),
    k: usize,
    scratch: &mut Scratch,
) -> Vec<f32> {
    let width = points.width();
    let rows = from.rows(rows.0, rows.1);
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
        offer_list(
            index,
            c as usize,
            width,
            &scratch.queries,
            &scratch.wanting,
            &mut scratch.candidates,
            &mut scratch.scores,
        );
    }
    let Scratch { candidates, squares, .. } = scratch;
    let bound = |(query, &square): (usize, &f64)| {
        let square_k = (f64::from(candidates.ranked(query, k)) + square).max(0.0) + points.slack(square);
        square_k.sqrt() as f32
    };
    squares.iter().enumerate().map(bound).collect()
}

/// The neighbours of all `asking` points of list `a`, themselves among them where they are in the index.
#[allow(clippy::too_many_arguments)]
pub(super) fn answer(
    points: &Points,
    index: &Index,
    asking: &Lists,
    a: usize,
    k: usize,
    tightness: f32,
    scratch: &mut Scratch,
    ctx: &Context,
) -> Result<Answer> {
    let width = points.width();
    let (start, end) = asking.of(a);
    let size = end - start;
    let mut answer = Answer { indices: vec![0; size * k], distances: vec![0.0; size * k], probes: 0 };
    if size == 0 {
        return Ok(answer);
    }
    let home = home(points, index, a, k, scratch);
    let mut outputs = answer.indices.chunks_exact_mut(k).zip(answer.distances.chunks_exact_mut(k));
    for from in (start..end).step_by(QUERIES) {
        ctx.monitor.check()?;
        let to = (from + QUERIES).min(end);
        let n = to - from;
        let mut limits = search_home(points, index, &home, &asking.table, (from, to), k, scratch);
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
        let ids = asking.table.ids.get(from..to).unwrap_or_default();
        for (query, ((&id, &square), (indices, distances))) in
            ids.iter().zip(squares.iter()).zip(outputs.by_ref()).enumerate()
        {
            let own = index.lists.table.holds(id).then_some(id);
            let most = k - usize::from(own.is_some());
            refine(points, &index.lists.table, id, square, candidates.of(query), most, found);
            write_row(points, own, found, indices, distances);
        }
        ctx.monitor.advance(n as u64);
    }
    Ok(answer)
}
