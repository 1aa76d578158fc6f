//! Converts tagged tuples, as `_convert.to_core()` makes them, to core values.

use crate::buffer::{array, bools, f64s, i32s, u32s, u64s};
use crate::errors::to_py_err;
use anndataoom_core::element::{
    Array, Categorical, DataFrame, NaValue, Nullable, Scalar, Sparse, SparseFormat, Strings, Value,
};
use anndataoom_core::memory;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyComplex, PyTuple};

/// Reads the strings of an iterable.
pub(crate) fn strings(x: &Bound<'_, PyAny>) -> PyResult<Strings> {
    let mut out = Strings::new();
    for item in x.try_iter()? {
        let item = item?;
        let text = item.cast::<pyo3::types::PyString>()?.to_str()?;
        out.reserve(text).map_err(to_py_err)?;
        out.push(text);
    }
    Ok(out)
}

fn items(x: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Value)>> {
    x.try_iter()?
        .map(|pair| {
            let (key, value): (String, Bound<'_, PyAny>) = pair?.extract()?;
            Ok((key, from_py(&value)?))
        })
        .collect()
}

/// Converts a tagged tuple to a value.
///
/// # Errors
/// `TypeError` for an unknown tag.
pub(crate) fn from_py(x: &Bound<'_, PyAny>) -> PyResult<Value> {
    let t = x.cast::<PyTuple>()?;
    let tag: String = t.get_item(0)?.extract()?;
    let at = |i: usize| t.get_item(i);
    Ok(match tag.as_str() {
        "null" => Value::Null,
        "scalar" => Value::Scalar(Scalar::Number(array(&at(1)?)?.1)),
        "plain" => {
            let v = at(1)?;
            if let Ok(b) = v.cast::<PyBytes>() {
                Value::Scalar(Scalar::Bytes(b.as_bytes().to_vec()))
            } else if let Ok(c) = v.cast::<PyComplex>() {
                Value::Scalar(Scalar::Complex(c.getattr("real")?.extract()?, c.getattr("imag")?.extract()?))
            } else {
                Value::Scalar(Scalar::String(v.extract()?))
            }
        }
        "array" => {
            let (shape, data) = array(&at(1)?)?;
            Value::Array(Array { shape, data })
        }
        "complex" => {
            let parts = f64s(&at(1)?)?;
            let data =
                memory::collected(parts.chunks_exact(2).map(|p| (p[0], p[1])), "complex values").map_err(to_py_err)?;
            Value::Complex { shape: at(2)?.extract()?, data, single: at(3)?.extract()? }
        }
        "strings" => Value::Strings { data: strings(&at(1)?)?, shape: at(2)?.extract()? },
        "categorical" => Value::Categorical(Categorical {
            codes: i32s(&at(1)?)?,
            categories: Box::new(from_py(&at(2)?)?),
            ordered: at(3)?.extract()?,
        }),
        "nullable" => Value::Nullable(Nullable {
            values: Box::new(from_py(&at(1)?)?),
            mask: bools(&at(2)?)?,
            na_value: if at(3)?.extract()? { NaValue::NaN } else { NaValue::Na },
        }),
        "sparse" => Value::Sparse(Sparse {
            format: if at(1)?.extract::<String>()? == "csr" { SparseFormat::Csr } else { SparseFormat::Csc },
            shape: at(2)?.extract()?,
            indptr: u64s(&at(3)?)?,
            indices: u32s(&at(4)?)?,
            data: array(&at(5)?)?.1,
        }),
        "frame" => Value::DataFrame(DataFrame {
            index_name: at(1)?.extract()?,
            index: Box::new(from_py(&at(2)?)?),
            columns: items(&at(3)?)?,
        }),
        "dict" => Value::Dict(items(&at(1)?)?),
        "recarray" => Value::RecArray(items(&at(1)?)?),
        "awkward" => Value::Awkward { length: at(1)?.extract()?, form: at(2)?.extract()?, buffers: items(&at(3)?)? },
        other => return Err(PyTypeError::new_err(format!("an unknown value '{other}'"))),
    })
}
