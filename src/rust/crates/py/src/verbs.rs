//! Passes calls from Python to the table of verbs: checks arguments, decodes inputs and returns the
//! outcome.

use crate::buffer::{array, bools, f64s, i32s, in_place, u64s};
use crate::errors::to_py_err;
use crate::from_py::{from_py, strings};
use crate::given::{given, to_object};
use crate::matrix::{in_memory, Matrix};
use crate::run::run;
use crate::to_py::{buffer, items, keep, patch, KeptValue};
use anndataoom_core::given::Given;
use anndataoom_core::graph::{shared_links, SharedLinks};
use anndataoom_core::verbs::{self, Args, Call, Column, Face, Groups, Input, Param, Preset, Verb};
use anndataoom_core::{ops, Error};
use ndarray::{Array2, ArrayView2, CowArray, Ix2};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::collections::HashMap;

type Object<'py> = Bound<'py, PyAny>;

/// A verb with arguments that the table accepts.
#[pyclass(frozen)]
pub(crate) struct Checked {
    verb: &'static Verb,
    args: Args,
}

/// Checks the arguments of a verb.
#[pyfunction]
fn check(name: &str, args: &Bound<'_, PyDict>) -> PyResult<Checked> {
    let verb = verbs::find(name).map_err(to_py_err)?;
    let args = verb.check(arguments(args)?).map_err(to_py_err)?;
    Ok(Checked { verb, args })
}

/// Checks the arguments of a function that is no verb.
#[pyfunction]
fn check_function(name: &str, args: &Bound<'_, PyDict>) -> PyResult<()> {
    let function = verbs::function_named(name).map_err(to_py_err)?;
    function.check(name, arguments(args)?).map_err(to_py_err)
}

fn arguments(args: &Bound<'_, PyDict>) -> PyResult<Vec<(String, Given)>> {
    args.iter().map(|(k, v)| Ok((k.extract()?, given(&v)?))).collect()
}

/// Checks a setting.
#[pyfunction]
fn check_setting(name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    verbs::setting(name, &given(value)?).map(drop).map_err(to_py_err)
}

#[pymethods]
impl Checked {
    /// Returns name and source of every input that the verb needs of the object.
    #[getter]
    fn needs(&self) -> Vec<(&'static str, &'static str)> {
        self.verb.needs.iter().map(|need| (need.name, need.source.name())).collect()
    }

    /// Runs the verb on the inputs, which are tagged as `_inputs.py` makes them, by name. Returns a
    /// dict of `matrix`, `patch`, `keep` and `take` (each None or a pair: whether it is about
    /// cells, and a mask or positions), `values` and `notes`.
    fn run<'py>(&self, py: Python<'py>, inputs: HashMap<String, Object<'py>>) -> PyResult<Bound<'py, PyDict>> {
        // Arrays stay alive, and where they lie, until the verb has ended.
        let inputs: HashMap<String, Input<'_>> =
            inputs.iter().map(|(name, x)| Ok((name.clone(), input(name, x)?))).collect::<PyResult<_>>()?;
        let call = Call::new(self.args.clone(), inputs);
        let (found, made) = run(py, |session| {
            let mut found = self.verb.run(call, session)?;
            let made = keep(std::mem::take(&mut found.patch), session)?;
            Ok((found, made))
        })?;
        let out = PyDict::new(py);
        out.set_item("matrix", found.matrix.map(Matrix))?;
        out.set_item("patch", patch(py, made)?)?;
        let keep = found.keep.map(|(cells, mask)| Ok::<_, PyErr>((cells, buffer(py, mask)?))).transpose()?;
        out.set_item("keep", keep)?;
        let take = found.take.map(|(cells, at)| Ok::<_, PyErr>((cells, buffer(py, at)?))).transpose()?;
        out.set_item("take", take)?;
        out.set_item("values", items(py, found.values)?)?;
        out.set_item("notes", found.notes.into_iter().map(|(_, note)| note).collect::<Vec<_>>())?;
        Ok(out)
    }
}

