//! Numeric buffers in the dtype they have on disk.

use crate::error::Result;
use crate::memory;
use half::f16;

/// The dtype of a numeric buffer, by numpy's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
}

impl DType {
    /// Returns all dtypes.
    pub fn all() -> [DType; 12] {
        use DType::*;
        [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64]
    }

    /// Returns numpy's name: "float32", "int64", ...
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::F16 => "float16",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// Returns the number of bytes per value.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 | DType::F16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 => 8,
        }
    }

    /// Returns the float dtype of transformed values: float64 for float64, else float32, as in
    /// scanpy's preprocessing.
    pub fn float(self) -> DType {
        if self == DType::F64 {
            DType::F64
        } else {
            DType::F32
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A flat numeric buffer in one of the on-disk dtypes.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Data {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F16(Vec<f16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Runs `$body` with `$v` bound to the typed buffer inside a [`Data`], whatever its dtype.
#[macro_export]
macro_rules! with_data {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::dtype::Data::Bool($v) => $body,
            $crate::dtype::Data::I8($v) => $body,
            $crate::dtype::Data::I16($v) => $body,
            $crate::dtype::Data::I32($v) => $body,
            $crate::dtype::Data::I64($v) => $body,
            $crate::dtype::Data::U8($v) => $body,
            $crate::dtype::Data::U16($v) => $body,
            $crate::dtype::Data::U32($v) => $body,
            $crate::dtype::Data::U64($v) => $body,
            $crate::dtype::Data::F16($v) => $body,
            $crate::dtype::Data::F32($v) => $body,
            $crate::dtype::Data::F64($v) => $body,
        }
    };
}

/// Keeps [`Number`] to primitive numbers and transparent wrappers of them, which have no padding.
pub(super) mod sealed {
    pub trait Sealed {}
}

/// A stored number: how a value of a [`Data`] buffer converts to and from f64. The trait is sealed.
pub trait Number:
    sealed::Sealed + Copy + PartialEq + PartialOrd + Default + Send + Sync + std::fmt::Debug + 'static
{
    /// The dtype of the type.
    const DTYPE: DType;
    /// Returns the value as f64; 64-bit integers beyond 2^53 round.
    fn to_f64(self) -> f64;
    /// Converts `x` with the semantics of `as`: integers truncate and saturate, floats round; a
    /// bool is `x != 0`.
    fn from_f64(x: f64) -> Self;
    /// Wraps a buffer of this type.
    fn wrap(v: Vec<Self>) -> Data;
    /// Returns the buffer as a slice of this type; `None` when it has another dtype.
    fn slice(data: &Data) -> Option<&[Self]>;
}

macro_rules! number {
    ($t:ty, $variant:ident, $to:expr, $from:expr) => {
        impl sealed::Sealed for $t {}
        impl Number for $t {
            const DTYPE: DType = DType::$variant;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                let f: fn($t) -> f64 = $to;
                f(self)
            }
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                let f: fn(f64) -> $t = $from;
                f(x)
            }
            fn wrap(v: Vec<Self>) -> Data {
                Data::$variant(v)
            }
            fn slice(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$variant(v) => Some(v),
                    _ => None,
                }
            }
        }
    };
}
number!(bool, Bool, |x| f64::from(u8::from(x)), |x| x != 0.0);
number!(i8, I8, f64::from, |x| x as i8);
number!(i16, I16, f64::from, |x| x as i16);
number!(i32, I32, f64::from, |x| x as i32);
number!(i64, I64, |x| x as f64, |x| x as i64);
number!(u8, U8, f64::from, |x| x as u8);
number!(u16, U16, f64::from, |x| x as u16);
number!(u32, U32, f64::from, |x| x as u32);
number!(u64, U64, |x| x as f64, |x| x as u64);
number!(f16, F16, f16::to_f64, f16::from_f64);
number!(f32, F32, f64::from, |x| x as f32);
number!(f64, F64, |x| x, |x| x);

impl Data {
    /// Returns the dtype of the buffer.
    pub fn dtype(&self) -> DType {
        fn dtype_of<T: Number>(_: &[T]) -> DType {
            T::DTYPE
        }
        with_data!(self, v => dtype_of(v))
    }

    /// Makes an empty buffer of `dtype`.
    pub fn empty(dtype: DType) -> Data {
        match dtype {
            DType::Bool => Data::Bool(Vec::new()),
            DType::I8 => Data::I8(Vec::new()),
            DType::I16 => Data::I16(Vec::new()),
            DType::I32 => Data::I32(Vec::new()),
            DType::I64 => Data::I64(Vec::new()),
            DType::U8 => Data::U8(Vec::new()),
            DType::U16 => Data::U16(Vec::new()),
            DType::U32 => Data::U32(Vec::new()),
            DType::U64 => Data::U64(Vec::new()),
            DType::F16 => Data::F16(Vec::new()),
            DType::F32 => Data::F32(Vec::new()),
            DType::F64 => Data::F64(Vec::new()),
        }
    }

