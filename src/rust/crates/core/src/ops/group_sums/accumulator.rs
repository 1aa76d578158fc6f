//! Accumulators of the values of one gene in one group.
//!
//! Values are added one after the other, in the order of the file. Moments are taken around the
//! first value, and zeros are added in closed form. The relative rounding error is then at most the
//! number of values times that of one value: a first value far from all others makes the deviation
//! itself large.

use crate::element::Number;
use crate::ops::moments::finite_or_zero;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An accumulator of the values of a gene in a group that are not 0.
pub(in crate::ops) trait Accumulator:
    Copy + Default + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// The type of the values.
    type Value: Summed;

    /// Whether an accumulator stays non-empty once a value that is not 0 was added. Values of a plain sum
    /// can cancel.
    const STAYS: bool = true;

    /// Adds a value.
    fn add(&mut self, x: Self::Value);

    /// Adds the values of `next`, which follow.
    fn merge(&mut self, next: &Self);

    /// Returns whether no value was added, or the values cancelled to 0.
    fn is_empty(&self) -> bool;

    /// Returns the sum.
    fn sum(&self) -> <Self::Value as Summed>::Sum;

    /// Returns the number of values that were added; 0 for an accumulator that does not count them.
    fn n(&self) -> u64 {
        0
    }

    /// Returns the moments of `cells` values, those not added being 0. The default is for an accumulator
    /// that has no moments.
    fn moments(&self, _cells: usize) -> Moments {
        Moments::default()
    }
}

/// A type of values and the type of their sums: integers as in numpy, floats in f64.
pub(in crate::ops) trait Summed: Number + Serialize + DeserializeOwned {
    /// The type of the sums.
    type Sum: Number + Serialize + DeserializeOwned;

    /// Adds the value to `sum`.
    fn add_to(self, sum: &mut Self::Sum);

    /// Adds the sum `next` to `sum`.
    fn add_sum(sum: &mut Self::Sum, next: Self::Sum);

    /// Returns a sum of integers as i64.
    fn whole(sum: Self::Sum) -> i64;
}

macro_rules! summed {
    ($($type:ty),*) => {$(
        impl Summed for $type {
            type Sum = f64;

            #[inline(always)]
            fn add_to(self, sum: &mut f64) {
                *sum += f64::from(self);
            }

            fn add_sum(sum: &mut f64, next: f64) {
                *sum += next;
            }

            fn whole(sum: f64) -> i64 {
                sum as i64
            }
        }
    )*};
}
summed!(f32, f64);

impl Summed for i64 {
    type Sum = i64;

    #[inline(always)]
    fn add_to(self, sum: &mut i64) {
        *sum = sum.wrapping_add(self);
    }

    fn add_sum(sum: &mut i64, next: i64) {
        *sum = sum.wrapping_add(next);
    }

    fn whole(sum: i64) -> i64 {
        sum
    }
}

/// A sum alone.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub(in crate::ops) struct Total<T: Summed>(T::Sum);

impl<T: Summed> Accumulator for Total<T> {
    type Value = T;
    const STAYS: bool = false;

    #[inline(always)]
    fn add(&mut self, x: T) {
        x.add_to(&mut self.0);
    }

    fn merge(&mut self, next: &Self) {
        T::add_sum(&mut self.0, next.0);
    }

    fn is_empty(&self) -> bool {
        self.0 == T::Sum::default()
    }

    fn sum(&self) -> T::Sum {
        self.0
    }
}

/// A sum, and the number of values in it.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub(in crate::ops) struct Both<T: Summed> {
    sum: T::Sum,
    n: u64,
}

impl<T: Summed> Accumulator for Both<T> {
    type Value = T;

    #[inline(always)]
    fn add(&mut self, x: T) {
        x.add_to(&mut self.sum);
        self.n += 1;
    }

    fn merge(&mut self, next: &Self) {
        T::add_sum(&mut self.sum, next.sum);
        self.n += next.n;
    }

    fn is_empty(&self) -> bool {
        self.n == 0
    }

    fn sum(&self) -> T::Sum {
        self.sum
    }

    fn n(&self) -> u64 {
        self.n
    }
}

/// Sum and squares of values around the first of them. The number of values fits, as rows have
/// numbers of 32 bits.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(in crate::ops) struct Spread<T> {
    shift: T,
    n: u32,
    sum: f64,
    squares: f64,
}