/// Converts a tagged tuple to an input, which borrows large arrays.
fn input<'a>(name: &str, x: &'a Object<'_>) -> PyResult<Input<'a>> {
    let t = x.cast::<PyTuple>()?;
    let at = |i: usize| t.get_item(i);
    let pairs = |i: usize| -> PyResult<Vec<(String, Object<'_>)>> { at(i)?.extract() };
    Ok(match at(0)?.extract::<String>()?.as_str() {
        "matrix" => Input::Matrix(at(1)?.cast::<Matrix>()?.get().0.clone()),
        "kept" => Input::Kept(at(1)?.cast::<KeptValue>()?.get().0.clone()),
        "graph" => match links(t)? {
            Some(links) => Input::Links(links),
            None => Input::Graph(from_py(&at(1)?)?),
        },
        "points" => Input::Points(points(t, name)?),
        "groups" => Input::Groups(Groups { codes: i32s(&at(1)?)?, names: at(2)?.extract()? }),
        "factors" => {
            let columns: Vec<(String, Object<'_>, Vec<String>)> = at(1)?.extract()?;
            let groups = |(key, codes, names): (String, Object<'_>, Vec<String>)| {
                Ok::<_, PyErr>((key, Groups { codes: i32s(&codes)?, names }))
            };
            Input::Factors(columns.into_iter().map(groups).collect::<PyResult<_>>()?)
        }
        "model" => {
            let columns: Vec<(String, Object<'_>, Option<Vec<String>>)> = at(1)?.extract()?;
            let column = |(key, values, names): (String, Object<'_>, Option<Vec<String>>)| {
                let column = match names {
                    None => Column::Numbers(f64s(&values)?),
                    Some(names) => Column::Groups(Groups { codes: i32s(&values)?, names }),
                };
                Ok::<_, PyErr>((key, column))
            };
            Input::Model(columns.into_iter().map(column).collect::<PyResult<_>>()?)
        }
        "mask" => Input::Mask(bools(&at(1)?)?),
        "masks" => Input::Masks(pairs(1)?.iter().map(|(k, v)| Ok((k.clone(), bools(v)?))).collect::<PyResult<_>>()?),
        "columns" => Input::Columns(pairs(1)?.iter().map(|(k, v)| Ok((k.clone(), f64s(v)?))).collect::<PyResult<_>>()?),
        "numbers" => Input::Numbers(f64s(&at(1)?)?),
        "sets" => Input::Sets(at(1)?.extract()?),
        "names" => Input::Names(strings(&at(1)?)?),
        other => return Err(PyTypeError::new_err(format!("an unknown input '{other}'"))),
    })
}

/// Returns the 2-D numeric array of the tuple ("points", array) as f32 rows.
fn points<'a>(t: &'a Bound<'_, PyTuple>, name: &str) -> PyResult<CowArray<'a, f32, Ix2>> {
    let x = t.get_borrowed_item(1)?;
    let refused = |e| to_py_err(Error::shape(name, "a matrix", e));
    let extents = |shape: &[usize]| (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
    // SAFETY: the tuple, which outlives the verb, holds the array.
    if let Some((shape, values)) = unsafe { in_place::<f32>(&x)? } {
        return Ok(ArrayView2::from_shape(extents(&shape), values).map_err(refused)?.into());
    }
    let (shape, data) = array(&x)?;
    let values = data.into_f32().map_err(to_py_err)?;
    Ok(Array2::from_shape_vec(extents(&shape), values).map_err(refused)?.into())
}

/// Borrows the matrix of the tuple ("graph", ("sparse", ...)), if it is of the kind the core works
/// on.
fn links<'a>(t: &'a Bound<'_, PyTuple>) -> PyResult<Option<SharedLinks<'a>>> {
    let x = t.get_borrowed_item(1)?;
    let x = x.cast::<PyTuple>()?;
    let (tag, at) = (x.get_item(0)?.extract::<String>()?, |i: usize| x.get_item(i));
    if tag != "sparse" || at(1)?.extract::<String>()? != "csr" {
        return Ok(None);
    }
    let (rows, columns): (usize, usize) = at(2)?.extract()?;
    // SAFETY: the tuple, which outlives the verb, holds the array.
    let indices = unsafe { in_place::<u32>(&at(4)?)? };
    // SAFETY: as above.
    let data = unsafe { in_place::<f32>(&at(5)?)? };
    let (Some((_, indices)), Some((_, data)), true) = (indices, data, rows == columns) else { return Ok(None) };
    let starts = u64s(&at(3)?)?;
    if starts.len() != rows + 1 {
        return Ok(None);
    }
    Ok(shared_links(starts.into_iter().map(|p| p as usize).collect(), indices, data))
}

/// Returns the parameters that Python has: name, kind of default ("required", "object" or "value"),
/// and the default.
fn parameters<'py>(py: Python<'py>, params: &[Param]) -> PyResult<Vec<(&'static str, &'static str, Object<'py>)>> {
    let described = |p: &Param| {
        let kind = match p.preset {
            Preset::Required => "required",
            Preset::Object => "object",
            _ => "value",
        };
        Ok((p.name, kind, to_object(py, &p.preset.given())?))
    };
    params.iter().filter(|p| p.face != Face::R).map(described).collect()
}

/// Returns the functions that are no verbs, each with its parameters, for tests.
#[pyfunction]
fn function_table(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let table = PyDict::new(py);
    for function in verbs::FUNCTIONS {
        table.set_item(function.name, parameters(py, function.params)?)?;
    }
    Ok(table)
}

/// Returns the verbs, each with its parameters and the elements it gives, for tests.
#[pyfunction]
fn verb_table(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let table = PyDict::new(py);
    for verb in verbs::all() {
        table.set_item(verb.name, (parameters(py, verb.params)?, verb.gives.to_vec()))?;
    }
    Ok(table)
}

/// Returns the fitted values of a local quadratic regression.
#[pyfunction]
fn loess<'py>(py: Python<'py>, x: &Object<'py>, y: &Object<'py>, span: f64) -> PyResult<Object<'py>> {
    let (x, y) = (f64s(x)?, f64s(y)?);
    buffer(py, run(py, |_| ops::loess(&x, &y, span))?)
}

/// Aggregates groups of rows (`rows`) or columns of a matrix. Returns a matrix for each function,
/// by name.
#[pyfunction]
fn aggregate(
    py: Python<'_>,
    matrix: &Matrix,
    rows: bool,
    codes: &Object<'_>,
    n_groups: usize,
    functions: Vec<String>,
    dof: usize,
) -> PyResult<Vec<(&'static str, Matrix)>> {
    let x = matrix.0.clone();
    let axis = if rows { ops::Axis::Obs } else { ops::Axis::Var };
    let functions = ops::Functions::named(&functions).map_err(to_py_err)?;
    let asked = ops::Aggregation { axis, codes: i32s(codes)?, n_groups, functions, dof };
    let found = run(py, |session| {
        let found = ops::aggregate(&x, &asked, session)?;
        found
            .into_iter()
            .map(|(name, value)| Ok((name, in_memory(value)?)))
            .collect::<anndataoom_core::Result<Vec<_>>>()
    })?;
    Ok(found.into_iter().map(|(name, x)| (name, Matrix(x))).collect())
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Checked>()?;
    m.add_class::<KeptValue>()?;
    m.add_function(wrap_pyfunction!(check, m)?)?;
    m.add_function(wrap_pyfunction!(check_setting, m)?)?;
    m.add_function(wrap_pyfunction!(check_function, m)?)?;
    m.add_function(wrap_pyfunction!(verb_table, m)?)?;
    m.add_function(wrap_pyfunction!(function_table, m)?)?;
    m.add_function(wrap_pyfunction!(aggregate, m)?)?;
    m.add_function(wrap_pyfunction!(loess, m)?)
}
