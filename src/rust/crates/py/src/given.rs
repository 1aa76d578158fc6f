//! Converts Python's arguments to the form of the table of verbs, and its defaults to Python
//! objects.

use anndataoom_core::given::Given;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PySet, PyString, PyTuple, PyType};

/// The number of elements up to which a sequence is converted; longer ones are only described.
const MOST: usize = 1 << 20;

/// Converts an argument. An object that the table has no form for is described by its type.
pub(crate) fn given(x: &Bound<'_, PyAny>) -> PyResult<Given> {
    if x.is_none() {
        return Ok(Given::Nothing);
    }
    if let Ok(b) = x.cast::<PyBool>() {
        return Ok(Given::Flag(b.is_true()));
    }
    if let Ok(s) = x.cast::<PyString>() {
        return Ok(Given::Text(s.to_str()?.to_owned()));
    }
    if x.is_instance_of::<PyInt>() {
        return whole(x);
    }
    if x.is_instance_of::<PyFloat>() {
        return Ok(Given::Number(x.extract()?));
    }
    if x.is_instance_of::<PyList>() || x.is_instance_of::<PyTuple>() || x.is_instance_of::<PySet>() {
        let length = x.len()?;
        if length > MOST {
            return Ok(Given::Other(format!("a sequence of {length}")));
        }
        return x.try_iter()?.map(|item| given(&item?)).collect::<PyResult<Vec<_>>>().map(Given::List);
    }
    let name = x.get_type().name()?.to_string();
    if x.is_instance_of::<PyType>() {
        return Ok(Given::Other("a type".to_owned()));
    }
    // These are numpy's scalars and vectors, and pandas' columns and indexes.
    match (x.getattr("shape").and_then(|shape| shape.extract::<Vec<usize>>()), x.getattr("tolist")) {
        (Ok(shape), Ok(tolist))
            if shape.len() < 2 && (shape.len() == 1 || name != "ndarray") && shape.iter().all(|&n| n <= MOST) =>
        {
            return given(&tolist.call0()?);
        }
        (Ok(shape), _) => return Ok(Given::Other(format!("{name} of shape {shape:?}"))),
        _ => {}
    }
    if name == "NAType" {
        return Ok(Given::Missing);
    }
    if x.hasattr("__index__")? {
        return whole(&x.call_method0("__index__")?);
    }
    Ok(Given::Other(format!("an object of type {name}")))
}

/// Converts an integer of any size.
fn whole(x: &Bound<'_, PyAny>) -> PyResult<Given> {
    Ok(match (x.extract::<i64>(), x.extract::<f64>()) {
        (Ok(i), _) => Given::Whole(i),
        (_, Ok(v)) => Given::Number(v),
        _ => Given::Other("an integer of hundreds of digits".to_owned()),
    })
}

/// Converts a default to a Python object.
pub(crate) fn to_object<'py>(py: Python<'py>, x: &Given) -> PyResult<Bound<'py, PyAny>> {
    Ok(match x {
        Given::Nothing | Given::Missing | Given::Other(_) => py.None().into_bound(py),
        Given::Flag(b) => PyBool::new(py, *b).to_owned().into_any(),
        Given::Whole(i) => i.into_pyobject(py)?.into_any(),
        Given::Number(v) => v.into_pyobject(py)?.into_any(),
        Given::Text(s) => PyString::new(py, s).into_any(),
        Given::List(items) => {
            let items = items.iter().map(|item| to_object(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyTuple::new(py, items)?.into_any()
        }
    })
}
