//! Moments of columns: means and sums of squared deviations that can be merged.
//!
//! A sum of squares less a squared sum cancels where values lie far from 0. For blocks of sparse
//! rows, cancellation is detected ([`columns`](super::columns)). Dense columns are summed around a
//! shift near their values. It starts as the first value. After 32, 1024, 5120, 9216, ... values it
//! moves to their mean if it is far from it, which loses nothing. The squares up to then are put
//! aside, as long sums round too often. Zeros that are not stored, and blocks, merge by Chan, Golub
//! & LeVeque (1983). A constant column has deviation 0 exactly, in every layout.

use crate::element::Number;
use serde::{Deserialize, Serialize};

/// The axis along which values are reduced, as numpy counts axes.
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

/// The sums of values of one column of a block, around a shift.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shifted {
    /// The number of values.
    pub(super) stored: f64,
    pub(super) shift: f64,
    pub(super) sum: f64,
    pub(super) squares: f64,
}

/// The shift moves when the number of values has grown by this factor, and at least after
/// [`LONGEST`] values.
const MOVES: u32 = 32;
const LONGEST: u32 = 4096;

/// Returns the number of values between the move of the shift at `n` values and the next one.
fn run(n: u32) -> u32 {
    (n * (MOVES - 1)).min(LONGEST)
}

/// Puts the squares of `n` values aside. Moves the shift to the mean, unless it is near enough that
/// squares do not cancel. Whole numbers keep a whole shift, so that their sums stay exact.
#[inline(always)]
fn recentre(n: f64, shift: &mut f64, sum: &mut f64, sq: &mut f64, aside: &mut f64) {
    let near = *sum * *sum <= 0.75 * n * *sq;
    if near {
        *aside += std::mem::take(sq);
    } else {
        move_shift(n, shift, sum, sq, aside);
    }
}

#[cold]
fn move_shift(n: f64, shift: &mut f64, sum: &mut f64, sq: &mut f64, aside: &mut f64) {
    let mean = *sum / n;
    let whole = shift.fract() == 0.0 && sum.fract() == 0.0;
    let to = *shift + if whole { mean.round() } else { mean };
    // The difference after rounding is what the shift moves by.
    let d = to - *shift;
    *aside += *sq;
    *sq = 0.0;
    if d.is_finite() {
        *aside -= d * (2.0 * *sum - n * d);
        *sum -= n * d;
        *shift = to;
    }
}

/// Count, means and sums of squared deviations of each column: a state that can be merged. A mean
/// is `shift + offset`, so that the difference of two means is exact where all values lie close
/// together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Moments {
    n: f64,
    shift: Vec<f64>,
    offset: Vec<f64>,
    m2: Vec<f64>,
}

impl Moments {
    /// Makes the moments of no rows.
    pub(super) fn new(n_cols: usize) -> Self {
        Moments { n: 0.0, shift: vec![0.0; n_cols], offset: vec![0.0; n_cols], m2: vec![0.0; n_cols] }
    }

    /// Makes the moments of `n` rows from the sums of each column, which are over its stored values
    /// only. Values that are not stored are 0.
    pub(super) fn of_shifted(n: usize, n_cols: usize, columns: impl Iterator<Item = Shifted>) -> Self {
        let mut all = Moments::new(n_cols);
        all.n = n as f64;
        for (j, Shifted { stored, shift, sum, squares }) in columns.enumerate() {
            if stored > 0.0 {
                (all.shift[j], all.offset[j], all.m2[j]) = with_zeros(stored, all.n, shift, sum, squares);
            }
        }
        all
    }

    /// Makes the moments of `n` rows of whole numbers from their exact sums and sums of squares.
    pub(super) fn of_whole(n: usize, n_cols: usize, sums: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut all = Moments::new(n_cols);
        all.n = n as f64;
        for (j, (sum, squares)) in sums.enumerate() {
            // Around the whole number nearest to the mean, sums are exact. The last term is at most
            // half of the squares, so that little cancels.
            let shift = round(sum / all.n);
            let rest = sum - all.n * shift;
            let offset = rest / all.n;
            (all.shift[j], all.offset[j]) = (shift, offset);
            all.m2[j] = (squares - shift * (sum + rest)) - rest * offset;
        }
        all
    }

