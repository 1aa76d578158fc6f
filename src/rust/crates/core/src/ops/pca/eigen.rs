//! The leading eigenpairs of a symmetric matrix.
//!
//! The matrix is reduced to tridiagonal form in place ([`tridiagonal`](super::tridiagonal)). A
//! small share of the eigenvalues is found by [`bisection`](super::bisection), and their vectors by
//! inverse iteration with orthogonalisation (Peters & Wilkinson 1971). Neither needs a second
//! matrix. A large share is found by divide and conquer, and so are vectors on which the iteration
//! does not converge.

use super::bisection::leading_values;
use super::tridiagonal::{reduce, SCRATCH};
use crate::error::{Error, Result};
use crate::memory;
use crate::random::Stream;
use crate::session::Monitor;
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::{self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd, ComputeEigenvectors};
use faer::{Mat, MatMut, Par};

/// The inverse of the largest share of eigenvalues whose vectors are found one by one.
const FEW: usize = 4;

/// Returns the `k` largest eigenvalues, descending, and their eigenvectors as a row-major `p x k`
/// matrix, of a column-major `p x p` matrix. Reads only the lower triangle of `a` and overwrites
/// it. Work is cut into `parts` tasks for the pool of the caller. `parts` is fixed because sums,
/// and with them the bits, depend on it; they do not depend on the number of threads.
///
/// # Errors
/// [`Error::Numerical`] when the decomposition fails; [`Error::Cancelled`] when the monitor asks to
/// stop.
pub(crate) fn leading_eigenpairs(
    a: &mut [f64],
    p: usize,
    k: usize,
    parts: usize,
    monitor: &Monitor,
) -> Result<(Vec<f64>, Vec<f64>)> {
    // Squares of values far from 1 would overflow or underflow.
    let largest = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let out = (largest > 1e100 && largest.is_finite()) || (largest > 0.0 && largest < 1e-100);
    let unit = if out { largest.log2().floor().exp2() } else { 1.0 };
    if out {
        a.iter_mut().for_each(|x| *x /= unit);
    }
    let reduced = reduce(a, p, parts, monitor)?;
    let t = Tridiagonal { diagonal: &reduced.diagonal, below: &reduced.below };
    let (mut values, mut vectors) = t.leading(k, monitor)?;
    values.iter_mut().for_each(|v| *v *= unit);
    monitor.check()?;
    reduced.back_transform(&mut vectors, k);
    Ok((values, vectors))
}

fn failed(e: impl std::fmt::Debug) -> Error {
    Error::Numerical(format!("the eigenvalue decomposition failed: {e:?}"))
}

fn buffer(scratch: StackReq) -> Result<MemBuffer> {
    let refused =
        |_| Error::OutOfMemory { what: SCRATCH.to_owned(), needed: scratch.unaligned_bytes_required() as u64 };
    MemBuffer::try_new(scratch).map_err(refused)
}

struct Tridiagonal<'a> {
    diagonal: &'a [f64],
    below: &'a [f64],
}

