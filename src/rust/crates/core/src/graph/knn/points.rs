//! The points in the two forms that the searches need: centred and scaled for products in f32, and
//! at full precision.

use super::panels::{write_panel, Panels, LANES};
use super::{loops, Metric, POINTS};
use crate::error::{Error, Result};
use crate::graph::ahead::ahead_all;
use crate::memory;
use ndarray::ArrayView2;
use rayon::prelude::*;
use std::borrow::Cow;

/// Half the distance from 1 to the next f32.
const UNIT_ROUNDOFF: f64 = 1.0 / (1u32 << 24) as f64;
/// The largest magnitude of a coordinate: the square of a larger distance could overflow f32.
const LARGEST: f32 = 1e18;
/// Rows per task of the passes over all points.
const BLOCK: usize = 4096;

/// n points of d coordinates.
///
/// Candidates come from matrix products in f32. For them a point is *mapped*: normalised for cosine
/// and correlation (then nearest by cosine is nearest by Euclid), shifted so that the mean of all
/// points is 0, which takes away most of the cancellation in |q|² + |x|² - 2<q, x>, and scaled by a
/// power of two so that no square overflows. The mapped point x is stored as the row (x, |x|²), a
/// query q as (-2 q, 1): their product is the *score* |x|² - 2 <q, x>, that is the squared distance
/// without |q|².
///
/// [`Points::key`] is the exact distance: in f64, from the coordinates as given.
pub(super) struct Points<'a> {
    values: Cow<'a, [f32]>,
    /// Number of points.
    pub(super) n: usize,
    /// Number of coordinates.
    pub(super) d: usize,
    /// The distance of the search.
    pub(super) metric: Metric,
    /// Mean and length of each row; empty where the metric needs neither.
    rows: Vec<(f64, f64)>,
    centre: Vec<f64>,
    scale: f64,
}

impl<'a> Points<'a> {
    /// Checks that the coordinates are finite and within 1e18, and prepares `points`, n x d with n
    /// and d at least 1.
    pub(super) fn new(points: ArrayView2<'a, f32>, metric: Metric) -> Result<Self> {
        let (n, d) = points.dim();
        let values = match points.to_slice() {
            Some(values) => Cow::Borrowed(values),
            None => {
                let mut values = memory::room(points.len(), POINTS)?;
                values.extend(points.iter());
                Cow::Owned(values)
            }
        };
        let largest = values
            .par_chunks(BLOCK * d)
            .map(|block| {
                block.iter().fold(0.0f32, |m, v| if v.abs() <= LARGEST { m.max(v.abs()) } else { f32::INFINITY })
            })
            .reduce(|| 0.0, f32::max);
        if largest > LARGEST {
            let at = values.iter().position(|v| v.is_nan() || v.abs() > LARGEST).unwrap_or(0);
            return Err(Error::Values {
                element: "points".into(),
                operation: "neighbours",
                expected: "finite coordinates of magnitude up to 1e18",
                found: values.get(at).map(ToString::to_string).unwrap_or_default(),
                row: at / d,
                column: at % d,
            });
        }
        let scale = match metric {
            Metric::Euclidean | Metric::InnerProduct if largest > 0.0 => {
                f64::from(largest).log2().ceil().exp2().recip()
            }
            _ => 1.0,
        };
        let mut this = Points { values, n, d, metric, rows: Vec::new(), centre: vec![0.0; d], scale };
        this.measure_rows()?;
        if metric != Metric::InnerProduct {
            this.centre = this.mean()?;
        }
        Ok(this)
    }

    /// Returns the coordinates of point `i` as given.
    fn row(&self, i: usize) -> &[f32] {
        self.values.get(i * self.d..(i + 1) * self.d).unwrap_or_default()
    }

