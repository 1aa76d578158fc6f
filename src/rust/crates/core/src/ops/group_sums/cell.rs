//! Values of one gene in one group, added up.
//!
//! Values are added one after the other, in the order of the file; moments around the first of them, zeros follow in closed form.
//! So they lose no more than the number of values times their rounding: a first value far from all others makes the
//! deviation itself large.

use crate::element::Number;
use crate::ops::moments::finite_or_zero;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The sum of some values that are not 0.
pub(in crate::ops) trait Cell:
    Copy + Default + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// The type of the values.
    type Value: Summed;

    /// Whether it is never empty again once a value that is not 0 was added.
    const STAYS: bool = true;

    /// Adds a value.
    fn add(&mut self, x: Self::Value);

    /// Adds values that follow.
    fn merge(&mut self, next: &Self);

    /// Whether no value was added, or nothing is left of them.
    fn is_empty(&self) -> bool;

    /// The sum.
    fn sum(&self) -> <Self::Value as Summed>::Sum;

    /// How many values were added, where that is known.
    fn n(&self) -> u64 {
        0
    }

    /// The moments, with the zeros there are among `cells` values, where they are known.
    fn moments(&self, _cells: usize) -> Moments {
        Moments::default()
    }
}

/// A value and what it is added up in: integers as numpy does, floats in f64.
pub(in crate::ops) trait Summed: Number + Serialize + DeserializeOwned {
    /// The type of its sums.
    type Sum: Number + Serialize + DeserializeOwned;

    /// Adds it.
    fn add_to(self, sum: &mut Self::Sum);

    /// Adds another sum.
    fn add_sum(sum: &mut Self::Sum, next: Self::Sum);

    /// A sum of integers.
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

impl<T: Summed> Cell for Total<T> {
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

/// A sum, and how many values it is of.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub(in crate::ops) struct Both<T: Summed> {
    sum: T::Sum,
    n: u64,
}

impl<T: Summed> Cell for Both<T> {
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

/// Values and their squares around the first of them. Rows have numbers of 32 bits, so their number fits.
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

    /// The moments, with the zeros there are among `cells` values.
    pub(in crate::ops) fn with_zeros(&self, cells: usize) -> Moments {
        if self.n == 0 {
            return Moments { n: cells as f64, ..Moments::default() };
        }
        let n = f64::from(self.n);
        let offset = self.sum / n;
        // NaN passes through.
        let m2 = self.squares - self.sum * offset;
        let own = Moments {
            n,
            mean: self.shift.to_f64() + offset,
            m2: if m2 < 0.0 { 0.0 } else { m2 },
            nonzero: u64::from(self.n),
        };
        own.with(&Moments { n: cells as f64 - n, ..Moments::default() })
    }
}

impl From<Spread<f32>> for Spread<f64> {
    fn from(of: Spread<f32>) -> Self {
        Spread { shift: f64::from(of.shift), n: of.n, sum: of.sum, squares: of.squares }
    }
}

impl<T: Summed<Sum = f64>> Cell for Spread<T> {
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

    /// Exact where the values are whole numbers.
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

/// Of integers: their exact sum, and their spread as doubles.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(in crate::ops) struct Exact {
    sum: i64,
    spread: Spread<f64>,
}

impl Cell for Exact {
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

/// Number, mean and sum of squared deviations.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ops) struct Moments {
    pub(in crate::ops) n: f64,
    pub(in crate::ops) mean: f64,
    pub(in crate::ops) m2: f64,
    pub(in crate::ops) nonzero: u64,
}

impl Moments {
    /// Of the values of both (Chan, Golub & LeVeque 1983).
    pub(in crate::ops) fn with(&self, other: &Moments) -> Moments {
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

    /// The variance with divisor n - 1.
    pub(in crate::ops) fn var(&self) -> f64 {
        self.m2 / (self.n - 1.0)
    }
}