impl Tridiagonal<'_> {
    /// Returns the `k` largest eigenvalues, descending, and their vectors as a row-major `p x k`
    /// matrix.
    fn leading(&self, k: usize, monitor: &Monitor) -> Result<(Vec<f64>, Vec<f64>)> {
        let p = self.diagonal.len();
        if k * FEW <= p {
            let values = leading_values(self.diagonal, self.below, k, monitor)?;
            monitor.check()?;
            if let Some(found) = self.inverse_iteration(&values) {
                let vectors = (0..p).flat_map(|i| (0..k).map(move |c| (i, c))).map(|at| found[at]);
                return Ok((values, memory::exactly(p * k, vectors, SCRATCH)?));
            }
            monitor.check()?;
        }
        let mut all = memory::zeros(p * p, SCRATCH)?;
        let values = self.decompose(MatMut::from_column_major_slice_mut(&mut all, p, p))?;
        let leading = (0..p).flat_map(|i| (0..k).map(move |c| (i, c))).map(|(i, c)| all[(p - 1 - c) * p + i]);
        let vectors = memory::exactly(p * k, leading, SCRATCH)?;
        Ok((values.into_iter().rev().take(k).collect(), vectors))
    }

    /// Returns all eigenvalues, ascending, and writes their vectors into the columns of `vectors`.
    fn decompose(&self, vectors: MatMut<'_, f64>) -> Result<Vec<f64>> {
        let p = self.diagonal.len();
        let (mut diagonal, mut below, mut values) = (Diag::<f64>::zeros(p), Diag::zeros(p), Diag::zeros(p));
        for i in 0..p {
            diagonal[i] = self.diagonal[i];
            below[i] = self.below.get(i).copied().unwrap_or(0.0);
        }
        let scratch = self_adjoint_evd_scratch::<f64>(p, ComputeEigenvectors::Yes, Par::Seq, Default::default());
        let mut memory = buffer(scratch)?;
        tridiagonal_self_adjoint_evd(
            diagonal.as_ref(),
            below.as_ref(),
            values.as_mut(),
            Some(vectors),
            Par::Seq,
            MemStack::new(&mut memory),
            Default::default(),
        )
        .map_err(failed)?;
        Ok((0..p).map(|i| values[i]).collect())
    }

    /// Returns the vectors of `values`, which descend, each orthogonal to those before. `None` when
    /// a vector does not converge.
    fn inverse_iteration(&self, values: &[f64]) -> Option<Mat<f64>> {
        let p = self.diagonal.len();
        let norm = (0..p).map(|i| self.row_sum(i)).fold(0.0, f64::max);
        let tolerance = norm * f64::EPSILON * (p as f64).sqrt();
        let mut random = Stream::new(0, 0, p as u64);
        let mut out = Mat::<f64>::zeros(p, values.len());
        for (c, &value) in values.iter().enumerate() {
            let shifted = Shifted::new(self, value, norm);
            let mut v: Vec<f64> = (0..p).map(|_| random.uniform() - 0.5).collect();
            // Two solves suffice for a well separated value; a third refines.
            let settled = (0..8).any(|round| {
                shifted.solve(&mut v);
                // Orthogonalising twice is enough (Kahan, in Parlett 1980).
                for _ in 0..2 {
                    scale_to_one(&mut v);
                    for b in 0..c {
                        let along: f64 = v.iter().enumerate().map(|(i, x)| x * out[(i, b)]).sum();
                        v.iter_mut().enumerate().for_each(|(i, x)| *x -= along * out[(i, b)]);
                    }
                }
                scale_to_one(&mut v) && round >= 2 && self.residual(value, &v) <= tolerance
            });
            if !settled {
                return None;
            }
            v.iter().enumerate().for_each(|(i, x)| out[(i, c)] = *x);
        }
        Some(out)
    }

    fn row_sum(&self, i: usize) -> f64 {
        let before = if i > 0 { self.below[i - 1].abs() } else { 0.0 };
        self.diagonal[i].abs() + before + self.below.get(i).map_or(0.0, |b| b.abs())
    }

    /// Returns the largest `|T v - value v|` over the rows.
    fn residual(&self, value: f64, v: &[f64]) -> f64 {
        let at = |i: usize| {
            let before = if i > 0 { self.below[i - 1] * v[i - 1] } else { 0.0 };
            let after = self.below.get(i).map_or(0.0, |b| b * v[i + 1]);
            ((self.diagonal[i] - value) * v[i] + before + after).abs()
        };
        (0..v.len()).map(at).fold(0.0, f64::max)
    }
}

/// Scales `v` to a norm of 1. Returns whether its norm was positive and finite.
fn scale_to_one(v: &mut [f64]) -> bool {
    let largest = v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if !(largest > 0.0 && largest.is_finite()) {
        return false;
    }
    v.iter_mut().for_each(|x| *x /= largest);
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v.iter_mut().for_each(|x| *x /= norm);
    true
}

/// The LU factors of `T - value I` with partial pivoting: `U` has two diagonals above its own.
struct Shifted {
    upper: Vec<[f64; 3]>,
    /// The multiplier of each row, and whether the row was swapped with the next.
    steps: Vec<(f64, bool)>,
}

