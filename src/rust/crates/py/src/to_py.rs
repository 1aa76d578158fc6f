//! Converts core values to tagged tuples.

use crate::buffer::Buffer;
use crate::errors::to_py_err;
use crate::run::run;
use anndataoom_core::element::{Array, Data, NaValue, Scalar, SparseFormat, Strings, Value};
use anndataoom_core::graph::Kept;
use anndataoom_core::patch::Patch;
use anndataoom_core::{memory, Session};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyComplex, PyDict, PyList, PyTuple};

type Object<'py> = PyResult<Bound<'py, PyAny>>;

fn tuple<'py>(py: Python<'py>, items: Vec<Bound<'py, PyAny>>) -> Object<'py> {
    Ok(PyTuple::new(py, items)?.into_any())
}

fn text<'py>(py: Python<'py>, s: &str) -> Bound<'py, PyAny> {
    pyo3::types::PyString::new(py, s).into_any()
}

fn strings<'py>(py: Python<'py>, s: &Strings) -> Object<'py> {
    // pyo3 panics when Python has no memory for a string.
    let list = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| PyList::new(py, s.iter())));
    let refused = |_| PyErr::take(py).unwrap_or_else(|| PyMemoryError::new_err("no memory for strings"));
    Ok(list.map_err(refused)??.into_any())
}

pub(crate) fn buffer<'py>(py: Python<'py>, data: impl Into<Data>) -> Object<'py> {
    Ok(Bound::new(py, Buffer::flat(data))?.into_any())
}

fn shaped<'py>(py: Python<'py>, data: Data, shape: Vec<usize>) -> Object<'py> {
    Ok(Bound::new(py, Buffer::new(data, shape))?.into_any())
}

fn shape_of<'py>(py: Python<'py>, shape: &[usize]) -> Object<'py> {
    Ok(PyTuple::new(py, shape)?.into_any())
}

/// Returns a list of (key, value) pairs.
pub(crate) fn items<'py>(py: Python<'py>, items: Vec<(String, Value)>) -> Object<'py> {
    let list = PyList::empty(py);
    for (k, v) in items {
        list.append((k, to_py(py, v)?))?;
    }
    Ok(list.into_any())
}

/// Converts `value` to the tuple that `_convert.from_core()` reads.
pub(crate) fn to_py<'py>(py: Python<'py>, value: Value) -> Object<'py> {
    let tag = |s: &str| text(py, s);
    match value {
        Value::Null => tuple(py, vec![tag("null")]),
        Value::Scalar(Scalar::Number(d)) => tuple(py, vec![tag("scalar"), shaped(py, d, Vec::new())?]),
        Value::Scalar(Scalar::Complex(re, im)) => {
            tuple(py, vec![tag("plain"), PyComplex::from_doubles(py, re, im).into_any()])
        }
        Value::Scalar(Scalar::String(s)) => tuple(py, vec![tag("plain"), tag(&s)]),
        Value::Scalar(Scalar::Bytes(b)) => tuple(py, vec![tag("plain"), PyBytes::new(py, &b).into_any()]),
        Value::Array(Array { shape, data }) => tuple(py, vec![tag("array"), shaped(py, data, shape)?]),
        Value::Complex { shape, data, single } => {
            let (n, parts) = (data.len(), data.into_iter().flat_map(|(re, im)| [re, im]));
            let parts = memory::exactly(2 * n, parts, "complex values").map_err(to_py_err)?;
            let single = pyo3::types::PyBool::new(py, single).to_owned().into_any();
            tuple(py, vec![tag("complex"), buffer(py, parts)?, shape_of(py, &shape)?, single])
        }
        Value::Strings { shape, data } => tuple(py, vec![tag("strings"), strings(py, &data)?, shape_of(py, &shape)?]),
        Value::Categorical(c) => {
            let ordered = pyo3::types::PyBool::new(py, c.ordered).to_owned().into_any();
            tuple(py, vec![tag("categorical"), buffer(py, c.codes)?, to_py(py, *c.categories)?, ordered])
        }
        Value::Nullable(n) => {
            let nan = pyo3::types::PyBool::new(py, n.na_value == NaValue::NaN).to_owned().into_any();
            tuple(py, vec![tag("nullable"), to_py(py, *n.values)?, buffer(py, n.mask)?, nan])
        }
        Value::Sparse(s) => {
            let format = tag(if s.format == SparseFormat::Csr { "csr" } else { "csc" });
            let shape = shape_of(py, &[s.shape.0, s.shape.1])?;
            // numpy needs signed indices: `_convert` views u32 as int32 and u64 as int64.
            tuple(
                py,
                vec![tag("sparse"), format, shape, buffer(py, s.indptr)?, buffer(py, s.indices)?, buffer(py, s.data)?],
            )
        }
        Value::DataFrame(d) => {
            let name = d.index_name.map_or_else(|| py.None().into_bound(py), |n| tag(&n));
            tuple(py, vec![tag("frame"), name, to_py(py, *d.index)?, items(py, d.columns)?])
        }
        Value::Dict(entries) => tuple(py, vec![tag("dict"), items(py, entries)?]),
        Value::RecArray(fields) => tuple(py, vec![tag("recarray"), items(py, fields)?]),
        Value::Awkward { length, form, buffers } => {
            tuple(py, vec![tag("awkward"), length.into_pyobject(py)?.into_any(), tag(&form), items(py, buffers)?])
        }
    }
}

