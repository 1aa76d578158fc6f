//! Moments of columns: means and sums of squared deviations that can be merged.
//!
//! A sum of squares less a squared sum cancels where values lie far from 0. Blocks of sparse rows notice that
//! ([`columns`](super::columns)); dense columns are summed around a shift near their values: the first of them, moved to their
//! mean when 32, 1024, 5120, 9216, ... are there and it turns out to be far off, which loses nothing. What was summed until
//! then is put aside, as long sums round too often. Zeros that are not stored, and blocks, merge by Chan, Golub & LeVeque
//! (1983). A constant column has deviation 0 exactly, in every layout.

use crate::element::Number;
use serde::{Deserialize, Serialize};

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

/// Values of one column of a block, summed around a shift.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shifted {
    /// How many they are.
    pub(super) stored: f64,
    pub(super) shift: f64,
    pub(super) sum: f64,
    pub(super) squares: f64,
}

/// The shift moves when there are this many times as many values, and after so many.
const MOVES: u32 = 32;
const LONGEST: u32 = 4096;

/// How many values are added between the moves of the shift at `n` values and the next.
fn run(n: u32) -> u32 {
    (n * (MOVES - 1)).min(LONGEST)
}

/// Puts the squares of `n` values aside and moves their shift to their mean, unless it is near enough for squares not to cancel.
/// Whole numbers keep a whole shift, so that their sums stay exact.
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
    // The move as it is after rounding.
    let d = to - *shift;
    *aside += *sq;
    *sq = 0.0;
    if d.is_finite() {
        *aside -= d * (2.0 * *sum - n * d);
        *sum -= n * d;
        *shift = to;
    }
}

/// Count, means and sums of squared deviations of each column: the mergeable state. A mean is `shift + offset`, so that the
/// difference of two means is exact where all values lie close together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Moments {
    n: f64,
    shift: Vec<f64>,
    offset: Vec<f64>,
    m2: Vec<f64>,
}

impl Moments {
    pub(super) fn new(n_cols: usize) -> Self {
        Moments { n: 0.0, shift: vec![0.0; n_cols], offset: vec![0.0; n_cols], m2: vec![0.0; n_cols] }
    }

    /// Moments of `n` rows, whose values not among those of `columns` are 0.
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

    /// Moments of `n` rows of whole numbers from their exact sums and sums of squares.
    pub(super) fn of_whole(n: usize, n_cols: usize, sums: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut all = Moments::new(n_cols);
        all.n = n as f64;
        for (j, (sum, squares)) in sums.enumerate() {
            // Around the whole number nearest to the mean all of this is exact, and the rest is at most half of the squares.
            let shift = round(sum / all.n);
            let rest = sum - all.n * shift;
            let offset = rest / all.n;
            (all.shift[j], all.offset[j]) = (shift, offset);
            all.m2[j] = (squares - shift * (sum + rest)) - rest * offset;
        }
        all
    }

    /// Moments of dense rows, after `f`.
    pub(super) fn of_dense<'a, T: Number>(mut rows: impl Iterator<Item = &'a [T]>, f: impl Fn(T) -> f64) -> Self {
        let Some(first) = rows.next() else { return Moments::new(0) };
        let mut shift: Vec<f64> = first.iter().map(|&x| finite_or_zero(f(x))).collect();
        // Of a first value that is not finite, too.
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

    /// The state as plain vectors: means, sums of squared deviations.
    pub(super) fn vectors(self) -> (Vec<f64>, Vec<f64>) {
        (self.mean(), self.m2)
    }

    fn mean(&self) -> Vec<f64> {
        self.shift.iter().zip(&self.offset).map(|(k, o)| k + o).collect()
    }

    /// The inverse of [`Moments::vectors`], of `n` rows.
    pub(super) fn of_vectors(n: usize, mean: Vec<f64>, m2: Vec<f64>) -> Self {
        Moments { n: n as f64, offset: vec![0.0; mean.len()], shift: mean, m2 }
    }

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

    pub(super) fn finish(self, ddof: usize) -> MeanVar {
        let divisor = self.n - ddof as f64;
        let scale = if divisor > 0.0 { divisor } else { f64::NAN };
        let mean = if self.n > 0.0 { self.mean() } else { vec![f64::NAN; self.m2.len()] };
        MeanVar { mean, var: self.m2.iter().map(|q| q / scale).collect() }
    }
}

/// Shift, offset of the mean from it and sum of squared deviations of `n` values, `stored` of which have `sum` and `sq` around
/// `shift` and the others are 0.
#[inline(always)]
pub(super) fn with_zeros(stored: f64, n: f64, shift: f64, sum: f64, sq: f64) -> (f64, f64, f64) {
    let offset = sum / stored;
    // Rounding can leave a nearly constant column just below 0; NaN passes through.
    let m2 = sq - sum * offset;
    let m2 = if m2 < 0.0 { 0.0 } else { m2 };
    if stored == n {
        return (shift, offset, m2);
    }
    let (mean, share) = (shift + offset, (n - stored) / n);
    (shift, offset - mean * share, m2 + mean * mean * (stored * share))
}

pub(super) fn finite_or_zero(x: f64) -> f64 {
    if x.is_finite() {
        x
    } else {
        0.0
    }
}

/// The nearest whole number, for magnitudes below 2^51: past 2^52 there are no others.
#[inline(always)]
pub(super) fn round(x: f64) -> f64 {
    const LARGE: f64 = (3u64 << 51) as f64;
    (x + LARGE) - LARGE
}