impl Shifted {
    fn new(t: &Tridiagonal, value: f64, norm: f64) -> Self {
        let p = t.diagonal.len();
        // The replacement of a pivot of 0 may be any value far below the norm of the matrix.
        let tiny = if norm > 0.0 { norm * f64::EPSILON } else { f64::MIN_POSITIVE };
        let above = |i: usize| t.below.get(i).copied().unwrap_or(0.0);
        let (mut upper, mut steps) = (Vec::with_capacity(p), Vec::with_capacity(p));
        let mut row = [t.diagonal.first().map_or(0.0, |d| d - value), above(0), 0.0];
        for i in 0..p.saturating_sub(1) {
            let next = [t.below[i], t.diagonal[i + 1] - value, above(i + 1)];
            let swap = next[0].abs() > row[0].abs();
            let (mut pivot, other) = if swap { (next, row) } else { (row, next) };
            if pivot[0] == 0.0 {
                pivot[0] = tiny;
            }
            let factor = other[0] / pivot[0];
            row = [other[1] - factor * pivot[1], other[2] - factor * pivot[2], 0.0];
            upper.push(pivot);
            steps.push((factor, swap));
        }
        if row[0] == 0.0 {
            row[0] = tiny;
        }
        upper.push(row);
        Shifted { upper, steps }
    }

    fn solve(&self, v: &mut [f64]) {
        let p = v.len();
        for (i, &(factor, swap)) in self.steps.iter().enumerate() {
            if swap {
                v.swap(i, i + 1);
            }
            v[i + 1] -= factor * v[i];
        }
        for i in (0..p).rev() {
            let [d, a, b] = self.upper[i];
            let above = a * v.get(i + 1).copied().unwrap_or(0.0) + b * v.get(i + 2).copied().unwrap_or(0.0);
            v[i] = (v[i] - above) / d;
            // The vector is scaled down before it overflows: only its direction counts.
            if v[i].abs() > 1e150 {
                let by = 1.0 / v[i].abs();
                v.iter_mut().for_each(|x| *x *= by);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(a: &Mat<f64>) -> Vec<f64> {
        (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j))).map(|at| a[at]).collect()
    }

    /// Eigenpairs satisfy `A v = l v`, vectors are orthonormal, and values agree with faer's own
    /// decomposition.
    fn check(a: &Mat<f64>, k: usize) {
        let p = a.nrows();
        let (values, v) = leading_eigenpairs(&mut columns(a), p, k, 1, &Monitor::default()).unwrap();
        let expected = a.self_adjoint_eigenvalues(faer::Side::Lower).unwrap();
        let scale = expected.iter().fold(1e-300_f64, |m, x| m.max(x.abs()));
        for c in 0..k {
            assert!(
                (values[c] - expected[p - 1 - c]).abs() <= 1e-13 * scale * p as f64,
                "{c}: {values:?} {expected:?}"
            );
            for i in 0..p {
                let product: f64 = (0..p).map(|j| a[(i, j)] * v[j * k + c]).sum();
                assert!((product - values[c] * v[i * k + c]).abs() <= 1e-13 * scale * p as f64);
            }
            for d in 0..=c {
                let dot: f64 = (0..p).map(|i| v[i * k + c] * v[i * k + d]).sum();
                assert!((dot - f64::from(u8::from(c == d))).abs() < 1e-12, "{c} {d}: {dot}");
            }
        }
    }

    #[test]
    fn pairs_are_eigenpairs_whatever_the_spectrum() {
        let mut random = Stream::new(1, 0, 1);
        for p in [1, 2, 5, 40, 130] {
            let x = Mat::from_fn(p + 3, p, |_, _| random.uniform() - 0.5);
            let dense = x.transpose() * &x;
            for k in [1, p.div_ceil(5), p] {
                check(&dense, k);
            }
        }
        let p = 60;
        // A zero matrix, the identity, three values twenty times each, a matrix of rank one, and a
        // block matrix with equal blocks.
        check(&Mat::zeros(p, p), 10);
        check(&Mat::identity(p, p), 10);
        check(&Mat::from_fn(p, p, |i, j| if i == j { (i % 3) as f64 } else { 0.0 }), 15);
        check(&Mat::from_fn(p, p, |i, j| ((i + 1) * (j + 1)) as f64), 12);
        check(
            &Mat::from_fn(p, p, |i, j| if i / 10 == j / 10 { 1.0 / (1.0 + (i % 10 + j % 10) as f64) } else { 0.0 }),
            15,
        );
        // Values over sixteen decades, and Wilkinson's pairs of eigenvalues, which agree to all
        // digits.
        check(&Mat::from_fn(p, p, |i, j| if i == j { 10f64.powi(-(i as i32 % 17)) } else { 1e-9 }), 15);
        let wilkinson = |i: usize, j: usize| match i.abs_diff(j) {
            0 => (i as f64 - 30.0).abs(),
            1 => 1.0,
            _ => 0.0,
        };
        check(&Mat::from_fn(61, 61, wilkinson), 15);
    }
}
