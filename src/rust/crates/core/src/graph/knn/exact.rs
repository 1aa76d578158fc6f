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
    let rows: Vec<u32> = (0..points.n as u32).collect();
    let (indices, distances) = neighbours(points, &table, &rows, k, ctx)?;
    let knn = Knn { n: points.n, k, indices, distances };
    Ok(KnnResult { knn, method: Method::Exact, n_lists: None, nprobe: None, recall: None })
}

/// The exact neighbours of some rows of a table that holds all points: `rows.len()` x `k` point numbers and distances.
pub(super) fn neighbours(
    points: &Points,
    table: &Table,
    rows: &[u32],
    k: usize,
    ctx: &Context,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let mut indices = vec![0; rows.len() * k];
    let mut distances = vec![0.0; rows.len() * k];
    ctx.monitor.begin(rows.len() as u64);
    indices
        .par_chunks_mut(QUERIES * k)
        .zip(distances.par_chunks_mut(QUERIES * k))
        .zip(rows.par_chunks(QUERIES))
        .try_for_each_init(
            || Scratch::new(points, k),
            |scratch, ((indices, distances), rows)| {
                block(points, table, rows, k, scratch, indices, distances, ctx)?;
                ctx.monitor.advance(rows.len() as u64);
                Ok(())
            },
        )?;
    Ok((indices, distances))
}

#[allow(clippy::too_many_arguments)]
fn block(
    points: &Points,
    table: &Table,
    rows: &[u32],
    k: usize,
    scratch: &mut Scratch,
    indices: &mut [u32],
    distances: &mut [f32],
    ctx: &Context,
) -> Result<()> {
    let width = points.width();
    let Scratch { candidates, queries, squares, scores: buffer, found } = scratch;
    for ((&row, query), square) in rows.iter().zip(queries.chunks_exact_mut(width)).zip(squares.iter_mut()) {
        *square = points.write_query(table.rows(row as usize, row as usize + 1), query);
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
    for (query, ((&row, indices), distances)) in
        rows.iter().zip(indices.chunks_exact_mut(k)).zip(distances.chunks_exact_mut(k)).enumerate()
    {
        let id = table.ids.get(row as usize).copied().unwrap_or(row);
        let square = squares.get(query).copied().unwrap_or(0.0);
        if !refine(points, table, id, square, candidates.of(query), k - 1, found) {
            ctx.monitor.check()?;
            scan(points, id, k - 1, found);
        }
        write_row(points, id, found, indices, distances);
    }
    Ok(())
}
