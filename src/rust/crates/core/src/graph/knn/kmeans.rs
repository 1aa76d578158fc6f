//! Lloyd's k-means on a sample, for the lists of the inverted file.

use super::loops::lowest;
use super::panels::Panels;
use super::points::Points;
use super::NEIGHBOURS;
use crate::error::Result;
use crate::memory;
use crate::session::Session;
use rayon::prelude::*;

/// Sample points per matrix product.
const BLOCK: usize = 128;

/// Centroids as data rows: the coordinates c, then |c|².
pub(super) struct Centroids {
    /// Data rows, one after the other.
    pub(super) rows: Vec<f32>,
    /// The same rows, in panels.
    pub(super) panels: Panels,
    /// Number of centroids.
    pub(super) n: usize,
}

impl Centroids {
    /// Returns the `d` coordinates of centroid `c`.
    pub(super) fn row(&self, c: usize, d: usize) -> &[f32] {
        self.rows.get(c * (d + 1)..c * (d + 1) + d).unwrap_or_default()
    }
}

/// Trains `n` centroids on `sample` in `iterations` rounds. `sample` has data rows in random order,
/// the first `n` of which are the initial centroids. Sums are taken in sample order in f64, so that
/// the result does not depend on the number of threads.
pub(super) fn train(
    points: &Points,
    sample: &[f32],
    n: usize,
    iterations: usize,
    session: &Session,
) -> Result<Centroids> {
    let (width, d) = (points.width(), points.d);
    let n_sample = sample.len() / width;
    let n = n.min(n_sample).max(1);
    let rows = memory::copied(sample.get(..n * width).unwrap_or_default(), NEIGHBOURS)?;
    let mut centroids = Centroids { panels: Panels::from_rows(&rows, width)?, rows, n };
    centroids.rows.chunks_exact_mut(width).for_each(|row| square_last(row, d));
    centroids.panels = Panels::from_rows(&centroids.rows, width)?;
    for _ in 0..iterations {
        let nearest = assign(points, sample, &centroids, session)?;
        let mut sums = memory::zeros::<f64>(n * d, NEIGHBOURS)?;
        let mut sizes = memory::zeros::<usize>(n, NEIGHBOURS)?;
        for (row, &(list, _)) in sample.chunks_exact(width).zip(&nearest) {
            let list = list as usize;
            if let (Some(sum), Some(size)) = (sums.get_mut(list * d..(list + 1) * d), sizes.get_mut(list)) {
                sum.iter_mut().zip(row).for_each(|(s, &x)| *s += f64::from(x));
                *size += 1;
            }
        }
        // An empty list restarts at one of the points farthest from their centroids.
        let mut far: Vec<usize> = Vec::new();
        if sizes.contains(&0) {
            far = memory::collected(0..n_sample, NEIGHBOURS)?;
            let distance = |&i: &usize| nearest.get(i).map_or(0.0, |n| n.1);
            far.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        }
        for ((row, sum), &size) in centroids.rows.chunks_exact_mut(width).zip(sums.chunks_exact(d)).zip(&sizes) {
            if size > 0 {
                row.iter_mut().zip(sum).for_each(|(c, s)| *c = (s / size as f64) as f32);
            } else if let Some(i) = far.pop() {
                row.copy_from_slice(sample.get(i * width..(i + 1) * width).unwrap_or_default());
            }
            square_last(row, d);
        }
        centroids.panels = Panels::from_rows(&centroids.rows, width)?;
    }
    Ok(centroids)
}

/// Writes |c|² of the `d` coordinates into the last element of a data row.
fn square_last(row: &mut [f32], d: usize) {
    let square: f64 = row.iter().take(d).map(|&x| f64::from(x) * f64::from(x)).sum();
    if let Some(last) = row.get_mut(d) {
        *last = square as f32;
    }
}

/// Returns the nearest centroid of each data row of `sample` and the squared distance to it.
fn assign(points: &Points, sample: &[f32], centroids: &Centroids, session: &Session) -> Result<Vec<(u32, f32)>> {
    let width = points.width();
    let mut nearest = memory::filled(sample.len() / width, (0, 0.0), NEIGHBOURS)?;
    let blocks = nearest.par_chunks_mut(BLOCK).zip(sample.par_chunks(BLOCK * width));
    blocks.try_for_each_init(Vec::new, |scratch, (nearest, rows)| {
        session.monitor.check()?;
        assign_block(points, rows, centroids, scratch, nearest)
    })?;
    Ok(nearest)
}

/// Writes the nearest centroid of each data row, and the squared distance to it, into `nearest`.
pub(super) fn assign_block(
    points: &Points,
    rows: &[f32],
    centroids: &Centroids,
    scratch: &mut Vec<f32>,
    nearest: &mut [(u32, f32)],
) -> Result<()> {
    let width = points.width();
    let mut queries = memory::zeros::<f32>(rows.len(), NEIGHBOURS)?;
    let pairs = queries.chunks_exact_mut(width).zip(rows.chunks_exact(width));
    let squares: Vec<f64> = memory::collected(pairs.map(|(query, row)| points.write_query(row, query)), NEIGHBOURS)?;
    let (scores, stride) = centroids.panels.scores(&queries, scratch)?;
    for ((nearest, scores), square) in nearest.iter_mut().zip(scores.chunks_exact(stride)).zip(squares) {
        let low = lowest(scores);
        let list = scores.iter().position(|&score| score == low).unwrap_or(0);
        *nearest = (list as u32, (f64::from(low) + square) as f32);
    }
    Ok(())
}
