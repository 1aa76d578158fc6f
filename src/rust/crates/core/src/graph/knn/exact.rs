//! Exact search: blocks of a matrix product, then the distances of the candidates in f64.
//!
//! Products in f32 only propose candidates. A query is finished when the f64 distance of its last
//! neighbour is below the smallest distance that a dropped row can have, given the largest error of
//! its score (Higham, Accuracy and Stability of Numerical Algorithms, 3.1). Otherwise all points
//! are compared with it in f64.

use super::candidates::Candidates;
use super::points::{Points, Table};
use super::select::{own_first, refine, scan, write_row, Neighbour};
use super::POINTS;
use super::{Knn, KnnResult, Method, NEIGHBOURS};
use crate::error::Result;
use crate::memory;
use crate::session::Session;
use rayon::prelude::*;

/// Queries per task.
const QUERIES: usize = 128;
/// Rows per product: 128 x 1024 scores of 4 bytes stay in a second-level cache.
const ROWS: usize = 1024;
/// Points mapped together by [`of_sample_in_parts`], which bounds its memory.
const PART: usize = 1 << 16;
/// Candidates kept beyond those asked for, so that a few ties within the error of f32 do not need a
/// second search.
const SPARE: usize = 16;

/// Work buffers of a task.
struct Scratch {
    candidates: Candidates,
    queries: Vec<f32>,
    squares: Vec<f64>,
    names: Vec<u32>,
    found: Vec<Neighbour>,
}

impl Scratch {
    fn new(points: &Points, k: usize) -> Result<Self> {
        Ok(Scratch {
            candidates: Candidates::new(QUERIES, k + SPARE, points.n)?,
            queries: Vec::new(),
            squares: Vec::new(),
            names: (0..QUERIES as u32).collect(),
            found: Vec::new(),
        })
    }
}

/// Finds the `k` neighbours of all points.
pub(super) fn search(points: &Points, k: usize, session: &Session) -> Result<KnnResult> {
    let mut knn = Knn::empty(points.n, k)?;
    let mut output = Output { indices: &mut knn.indices, distances: &mut knn.distances, stride: k, offset: 0 };
    let all = points.ids()?;
    neighbours(points, &points.table()?, &all, k, &mut output, session)?;
    Ok(KnnResult { knn, method: Method::Exact, n_lists: None, nprobe: None, recall: None })
}

/// The arrays that receive neighbours: the neighbours of query i start at element
/// `offset + i * stride` of both.
pub(super) struct Output<'a> {
    /// Point numbers of the neighbours.
    pub(super) indices: &'a mut [u32],
    /// Distances of the neighbours.
    pub(super) distances: &'a mut [f32],
    /// Elements from the first neighbour of a query to the first of the next one.
    pub(super) stride: usize,
    /// Element of the first neighbour of query 0.
    pub(super) offset: usize,
}

/// Finds, for each of the points `ids`, the `k` exact neighbours among the points of `table`. A
/// point that is itself in the table is its own first neighbour.
pub(super) fn neighbours(
    points: &Points,
    table: &Table,
    ids: &[u32],
    k: usize,
    output: &mut Output<'_>,
    session: &Session,
) -> Result<()> {
    let (stride, offset) = (output.stride, output.offset);
    session.monitor.begin(ids.len() as u64);
    output
        .indices
        .par_chunks_mut(QUERIES * stride)
        .zip(output.distances.par_chunks_mut(QUERIES * stride))
        .zip(ids.par_chunks(QUERIES))
        .try_for_each_init(
            || Scratch::new(points, k),
            |scratch, ((indices, distances), ids)| {
                let scratch = scratch.as_mut().map_err(|e| e.clone())?;
                search_block(points, table, ids, scratch, session)?;
                let outputs = indices.chunks_exact_mut(stride).zip(distances.chunks_exact_mut(stride));
                let Scratch { candidates, squares, found, .. } = scratch;
                for (query, ((&id, (indices, distances)), &square)) in
                    ids.iter().zip(outputs).zip(squares.iter()).enumerate()
                {
                    let most = k - usize::from(table.runs.holds(id));
                    if !refine(points, table, id, square, candidates.entries(query), most, found) {
                        session.monitor.check()?;
                        scan(points, table, id, most, found);
                    }
                    let to = offset..offset + k;
                    if let (Some(indices), Some(distances)) = (indices.get_mut(to.clone()), distances.get_mut(to)) {
                        write_row(points, table.runs.holds(id).then_some(id), found, indices, distances);
                    }
                }
                session.monitor.advance(ids.len() as u64);
                Ok(())
            },
        )
}

/// Returns the [`neighbours`] of a sample: `ids.len()` x `k` point numbers and distances.
pub(super) fn of_sample(
    points: &Points,
    table: &Table,
    ids: &[u32],
    k: usize,
    session: &Session,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let size = memory::count(&[ids.len(), k], NEIGHBOURS)?;
    let (mut indices, mut distances) = (memory::zeros(size, NEIGHBOURS)?, memory::zeros(size, NEIGHBOURS)?);
    let mut output = Output { indices: &mut indices, distances: &mut distances, stride: k, offset: 0 };
    neighbours(points, table, ids, k, &mut output, session)?;
    Ok((indices, distances))
}

/// Returns [`of_sample`] of `sample` among the points `ids`, of which only [`PART`] are mapped at a
/// time.
pub(super) fn of_sample_in_parts(
    points: &Points,
    ids: impl Iterator<Item = u32>,
    sample: &[u32],
    k: usize,
    session: &Session,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let mut best: Vec<Vec<(bool, f32, u32)>> = memory::filled(sample.len(), Vec::new(), POINTS)?;
    let mut ids = ids.peekable();
    while ids.peek().is_some() {
        let mut part = memory::room(PART, POINTS)?;
        part.extend(ids.by_ref().take(PART));
        let most = k.min(part.len());
        let (indices, distances) = of_sample(points, &points.part(&part)?, sample, most, session)?;
        let found = indices.chunks_exact(most).zip(distances.chunks_exact(most));
        for ((best, &own), (indices, distances)) in best.iter_mut().zip(sample).zip(found) {
            memory::reserve(best, most, NEIGHBOURS)?;
            best.extend(indices.iter().zip(distances).map(|(&id, &distance)| (id != own, distance, id)));
            best.sort_unstable_by(own_first);
            best.truncate(k);
        }
    }
    Ok(best.iter().flatten().map(|&(_, distance, id)| (id, distance)).unzip())
}

/// Searches the table for the candidates of the points `ids`; leaves them, and the squared lengths
/// of the queries, in `scratch`.
fn search_block(points: &Points, table: &Table, ids: &[u32], scratch: &mut Scratch, session: &Session) -> Result<()> {
    let Scratch { candidates, queries, squares, names, .. } = scratch;
    points.write_queries(ids, queries, squares)?;
    candidates.clear();
    for run in 0..table.runs.n_runs() {
        let (from, to) = table.runs.run(run);
        for from in (from..to).step_by(ROWS) {
            session.monitor.check()?;
            table.panels.offer(from, (from + ROWS).min(to), queries, names, candidates)?;
        }
    }
    Ok(())
}
