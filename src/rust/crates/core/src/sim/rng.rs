//! Random numbers that only the simulator draws.

use crate::random::Xoshiro;

impl Xoshiro {
    /// Draws from the uniform distribution on [low, high).
    pub(super) fn uniform_between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Draws from the Poisson distribution with mean `lambda`: by inversion below 12, by
    /// transformed rejection (Hörmann 1993, PTRS) above.
    #[inline(always)]
    pub(super) fn poisson(&mut self, lambda: f64) -> u32 {
        if lambda < 12.0 {
            let mut p = (-lambda).exp();
            let mut u = self.uniform();
            let mut k = 0;
            // u < 1 - 2^-53 and lambda < 12: past k = 100 the remaining mass is below the
            // resolution of u.
            while u >= p && k < 100 {
                u -= p;
                k += 1;
                p *= lambda / f64::from(k);
            }
            k
        } else {
            self.poisson_large(lambda)
        }
    }

    #[inline(never)]
    fn poisson_large(&mut self, lambda: f64) -> u32 {
        let root = lambda.sqrt();
        let b = 0.931 + 2.53 * root;
        let a = -0.059 + 0.02483 * b;
        let inv_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + lambda + 0.43).floor();
            if us >= 0.07 && v <= v_r {
                return k as u32;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            if (v * inv_alpha / (a / (us * us) + b)).ln() <= k * lambda.ln() - lambda - ln_factorial(k) {
                return k as u32;
            }
        }
    }
}

/// Returns ln k!: by Stirling's series, or by the exact product below 10.
fn ln_factorial(k: f64) -> f64 {
    if k < 10.0 {
        return (2..=k as u32).map(f64::from).product::<f64>().ln();
    }
    let n = k + 1.0;
    (n - 0.5) * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI).ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(n: usize, mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let x: Vec<f64> = (0..n).map(|_| draw()).collect();
        let mean = x.iter().sum::<f64>() / n as f64;
        (mean, x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64)
    }

    #[test]
    fn poisson_has_its_mean_and_variance() {
        for lambda in [0.01, 0.7, 5.0, 11.9, 12.0, 40.0, 900.0] {
            let mut random = Xoshiro::new(7, 1);
            let (mean, var) = moments(200_000, || f64::from(random.poisson(lambda)));
            let se = (lambda / 200_000f64).sqrt();
            assert!((mean - lambda).abs() < 5.0 * se, "mean {mean} of {lambda}");
            assert!((var / lambda - 1.0).abs() < 0.05, "variance {var} of {lambda}");
        }
    }

    #[test]
    fn ln_factorial_joins_its_two_branches() {
        assert!((ln_factorial(9.0) - 362_880f64.ln()).abs() < 1e-9);
        assert!((ln_factorial(10.0) - 3_628_800f64.ln()).abs() < 1e-7);
    }
}
