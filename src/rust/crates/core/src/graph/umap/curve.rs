//! The curve 1 / (1 + a d^2b) that turns embedded distances into similarities, and the forces that
//! follow from it.

use super::lanes::{Lanes, Plain};
use crate::error::{Error, Result};
use crate::simd;

/// Finds a and b such that 1 / (1 + a x^2b) fits, by least squares on 300 points of [0, 3 spread],
/// the curve that is 1 up to `min_dist` and exp(-(x - min_dist) / spread) beyond (umap-learn's
/// `find_ab_params`). The method is Levenberg-Marquardt.
///
/// # Errors
/// [`Error::Parameter`] unless 0 <= `min_dist` <= `spread`, `spread` > 0; [`Error::Numerical`] when
/// the fit fails.
pub fn find_ab_params(spread: f64, min_dist: f64) -> Result<(f64, f64)> {
    if !(spread > 0.0 && spread.is_finite()) {
        return Err(Error::parameter("spread", "a number > 0", spread));
    }
    if !(0.0..=spread).contains(&min_dist) {
        return Err(Error::parameter("min_dist", format!("a number in 0 to spread ({spread})"), min_dist));
    }
    let points: Vec<(f64, f64)> = (0..300)
        .map(|i| {
            let x = 3.0 * spread * f64::from(i) / 299.0;
            (x, if x < min_dist { 1.0 } else { (-(x - min_dist) / spread).exp() })
        })
        .collect();
    let loss =
        |a: f64, b: f64| points.iter().map(|(x, y)| (1.0 / (1.0 + a * x.powf(2.0 * b)) - y).powi(2)).sum::<f64>();

    let (mut a, mut b, mut damping) = (1.0f64, 1.0f64, 1e-3);
    let mut best = loss(a, b);
    for _ in 0..500 {
        // Normal equations of the residuals r with derivatives (da, db).
        let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for &(x, y) in &points[1..] {
            let power = x.powf(2.0 * b);
            let f = 1.0 / (1.0 + a * power);
            let (da, db) = (-f * f * power, -f * f * a * power * 2.0 * x.ln());
            aa += da * da;
            ab += da * db;
            bb += db * db;
            ra += da * (f - y);
            rb += db * (f - y);
        }
        let (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let determinant = aa * bb - ab * ab;
        let (step_a, step_b) = ((ab * rb - bb * ra) / determinant, (ab * ra - aa * rb) / determinant);
        let (new_a, new_b) = (a + step_a, b + step_b);
        let new = if new_a > 0.0 && new_b > 0.0 { loss(new_a, new_b) } else { f64::INFINITY };
        if new <= best {
            let done = best - new <= 1e-15 * best && step_a.abs() <= 1e-9 * a && step_b.abs() <= 1e-9 * b;
            (a, b, best, damping) = (new_a, new_b, new, damping / 10.0);
            if done {
                return Ok((a, b));
            }
        } else {
            damping *= 10.0;
            if damping > 1e12 {
                return Ok((a, b));
            }
        }
        if !(a.is_finite() && b.is_finite()) {
            break;
        }
    }
    Err(Error::Numerical(format!("no a, b found for min_dist = {min_dist}, spread = {spread}; give a and b")))
}

/// Force coefficients of the curve in f32.
#[derive(Debug, Clone, Copy)]
pub(super) struct Curve {
    a: f32,
    b: f32,
    two_ab: f32,
    two_gamma_b: f32,
}

impl Curve {
    /// Computes the coefficients of the curve; `gamma` is the weight of negative samples.
    pub(super) fn new(a: f64, b: f64, gamma: f64) -> Self {
        Curve { a: a as f32, b: b as f32, two_ab: (2.0 * a * b) as f32, two_gamma_b: (2.0 * gamma * b) as f32 }
    }

    /// Returns the factor of (x_i - x_j) in the step of x_i along an edge, for squared distance
    /// `d2`: -2ab d2^(b-1) / (1 + a d2^b).
    #[inline(always)]
    pub(super) fn attraction<L: Lanes>(&self, d2: L) -> L {
        let d2 = d2.at_least(d2.like(SMALLEST));
        let power = pow(d2, self.b);
        let below = d2.times(d2.like(1.0).plus(d2.like(self.a).times(power)));
        d2.like(-self.two_ab).times(power).divided_by(below)
    }

    /// Returns the factor of (x_i - x_k) for a negative sample: 2 gamma b / ((0.001 + d2) (1 + a
    /// d2^b)).
    #[inline(always)]
    pub(super) fn repulsion<L: Lanes>(&self, d2: L) -> L {
        let power = pow(d2.at_least(d2.like(SMALLEST)), self.b);
        let below = d2.like(1.0).plus(d2.like(self.a).times(power));
        d2.like(self.two_gamma_b).divided_by(d2.like(0.001).plus(d2).times(below))
    }

    /// Returns [`Curve::attraction`] for one distance.
    pub(super) fn attraction_at(&self, d2: f32) -> f32 {
        self.attraction(Plain::splat(simd::Plain, d2)).store()[0]
    }

    /// Returns [`Curve::repulsion`] for one distance.
    pub(super) fn repulsion_at(&self, d2: f32) -> f32 {
        self.repulsion(Plain::splat(simd::Plain, d2)).store()[0]
    }
}

/// The squared distance that smaller ones count as.
const SMALLEST: f32 = 1e-12;

/// Returns x^b for normal positive x: exp2(b log2 x) with minimax polynomials. The relative error
/// is below 5e-6 for x in [1e-12, 1e8] and b <= 2 (tested). It uses only additions and
/// multiplications in a fixed order, so the bits are the same on every machine. Polynomials are
/// evaluated by halves (Estrin), because latency, not the number of multipliers, is the limit here.
#[inline(always)]
fn pow<L: Lanes>(x: L, b: f32) -> L {
    let linear = |t: L, slope: f32, at_0: f32| t.like(slope).times(t).plus(t.like(at_0));
    // log2 of m 2^e
    let (m, e) = x.mantissa_exponent();
    let t = m.minus(x.like(1.0));
    let t2 = t.times(t);
    let high = linear(t, -0.146_203_53, 0.234_209_85).times(t2).plus(linear(t, -0.248_821_81, 0.287_075_6));
    let low = linear(t, -0.360_241_98, 0.480_924_04).times(t2).plus(linear(t, -0.721_352_76, 1.442_694_9));
    let log = high.times(t2.times(t2)).plus(low);
    let y = x.like(b).times(log.times(t).plus(e));
    // exp2: adding 1.5 * 2^23 rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let y = y.at_least(x.like(-126.0)).at_most(x.like(126.0));
    let shifted = y.plus(x.like(ROUND));
    let f = y.minus(shifted.minus(x.like(ROUND)));
    let f2 = f.times(f);
    let low = linear(f, 0.055_503_27, 0.240_221_07).times(f2).plus(linear(f, std::f32::consts::LN_2, 1.0));
    let exp = linear(f, 0.001_340_043_3, 0.009_676_037).times(f2.times(f2)).plus(low);
    exp.scaled(shifted)
}

#[cfg(test)]
mod tests {
    use super::super::lanes::{Lanes, Plain};
    use super::{pow, Curve};
    use crate::simd;

    #[test]
    fn pow_is_accurate() {
        let mut worst = 0.0f64;
        for b in [0.3f32, 0.79, 0.895, 1.0, 1.334, 1.9, 2.0] {
            for k in 0..20_000 {
                let x = 10f64.powf(-12.0 + 20.0 * f64::from(k) / 20_000.0) as f32;
                let exact = f64::from(x).powf(f64::from(b));
                if exact > 1e-37 && exact < 1e37 {
                    worst = worst.max((f64::from(pow(Plain::splat(simd::Plain, x), b).store()[0]) / exact - 1.0).abs());
                }
            }
        }
        assert!(worst < 5e-6, "{worst}");
    }

    #[test]
    fn forces_are_derivatives_of_the_cross_entropy() {
        let (a, b, gamma) = (0.583_030_f64, 1.334_166_9_f64, 1.0);
        let curve = Curve::new(a, b, gamma);
        let phi = |d2: f64| 1.0 / (1.0 + a * d2.powf(b));
        for d2 in [0.01f64, 0.3, 1.0, 4.0, 50.0] {
            let h = d2 * 1e-5;
            // d/dx of f(d2), x on the line to the other point: 2 x f'(d2); the factor is 2 f'.
            let att = 2.0 * (phi(d2 + h).ln() - phi(d2 - h).ln()) / (2.0 * h);
            let rep = 2.0 * ((1.0 - phi(d2 + h)).ln() - (1.0 - phi(d2 - h)).ln()) / (2.0 * h);
            let rep = rep * d2 / (0.001 + d2); // umap-learn's guard against zero distance
            assert!((f64::from(curve.attraction_at(d2 as f32)) / att - 1.0).abs() < 1e-4, "{d2}");
            assert!((f64::from(curve.repulsion_at(d2 as f32)) / rep - 1.0).abs() < 1e-4, "{d2}");
        }
    }
}
