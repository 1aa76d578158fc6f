//! Cells of a query beside those of a reference: neighbours across, labels by the neighbours'
//! votes, and positions in the reference's UMAP.

use super::knn::{nearest_of_first, Metric};
use crate::error::{Error, Result};
use crate::memory;
use crate::random::Stream;
use crate::session::Session;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

/// The neighbours of the cells of a query among those of a reference, by distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Across {
    /// The number of neighbours of each query cell.
    pub k: usize,
    /// Rows of the reference, query cells x k.
    pub indices: Vec<u32>,
    /// Distances, query cells x k, ascending.
    pub distances: Vec<f32>,
}

/// The weight of a neighbour's vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Votes {
    /// 1 for every neighbour.
    Equal,
    /// exp(-(d / D)²), with d the distance of the neighbour and D that of the farthest one.
    ByDistance,
}

const CELLS: &str = "ingest: neighbours and places of every cell";
/// Cells of a task.
const TASK: usize = 256;

/// Finds the exact `k` nearest rows of `reference` (m x d) of every row of `query` (n x d).
///
/// # Errors
/// [`Error::Shape`] for another number of columns or no cells; [`Error::Parameter`] for
/// `n_neighbors` outside 1 to m, or a metric that compares pair by pair; [`Error::Values`] for
/// coordinates that are not finite.
pub fn neighbors_across(
    query: ArrayView2<'_, f32>,
    reference: ArrayView2<'_, f32>,
    k: usize,
    metric: Metric,
    session: &Session,
) -> Result<Across> {
    let ((n, d), (m, of_reference)) = (query.dim(), reference.dim());
    if d != of_reference {
        return Err(Error::shape("coordinates of the query", format!("{of_reference} columns, as the reference"), d));
    }
    if k == 0 || k > m {
        return Err(Error::parameter("n_neighbors", format!("1 to {m}, the cells of the reference"), k));
    }
    let bytes = (n + m).saturating_mul(4 * (2 * d + 1)).saturating_add(n.saturating_mul(8 * k));
    let _held = session.hold(format!("ingest: {k} neighbours of {n} cells among {m}"), bytes)?;
    let mut all = memory::room(memory::count(&[n + m, d], CELLS)?, CELLS)?;
    all.extend(reference.iter().chain(query.iter()).copied());
    let all = Array2::from_shape_vec((n + m, d), all).map_err(|e| Error::Internal(e.to_string()))?;
    let (indices, distances) = nearest_of_first(all.view(), m, k, metric, session)?;
    Ok(Across { k, indices, distances })
}

impl Across {
    /// Returns the neighbours and distances of each query cell.
    fn rows(&self) -> impl IndexedParallelIterator<Item = (&[u32], &[f32])> + '_ {
        self.indices.par_chunks(self.k).zip(self.distances.par_chunks(self.k))
    }

    /// Returns the label with the most votes for each query cell, and its share of the votes; the
    /// first label wins a tie. `labels` has one number below `n_labels` per cell of the reference,
    /// or -1 for none. A query cell whose neighbours have no label gets -1 and NaN.
    ///
    /// # Errors
    /// [`Error::Index`] for a label of `n_labels` or more; [`Error::OutOfMemory`],
    /// [`Error::Cancelled`].
    pub fn vote(
        &self,
        labels: &[i32],
        n_labels: usize,
        votes: Votes,
        session: &Session,
    ) -> Result<(Vec<i32>, Vec<f64>)> {
        if let Some(&label) = labels.iter().find(|&&label| label >= n_labels as i32) {
            return Err(Error::Index { axis: "labels", index: i64::from(label), len: n_labels });
        }
        session.install(|| {
            let of = |of_label: &mut Vec<f64>, (indices, distances): (&[u32], &[f32])| {
                of_label.clear();
                of_label.resize(n_labels, 0.0);
                let farthest = f64::from(distances.last().copied().unwrap_or(0.0));
                let mut all = 0.0;
                for (&j, &distance) in indices.iter().zip(distances) {
                    let weight = match votes {
                        Votes::Equal => 1.0,
                        Votes::ByDistance if farthest > 0.0 => (-(f64::from(distance) / farthest).powi(2)).exp(),
                        Votes::ByDistance => 1.0,
                    };
                    if let Ok(label) = usize::try_from(labels[j as usize]) {
                        of_label[label] += weight;
                        all += weight;
                    }
                }
                let best =
                    (0..n_labels).fold(0, |best, label| if of_label[label] > of_label[best] { label } else { best });
                if all > 0.0 {
                    (best as i32, of_label[best] / all)
                } else {
                    (-1, f64::NAN)
                }
            };
            let found = memory::parallel(self.rows().with_min_len(TASK).map_init(Vec::new, of), CELLS)?;
            session.monitor.check()?;
            let labels = memory::collected(found.iter().map(|f| f.0), CELLS)?;
            Ok((labels, memory::collected(found.iter().map(|f| f.1), CELLS)?))
        })
    }

    /// Computes positions of the query cells (query cells x dimensions) in the `layout` of the
    /// reference (reference cells x dimensions), which does not change. Each cell starts at the
    /// weighted mean of its neighbours; it is then attracted to them and repelled from random
    /// others as in UMAP (McInnes, Healy & Melville 2018), with the curve 1 / (1 + a d^2b).
    ///
    /// # Errors
    /// [`Error::Index`] for a neighbour past the layout; [`Error::Values`] for a layout that is not
    /// finite; [`Error::OutOfMemory`], [`Error::Cancelled`].
    pub fn place(
        &self,
        layout: ArrayView2<'_, f32>,
        (a, b): (f64, f64),
        seed: u64,
        session: &Session,
    ) -> Result<Array2<f32>> {
        let (m, dim) = layout.dim();
        if let Some(&past) = self.indices.iter().find(|&&j| j as usize >= m) {
            return Err(Error::Index { axis: "obs", index: i64::from(past), len: m });
        }
        if let Some(((row, column), v)) = layout.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::Values {
                element: "the layout of the reference".into(),
                operation: "ingest",
                expected: "finite positions",
                found: v.to_string(),
                row,
                column,
            });
        }
        let n = self.indices.len() / self.k;
        let epochs = if n <= 10_000 { 100 } else { 30 };
        let mut places = memory::zeros::<f32>(memory::count(&[n, dim], CELLS)?, CELLS)?;
        let mover = Mover { layout, a, b, epochs, seed };
        session.monitor.begin(n as u64);
        session.install(|| {
            let tasks = places.par_chunks_mut(TASK * dim).zip(self.indices.par_chunks(TASK * self.k));
            tasks.zip(self.distances.par_chunks(TASK * self.k)).enumerate().try_for_each(
                |(task, ((places, indices), distances))| {
                    session.monitor.check()?;
                    let rows = indices.chunks_exact(self.k).zip(distances.chunks_exact(self.k));
                    for (i, (place, (indices, distances))) in places.chunks_exact_mut(dim).zip(rows).enumerate() {
                        mover.place((task * TASK + i) as u64, indices, distances, place);
                    }
                    session.monitor.advance((places.len() / dim) as u64);
                    Ok(())
                },
            )
        })?;
        Array2::from_shape_vec((n, dim), places).map_err(|e| Error::Internal(e.to_string()))
    }
}