    /// Makes the moments of `f` of the values of dense rows.
    pub(super) fn of_dense<'a, T: Number>(mut rows: impl Iterator<Item = &'a [T]>, f: impl Fn(T) -> f64) -> Self {
        let Some(first) = rows.next() else { return Moments::new(0) };
        let mut shift: Vec<f64> = first.iter().map(|&x| finite_or_zero(f(x))).collect();
        // A first value that is not finite is added too: its shift is 0.
        let mut sum: Vec<f64> = first.iter().zip(&shift).map(|(&x, k)| f(x) - k).collect();
        let mut sq: Vec<f64> = sum.iter().map(|d| d * d).collect();
        let mut aside = vec![0.0; sq.len()];
        let (mut n, mut next) = (1u32, MOVES);
        for row in rows {
            if n == next {
                for (((k, s), q), a) in shift.iter_mut().zip(&mut sum).zip(&mut sq).zip(&mut aside) {
                    recentre(f64::from(n), k, s, q, a);
                }
                next += run(n);
            }
            for (((s, q), &x), k) in sum.iter_mut().zip(sq.iter_mut()).zip(row).zip(&shift) {
                let d = f(x) - k;
                *s += d;
                *q += d * d;
            }
            n += 1;
        }
        let n = f64::from(n);
        for (((k, s), q), a) in shift.iter_mut().zip(&mut sum).zip(&mut sq).zip(&aside) {
            (*k, *s, *q) = with_zeros(n, n, *k, *s, a + *q);
        }
        Moments { n, shift, offset: sum, m2: sq }
    }

    /// Returns means and sums of squared deviations.
    pub(super) fn vectors(self) -> (Vec<f64>, Vec<f64>) {
        (self.mean(), self.m2)
    }

    fn mean(&self) -> Vec<f64> {
        self.shift.iter().zip(&self.offset).map(|(k, o)| k + o).collect()
    }

    /// Makes the moments of `n` rows from the results of [`Moments::vectors`].
    pub(super) fn of_vectors(n: usize, mean: Vec<f64>, m2: Vec<f64>) -> Self {
        Moments { n: n as f64, offset: vec![0.0; mean.len()], shift: mean, m2 }
    }

    /// Adds the moments of the same columns over other rows.
    pub(super) fn merge(&mut self, other: &Moments) {
        if other.n == 0.0 {
            return;
        }
        if self.n == 0.0 {
            self.clone_from(other);
            return;
        }
        let n = self.n + other.n;
        let (weight, cross) = (other.n / n, self.n * other.n / n);
        let own = self.shift.iter().zip(self.offset.iter_mut()).zip(self.m2.iter_mut());
        for (((k, o), q), ((ok, oo), oq)) in own.zip(other.shift.iter().zip(&other.offset).zip(&other.m2)) {
            let d = (ok - k) + (oo - *o);
            *o += if d.is_finite() { d * weight } else { d };
            *q += oq + d * d * cross;
        }
        self.n = n;
    }

    /// Returns means and variances with divisor `n - ddof`. A variance is NaN where the divisor is
    /// not positive, and all is NaN without rows.
    pub(super) fn finish(self, ddof: usize) -> MeanVar {
        let divisor = self.n - ddof as f64;
        let scale = if divisor > 0.0 { divisor } else { f64::NAN };
        let mean = if self.n > 0.0 { self.mean() } else { vec![f64::NAN; self.m2.len()] };
        MeanVar { mean, var: self.m2.iter().map(|q| q / scale).collect() }
    }
}

/// Computes the moments of `n` values, of which `stored` are stored and the others are 0. `sum` and
/// `sq` are the sum and the sum of squares of `x - shift` over the stored values x. Returns
/// `shift`, the offset of the mean of all `n` values from it, and the sum of their squared
/// deviations from the mean.
#[inline(always)]
pub(super) fn with_zeros(stored: f64, n: f64, shift: f64, sum: f64, sq: f64) -> (f64, f64, f64) {
    let offset = sum / stored;
    // Rounding can leave a nearly constant column just below 0. The comparison lets NaN pass.
    let m2 = sq - sum * offset;
    let m2 = if m2 < 0.0 { 0.0 } else { m2 };
    if stored == n {
        return (shift, offset, m2);
    }
    let (mean, share) = (shift + offset, (n - stored) / n);
    (shift, offset - mean * share, m2 + mean * mean * (stored * share))
}

/// Returns `x`, or 0 where it is NaN or infinite.
pub(super) fn finite_or_zero(x: f64) -> f64 {
    if x.is_finite() {
        x
    } else {
        0.0
    }
}

/// Returns the nearest whole number, for magnitudes below 2^51.
#[inline(always)]
pub(super) fn round(x: f64) -> f64 {
    const LARGE: f64 = (3u64 << 51) as f64;
    (x + LARGE) - LARGE
}
