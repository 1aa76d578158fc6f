//! Codes of 32 bits for numbers.

use crate::dtype::{Bit, Plain};
use half::f16;

/// A number that may have a code of 32 bits.
pub(in crate::matrix) trait Packable: Plain {
    /// Returns the code of the number. The number has none if [`of_code`](Self::of_code) then
    /// returns another one. Small counts have small codes.
    fn code(self) -> u32;
    /// Returns the number of a code.
    fn of_code(code: u32) -> Self;
    /// Returns the bits of the number.
    fn bits(self) -> u64;
}

/// The smallest numbers whose last bit counts ones. After adding a smaller whole number, the last
/// bits are that number. Saturating conversions would take several times longer.
const WHOLE_F32: f32 = (1_u32 << 23) as f32;
const WHOLE_F64: f64 = (1_u64 << 52) as f64;

macro_rules! packable {
    ($($t:ty: $code:expr, $of:expr, $bits:expr;)*) => { $(
        impl Packable for $t {
            #[inline(always)]
            fn code(self) -> u32 {
                let f: fn($t) -> u32 = $code;
                f(self).wrapping_sub(1)
            }
            #[inline(always)]
            fn of_code(code: u32) -> Self {
                let f: fn(u32) -> $t = $of;
                f(code.wrapping_add(1))
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                let f: fn($t) -> u64 = $bits;
                f(self)
            }
        }
    )* };
}
packable! {
    i8: |x| x as u32, |k| k as i8, |x| x as u64;
    i16: |x| x as u32, |k| k as i16, |x| x as u64;
    i32: |x| x as u32, |k| k as i32, |x| x as u64;
    i64: |x| x as u32, |k| i64::from(k as i32), |x| x as u64;
    u8: u32::from, |k| k as u8, u64::from;
    u16: u32::from, |k| k as u16, u64::from;
    u32: |x| x, |k| k, u64::from;
    u64: |x| x as u32, u64::from, |x| x;
    f16: |x| x.to_f32() as i32 as u32, |k| f16::from_f32(k as i32 as f32), |x| u64::from(x.to_bits());
    f32: |x| (x + WHOLE_F32).to_bits().wrapping_sub(WHOLE_F32.to_bits()), |k| k as i32 as f32, |x| u64::from(x.to_bits());
    f64: |x| (x + WHOLE_F64).to_bits() as u32, |k| f64::from(k as i32), f64::to_bits;
    Bit: |x| u32::from(x.byte()), |k| Bit::of_byte(k as u8), |x| u64::from(x.byte());
}