    /// Computes `rows` for cosine and correlation distances.
    fn measure_rows(&mut self) -> Result<()> {
        let centred = match self.metric {
            Metric::Cosine => false,
            Metric::Correlation => true,
            Metric::Euclidean | Metric::InnerProduct | Metric::Pairwise(_) => return Ok(()),
        };
        let measure = |row: &[f32]| {
            let mean = if centred { row.iter().map(|&v| f64::from(v)).sum::<f64>() / row.len() as f64 } else { 0.0 };
            // A length counts as 0 relative to the largest coordinate of the row: a constant row is
            // then found although its mean is rounded.
            let length = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>().sqrt();
            let largest = row.iter().fold(0.0f64, |m, &v| m.max(f64::from(v).abs()));
            (mean, if length > largest * 1e-14 { length } else { 0.0 })
        };
        self.rows = memory::zeros(self.n, POINTS)?;
        self.rows.par_iter_mut().zip(self.values.par_chunks(self.d)).for_each(|(to, row)| *to = measure(row));
        match self.rows.iter().position(|&(_, length)| length == 0.0) {
            None => Ok(()),
            Some(row) => Err(Error::Values {
                element: "points".into(),
                operation: "neighbours",
                expected: if centred {
                    "rows that are not constant, for metric correlation"
                } else {
                    "rows that are not zero, for metric cosine"
                },
                found: self.row(row).first().map(ToString::to_string).unwrap_or_default(),
                row,
                column: 0,
            }),
        }
    }