/// A value that the core keeps until it is touched (`InCore` in `_on_disk.py`).
#[pyclass(frozen)]
pub(crate) struct KeptValue(pub(crate) Kept);

#[pymethods]
impl KeptValue {
    /// Returns the number of cells, and of dimensions or cells.
    #[getter]
    fn shape(&self) -> Vec<usize> {
        self.0.shape().to_vec()
    }

    /// Tells whether the value is a graph.
    #[getter]
    fn is_graph(&self) -> bool {
        self.0.is_graph()
    }

    /// Reads the value as `_convert.from_core()` takes it.
    fn read<'py>(&self, py: Python<'py>) -> Object<'py> {
        let kept = self.0.clone();
        to_py(py, run(py, move |session| kept.read(session))?)
    }
}

/// The values that a verb adds, and those of them that the core keeps, by slot and key.
pub(crate) struct Made {
    patch: Patch,
    kept: Vec<(&'static str, String, Kept)>,
}

/// Moves the large embeddings and graphs of a patch to scratch files.
pub(crate) fn keep(patch: Patch, session: &Session) -> anndataoom_core::Result<Made> {
    let mut kept = Vec::new();
    let mut stays = |slot, items: Vec<(String, Value)>| {
        let mut left = Vec::new();
        for (key, value) in items {
            match Kept::new(value, session)? {
                Ok(value) => kept.push((slot, key, value)),
                Err(value) => left.push((key, value)),
            }
        }
        Ok::<_, anndataoom_core::Error>(left)
    };
    let (obsm, obsp) = (stays("obsm", patch.obsm)?, stays("obsp", patch.obsp)?);
    Ok(Made { patch: Patch { obsm, obsp, ..patch }, kept })
}

/// Returns the elements that a verb adds, by slot.
pub(crate) fn patch<'py>(py: Python<'py>, made: Made) -> PyResult<Bound<'py, PyDict>> {
    let Made { patch: p, kept } = made;
    let d = PyDict::new(py);
    for (slot, values) in
        [("obs", p.obs), ("var", p.var), ("obsm", p.obsm), ("varm", p.varm), ("obsp", p.obsp), ("uns", p.uns)]
    {
        let list = items(py, values)?;
        for (_, key, value) in kept.iter().filter(|(of, ..)| *of == slot) {
            let value = Bound::new(py, KeptValue(value.clone()))?;
            list.call_method1("append", ((key, ("kept", value)),))?;
        }
        d.set_item(slot, list)?;
    }
    Ok(d)
}
