//! Minimises a smooth, strictly convex function by Newton's method, with each step by
//! preconditioned conjugate gradients (Nocedal & Wright 2006, algorithm 7.1).

use crate::error::{Error, Result};
use crate::memory;

/// The upper bound of Newton steps; a dozen is usual.
const ROUNDS: usize = 100;
/// The upper bound of products with the second derivatives in a step.
const PRODUCTS: usize = 2000;

/// A convex function of a vector.
pub(super) trait Convex {
    /// Returns the value at `at`. Writes its gradient to `gradient` and the diagonal of its second
    /// derivatives to `diagonal`, and keeps the point for [`Convex::times`].
    fn look(&mut self, at: &[f64], gradient: &mut [f64], diagonal: &mut [f64]) -> Result<f64>;

    /// Returns the value at `at`; the point of the last `look` stays.
    fn value(&mut self, at: &[f64]) -> Result<f64>;

    /// Writes the second derivatives at the point of the last `look`, times `direction`, to `to`.
    fn times(&mut self, direction: &[f64], to: &mut [f64]) -> Result<()>;
}

/// Minimises `f` from `at` on, in place, until the gradient is at most `tolerance` long.
///
/// # Errors
/// Errors of the function; [`Error::State`] where the minimum is not reached in [`ROUNDS`] steps.
pub(super) fn minimum(f: &mut impl Convex, at: &mut [f64], tolerance: f64, what: &str) -> Result<()> {
    let n = at.len();
    let zeros = || memory::zeros::<f64>(n, what);
    let (mut gradient, mut diagonal, mut step, mut tried) = (zeros()?, zeros()?, zeros()?, zeros()?);
    let mut room = [zeros()?, zeros()?, zeros()?, zeros()?];
    let mut before = f64::INFINITY;
    for _ in 0..ROUNDS {
        let value = f.look(at, &mut gradient, &mut diagonal)?;
        let length = norm(&gradient);
        // The gradient no longer shrinks: it is down to rounding.
        if length <= tolerance || length >= before && length <= 10.0 * tolerance {
            return Ok(());
        }
        before = length;
        solve(f, &gradient, &diagonal, &mut step, (length.sqrt().min(0.1) * length).max(tolerance / 10.0), &mut room)?;
        let slope = dot(&gradient, &step);
        let mut share = 1.0;
        loop {
            tried.iter_mut().zip(at.iter()).zip(&step).for_each(|((t, a), s)| *t = a + share * s);
            // Near the minimum, differences of values are rounding, and the full step is right.
            if length <= 1e-4 || f.value(&tried)? <= value + 1e-4 * share * slope || share < 1e-6 {
                break;
            }
            share /= 2.0;
        }
        at.copy_from_slice(&tried);
    }
    Err(Error::State(format!(
        "{what}: the regression does not converge (the gradient is {before:e} after {ROUNDS} steps): scale the \
         genes first, as their values differ by many orders of magnitude"
    )))
}

/// Solves for the step to the minimum of the quadratic model, to a residual of `tolerance`.
fn solve(
    f: &mut impl Convex,
    gradient: &[f64],
    diagonal: &[f64],
    step: &mut [f64],
    tolerance: f64,
    [residual, conditioned, direction, product]: &mut [Vec<f64>; 4],
) -> Result<()> {
    let condition = |residual: &[f64], to: &mut [f64]| {
        to.iter_mut().zip(residual).zip(diagonal).for_each(|((t, r), d)| *t = r / d.max(1e-12));
    };
    step.fill(0.0);
    residual.iter_mut().zip(gradient).for_each(|(r, g)| *r = -g);
    condition(residual, conditioned);
    direction.copy_from_slice(conditioned);
    let mut size = dot(residual, conditioned);
    for _ in 0..PRODUCTS {
        if norm(residual) <= tolerance {
            break;
        }
        f.times(direction, product)?;
        let curvature = dot(direction, product);
        if curvature <= 0.0 {
            break;
        }
        let length = size / curvature;
        step.iter_mut().zip(direction.iter()).for_each(|(s, d)| *s += length * d);
        residual.iter_mut().zip(product.iter()).for_each(|(r, p)| *r -= length * p);
        condition(residual, conditioned);
        let next = dot(residual, conditioned);
        let share = next / size;
        direction.iter_mut().zip(conditioned.iter()).for_each(|(d, c)| *d = c + share * *d);
        size = next;
    }
    Ok(())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
