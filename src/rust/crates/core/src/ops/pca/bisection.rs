//! The largest eigenvalues of a symmetric tridiagonal matrix, by bisection.
//!
//! The number of eigenvalues below `x` is the number of negative pivots of `T - x I` (Sturm's
//! sequence; Barth, Martin & Wilkinson 1967, "Calculation of the eigenvalues of a symmetric
//! tridiagonal matrix by the method of bisection"). For a few of many eigenvalues this costs much
//! less than all of them by the QR algorithm. Every processor gives the same bits.

use crate::error::Result;
use crate::session::Monitor;
use crate::simd::{self, Level};

/// The number of points at which eigenvalues are counted side by side.
const LANES: usize = 16;
/// The upper bound of the number of halvings: an interval of normal numbers is narrowed to two
/// neighbours before.
const MOST: usize = 128;

/// Returns the `k` largest eigenvalues, descending, of the tridiagonal matrix with `diagonal` and
/// the subdiagonal `below`. The error of each is a few roundings of the largest one.
///
/// # Errors
/// [`Error::Cancelled`](crate::error::Error::Cancelled) when the monitor asks to stop.
pub(super) fn leading_values(diagonal: &[f64], below: &[f64], k: usize, monitor: &Monitor) -> Result<Vec<f64>> {
    let p = diagonal.len();
    let squares: Vec<f64> = below.iter().map(|b| b * b).collect();
    let largest = squares.iter().fold(1.0_f64, |m, s| m.max(*s));
    let tiny = f64::MIN_POSITIVE * largest;
    let (low, high) = bounds(diagonal, below);
    let mut out = Vec::with_capacity(k);
    for first in (0..k).step_by(LANES) {
        monitor.check()?;
        // The value with this rank from below lies between two points: at most `rank` eigenvalues
        // are below `from`, and more than `rank` are below `to`.
        let (mut from, mut to) = ([low; LANES], [high; LANES]);
        for _ in 0..MOST {
            let middle: [f64; LANES] = std::array::from_fn(|l| from[l] + 0.5 * (to[l] - from[l]));
            let counts = below_each(diagonal, &squares, tiny, &middle);
            for l in 0..LANES {
                let rank = p.saturating_sub(first + l + 1);
                *(if counts[l] as usize > rank { &mut to[l] } else { &mut from[l] }) = middle[l];
            }
            let close = |l: usize| to[l] - from[l] <= 2.0 * f64::EPSILON * from[l].abs().max(to[l].abs()) + tiny;
            if (0..LANES).all(close) {
                break;
            }
        }
        out.extend((first..k.min(first + LANES)).map(|j| 0.5 * (from[j - first] + to[j - first])));
    }
    Ok(out)
}

/// Returns an interval that contains all eigenvalues (Gershgorin).
fn bounds(diagonal: &[f64], below: &[f64]) -> (f64, f64) {
    let radius = |i: usize| {
        let before = i.checked_sub(1).and_then(|i| below.get(i)).map_or(0.0, |b| b.abs());
        before + below.get(i).map_or(0.0, |b| b.abs())
    };
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (i, d) in diagonal.iter().enumerate() {
        low = low.min(d - radius(i));
        high = high.max(d + radius(i));
    }
    let slack = 4.0 * f64::EPSILON * low.abs().max(high.abs()) + f64::MIN_POSITIVE;
    (low - slack, high + slack)
}

simd::vectorized! {
    /// Returns the number of eigenvalues below each point. No multiplication is fused, so that
    /// every processor gives the same bits.
    fn below_each [](
        diagonal: &[f64], squares: &[f64], tiny: f64, points: &[f64; LANES],
    ) -> [u64; LANES] where _level in [Avx2]: Level {
        let (mut pivots, mut counts) = ([1.0; LANES], [0_u64; LANES]);
        for (d, square) in diagonal.iter().zip(std::iter::once(&0.0).chain(squares)) {
            for l in 0..LANES {
                let pivot = (d - points[l]) - square / pivots[l];
                pivots[l] = if pivot.abs() < tiny { -tiny } else { pivot };
                counts[l] += u64::from(pivots[l] < 0.0);
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eigenvalues of the second difference are `2 - 2 cos(j pi / (p + 1))`.
    #[test]
    fn eigenvalues_of_the_second_difference() {
        let p = 500;
        let found = leading_values(&vec![2.0; p], &vec![-1.0; p - 1], 40, &Monitor::default()).unwrap();
        for (j, value) in found.iter().enumerate() {
            let angle = (p - j) as f64 * std::f64::consts::PI / (p + 1) as f64;
            let expected = 2.0 - 2.0 * angle.cos();
            assert!((value - expected).abs() < 4e-15, "{j}: {value} {expected}");
        }
    }

    /// Checks multiple eigenvalues, uncoupled blocks, a zero matrix and a matrix of one value.
    #[test]
    fn odd_matrices() {
        let none = Monitor::default();
        let close = |found: Vec<f64>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(f, e)| assert!((f - e).abs() <= 1e-15 * e.abs() + 1e-300, "{f} {e}"));
        };
        close(leading_values(&[3.0, 1.0, 3.0, -8.0], &[0.0; 3], 3, &none).unwrap(), &[3.0, 3.0, 1.0]);
        close(leading_values(&[0.0; 5], &[0.0; 4], 2, &none).unwrap(), &[0.0, 0.0]);
        close(leading_values(&[7.5], &[], 1, &none).unwrap(), &[7.5]);
        close(leading_values(&[-1e90, -2e90], &[0.0], 2, &none).unwrap(), &[-1e90, -2e90]);
        let stopped = Monitor::default();
        stopped.cancel();
        assert!(leading_values(&[1.0], &[], 1, &stopped).is_err());
    }
}
