//! Soft assignments of cells to clusters: weights of unit vectors by their distance from unit
//! centroids.

use super::HARMONY;
use crate::error::Result;
use crate::memory;
use crate::simd::{self, Level};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Numbers summed side by side in a register.
const LANES: usize = 16;

/// The parameters of the weights of cells.
pub(super) struct Space<'a> {
    /// Number of dimensions.
    pub(super) d: usize,
    /// Unit centroids, clusters x dimensions.
    pub(super) centroids: &'a [f32],
    /// Width of the clusters.
    pub(super) sigma: f64,
}

impl Space<'_> {
    /// Returns the number of centroids.
    pub(super) fn n_clusters(&self) -> usize {
        self.centroids.len() / self.d
    }

    /// Writes the weight exp(-distance / sigma) of each cell and centroid, divided by the largest
    /// weight of the cell, into `weights` (cells x clusters). The distance is 2 (1 - cosine).
    /// Writes the logarithm of the largest weight of each cell into `shifts`. `rows` is a work
    /// buffer for the unit vectors.
    pub(super) fn weigh(
        &self,
        points: &[f32],
        cells: impl ExactSizeIterator<Item = usize>,
        rows: &mut Vec<f32>,
        weights: &mut [f32],
        shifts: &mut [f32],
    ) -> Result<()> {
        let (d, m) = (self.d, cells.len());
        memory::lengthen(rows, m * d, 0.0, HARMONY)?;
        let rows = &mut rows[..m * d];
        for (row, cell) in rows.chunks_exact_mut(d).zip(cells) {
            unit(&points[cell * d..][..d], row);
        }
        products(rows, self.centroids, d, weights);
        exponentials(weights, self.n_clusters(), (2.0 / self.sigma) as f32, shifts);
        Ok(())
    }
}

/// Writes the vector of length 1 in the direction of `row`; zeros for a row of zeros.
pub(super) fn unit(row: &[f32], to: &mut [f32]) {
    let square: f32 = row.iter().map(|x| x * x).sum();
    let over = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
    to.iter_mut().zip(row).for_each(|(to, x)| *to = x * over);
}

/// Writes the products of rows with centroids, rows x centroids.
pub(super) fn products(rows: &[f32], centroids: &[f32], d: usize, to: &mut [f32]) {
    let (m, k) = (rows.len() / d, centroids.len() / d);
    // Rows of row-major matrices are columns of column-major ones.
    let centroids = MatRef::from_column_major_slice(centroids, d, k);
    let rows = MatRef::from_column_major_slice(rows, d, m);
    matmul(MatMut::from_column_major_slice_mut(to, k, m), Accum::Replace, centroids.transpose(), rows, 1.0, Par::Seq);
}

simd::vectorized! {
    /// Replaces cosines by exp(scale (cosine - largest of the row)). Writes scale (largest - 1)
    /// into `shifts`: the logarithm of the largest weight, as the squared distance of unit vectors
    /// is twice 1 less their cosine.
    fn exponentials [](weights: &mut [f32], k: usize, scale: f32, shifts: &mut [f32])
    where level in [Avx512, Avx2]: Level {
        for (row, shift) in weights.chunks_exact_mut(k).zip(shifts) {
            let mut lanes = [f32::NEG_INFINITY; LANES];
            let (pieces, rest) = row.as_chunks::<LANES>();
            for piece in pieces {
                lanes.iter_mut().zip(piece).for_each(|(most, &x)| *most = if x > *most { x } else { *most });
            }
            let most = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most });
            *shift = scale * (most - 1.0);
            let (pieces, rest) = row.as_chunks_mut::<LANES>();
            for piece in pieces {
                piece.iter_mut().for_each(|x| *x = exponential(level, scale * (*x - most)));
            }
            rest.iter_mut().for_each(|x| *x = exponential(level, scale * (*x - most)));
        }
    }
}

/// Returns exp(x) for x of 0 or less, with a relative error of 3e-7; 0 below the smallest normal
/// number.
#[inline(always)]
fn exponential<L: Level>(level: L, x: f32) -> f32 {
    // 1.5 * 2^23: adding it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > -87.3 { x } else { -87.3 };
    let shifted = level.fused_f32(x, std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let r = level.fused_f32(whole, -LN2_LOW, level.fused_f32(whole, -LN2_HIGH, x));
    let mut p = 1.0 / 720.0;
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = level.fused_f32(p, r, c);
    }
    let power = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let scale = f32::from_bits((power.wrapping_add(127) << 23) as u32);
    if x > -87.3 {
        p * scale
    } else {
        0.0
    }
}

simd::vectorized! {
    /// Turns the weights of each cell times its penalties into shares that sum to 1, and adds the
    /// shares to `sums`. Returns the sum of the logarithms of the divisors. A cell for which all
    /// products are 0 keeps its weights.
    pub(super) fn share [](weights: &mut [f32], penalties: &[f32], sums: &mut [f32]) -> f64
    where _level in [Avx512, Avx2]: Level {
        let mut logarithms = 0.0;
        for row in weights.chunks_exact_mut(penalties.len()) {
            let mut total = weighted(row, penalties);
            if total > 0.0 {
                row.iter_mut().zip(penalties).for_each(|(w, p)| *w *= p);
            } else {
                total = row.iter().sum();
            }
            let over = 1.0 / total;
            row.iter_mut().zip(sums.iter_mut()).for_each(|(w, s)| {
                *w *= over;
                *s += *w;
            });
            logarithms += f64::from(total).ln();
        }
        logarithms
    }
}

simd::vectorized! {
    /// Adds the shares of [`share`] of one cell to `sums` and does not change the weights.
    pub(super) fn add_shares [](weights: &[f32], penalties: &[f32], sums: &mut [f32])
    where _level in [Avx512, Avx2]: Level {
        let total = weighted(weights, penalties);
        if total > 0.0 {
            let over = 1.0 / total;
            for ((s, w), p) in sums.iter_mut().zip(weights).zip(penalties) {
                *s += w * p * over;
            }
        } else {
            let over = 1.0 / weights.iter().sum::<f32>();
            sums.iter_mut().zip(weights).for_each(|(s, w)| *s += w * over);
        }
    }
}

/// Returns the sum of products, in [`LANES`] interleaved sums.
#[inline(always)]
fn weighted(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right() {
        for i in 0..20_000 {
            let x = -(i as f32) * 0.005;
            let (found, expected) = (f64::from(exponential(simd::Plain, x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 3e-7 * expected + 1e-37, "{x}: {found} {expected}");
        }
        assert_eq!((exponential(simd::Plain, 0.0), exponential(simd::Plain, f32::NEG_INFINITY)), (1.0, 0.0));
    }
}