/// Returns weights exp(-d / s), with s such that they sum to the base-2 logarithm of their number.
/// These are UMAP's, without the distance of the nearest neighbour, as when it transforms new
/// points.
fn weights(distances: &[f32]) -> Vec<f64> {
    let target = (distances.len() as f64).log2();
    let sum = |s: f64| distances.iter().map(|&d| (-f64::from(d) / s).exp()).sum::<f64>();
    let (mut low, mut high, mut s) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..64 {
        let found = sum(s);
        if (found - target).abs() < 1e-5 {
            break;
        }
        if found > target {
            (high, s) = (s, (low + s) / 2.0);
        } else {
            (low, s) = (s, if high.is_finite() { (s + high) / 2.0 } else { s * 2.0 });
        }
    }
    let mean = distances.iter().map(|&d| f64::from(d)).sum::<f64>() / distances.len() as f64;
    let s = s.max(1e-3 * mean);
    distances.iter().map(|&d| if s > 0.0 { (-f64::from(d) / s).exp() } else { 1.0 }).collect()
}

/// Negative samples per positive sample.
const NEGATIVE: usize = 5;
/// The largest step along a coordinate, before the learning rate.
const STEP: f64 = 4.0;

/// The optimisation of positions in a fixed layout.
struct Mover<'a> {
    layout: ArrayView2<'a, f32>,
    a: f64,
    b: f64,
    epochs: usize,
    seed: u64,
}

impl Mover<'_> {
    /// Writes the position of query cell `cell` into `place`.
    fn place(&self, cell: u64, indices: &[u32], distances: &[f32], place: &mut [f32]) {
        let weights = weights(distances);
        let all: f64 = weights.iter().sum();
        let mut at = vec![0.0; place.len()];
        for (&j, w) in indices.iter().zip(&weights) {
            at.iter_mut().zip(self.layout.row(j as usize)).for_each(|(x, &y)| *x += w / all * f64::from(y));
        }
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let mut random = Stream::new(self.seed, 1, cell);
        for epoch in 0..self.epochs {
            // A quarter of the initial rate of a new layout, because the cells start near their
            // final positions.
            let rate = 0.25 * (1.0 - epoch as f64 / self.epochs as f64);
            for (&j, w) in indices.iter().zip(&weights) {
                let share = w / largest;
                let due = |epoch: usize| (epoch as f64 * share) as usize;
                if due(epoch + 1) == due(epoch) {
                    continue;
                }
                self.step(&mut at, j as usize, rate, |square| {
                    let power = square.powf(self.b);
                    -2.0 * self.a * self.b * power / square / (1.0 + self.a * power)
                });
                for _ in 0..NEGATIVE {
                    let other = random.below(self.layout.nrows());
                    self.step(&mut at, other, rate, |square| {
                        2.0 * self.b / ((0.001 + square) * (1.0 + self.a * square.powf(self.b)))
                    });
                }
            }
        }
        place.iter_mut().zip(&at).for_each(|(to, &x)| *to = x as f32);
    }

    /// Moves `at` along the difference from a cell of the reference, times `force` of its squared
    /// length.
    fn step(&self, at: &mut [f64], other: usize, rate: f64, force: impl Fn(f64) -> f64) {
        let row = self.layout.row(other);
        let square: f64 = at.iter().zip(row).map(|(x, &y)| (x - f64::from(y)).powi(2)).sum();
        if square > 0.0 {
            let force = force(square);
            for (x, &y) in at.iter_mut().zip(row) {
                *x += rate * (force * (*x - f64::from(y))).clamp(-STEP, STEP);
            }
        }
    }
}
