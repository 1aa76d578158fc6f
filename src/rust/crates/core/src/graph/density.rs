//! The density of cells in an embedding: a Gaussian kernel estimate in two dimensions at the cells
//! themselves, as by `scipy.stats.gaussian_kde`, scaled to 0 to 1 (`scanpy.tl.embedding_density`).
//!
//! Cells are whitened by the Cholesky factor of their covariance and sorted into squares, so that
//! kernels are summed over near squares only. The kernels left out sum to less than 1e-11 of the
//! kernel of a cell at itself.

use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use crate::simd;
use ndarray::ArrayView2;
use rayon::prelude::*;

const DENSITY: &str = "embedding_density: densities of the cells";

/// The squared distance, in kernel widths, beyond which kernels may be left out: each is at most
/// 4e-18, and there are at most some millions.
const FAR: f64 = 80.0;
/// The side of a square, in kernel widths.
const SIDE: f64 = 1.25;
/// Kernels summed side by side in a register.
const LANES: usize = 8;

/// Returns the density of each cell, n_obs values, scaled to 0 to 1 within each group; NaN where
/// all cells of a group have the same density. `points` is n_obs x d, of which the two `columns`
/// are used. `groups` has codes, one per cell, and the names they number; a cell of code -1 is in
/// no group and has density 0.
///
/// # Errors
/// [`Error::Parameter`] for a group of fewer than three cells, or all on one line;
/// [`Error::Values`] for coordinates that are not finite; [`Error::Cancelled`].
pub fn embedding_density(
    points: ArrayView2<'_, f32>,
    columns: [usize; 2],
    groups: Option<(&[i32], &[String])>,
    session: &Session,
) -> Result<Vec<f64>> {
    let n = points.nrows();
    if let Some((i, j)) = (0..n).flat_map(|i| columns.map(|j| (i, j))).find(|&at| !points[at].is_finite()) {
        let found = format!("{:?}", points[(i, j)]);
        let (element, operation, expected) = ("the embedding".to_owned(), "embedding_density", "finite coordinates");
        return Err(Error::Values { element, operation, expected, found, row: i, column: j });
    }
    let _held = session.hold(format!("embedding_density of {n} cells"), n.saturating_mul(64))?;
    session.monitor.begin(n as u64);
    let mut out = memory::zeros::<f64>(n, DENSITY)?;
    let group = |i: u32| groups.map_or(0, |(codes, _)| codes[i as usize]);
    let mut members = memory::collected(0..n as u32, DENSITY)?;
    members.sort_by_key(|&i| group(i));
    for cells in members.chunk_by(|&i, &j| group(i) == group(j)).filter(|cells| group(cells[0]) >= 0) {
        let at = |i: u32| columns.map(|j| f64::from(points[(i as usize, j)]));
        let Some(round) = Round::new(&memory::collected(cells.iter().map(|&i| at(i)), DENSITY)?)? else {
            let of = groups
                .map_or(String::new(), |(codes, names)| format!(" of '{}'", names[codes[cells[0] as usize] as usize]));
            let (parameter, expected) = match groups {
                Some(_) => ("groupby", "groups of at least three cells that are not on one line"),
                None => ("basis", "at least three cells that are not on one line"),
            };
            return Err(Error::parameter(parameter, expected, format!("{} cells{of}", cells.len())));
        };
        let found = round.densities(session)?;
        let (low, high) = found.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
        cells.iter().zip(&found).for_each(|(&i, x)| out[i as usize] = (x - low) / (high - low));
    }
    Ok(out)
}

/// Cells of a group in units of the kernel's width, square by square.
struct Round {
    x: Vec<f64>,
    y: Vec<f64>,
    /// The square (row, column) of each cell; ascending.
    squares: Vec<(i64, i64)>,
    /// The number of each cell in the order given to [`Round::new`].
    order: Vec<u32>,
}