    /// Returns row `i` normalised and scaled, but not centred.
    fn uncentred(&self, i: usize) -> impl Iterator<Item = f64> + '_ {
        let (mean, length) = self.rows.get(i).copied().unwrap_or((0.0, 1.0));
        let factor = self.scale / length;
        self.row(i).iter().map(move |&v| (f64::from(v) - mean) * factor)
    }

    /// Returns the mean of the uncentred rows, `d` values. Blocks are summed in a fixed order, so
    /// that it does not depend on the number of threads.
    fn mean(&self) -> Result<Vec<f64>> {
        let blocks = self.n.div_ceil(BLOCK);
        let sums: Vec<Vec<f64>> = (0..blocks)
            .into_par_iter()
            .map(|block| {
                let mut sum = memory::zeros::<f64>(self.d, POINTS)?;
                for i in block * BLOCK..((block + 1) * BLOCK).min(self.n) {
                    sum.iter_mut().zip(self.uncentred(i)).for_each(|(s, v)| *s += v);
                }
                Ok(sum)
            })
            .collect::<Result<_>>()?;
        let mut mean = memory::zeros::<f64>(self.d, POINTS)?;
        for sum in &sums {
            mean.iter_mut().zip(sum).for_each(|(m, s)| *m += s / self.n as f64);
        }
        Ok(mean)
    }

    /// Returns the length of a mapped row with its extra column, d + 1.
    pub(super) fn width(&self) -> usize {
        self.d + 1
    }

    /// Writes the mapped point `i` as a data row: (x, |x|² - 2 c |x|²), or (x, -2 c |x|²) for inner
    /// products. A score is off by at most c (|q|² + 2 |x|²) for a query q: the data row takes off
    /// the part that depends on the point, [`Points::slack`] is the other part.
    pub(super) fn write_data(&self, i: usize, out: &mut [f32]) {
        let mut square = 0.0;
        for ((o, v), c) in out.iter_mut().zip(self.uncentred(i)).zip(&self.centre) {
            *o = (v - c) as f32;
            square += f64::from(*o) * f64::from(*o);
        }
        if let Some(last) = out.get_mut(self.d) {
            let share = if self.metric == Metric::InnerProduct { 0.0 } else { 1.0 };
            *last = (square * (share - 2.0 * self.error_constant())) as f32;
        }
    }

    /// Writes the query (-2 x, 1) of a data row into `out`. Returns |x|².
    pub(super) fn write_query(&self, data: &[f32], out: &mut [f32]) -> f64 {
        let mut square = 0.0;
        for (o, &x) in out.iter_mut().zip(data).take(self.d) {
            *o = -2.0 * x;
            square += f64::from(x) * f64::from(x);
        }
        if let Some(last) = out.get_mut(self.d) {
            *last = 1.0;
        }
        square
    }

    /// Returns the mapped points `ids`, one data row after the other.
    pub(super) fn rows(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let width = self.width();
        let mut rows = memory::zeros(memory::count(&[ids.len(), width], POINTS)?, POINTS)?;
        rows.par_chunks_mut(width).zip(ids).with_min_len(256).for_each(|(row, &id)| self.write_data(id as usize, row));
        Ok(rows)
    }

    /// Writes the queries of the points `ids`, one after the other, into `queries`, and their
    /// squared lengths into `squares`.
    pub(super) fn write_queries(&self, ids: &[u32], queries: &mut Vec<f32>, squares: &mut Vec<f64>) -> Result<()> {
        let width = self.width();
        let mut data = memory::zeros::<f32>(width, POINTS)?;
        memory::lengthen(queries, ids.len() * width, 0.0, POINTS)?;
        queries.resize(ids.len() * width, 0.0);
        squares.clear();
        for (&id, query) in ids.iter().zip(queries.chunks_exact_mut(width)) {
            self.write_data(id as usize, &mut data);
            squares.push(self.write_query(&data, query));
        }
        Ok(())
    }

    /// Returns the numbers of all points.
    pub(super) fn ids(&self) -> Result<Vec<u32>> {
        let mut all = memory::room(self.n, POINTS)?;
        all.extend(0..self.n as u32);
        Ok(all)
    }

    /// Returns the table of all points, in one run.
    pub(super) fn table(&self) -> Result<Table> {
        self.listed(&self.ids()?, &[0, self.n])
    }

    /// Returns the table of the points `ids`, in one run.
    pub(super) fn part(&self, ids: &[u32]) -> Result<Table> {
        self.listed(ids, &[0, ids.len()])
    }

    /// Returns the table of points in runs: run c is `ids[starts[c]..starts[c + 1]]`.
    fn listed(&self, ids: &[u32], starts: &[usize]) -> Result<Table> {
        let runs = Runs::new(ids, starts, self.n)?;
        let panels = self.panels(&runs)?;
        Ok(Table { runs, panels })
    }

    /// Returns the panels of the data rows of `runs`.
    pub(super) fn panels(&self, runs: &Runs) -> Result<Panels> {
        let width = self.width();
        let mut panels = Panels::new(runs.n_rows(), width)?;
        let each = panels.each_mut().zip(runs.ids.par_chunks_exact(LANES));
        each.with_min_len(16).try_for_each_init(Vec::new, |rows, (panel, ids)| {
            memory::lengthen(rows, LANES * width, 0.0, POINTS)?;
            let n = ids.iter().take_while(|&&id| id != Runs::NONE).count();
            let rows = rows.get_mut(..n * width).unwrap_or_default();
            for (row, &id) in rows.chunks_exact_mut(width).zip(ids) {
                self.write_data(id as usize, row);
            }
            write_panel(panel, rows, width);
            Ok::<_, Error>(())
        })?;
        Ok(panels)
    }

    /// Returns c such that a score computed in f32 is off by at most c (|q|² + 2 |x|²). It is the
    /// usual (d + 1) u for a product of d + 1 terms in any order, with a margin for the rounding of
    /// the mapped coordinates and of |x|².
    fn error_constant(&self) -> f64 {
        (self.d + 16) as f64 * UNIT_ROUNDOFF
    }

    /// Returns the most by which a computed score exceeds the true score, for a query of squared
    /// length `square`. The part of the error that depends on the point is taken off in its data
    /// row ([`Points::write_data`]).
    pub(super) fn slack(&self, square: f64) -> f64 {
        self.error_constant() * square
    }

    /// Prefetches row `i`, which [`Points::key`] will need soon.
    pub(super) fn fetch(&self, i: usize) {
        ahead_all(self.row(i));
    }

    /// Returns the exact key by which neighbours are ordered: squared Euclidean distance, 1 -
    /// cosine, 1 - correlation, or 1 - inner product.
    pub(super) fn key(&self, i: usize, j: usize) -> f64 {
        let (x, y) = (self.row(i), self.row(j));
        match self.metric {
            // Pairwise metrics never come here ([`super::brute`]).
            Metric::Euclidean | Metric::Pairwise(_) => loops::squared_distance(x, y),
            Metric::InnerProduct => 1.0 - loops::centred_product(x, 0.0, y, 0.0),
            Metric::Cosine | Metric::Correlation => {
                let (mean_x, length_x) = self.rows.get(i).copied().unwrap_or((0.0, 1.0));
                let (mean_y, length_y) = self.rows.get(j).copied().unwrap_or((0.0, 1.0));
                let product = loops::centred_product(x, mean_x, y, mean_y);
                (1.0 - product / (length_x * length_y)).max(0.0)
            }
        }
    }

    /// Returns the distance that belongs to a key.
    pub(super) fn distance(&self, key: f64) -> f32 {
        match self.metric {
            Metric::Euclidean => key.sqrt() as f32,
            _ => key as f32,
        }
    }

    /// Returns the score that belongs to a key, for a query of squared length `square`.
    pub(super) fn score(&self, key: f64, square: f64) -> f64 {
        match self.metric {
            Metric::Euclidean | Metric::Pairwise(_) => key * self.scale * self.scale - square,
            Metric::Cosine | Metric::Correlation => 2.0 * key - square,
            Metric::InnerProduct => 2.0 * (key - 1.0) * self.scale * self.scale,
        }
    }
}