    /// Makes `n` zeros of `dtype`; `what` describes them in the error.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn zeros(dtype: DType, n: usize, what: &str) -> crate::Result<Data> {
        fn zeros_like<T: Number>(_: &[T], n: usize, what: &str) -> crate::Result<Data> {
            Ok(T::wrap(crate::memory::filled(n, T::default(), what)?))
        }
        with_data!(&Data::empty(dtype), v => zeros_like(v, n, what))
    }

    /// Reads values from their bytes in native order; trailing bytes that make no whole value are
    /// ignored. For bool every byte other than 0 is true. `what` describes the values in the error.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn from_bytes(dtype: DType, bytes: &[u8], what: &str) -> Result<Data> {
        fn read<T: Number, const N: usize>(bytes: &[u8], of: impl Fn([u8; N]) -> T, what: &str) -> Result<Data> {
            Ok(T::wrap(memory::collected(bytes.as_chunks().0.iter().map(|value| of(*value)), what)?))
        }
        macro_rules! read {
            ($($variant:ident $t:ty),*) => {
                match dtype {
                    DType::Bool => read(bytes, |[byte]| byte != 0, what),
                    $(DType::$variant => read(bytes, <$t>::from_ne_bytes, what),)*
                }
            };
        }
        read!(I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64, F16 f16, F32 f32, F64 f64)
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        with_data!(self, v => v.len())
    }

    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a copy of the values as f64.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn to_f64(&self) -> Result<Vec<f64>> {
        with_data!(self, v => memory::collected(v.iter().map(|x| x.to_f64()), "values as float64"))
    }

    /// Returns the values as f32, copied only when they have another dtype.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn into_f32(self) -> Result<Vec<f32>> {
        match self {
            Data::F32(v) => Ok(v),
            other => {
                with_data!(&other, v => memory::collected(v.iter().map(|x| x.to_f64() as f32), "values as float32"))
            }
        }
    }

    /// Returns the values at `positions`, repeats allowed.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    ///
    /// # Panics
    /// When a position is out of range; callers check first.
    pub fn select(&self, positions: &[usize]) -> crate::Result<Data> {
        fn pick<T: Number>(v: &[T], p: &[usize]) -> crate::Result<Data> {
            Ok(T::wrap(crate::memory::collected(p.iter().map(|&i| v[i]), "selected values")?))
        }
        with_data!(self, v => pick(v, positions))
    }

    /// Returns a copy; `what` describes the values in the error.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn copied(&self, what: &str) -> crate::Result<Data> {
        fn copy<T: Number>(v: &[T], what: &str) -> crate::Result<Data> {
            Ok(T::wrap(crate::memory::copied(v, what)?))
        }
        with_data!(self, v => copy(v, what))
    }

    /// Reserves memory for `more` further values.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn reserve(&mut self, more: usize, what: &str) -> crate::Result<()> {
        macro_rules! of {
            ($($var:ident),*) => { match self { $(Data::$var(v) => crate::memory::reserve(v, more, what),)* } };
        }
        of!(Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64)
    }

    /// Appends the values of `other`.
    ///
    /// # Panics
    /// When the dtypes differ: blocks of one matrix share theirs.
    pub fn extend(&mut self, other: &Data) {
        macro_rules! ext {
            ($($var:ident),*) => { match (self, other) {
                $((Data::$var(a), Data::$var(b)) => a.extend_from_slice(b),)*
                (a, b) => unreachable!("blocks of one matrix differ in dtype: {} and {}", a.dtype(), b.dtype()),
            } };
        }
        ext!(Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64);
    }
}

macro_rules! from_vec {
    ($($t:ty),*) => { $(impl From<Vec<$t>> for Data { fn from(v: Vec<$t>) -> Data { <$t as Number>::wrap(v) } })* };
}
from_vec!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_their_bytes() {
        for dtype in DType::all() {
            let values = [0.0, 1.0, 0.0, 1.0, 1.0];
            let data = with_data!(&Data::empty(dtype), v => {
                fn of<T: Number>(_: &[T], values: &[f64]) -> (Vec<u8>, Data) {
                    let values: Vec<T> = values.iter().map(|&x| T::from_f64(x)).collect();
                    (crate::dtype::as_bytes(&values).to_vec(), T::wrap(values))
                }
                of(v, &values)
            });
            let (bytes, expected) = data;
            assert_eq!(Data::from_bytes(dtype, &bytes, "values").unwrap(), expected);
            assert_eq!(Data::from_bytes(dtype, &[], "values").unwrap(), Data::empty(dtype));
        }
        assert_eq!(Data::from_bytes(DType::Bool, &[0, 2, 255], "values").unwrap(), Data::Bool(vec![false, true, true]));
        let nan = f32::from_bits(0x7FA0_1234).to_ne_bytes();
        let Data::F32(found) = Data::from_bytes(DType::F32, &nan, "values").unwrap() else { panic!() };
        assert_eq!(found[0].to_bits(), 0x7FA0_1234);
    }
}