impl<T: Number> Spread<T> {
    #[inline(always)]
    pub(in crate::ops) fn put(&mut self, x: T) {
        if self.n == 0 {
            self.shift = T::from_f64(finite_or_zero(x.to_f64()));
        }
        let d = x.to_f64() - self.shift.to_f64();
        self.n += 1;
        self.sum += d;
        self.squares += d * d;
    }

    fn join(&mut self, next: &Self) {
        if self.n == 0 {
            *self = *next;
            return;
        }
        let (d, n) = (next.shift.to_f64() - self.shift.to_f64(), f64::from(next.n));
        self.squares += next.squares + d * (2.0 * next.sum + n * d);
        self.sum += next.sum + n * d;
        self.n += next.n;
    }

    /// Returns the moments of `cells` values, those not added being 0.
    pub(in crate::ops) fn with_zeros(&self, cells: usize) -> Moments {
        if self.n == 0 {
            return Moments { n: cells as f64, ..Moments::default() };
        }
        let n = f64::from(self.n);
        let offset = self.sum / n;
        // The comparison lets NaN pass.
        let m2 = self.squares - self.sum * offset;
        let own = Moments {
            n,
            mean: self.shift.to_f64() + offset,
            m2: if m2 < 0.0 { 0.0 } else { m2 },
            nonzero: u64::from(self.n),
        };
        own.merged(&Moments { n: cells as f64 - n, ..Moments::default() })
    }
}

impl From<Spread<f32>> for Spread<f64> {
    fn from(of: Spread<f32>) -> Self {
        Spread { shift: f64::from(of.shift), n: of.n, sum: of.sum, squares: of.squares }
    }
}

impl<T: Summed<Sum = f64>> Accumulator for Spread<T> {
    type Value = T;

    #[inline(always)]
    fn add(&mut self, x: T) {
        self.put(x);
    }

    fn merge(&mut self, next: &Self) {
        self.join(next);
    }

    fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Returns the sum, which is exact for whole numbers.
    fn sum(&self) -> f64 {
        self.shift.to_f64() * f64::from(self.n) + self.sum
    }

    fn n(&self) -> u64 {
        u64::from(self.n)
    }

    fn moments(&self, cells: usize) -> Moments {
        self.with_zeros(cells)
    }
}

/// The exact sum of integers, and their spread as doubles.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(in crate::ops) struct Exact {
    sum: i64,
    spread: Spread<f64>,
}

impl Accumulator for Exact {
    type Value = i64;

    #[inline(always)]
    fn add(&mut self, x: i64) {
        x.add_to(&mut self.sum);
        self.spread.put(x as f64);
    }

    fn merge(&mut self, next: &Self) {
        i64::add_sum(&mut self.sum, next.sum);
        self.spread.join(&next.spread);
    }

    fn is_empty(&self) -> bool {
        self.spread.n == 0
    }

    fn sum(&self) -> i64 {
        self.sum
    }

    fn n(&self) -> u64 {
        u64::from(self.spread.n)
    }

    fn moments(&self, cells: usize) -> Moments {
        self.spread.with_zeros(cells)
    }
}

/// Number, mean and sum of squared deviations of some values, and how many of them are not 0.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ops) struct Moments {
    pub(in crate::ops) n: f64,
    pub(in crate::ops) mean: f64,
    pub(in crate::ops) m2: f64,
    pub(in crate::ops) nonzero: u64,
}

impl Moments {
    /// Merges the moments of two sets of values (Chan, Golub & LeVeque 1983).
    pub(in crate::ops) fn merged(&self, other: &Moments) -> Moments {
        if self.n == 0.0 {
            return *other;
        }
        if other.n == 0.0 {
            return *self;
        }
        let n = self.n + other.n;
        let d = other.mean - self.mean;
        Moments {
            n,
            mean: self.mean + d * (other.n / n),
            m2: self.m2 + other.m2 + d * d * (self.n * other.n / n),
            nonzero: self.nonzero + other.nonzero,
        }
    }

    /// Returns the variance with divisor n - 1.
    pub(in crate::ops) fn var(&self) -> f64 {
        self.m2 / (self.n - 1.0)
    }
}