/// Points in runs, each of which starts a panel of rows; the last panel of a run is padded with
/// rows that are no points.
pub(super) struct Runs {
    /// The point of each row; [`Runs::NONE`] for padding.
    ids: Vec<u32>,
    /// The first row of each run, then the number of rows.
    places: Vec<usize>,
    /// Points in each run.
    sizes: Vec<usize>,
    /// Whether each point is in one of the runs; empty when all are.
    held: Vec<bool>,
}

impl Runs {
    /// The number that marks a padding row.
    const NONE: u32 = u32::MAX;

    /// Makes runs of points below `n`: run c is `ids[starts[c]..starts[c + 1]]`.
    pub(super) fn new(ids: &[u32], starts: &[usize], n: usize) -> Result<Self> {
        let mut places = vec![0];
        for run in starts.windows(2) {
            places.push(places.last().copied().unwrap_or(0) + (run[1] - run[0]).next_multiple_of(LANES));
        }
        let mut padded = memory::filled(places.last().copied().unwrap_or(0), Runs::NONE, POINTS)?;
        for (run, &place) in starts.windows(2).zip(&places) {
            let from = ids.get(run[0]..run[1]).unwrap_or_default();
            padded.get_mut(place..place + from.len()).unwrap_or_default().copy_from_slice(from);
        }
        let mut held = Vec::new();
        if ids.len() < n {
            held = memory::zeros(n, POINTS)?;
            ids.iter().for_each(|&id| held.get_mut(id as usize).into_iter().for_each(|held| *held = true));
        }
        let sizes = starts.windows(2).map(|run| run[1] - run[0]).collect();
        Ok(Runs { ids: padded, places, sizes, held })
    }

    /// Returns the number of runs.
    pub(super) fn n_runs(&self) -> usize {
        self.sizes.len()
    }

    /// Returns the number of rows, padding included.
    pub(super) fn n_rows(&self) -> usize {
        self.ids.len()
    }

    /// Returns the range (from, to) of the rows of run `c` that are points.
    pub(super) fn run(&self, c: usize) -> (usize, usize) {
        let from = self.places.get(c).copied().unwrap_or(0);
        (from, from + self.sizes.get(c).copied().unwrap_or(0))
    }

    /// Returns the points of run `c`.
    pub(super) fn members(&self, c: usize) -> &[u32] {
        let (from, to) = self.run(c);
        self.ids.get(from..to).unwrap_or_default()
    }

    /// Returns the points of all runs.
    pub(super) fn points(&self) -> impl Iterator<Item = u32> + '_ {
        self.ids.iter().copied().filter(|&id| id != Runs::NONE)
    }

    /// Returns the point of a row; `None` for padding.
    #[inline]
    pub(super) fn id(&self, row: usize) -> Option<u32> {
        self.ids.get(row).copied().filter(|&id| id != Runs::NONE)
    }

    /// Returns whether point `id` is in one of the runs.
    pub(super) fn holds(&self, id: u32) -> bool {
        self.held.is_empty() || self.held.get(id as usize).copied().unwrap_or(false)
    }
}

/// Mapped points in runs.
pub(super) struct Table {
    /// The point of each row.
    pub(super) runs: Runs,
    /// The data row of each point.
    pub(super) panels: Panels,
}