impl Round {
    /// Scales and sorts cells; `None` for fewer than three cells, or cells on a line.
    fn new(cells: &[[f64; 2]]) -> Result<Option<Self>> {
        let n = cells.len() as f64;
        if cells.len() < 3 {
            return Ok(None);
        }
        let mean = cells.iter().fold([0.0; 2], |m, c| [m[0] + c[0] / n, m[1] + c[1] / n]);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for c in cells {
            let (x, y) = (c[0] - mean[0], c[1] - mean[1]);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        // The covariance of the kernel: Scott's factor in two dimensions is n^(-1/6), and its
        // square is used here.
        let scale = n.powf(-1.0 / 3.0) / (n - 1.0);
        let (xx, xy, yy) = (xx * scale, xy * scale, yy * scale);
        let left = yy - xy * xy / xx;
        if !(xx > 0.0 && left > 1e-14 * yy) {
            return Ok(None);
        }
        // The Cholesky factor of the kernel's covariance.
        let (a, b, c) = (xx.sqrt(), xy / xx.sqrt(), left.sqrt());
        let place = |&[x, y]: &[f64; 2]| {
            let x = (x - mean[0]) / a;
            (x, (y - mean[1] - b * x) / c)
        };
        let cells = memory::collected(cells.iter().map(place), DENSITY)?;
        let square = |(x, y): (f64, f64)| ((y / SIDE).floor() as i64, (x / SIDE).floor() as i64);
        let mut order = memory::collected(0..cells.len() as u32, DENSITY)?;
        order.sort_by_key(|&i| square(cells[i as usize]));
        let sorted = || order.iter().map(|&i| cells[i as usize]);
        Ok(Some(Round {
            x: memory::collected(sorted().map(|c| c.0), DENSITY)?,
            y: memory::collected(sorted().map(|c| c.1), DENSITY)?,
            squares: memory::collected(sorted().map(square), DENSITY)?,
            order,
        }))
    }

    /// Returns the sum of the kernels of all cells at each cell, in the order the cells were given
    /// in.
    fn densities(&self, session: &Session) -> Result<Vec<f64>> {
        let first = |k: &usize| *k == 0 || self.squares[*k] != self.squares[*k - 1];
        let n = (0..self.squares.len()).filter(first).count();
        let starts = memory::exactly(n, (0..self.squares.len()).filter(first), DENSITY)?;
        let mut sorted = memory::zeros::<f64>(self.order.len(), DENSITY)?;
        let mut parts = memory::room(n, DENSITY)?;
        let mut left = sorted.as_mut_slice();
        for (k, &start) in starts.iter().enumerate() {
            let (own, rest) = left.split_at_mut(starts.get(k + 1).unwrap_or(&self.order.len()) - start);
            parts.push((start, own));
            left = rest;
        }
        session.install(|| {
            parts.into_par_iter().try_for_each(|(start, to)| {
                session.monitor.check()?;
                let near = self.adjacent_runs(self.squares[start]);
                for (k, to) in to.iter_mut().enumerate() {
                    let (x, y) = (self.x[start + k], self.y[start + k]);
                    *to = near.iter().map(|run| kernels(&self.x[run.clone()], &self.y[run.clone()], x, y)).sum();
                }
                session.monitor.advance(to.len() as u64);
                Ok(())
            })
        })?;
        let mut out = memory::zeros::<f64>(self.order.len(), DENSITY)?;
        self.order.iter().zip(&sorted).for_each(|(&i, &x)| out[i as usize] = x);
        Ok(out)
    }

    /// Returns runs of the cells in the squares near one; the squares of one row are adjacent, so a
    /// row is one run.
    fn adjacent_runs(&self, (row, column): (i64, i64)) -> Vec<std::ops::Range<usize>> {
        let reach = (FAR.sqrt() / SIDE).ceil() as i64;
        let of_row = |dy: i64| {
            let apart = (dy.abs() - 1).max(0) as f64 * SIDE;
            let wide = (((FAR - apart * apart).max(0.0).sqrt() / SIDE).ceil()) as i64;
            let at = |square: (i64, i64)| self.squares.partition_point(|&s| s < square);
            at((row + dy, column - wide))..at((row + dy, column + wide + 1))
        };
        (-reach..=reach).map(of_row).filter(|run| !run.is_empty()).collect()
    }
}

simd::vectorized! {
    /// Returns the sum at (x, y) of the kernels of the cells at `xs`, `ys`.
    fn kernels [](xs: &[f64], ys: &[f64], x: f64, y: f64) -> f64 where level in [Avx512, Avx2]: simd::Level {
        // Products and sums are rounded one by one at every level, so that the bits are the same.
        let _ = level;
        let (mut sums, (wide_x, last_x), (wide_y, last_y)) =
            ([0.0; LANES], xs.as_chunks::<LANES>(), ys.as_chunks::<LANES>());
        for (xs, ys) in wide_x.iter().zip(wide_y) {
            for k in 0..LANES {
                let (dx, dy) = (xs[k] - x, ys[k] - y);
                sums[k] += exp(-0.5 * (dx * dx + dy * dy));
            }
        }
        for (k, (xi, yi)) in last_x.iter().zip(last_y).enumerate() {
            let (dx, dy) = (xi - x, yi - y);
            sums[k] += exp(-0.5 * (dx * dx + dy * dy));
        }
        sums.iter().sum()
    }
}

/// Returns the exponential of a number that is 0 or less: a power of 2 by its bits, times a
/// polynomial with a relative error of 2e-16. It has no branch, so that it can be vectorized.
#[inline(always)]
fn exp(x: f64) -> f64 {
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    // Adding 1.5 * 2^52 rounds, and leaves the whole number in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = x.max(-700.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (x - k * LN_2_HIGH) - k * LN_2_LOW;
    // Coefficients of Taylor's series, for |r| <= 0.35.
    const C: [f64; 13] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
    ];
    let p = C.iter().fold(0.0, |p, c| p * r + c) * r + 1.0;
    p * f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn exponentials_are_those_of_the_library() {
        for k in 0..=100_000 {
            let x = -f64::from(k) * 6.5e-3;
            assert!((exp(x) - x.exp()).abs() <= 4e-16 * x.exp(), "{x}");
        }
        assert!(exp(-1e9) < 1e-300);
    }

