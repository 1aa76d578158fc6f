//! Numbers of a dataset as their bytes.

use super::{DType, Data, Number};
use half::f16;

/// A number for which every bit pattern of its size is valid; sealed, as [`Number`] is.
///
/// # Safety
/// The type has no padding and no invalid bit pattern.
pub(crate) unsafe trait Plain: Number {
    /// Returns the value with its bytes reversed.
    fn swapped(self) -> Self;
    /// Returns the sum in this type; `None` when an integer overflows.
    fn plus(self, other: Self) -> Option<Self>;
    /// Returns the value as a column index or an offset; `None` when it is negative or not of an
    /// integer type.
    fn offset(self) -> Option<u64>;
}

macro_rules! plain {
    ($($t:ty: $swap:expr, $plus:expr, $offset:expr;)*) => { $(
        // SAFETY: primitive numbers (f16 is a transparent u16).
        unsafe impl Plain for $t {
            #[inline(always)]
            fn swapped(self) -> Self {
                let f: fn($t) -> $t = $swap;
                f(self)
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Option<Self> {
                let f: fn($t, $t) -> Option<$t> = $plus;
                f(self, other)
            }
            #[inline(always)]
            fn offset(self) -> Option<u64> {
                let f: fn($t) -> Option<u64> = $offset;
                f(self)
            }
        }
    )* };
}
plain! {
    i8: |x| x, i8::checked_add, |x| x.try_into().ok();
    i16: i16::swap_bytes, i16::checked_add, |x| x.try_into().ok();
    i32: i32::swap_bytes, i32::checked_add, |x| x.try_into().ok();
    i64: i64::swap_bytes, i64::checked_add, |x| x.try_into().ok();
    u8: |x| x, u8::checked_add, |x| Some(x.into());
    u16: u16::swap_bytes, u16::checked_add, |x| Some(x.into());
    u32: u32::swap_bytes, u32::checked_add, |x| Some(x.into());
    u64: u64::swap_bytes, u64::checked_add, |x| Some(x);
    f16: |x| f16::from_bits(x.to_bits().swap_bytes()), |a, b| Some(f16::from_f64(a.to_f64() + b.to_f64())), |_| None;
    f32: |x| f32::from_bits(x.to_bits().swap_bytes()), |a, b| Some(a + b), |_| None;
    f64: |x| f64::from_bits(x.to_bits().swap_bytes()), |a, b| Some(a + b), |_| None;
}

/// A boolean as stored in the file: any byte, true when not zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
#[repr(transparent)]
pub(crate) struct Bit(u8);

impl Bit {
    /// Returns the stored byte.
    #[inline(always)]
    pub(crate) fn byte(self) -> u8 {
        self.0
    }

    /// Makes the boolean of a stored byte.
    #[inline(always)]
    pub(crate) fn of_byte(byte: u8) -> Self {
        Bit(byte)
    }
}

impl super::data::sealed::Sealed for Bit {}

impl Number for Bit {
    const DTYPE: DType = DType::Bool;
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self.0 != 0))
    }
    fn from_f64(x: f64) -> Self {
        Bit(u8::from(x != 0.0))
    }
    fn wrap(v: Vec<Self>) -> Data {
        Data::Bool(v.into_iter().map(|b| b.0 != 0).collect())
    }
    fn slice(_: &Data) -> Option<&[Self]> {
        None
    }
}

// SAFETY: a transparent byte.
unsafe impl Plain for Bit {
    fn swapped(self) -> Self {
        self
    }
    fn plus(self, other: Self) -> Option<Self> {
        Some(Bit(self.0 | other.0))
    }
    fn offset(self) -> Option<u64> {
        None
    }
}

/// Returns the bytes of a slice of numbers, to be written over.
pub(crate) fn as_bytes_mut<T: Plain>(v: &mut [T]) -> &mut [u8] {
    // SAFETY: `Plain` types take any bytes and have no padding; length and lifetime are the
    // slice's.
    unsafe { std::slice::from_raw_parts_mut(v.as_mut_ptr().cast(), std::mem::size_of_val(v)) }
}

/// Runs `$body` with `$T` bound to the [`Plain`] type that holds `$dtype` on disk.
macro_rules! with_plain {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::dtype::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::dtype::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::dtype::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::dtype::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::dtype::DType::Bool => {
                type $T = $crate::dtype::Bit;
                $body
            }
            $crate::dtype::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::dtype::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::dtype::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::dtype::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::dtype::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}
pub(crate) use with_plain;

/// Returns the bytes of numbers in native order.
pub(crate) fn as_bytes<T: Number>(v: &[T]) -> &[u8] {
    // SAFETY: every `Number` is a primitive, or a transparent wrapper of one, without padding (the
    // trait is sealed); length and lifetime are those of the slice.
    unsafe { std::slice::from_raw_parts(v.as_ptr().cast(), std::mem::size_of_val(v)) }
}
