//! Mean and variance over cells or genes.
//!
//! Within a block each line is summed around a shift near its values (its first value; 0 for sparse lines, whose bulk is
//! 0), which keeps data with a large offset exact; blocks merge by Chan, Golub & LeVeque (1983).

use super::view::{each, scatter, with_view, View};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element::Number;
use crate::error::Result;
use crate::stream::{map_fold, map_fold_keeping, Order};

/// Along which axis the values are reduced, as numpy counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Over cells: one value a gene (numpy's axis 0).
    Obs,
    /// Over genes: one value a cell (numpy's axis 1).
    Var,
}

/// Means and variances, one a gene or one a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanVar {
    /// Arithmetic means; NaN where nothing is averaged.
    pub mean: Vec<f64>,
    /// Variances with divisor `n - ddof`; NaN where that is not positive.
    pub var: Vec<f64>,
}

/// Count, means and sums of squared deviations of each column: the mergeable state.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    n: f64,
    mean: Vec<f64>,
    m2: Vec<f64>,
}

impl Moments {
    pub(super) fn new(n_cols: usize) -> Self {
        Moments { n: 0.0, mean: vec![0.0; n_cols], m2: vec![0.0; n_cols] }
    }

    /// Moments of `n` rows from sums and sums of squares around `shift` (0 when `None`).
    pub(super) fn from_sums(n: usize, mut sum: Vec<f64>, mut sq: Vec<f64>, shift: Option<&[f64]>) -> Self {
        let count = n as f64;
        if n > 0 {
            for (s, q) in sum.iter_mut().zip(sq.iter_mut()) {
                // Rounding can leave a constant column just below 0; NaN passes through.
                let m2 = *q - *s * *s / count;
                *q = if m2 < 0.0 { 0.0 } else { m2 };
                *s /= count;
            }
            if let Some(shift) = shift {
                sum.iter_mut().zip(shift).for_each(|(m, k)| *m += k);
            }
        }
        Moments { n: count, mean: sum, m2: sq }
    }

    /// Moments of all rows of a block, after `f`.
    pub(super) fn of_block<T: Number>(view: &View<'_, T>, f: impl Fn(f64) -> f64) -> Self {
        let n_rows = view.n_rows();
        let (mut sum, mut sq) = (vec![0.0; view.n_cols], vec![0.0; view.n_cols]);
        let shift: Option<Vec<f64>> = match (n_rows > 0).then(|| view.row(0)) {
            Some((None, values)) => Some(values.iter().map(|x| finite_or_zero(f(x.to_f64()))).collect()),
            _ => None,
        };
        for i in 0..n_rows {
            match (view.row(i), &shift) {
                ((None, values), Some(shift)) => {
                    for (((s, q), x), k) in sum.iter_mut().zip(sq.iter_mut()).zip(values).zip(shift) {
                        let d = f(x.to_f64()) - k;
                        *s += d;
                        *q += d * d;
                    }
                }
                (row, _) => each(row, |c, x| {
                    let y = f(x);
                    sum[c] += y;
                    sq[c] += y * y;
                }),
            }
        }
        Moments::from_sums(n_rows, sum, sq, shift.as_deref())
    }

    /// The state as plain vectors: means, sums of squared deviations.
    pub(super) fn vectors(self) -> (Vec<f64>, Vec<f64>) {
        (self.mean, self.m2)
    }

    /// The inverse of [`Moments::vectors`], of `n` rows.
    pub(super) fn of_vectors(n: usize, mean: Vec<f64>, m2: Vec<f64>) -> Self {
        Moments { n: n as f64, mean, m2 }
    }

    pub(super) fn merge(&mut self, other: &Moments) {
        let n = self.n + other.n;
        if other.n == 0.0 {
            return;
        }
        let (weight, cross) = (other.n / n, self.n * other.n / n);
        for ((m, q), (om, oq)) in self.mean.iter_mut().zip(self.m2.iter_mut()).zip(other.mean.iter().zip(&other.m2)) {
            let d = om - *m;
            *m += d * weight;
            *q += oq + d * d * cross;
        }
        self.n = n;
    }

    pub(super) fn finish(self, ddof: usize) -> MeanVar {
        let divisor = self.n - ddof as f64;
        let scale = if divisor > 0.0 { divisor } else { f64::NAN };
        let mean = if self.n > 0.0 { self.mean } else { vec![f64::NAN; self.m2.len()] };
        MeanVar { mean, var: self.m2.iter().map(|q| q / scale).collect() }
    }
}

fn finite_or_zero(x: f64) -> f64 {
    if x.is_finite() {
        x
    } else {
        0.0
    }
}

/// Means and variances along `axis` with divisor `n - ddof` (scanpy uses `ddof = 1`). NaN and infinities propagate.
///
/// # Errors
/// Those of the pass.
pub fn mean_var(x: &LazyMatrix, axis: Axis, ddof: usize, ctx: &Context) -> Result<MeanVar> {
    match axis {
        Axis::Obs => Ok(column_moments(x, ctx)?.finish(ddof)),
        Axis::Var => row_mean_var(x, ddof, ctx),
    }
}

fn column_moments(x: &LazyMatrix, ctx: &Context) -> Result<Moments> {
    let mut all = Moments::new(x.shape().1);
    map_fold_keeping(
        x,
        ctx,
        |block| with_view!(block, view => Ok(Moments::of_block(&view, |x| x))),
        |part| {
            all.merge(&part);
            Ok(())
        },
    )?;
    Ok(all)
}

fn row_mean_var(x: &LazyMatrix, ddof: usize, ctx: &Context) -> Result<MeanVar> {
    let (n_rows, n_cols) = x.shape();
    let n = n_cols as f64;
    let divisor = if n_cols > ddof { n - ddof as f64 } else { f64::NAN };
    let (mut mean, mut var) = (vec![f64::NAN; n_rows], vec![f64::NAN; n_rows]);
    map_fold(
        x,
        Order::File,
        ctx,
        |block| {
            let positions = block.positions.clone();
            let (m, v): (Vec<f64>, Vec<f64>) = with_view!(block, view => Ok((0..view.n_rows()).map(|i| {
                let row = view.row(i);
                let (mut sum, mut sq) = (0.0, 0.0);
                each(row, |_, x| sum += x);
                let mean = sum / n;
                // Two sweeps over a row that is in cache anyway: exact whatever the offset.
                each(row, |_, x| sq += (x - mean) * (x - mean));
                sq += (n_cols - row.1.len()) as f64 * mean * mean;
                (mean, sq / divisor)
            }).unzip()))?;
            Ok((positions, m, v))
        },
        |(positions, m, v)| {
            scatter(&mut mean, &positions, &m);
            scatter(&mut var, &positions, &v);
            Ok(())
        },
    )?;
    Ok(MeanVar { mean, var })
}
