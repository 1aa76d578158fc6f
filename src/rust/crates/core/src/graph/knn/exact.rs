//! Exact search: blocks of a matrix product, then the distances of the candidates in f64.
//!
//! Products in f32 only propose. A query is finished when the f64 distance of its last neighbour is below what any row
//! passed over could have, given the largest error of its score (Higham, Accuracy and Stability of Numerical
//! Algorithms, 3.1); otherwise all points are compared with it in f64.

use super::points::{scores, Points, Table};
use super::select::{refine, scan, write_row, Candidates, Neighbour};
use super::{Knn, KnnResult, Method};
use crate::context::Context;
use crate::error::Result;
use rayon::prelude::*;

/// Queries per task.
const QUERIES: usize = 128;
/// Rows per product: 128 x 1024 scores of 4 bytes stay in a second-level cache.
const ROWS: usize = 1024;
/// Candidates kept beyond those asked for, so that a few ties within the error of f32 do not need a second look.
const SPARE: usize = 16;

/// What a task works with.
pub(super) struct Scratch {
    candidates: Candidates,
    queries: Vec<f32>,
    squares: Vec<f64>,
    scores: Vec<f32>,
    found: Vec<Neighbour>,
}

impl Scratch {
    pub(super) fn new(points: &Points, k: usize) -> Self {
        Scratch {
            candidates: Candidates::new(QUERIES, k + SPARE, points.n),
            queries: vec![0.0; QUERIES * points.width()],
            squares: vec![0.0; QUERIES],
            scores: Vec::new(),
            found: Vec::new(),
        }
    }
}

/// The neighbours of all points.
pub(super) fn search(points: &Points, k: usize, ctx: &Context) -> Result<KnnResult> {
    let table = points.table((0..points.n as u32).collect());
    let mut knn = Knn::empty(points.n, k);
    let mut output = Output { indices: &mut knn.indices, distances: &mut knn.distances, stride: k, offset: 0 };
    neighbours(points, &table, &table, &table.ids, k, &mut output, ctx)?;
    Ok(KnnResult { knn, method: Method::Exact, n_lists: None, nprobe: None, recall: None })
}

/// Where neighbours go: those of the i-th query to `offset + i * stride` and on.
pub(super) struct Output<'a> {
    pub(super) indices: &'a mut [u32],
    pub(super) distances: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) offset: usize,
}

/// The exact neighbours among the points of `table` of some rows of `queries`, `k` of each. A query that is in the
/// table itself is its own first neighbour.
pub(super) fn neighbours(
    points: &Points,
    table: &Table,
    queries: &Table,
    rows: &[u32],
    k: usize,
    output: &mut Output<'_>,
    ctx: &Context,
) -> Result<()> {
    let (stride, offset) = (output.stride, output.offset);
    ctx.monitor.begin(rows.len() as u64);
    output
        .indices
        .par_chunks_mut(QUERIES * stride)
        .zip(output.distances.par_chunks_mut(QUERIES * stride))
        .zip(rows.par_chunks(QUERIES))
        .try_for_each_init(
            || Scratch::new(points, k),
            |scratch, ((indices, distances), rows)| {
                search_block(points, table, queries, rows, scratch, ctx)?;
                let outputs = indices.chunks_exact_mut(stride).zip(distances.chunks_exact_mut(stride));
                let Scratch { candidates, squares, found, .. } = scratch;
                for (query, ((&row, (indices, distances)), &square)) in
                    rows.iter().zip(outputs).zip(squares.iter()).enumerate()
                {
                    let id = queries.ids.get(row as usize).copied().unwrap_or(row);
                    let most = k - usize::from(table.holds(id));
                    if !refine(points, table, id, square, candidates.of(query), most, found) {
                        ctx.monitor.check()?;
                        scan(points, table, id, most, found);
                    }
                    let to = offset..offset + k;
                    if let (Some(indices), Some(distances)) = (indices.get_mut(to.clone()), distances.get_mut(to)) {
                        write_row(points, table.holds(id).then_some(id), found, indices, distances);
                    }
                }
                ctx.monitor.advance(rows.len() as u64);
                Ok(())
            },
        )
}

/// [`neighbours`] of a sample: `rows.len()` x `k` point numbers and distances.
pub(super) fn of_sample(
    points: &Points,
    table: &Table,
    queries: &Table,
    rows: &[u32],
    k: usize,
    ctx: &Context,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let (mut indices, mut distances) = (vec![0; rows.len() * k], vec![0.0; rows.len() * k]);
    let mut output = Output { indices: &mut indices, distances: &mut distances, stride: k, offset: 0 };
    neighbours(points, table, queries, rows, k, &mut output, ctx)?;
    Ok((indices, distances))
}

/// Leaves the candidates of some rows of `queries`, and their squared lengths, in `scratch`.
fn search_block(
    points: &Points,
    table: &Table,
    from: &Table,
    rows: &[u32],
    scratch: &mut Scratch,
    ctx: &Context,
) -> Result<()> {
    let width = points.width();
    let Scratch { candidates, queries, squares, scores: buffer, .. } = scratch;
    for ((&row, query), square) in rows.iter().zip(queries.chunks_exact_mut(width)).zip(squares.iter_mut()) {
        *square = points.write_query(from.rows(row as usize, row as usize + 1), query);
    }
    let queries = queries.get(..rows.len() * width).unwrap_or_default();
    candidates.clear();
    for from in (0..table.len()).step_by(ROWS) {
        ctx.monitor.check()?;
        let to = (from + ROWS).min(table.len());
        let scores = scores(queries, table.rows(from, to), width, buffer);
        for (query, scores) in scores.chunks_exact(to - from).enumerate() {
            candidates.offer(query, scores, from as u32);
        }
    }
    Ok(())
}