    /// Makes cells of two clouds, and cells far from both.
    fn cells(n: usize) -> Array2<f32> {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        Array2::from_shape_fn((n, 3), |(i, j)| {
            let cloud = next() + next() + next();
            cloud * if i % 7 == 0 { 0.1 } else { 2.0 }
                + if i % 3 == 0 { 5.0 * j as f32 } else { -1.0 }
                + (i % 97 / 96) as f32 * 30.0
        })
    }

    #[test]
    fn densities_are_sums_over_all_cells() {
        let points = cells(900);
        let codes: Vec<i32> = (0..900).map(|i| if i % 50 == 0 { -1 } else { i % 2 * 2 }).collect();
        let names = ["a", "none", "b"].map(str::to_owned);
        let one = Session::with_threads(1);
        let found = embedding_density(points.view(), [2, 0], Some((&codes, &names)), &one).unwrap();
        for g in [0, 2] {
            let own: Vec<usize> = (0..900).filter(|&i| codes[i] == g).collect();
            let at = |i: usize| [f64::from(points[(i, 2)]), f64::from(points[(i, 0)])];
            let n = own.len() as f64;
            let mean = [0, 1].map(|k| own.iter().map(|&i| at(i)[k]).sum::<f64>() / n);
            let cov = |a: usize, b: usize| {
                own.iter().map(|&i| (at(i)[a] - mean[a]) * (at(i)[b] - mean[b])).sum::<f64>() / (n - 1.0)
                    * n.powf(-1.0 / 3.0)
            };
            let (xx, xy, yy) = (cov(0, 0), cov(0, 1), cov(1, 1));
            let det = xx * yy - xy * xy;
            let sum = |i: usize| -> f64 {
                let kernel = |&j: &usize| {
                    let (x, y) = (at(i)[0] - at(j)[0], at(i)[1] - at(j)[1]);
                    (-0.5 * (yy * x * x - 2.0 * xy * x * y + xx * y * y) / det).exp()
                };
                own.iter().map(kernel).sum()
            };
            let all: Vec<f64> = own.iter().map(|&i| sum(i)).collect();
            let (low, high) = (all.iter().copied().fold(f64::MAX, f64::min), all.iter().copied().fold(0.0, f64::max));
            for (&i, sum) in own.iter().zip(&all) {
                let expected = (sum - low) / (high - low);
                assert!((found[i] - expected).abs() < 1e-11, "{i}: {} {expected}", found[i]);
            }
        }
        assert!(codes.iter().zip(&found).all(|(&g, &x)| g >= 0 || x == 0.0));
        let three = Session::with_threads(3);
        assert_eq!(found, embedding_density(points.view(), [2, 0], Some((&codes, &names)), &three).unwrap());
    }

    #[test]
    fn cells_without_a_density_are_errors() {
        let session = Session::with_threads(1);
        let line = Array2::from_shape_fn((9, 2), |(i, j)| (i * (j + 1)) as f32);
        let told = |e: Error| e.to_string();
        let error = told(embedding_density(line.view(), [0, 1], None, &session).unwrap_err());
        assert!(error.contains("basis") && error.contains("9 cells"), "{error}");
        let (codes, names) = ([0, 0, 1, 1, 1, 1, 1, 1, 1], ["a", "b"].map(str::to_owned));
        let error = told(embedding_density(line.view(), [0, 1], Some((&codes, &names)), &session).unwrap_err());
        assert!(error.contains("groupby") && error.contains("2 cells of 'a'"), "{error}");
        let mut odd = cells(9);
        odd[(4, 1)] = f32::NAN;
        let error = told(embedding_density(odd.view(), [0, 1], None, &session).unwrap_err());
        assert!(error.contains("finite coordinates") && error.contains("NaN"), "{error}");
    }
}
