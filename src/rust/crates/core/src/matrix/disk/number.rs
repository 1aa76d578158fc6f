//! What the numbers of a dataset are, byte for byte.

use crate::element::{DType, Data, Number};
use crate::store::Kind;
use half::f16;
use hdf5_sys::h5t::{H5T_class_t, H5T_order_t, H5T_sign_t};

/// A number any bytes of its size are a valid value of.
///
/// # Safety
/// The type has no padding and no invalid bit pattern.
pub(crate) unsafe trait Plain: Number {
    /// The value with its bytes in the other order.
    fn swapped(self) -> Self;
    /// The sum in this type; `None` when an integer overflows.
    fn plus(self, other: Self) -> Option<Self>;
    /// The value as a column index or an offset; `None` when negative or not an integer type.
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

/// A boolean as it lies in the file: any byte, true when not zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
#[repr(transparent)]
pub(crate) struct Bit(u8);

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

/// The bytes of a slice of numbers, to be written over.
pub(crate) fn as_bytes_mut<T: Plain>(v: &mut [T]) -> &mut [u8] {
    // SAFETY: `Plain` types take any bytes and have no padding; length and lifetime are the slice's.
    unsafe { std::slice::from_raw_parts_mut(v.as_mut_ptr().cast(), std::mem::size_of_val(v)) }
}

/// Runs `$body` with `$T` bound to the [`Plain`] type that holds `$dtype` on disk.
macro_rules! with_plain {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::element::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::element::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::element::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::element::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::element::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::element::DType::Bool => {
                type $T = $crate::matrix::disk::Bit;
                $body
            }
            $crate::element::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::element::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::element::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::element::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::element::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::element::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}
pub(in crate::matrix) use with_plain;

/// How a number lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberType {
    /// Its dtype.
    pub(crate) dtype: DType,
    /// Whether its bytes are in the other order than this machine's.
    pub(crate) swapped: bool,
}

impl NumberType {
    /// Of an HDF5 datatype; `Err` names one that is not a plain number.
    pub(super) fn of(datatype: &hdf5::Datatype) -> std::result::Result<NumberType, String> {
        let other = |what: &str| Err(format!("values of type {what}"));
        let id = datatype.id();
        // SAFETY: queries on a valid datatype identifier, under the library's lock.
        let (class, size, order) = hdf5::sync::sync(|| unsafe {
            use hdf5_sys::h5t::{H5Tget_class, H5Tget_order, H5Tget_size};
            (H5Tget_class(id), H5Tget_size(id), H5Tget_order(id))
        });
        let dtype = match class {
            H5T_class_t::H5T_INTEGER => {
                // SAFETY: as above.
                let (precision, offset, sign) = hdf5::sync::sync(|| unsafe {
                    use hdf5_sys::h5t::{H5Tget_offset, H5Tget_precision, H5Tget_sign};
                    (H5Tget_precision(id), H5Tget_offset(id), H5Tget_sign(id))
                });
                if precision != size * 8 || offset != 0 {
                    return other(&format!("{precision}-bit integer"));
                }
                match (size, sign) {
                    (1, H5T_sign_t::H5T_SGN_2) => DType::I8,
                    (2, H5T_sign_t::H5T_SGN_2) => DType::I16,
                    (4, H5T_sign_t::H5T_SGN_2) => DType::I32,
                    (8, H5T_sign_t::H5T_SGN_2) => DType::I64,
                    (1, _) => DType::U8,
                    (2, _) => DType::U16,
                    (4, _) => DType::U32,
                    (8, _) => DType::U64,
                    _ => return other(&format!("{size}-byte integer")),
                }
            }
            H5T_class_t::H5T_FLOAT => {
                let (mut sign, mut exponent, mut width, mut mantissa, mut bits) = (0, 0, 0, 0, 0);
                // SAFETY: as above; the pointers are to locals.
                let status = hdf5::sync::sync(|| unsafe {
                    hdf5_sys::h5t::H5Tget_fields(
                        id,
                        &raw mut sign,
                        &raw mut exponent,
                        &raw mut width,
                        &raw mut mantissa,
                        &raw mut bits,
                    )
                });
                match (status >= 0, size, sign, exponent, width, mantissa, bits) {
                    (true, 2, 15, 10, 5, 0, 10) => DType::F16,
                    (true, 4, 31, 23, 8, 0, 23) => DType::F32,
                    (true, 8, 63, 52, 11, 0, 52) => DType::F64,
                    _ => return other(&format!("{size}-byte float with a {width}-bit exponent")),
                }
            }
            H5T_class_t::H5T_ENUM => match Kind::of(datatype) {
                Ok(kind) if size == 1 && kind.boolean() == Some((0, 1)) => DType::Bool,
                _ => return other("enumeration"),
            },
            _ => return other(&Kind::of(datatype).map_or_else(|_| "unknown".to_owned(), |kind| kind.name())),
        };
        let swapped = match order {
            _ if size == 1 => false,
            H5T_order_t::H5T_ORDER_LE => cfg!(target_endian = "big"),
            H5T_order_t::H5T_ORDER_BE => cfg!(target_endian = "little"),
            _ => return other("numbers in VAX byte order"),
        };
        Ok(NumberType { dtype, swapped })
    }
}
