//! Numeric buffers that numpy reads through `__array_interface__`, without a copy.

use crate::errors::to_py_err;
use anndataoom_core::element::{DType, Data, Number};
use anndataoom_core::{memory, with_data, Result};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A buffer of the core. `numpy.asarray()` shares its memory and keeps it alive.
#[pyclass(frozen)]
pub(crate) struct Buffer {
    data: Data,
    shape: Vec<usize>,
}

fn typestr(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "|b1",
        DType::I8 => "|i1",
        DType::U8 => "|u1",
        DType::I16 => "<i2",
        DType::U16 => "<u2",
        DType::I32 => "<i4",
        DType::U32 => "<u4",
        DType::I64 => "<i8",
        DType::U64 => "<u8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
    }
}

impl Buffer {
    pub(crate) fn new(data: Data, shape: Vec<usize>) -> Self {
        Buffer { data, shape }
    }

    pub(crate) fn flat(data: impl Into<Data>) -> Self {
        let data = data.into();
        Buffer { shape: vec![data.len()], data }
    }
}

#[pymethods]
impl Buffer {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        if self.shape.iter().product::<usize>() != self.data.len() {
            return Err(PyValueError::new_err("a buffer whose shape contradicts its length"));
        }
        let address = with_data!(&self.data, v => v.as_ptr() as usize);
        let d = PyDict::new(py);
        d.set_item("version", 3)?;
        d.set_item("shape", pyo3::types::PyTuple::new(py, &self.shape)?)?;
        d.set_item("typestr", typestr(self.data.dtype()))?;
        // No other array shares the buffer, so that numpy may write to it.
        d.set_item("data", (address, false))?;
        Ok(d)
    }
}

const ARRAY: &str = "a copy of an array";

fn made<T>(found: Result<T>) -> PyResult<T> {
    found.map_err(to_py_err)
}

/// Returns a copy of `values`.
pub(crate) fn copied<T: Copy>(values: &[T]) -> PyResult<Vec<T>> {
    made(memory::copied(values, ARRAY))
}

/// Returns shape, dtype, address and number of values of a C-contiguous numpy array in native byte
/// order.
///
/// # Errors
/// `TypeError` for any other array, and for a dtype without encoding.
fn described(x: &Bound<'_, PyAny>) -> PyResult<(Vec<usize>, DType, usize, usize)> {
    let interface = x.getattr("__array_interface__")?;
    let item = |k: &str| interface.get_item(k);
    let shape: Vec<usize> = item("shape")?.extract()?;
    let dtype: String = item("typestr")?.extract()?;
    let strides = item("strides").ok().filter(|s| !s.is_none());
    let flags_ok: bool = x.getattr("flags")?.get_item("C_CONTIGUOUS")?.extract()?;
    if strides.is_some() && !flags_ok {
        return Err(PyTypeError::new_err("expected a C-contiguous array"));
    }
    let (address, _): (usize, bool) = item("data")?.extract()?;
    let n: usize = shape.iter().product();
    let Some(dtype) = DType::all().into_iter().find(|&d| typestr(d) == dtype) else {
        return Err(PyTypeError::new_err(format!("arrays of type {dtype} have no encoding")));
    };
    Ok((shape, dtype, address, n))
}

/// Borrows the values of a C-contiguous array. Returns its shape too; `None` for another type.
///
/// # Safety
/// The array must stay alive for `'a`, and nobody may write to it meanwhile.
///
/// # Errors
/// The errors of [`array`].
pub(crate) unsafe fn in_place<'a, T: Number>(x: &Bound<'_, PyAny>) -> PyResult<Option<(Vec<usize>, &'a [T])>> {
    let (shape, dtype, address, n) = described(x)?;
    if dtype != T::DTYPE || !address.is_multiple_of(align_of::<T>()) {
        return Ok(None);
    }
    // SAFETY: the caller keeps the array, which numpy says has this many values of this type here.
    let values = if n == 0 { &[] } else { unsafe { std::slice::from_raw_parts(address as *const T, n) } };
    Ok(Some((shape, values)))
}

/// Copies a C-contiguous numpy array in native byte order. Returns its shape and values.
///
/// # Errors
/// `TypeError` for any other array, and for a dtype without encoding.
pub(crate) fn array(x: &Bound<'_, PyAny>) -> PyResult<(Vec<usize>, Data)> {
    let (shape, dtype, address, n) = described(x)?;
    let bytes = n * dtype.size();
    let bytes = if bytes == 0 {
        &[]
    } else {
        // SAFETY: the caller holds `x`, and numpy gives this address and size for its contiguous
        // memory.
        unsafe { std::slice::from_raw_parts(address as *const u8, bytes) }
    };
    let data = made(Data::from_bytes(dtype, bytes, ARRAY))?;
    Ok((shape, data))
}

macro_rules! typed {
    ($name:ident, $t:ty, $variant:ident) => {
        /// Returns the values of a contiguous array of exactly this type.
        pub(crate) fn $name(x: &Bound<'_, PyAny>) -> PyResult<Vec<$t>> {
            match array(x)?.1 {
                Data::$variant(v) => Ok(v),
                other => {
                    Err(PyTypeError::new_err(format!("expected {}, found {}", DType::$variant.name(), other.dtype())))
                }
            }
        }
    };
}
typed!(u32s, u32, U32);
typed!(i32s, i32, I32);
typed!(u64s, u64, U64);
typed!(f64s, f64, F64);
typed!(bools, bool, Bool);

/// Returns the positions, if there are any.
pub(crate) fn positions(x: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<u32>>> {
    x.map(u32s).transpose()
}
