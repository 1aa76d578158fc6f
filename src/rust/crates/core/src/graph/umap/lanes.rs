//! Sixteen numbers at a time, in the widest registers of the processor. Every operation is one
//! rounding of IEEE 754, never fused, so that the results have the same bits whichever
//! implementation runs.

use super::clock::Clock;
use crate::simd::{self, Level};

/// Numbers per [`Lanes`].
pub(super) const LANES: usize = 16;

/// A set of instructions with registers for lanes.
pub(super) trait Registers: Level {
    type Lanes: Lanes<Level = Self>;
}

/// Sixteen f32 values.
pub(super) trait Lanes: Copy {
    type Level: Level;
    /// Returns `x` in all lanes.
    fn splat(level: Self::Level, x: f32) -> Self;
    /// Reads the lanes from memory.
    fn load(level: Self::Level, from: &[f32; LANES]) -> Self;
    /// Returns `x` in all lanes of registers of this kind.
    fn like(self, x: f32) -> Self;
    /// Returns the lanes as an array.
    fn store(self) -> [f32; LANES];
    /// Returns self + other.
    fn plus(self, other: Self) -> Self;
    /// Returns self - other.
    fn minus(self, other: Self) -> Self;
    /// Returns self * other.
    fn times(self, other: Self) -> Self;
    /// Returns self / other.
    fn divided_by(self, other: Self) -> Self;
    /// Returns the larger of both; `other` where one is NaN.
    fn at_least(self, other: Self) -> Self;
    /// Returns the smaller of both; `other` where one is NaN.
    fn at_most(self, other: Self) -> Self;
    /// Splits positive normal x = m 2^e with m in [sqrt(1/2), sqrt(2)): returns (m, e).
    fn mantissa_exponent(self) -> (Self, Self);
    /// Returns self 2^k, with k in the low bits of `shifted` = k + 1.5 2^23.
    fn scaled(self, shifted: Self) -> Self;
    /// Returns the sum of the lanes, by halves: lanes 8 apart are added first, then those 4, 2 and
    /// 1 apart.
    fn sum(self) -> f32;
    /// Returns which of sixteen successive edges are sampled, the first in the lowest bit; `first`
    /// is the number of the first edge.
    fn sampled(level: Self::Level, weights: &[f32; LANES], first: u32, clock: Clock) -> u16;

    /// Writes the columns whose bits in `set` are 1 to the front of `to`; the other places of `to`
    /// have no meaning afterwards.
    #[inline(always)]
    fn pack(_: Self::Level, columns: &[u32; LANES], set: u16, to: &mut [u32; LANES]) {
        let mut at = 0;
        for (lane, &column) in columns.iter().enumerate() {
            to[at % LANES] = column;
            at += usize::from(set >> lane & 1);
        }
    }
}

/// Bits of sqrt(1/2).
const ROOT_HALF: i32 = 0x3F35_04F3;

/// Sixteen numbers in an array, which the compiler vectorizes as it can.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; LANES]);

impl Plain {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Plain(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

impl Registers for simd::Plain {
    type Lanes = Plain;
}

impl Lanes for Plain {
    type Level = simd::Plain;

    #[inline(always)]
    fn splat(_: simd::Plain, x: f32) -> Self {
        Plain([x; LANES])
    }

    #[inline(always)]
    fn load(_: simd::Plain, from: &[f32; LANES]) -> Self {
        Plain(*from)
    }

    #[inline(always)]
    fn like(self, x: f32) -> Self {
        Plain([x; LANES])
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        self.0
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn divided_by(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn mantissa_exponent(self) -> (Self, Self) {
        let e = |x: f32| (x.to_bits() as i32).wrapping_sub(ROOT_HALF) >> 23;
        let m = |x: f32| f32::from_bits((x.to_bits() as i32).wrapping_sub(e(x) << 23) as u32);
        (Plain(self.0.map(m)), Plain(self.0.map(|x| e(x) as f32)))
    }

    #[inline(always)]
    fn scaled(self, shifted: Self) -> Self {
        self.zip(shifted, |x, k| f32::from_bits(x.to_bits().wrapping_add(k.to_bits().wrapping_shl(23))))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let mut sum = self.0;
        for half in [8, 4, 2, 1] {
            for lane in 0..half {
                sum[lane] += sum[lane + half];
            }
        }
        sum[0]
    }

    #[inline(always)]
    fn sampled(_: simd::Plain, weights: &[f32; LANES], first: u32, clock: Clock) -> u16 {
        let set = |lane: usize| u16::from(clock.samples(first.wrapping_add(lane as u32), weights[lane])) << lane;
        (0..LANES).fold(0, |all, lane| all | set(lane))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests {
    use super::super::curve::Curve;
    use super::{Lanes, Registers, LANES};
    use crate::simd::{self, Plain};

    /// Returns the bits of both forces at 16 distances, one of which is 0 for `k` = 0.
    #[inline(always)]
    fn forces<R: Registers>(level: R, k: usize) -> Vec<u32> {
        let curve = Curve::new(0.583_030, 1.334_167, 1.0);
        let d2: [f32; LANES] = std::array::from_fn(|l| ((k * LANES + l) as f32).powi(5) * 1e-9);
        let d2 = R::Lanes::load(level, &d2);
        curve.attraction(d2).store().into_iter().chain(curve.repulsion(d2).store()).map(f32::to_bits).collect()
    }

    #[test]
    fn all_registers_give_the_same_bits() {
        simd::vectorized! {
            fn wide [](k: usize) -> Vec<u32> where level in [Avx512]: Registers {
                forces(level, k)
            }
        }
        simd::vectorized! {
            fn pair [](k: usize) -> Vec<u32> where level in [Avx2]: Registers {
                forces(level, k)
            }
        }
        for k in 0..40 {
            let plain = forces(Plain, k);
            assert_eq!(pair(k), plain);
            assert_eq!(wide(k), plain);
        }
    }
}
