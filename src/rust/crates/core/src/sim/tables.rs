//! Tables for cheap draws: quantiles of the gamma distribution, and aliases for discrete
//! distributions.

use crate::random::Xoshiro;

/// Dispersions that a gene can have; see [`gamma_table`].
pub(super) const THETAS: [f64; 5] = [1.5, 3.0, 6.0, 12.0, 24.0];

/// Number of entries of a gamma table.
pub(super) const GAMMA_BINS: usize = 1024;

/// Returns `GAMMA_BINS` equiprobable values of Gamma(theta, 1/theta), `theta >= 1`: the mean within
/// each quantile bin. Their mean is 1. The integrals use the midpoint rule on a fine grid.
pub(super) fn gamma_table(theta: f64) -> Vec<f32> {
    const STEPS: usize = 1 << 18;
    let top = 1.0 + 14.0 / theta.sqrt() + 20.0 / theta;
    let h = top / STEPS as f64;
    let mode = (theta - 1.0) / theta;
    // Unnormalised density, scaled by its maximum against underflow.
    let log_density = |x: f64| (theta - 1.0) * x.ln() - theta * x;
    let peak = if mode > 0.0 { log_density(mode) } else { log_density(h) };
    let density: Vec<f64> = (0..STEPS).map(|i| (log_density((i as f64 + 0.5) * h) - peak).exp()).collect();
    let total: f64 = density.iter().sum();
    let per_bin = total / GAMMA_BINS as f64;

    let mut means = vec![0.0; GAMMA_BINS];
    let mut filled = 0.0;
    for (i, &d) in density.iter().enumerate() {
        let x = (i as f64 + 0.5) * h;
        let bin = ((filled / per_bin) as usize).min(GAMMA_BINS - 1);
        // A step that straddles two bins is split between them.
        let room = (per_bin * (bin + 1) as f64 - filled).max(0.0);
        let here = if bin == GAMMA_BINS - 1 { d } else { d.min(room) };
        means[bin] += here * x;
        if here < d {
            means[bin + 1] += (d - here) * x;
        }
        filled += d;
    }
    let mean: f64 = means.iter().sum::<f64>() / total;
    means.iter().map(|m| (m / per_bin / mean) as f32).collect()
}

/// A discrete distribution that is drawn from in constant time (Walker 1977, built as by Vose
/// 1991).
pub(super) struct Alias {
    /// A draw at a position below its threshold gives the position itself, else its `other`.
    threshold: Vec<f32>,
    other: Vec<u32>,
}

impl Alias {
    /// Makes the table of non-negative weights with a positive sum. Nothing may be drawn from a
    /// table without weights.
    pub(super) fn new(weights: &[f64]) -> Self {
        let n = weights.len();
        let total: f64 = weights.iter().sum();
        let mut scaled: Vec<f64> = weights.iter().map(|w| w * n as f64 / total).collect();
        let mut threshold = vec![1.0f32; n];
        let mut other: Vec<u32> = (0..n as u32).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| scaled[i] < 1.0);
        while let (Some(s), Some(&l)) = (small.pop(), large.last()) {
            threshold[s] = scaled[s] as f32;
            other[s] = l as u32;
            scaled[l] -= 1.0 - scaled[s];
            if scaled[l] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        Alias { threshold, other }
    }

    #[inline(always)]
    /// Draws a position, with a probability proportional to its weight.
    pub(super) fn draw(&self, rng: &mut Xoshiro) -> usize {
        let i = rng.below(self.threshold.len());
        // A second word, so that the bits that choose the position do not choose the side, too.
        if (rng.bits() >> 40) as f32 * (1.0 / (1u32 << 24) as f32) < self.threshold[i] {
            i
        } else {
            self.other[i] as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_tables_have_mean_1_and_nearly_the_variance() {
        for theta in THETAS {
            let t = gamma_table(theta);
            let mean = t.iter().map(|&x| f64::from(x)).sum::<f64>() / t.len() as f64;
            let var = t.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / t.len() as f64;
            assert!((mean - 1.0).abs() < 1e-6, "{theta}: mean {mean}");
            assert!((var * theta - 1.0).abs() < 0.01, "{theta}: variance {var}");
            assert!(t.windows(2).all(|w| w[0] <= w[1]), "{theta}: not ascending");
        }
    }

    #[test]
    fn alias_draws_in_proportion() {
        let weights = [5.0, 0.0, 1.0, 3.5, 0.5];
        let alias = Alias::new(&weights);
        let mut rng = Xoshiro::new(3, 3);
        let mut seen = [0.0; 5];
        for _ in 0..200_000 {
            seen[alias.draw(&mut rng)] += 1.0;
        }
        for (s, w) in seen.iter().zip(weights) {
            assert!((s / 200_000.0 - w / 10.0f64).abs() < 0.005, "{seen:?}");
        }
        assert_eq!(seen[1], 0.0);
    }
}
