//! The bandwidth of each point's kernel in UMAP's fuzzy graph.
//!
//! It is found by bisection, and the steps only need to know on which side of the target a sum of
//! exponentials lies. A quick sum tells it nearly always; where its error leaves a doubt, the sum
//! is computed as umap-learn does. So the bandwidth has the bits of umap-learn's steps.

use crate::simd::{self, Level};
use std::f64::consts::{LN_2, LOG2_E};

/// umap-learn's `SMOOTH_K_TOLERANCE` and `MIN_K_DIST_SCALE`.
const SMOOTH_K_TOLERANCE: f64 = 1e-5;
const MIN_K_DIST_SCALE: f64 = 1e-3;
/// Steps of the bisection.
const BISECTIONS: usize = 64;
/// Terms that are summed side by side.
const LANES: usize = 8;
/// Bound of the error of a quick exponential of a number up to 0, with a wide margin.
const QUICK_ERROR: f64 = 1e-8;

simd::vectorized! {
    /// Returns (sigma, rho) of one point: the bandwidth of its kernel, and the distance to the
    /// nearest point at a distance above 0. `distances` are ascending and start with the point
    /// itself. sigma makes the strengths of the neighbours add up to `target`, but has a lower
    /// bound in proportion to the mean of `distances`. If all of these are 0, the bound is in
    /// proportion to `mean`, the mean distance over all points. `beyond` is a work buffer. Equals
    /// `smooth_knn_dist` of umap-learn with `local_connectivity = 1`.
    pub(super) fn smooth_knn_dist [] (distances: &[f32], target: f64, mean: f64, beyond: &mut Vec<f64>) -> (f32, f32)
    where level in [Avx512, Avx2]: Level {
        let rho = distances.iter().copied().find(|&d| d > 0.0).unwrap_or(0.0);
        let others = distances.get(1..).unwrap_or_default();
        beyond.clear();
        beyond.extend(others.iter().map(|&distance| f64::from((distance - rho).max(0.0))));
        // Terms that add nothing.
        beyond.resize(others.len().next_multiple_of(LANES), f64::INFINITY);
        let error = QUICK_ERROR * beyond.len() as f64;
        let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
        for _ in 0..BISECTIONS {
            let mut over = quick_sum(level, beyond, 1.0 / sigma) - target;
            if (over.abs() - SMOOTH_K_TOLERANCE).abs() <= error {
                over = sum(others, rho, sigma) - target;
            }
            if over.abs() < SMOOTH_K_TOLERANCE {
                break;
            }
            if over > 0.0 {
                high = sigma;
                sigma = (low + high) / 2.0;
            } else {
                low = sigma;
                sigma = if high.is_infinite() { sigma * 2.0 } else { (low + high) / 2.0 };
            }
        }
        let typical = if rho > 0.0 {
            distances.iter().map(|&d| f64::from(d)).sum::<f64>() / distances.len() as f64
        } else {
            mean
        };
        (sigma.max(MIN_K_DIST_SCALE * typical) as f32, rho)
    }
}

/// Returns the sum of the strengths of other points at these distances, as umap-learn computes it.
fn sum(others: &[f32], rho: f32, sigma: f64) -> f64 {
    let strength = |&distance: &f32| {
        let beyond = distance - rho;
        if beyond > 0.0 {
            (-f64::from(beyond) / sigma).exp()
        } else {
            1.0
        }
    };
    others.iter().map(strength).sum()
}

/// Returns the sum of exp(-x `inverse`), off by less than [`QUICK_ERROR`] a term. The terms are
/// whole [`LANES`].
#[inline(always)]
fn quick_sum<L: Level>(level: L, beyond: &[f64], inverse: f64) -> f64 {
    let mut sums = [0.0; LANES];
    for terms in beyond.as_chunks::<LANES>().0 {
        for (sum, &term) in sums.iter_mut().zip(terms) {
            *sum += quick_exp(level, -term * inverse);
        }
    }
    sums.iter().sum()
}

/// Returns exp(x) for x up to 0, off by less than [`QUICK_ERROR`].
#[inline(always)]
fn quick_exp<L: Level>(level: L, x: f64) -> f64 {
    /// Adding it rounds to a whole number, which is then in the lowest bits.
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    const FACTORIALS: [f64; 8] = [5040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0];
    let x = x.max(-700.0);
    let whole = level.fused(x, LOG2_E, WHOLE);
    let rest = level.fused(whole - WHOLE, -LN_2, x);
    let start = 1.0 / 40320.0;
    let series = FACTORIALS.iter().fold(start, |sum, factorial| level.fused(sum, rest, 1.0 / factorial));
    // The whole number becomes the exponent of a power of two.
    series * f64::from_bits((whole.to_bits() << 52).wrapping_add(1023 << 52))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::simd::Plain;

    #[test]
    fn quick_exponentials_are_close() {
        for k in 0..200_000 {
            let x = -(f64::from(k) / 5000.0).powi(2);
            assert!((quick_exp(Plain, x) - x.exp()).abs() < QUICK_ERROR / 10.0, "{x}");
        }
        assert_eq!((quick_exp(Plain, 0.0), quick_exp(Plain, -0.0)), (1.0, 1.0));
        assert!(quick_exp(Plain, f64::NEG_INFINITY) < 1e-300);
    }

    /// Computes umap-learn's steps with no quick sums.
    fn twin(distances: &[f32], target: f64, mean: f64) -> (f32, f32) {
        let rho = distances.iter().copied().find(|&d| d > 0.0).unwrap_or(0.0);
        let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
        for _ in 0..BISECTIONS {
            let sum = sum(&distances[1..], rho, sigma);
            if (sum - target).abs() < SMOOTH_K_TOLERANCE {
                break;
            }
            if sum > target {
                high = sigma;
                sigma = (low + high) / 2.0;
            } else {
                low = sigma;
                sigma = if high.is_infinite() { sigma * 2.0 } else { (low + high) / 2.0 };
            }
        }
        let all: f64 = distances.iter().map(|&d| f64::from(d)).sum();
        let typical = if rho > 0.0 { all / distances.len() as f64 } else { mean };
        (sigma.max(MIN_K_DIST_SCALE * typical) as f32, rho)
    }

    #[test]
    fn bandwidths_have_the_bits_of_exact_sums() {
        let mut stream = Stream::new(1, 0, 0);
        let mut beyond = Vec::new();
        for round in 0..20_000 {
            let k = 2 + stream.below(40);
            let scale = 10f64.powf(12.0 * stream.uniform() - 6.0);
            let offset = [0.0, 1.0, 100.0][round % 3];
            let mut distances: Vec<f32> = (1..k).map(|_| (scale * (offset + stream.uniform())) as f32).collect();
            // Duplicates of the point and of each other.
            (0..round % 5).for_each(|i| distances[i % (k - 1)] = [0.0, distances[k - 2]][round % 2]);
            distances.sort_by(f32::total_cmp);
            distances.insert(0, 0.0);
            let target = (k as f64).log2();
            let (found, expected) =
                (smooth_knn_dist(&distances, target, scale, &mut beyond), twin(&distances, target, scale));
            assert_eq!((found.0.to_bits(), found.1), (expected.0.to_bits(), expected.1), "{distances:?}");
        }
    }
}
