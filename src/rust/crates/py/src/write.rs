//! Converts the plan of a file, which `_write.py` makes, to the core's plan, and writes it.

use crate::buffer::positions;
use crate::errors::to_py_err;
use crate::from_py::from_py;
use crate::matrix::Matrix;
use crate::run::run;
use crate::store::File;
use anndataoom_core::store::ZarrFormat;
use anndataoom_core::text;
use anndataoom_core::write::{
    self, Compression, Conversion, Frame, H5adPlan, Part, RawPlan, SaveOptions, WriteOptions,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::PathBuf;

/// Converts one part of a plan: `("value", value)`, `("matrix", Matrix, File | None)`, `("copy",
/// File, element, rows, columns)` or `("frame", index name, index part, [(column, part)])`.
fn part(x: &Bound<'_, PyAny>) -> PyResult<Part> {
    let t = x.cast::<PyTuple>()?;
    let at = |i: usize| t.get_item(i);
    let optional = |i: usize| -> PyResult<Option<Vec<u32>>> {
        let v = at(i)?;
        positions(if v.is_none() { None } else { Some(&v) })
    };
    Ok(match at(0)?.extract::<String>()?.as_str() {
        "value" => Part::Value(from_py(&at(1)?)?),
        "matrix" => {
            let matrix = at(1)?;
            let file = at(2)?;
            let store = if file.is_none() { None } else { Some(file.cast::<File>()?.get().0.clone()) };
            Part::of_chain(&matrix.cast::<Matrix>()?.get().0, store.as_ref())
        }
        "copy" => Part::Copy {
            store: at(1)?.cast::<File>()?.get().0.clone(),
            element: at(2)?.extract()?,
            rows: optional(3)?,
            columns: optional(4)?,
        },
        "frame" => Part::Frame(Frame {
            index_name: at(1)?.extract()?,
            index: Box::new(part(&at(2)?)?),
            columns: parts(&at(3)?)?,
        }),
        other => return Err(PyTypeError::new_err(format!("an unknown part '{other}'"))),
    })
}

fn parts(x: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Part)>> {
    x.try_iter()?
        .map(|pair| {
            let (key, value): (String, Bound<'_, PyAny>) = pair?.extract()?;
            Ok((key, part(&value)?))
        })
        .collect()
}

fn plan(d: &Bound<'_, PyDict>) -> PyResult<H5adPlan> {
    let get = |k: &str| d.get_item(k);
    let need = |k: &str| get(k)?.ok_or_else(|| PyTypeError::new_err(format!("a plan without {k}")));
    let x = get("X")?.map(|p| part(&p)).transpose()?;
    let mut plan = H5adPlan::new(x, part(&need("obs")?)?, part(&need("var")?)?);
    plan.layers = parts(&need("layers")?)?;
    plan.obsm = parts(&need("obsm")?)?;
    plan.varm = parts(&need("varm")?)?;
    plan.obsp = parts(&need("obsp")?)?;
    plan.varp = parts(&need("varp")?)?;
    plan.uns = parts(&need("uns")?)?;
    if let Some(raw) = get("raw")? {
        let raw = raw.cast::<PyDict>()?.clone();
        let of = |k: &str| raw.get_item(k)?.ok_or_else(|| PyTypeError::new_err(format!("raw without {k}")));
        plan.raw = Some(RawPlan { x: part(&of("X")?)?, var: part(&of("var")?)?, varm: parts(&of("varm")?)? });
    }
    Ok(plan)
}

#[pyfunction]
#[pyo3(signature = (plan_, path, *, compression, level, as_dense, as_csr, as_csc, recompress))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn write_h5ad(
    py: Python<'_>,
    plan_: &Bound<'_, PyDict>,
    path: PathBuf,
    compression: Option<&str>,
    level: Option<u8>,
    as_dense: Vec<String>,
    as_csr: Vec<String>,
    as_csc: Vec<String>,
    recompress: bool,
) -> PyResult<()> {
    let plan = plan(plan_)?;
    let compression = compression_of(compression, level)?;
    let options = WriteOptions { compression, recompress, as_dense, as_csr, as_csc, chunk: None };
    run(py, |session| write::write_h5ad(&plan, &path, &options, session))
}

#[pyfunction]
#[pyo3(signature = (
    plan_, path, *, zarr_format, shards, consolidate, chunks, compression, level, as_dense, as_csr, as_csc, recompress
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn write_zarr(
    py: Python<'_>,
    plan_: &Bound<'_, PyDict>,
    path: PathBuf,
    zarr_format: u8,
    shards: u64,
    consolidate: bool,
    chunks: Option<usize>,
    compression: &str,
    level: Option<u8>,
    as_dense: Vec<String>,
    as_csr: Vec<String>,
    as_csc: Vec<String>,
    recompress: bool,
) -> PyResult<()> {
    let plan = plan(plan_)?;
    let compression = Compression::for_zarr(compression, level).map_err(to_py_err)?;
    let format = format_of(zarr_format, shards, consolidate, compression);
    let options = WriteOptions { compression, recompress, as_dense, as_csr, as_csc, chunk: chunks };
    run(py, |session| write::write_zarr(&plan, &path, format, &options, session))
}

fn format_of(version: u8, shards: u64, consolidate: bool, compression: Compression) -> ZarrFormat {
    ZarrFormat { version, shards: (shards > 0).then_some(shards), consolidate, compression }
}

/// Converts a file or store to the format that the ending of `to` names.
#[pyfunction]
#[pyo3(signature = (file, to, *, zarr_format, shards, chunks, compression, level))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn convert(
    py: Python<'_>,
    file: &File,
    to: PathBuf,
    zarr_format: u8,
    shards: u64,
    chunks: Option<usize>,
    compression: Option<String>,
    level: Option<u8>,
) -> PyResult<()> {
    let format = format_of(zarr_format, shards, true, Compression::None);
    let how = Conversion { compression: compression.map(|name| (name, level)), chunk: chunks, format };
    run(py, |session| write::convert_to(&file.0, &to, &how, session))
}

/// Writes plans, by name, as the modalities of a file.
#[pyfunction]
#[pyo3(signature = (plans, path, *, compression, level))]
pub(crate) fn write_h5mu(
    py: Python<'_>,
    plans: Vec<(String, Bound<'_, PyDict>)>,
    path: PathBuf,
    compression: Option<&str>,
    level: Option<u8>,
) -> PyResult<()> {
    let plans = plans.iter().map(|(name, p)| Ok((name.clone(), plan(p)?))).collect::<PyResult<Vec<_>>>()?;
    let options = WriteOptions { compression: compression_of(compression, level)?, ..WriteOptions::default() };
    run(py, |session| write::write_h5mu(&plans, &path, &options, session))
}

/// Writes X, obs and var of a plan as a file of Cell Ranger.
#[pyfunction]
pub(crate) fn write_10x_h5(py: Python<'_>, plan_: &Bound<'_, PyDict>, path: PathBuf) -> PyResult<()> {
    let plan = plan(plan_)?;
    run(py, |session| write::write_10x_h5(&plan, &path, session))
}

/// Writes X, obs and var of a plan as text files in a folder.
#[pyfunction]
pub(crate) fn write_10x_mtx(py: Python<'_>, plan_: &Bound<'_, PyDict>, path: PathBuf) -> PyResult<()> {
    let plan = plan(plan_)?;
    run(py, |session| text::write_10x_mtx(&plan, &path, session))
}

fn compression_of(compression: Option<&str>, level: Option<u8>) -> PyResult<Compression> {
    Compression::for_hdf5(compression.unwrap_or("none"), level).map_err(to_py_err)
}

type SavedLists = (File, Vec<String>, Vec<String>, Vec<String>);

/// Saves a plan into its file. Returns the file in its new state, and lists of the elements
/// written, removed and left.
#[pyfunction]
#[pyo3(signature = (plan_, file, *, compression, level, x))]
pub(crate) fn save_h5ad(
    py: Python<'_>,
    plan_: &Bound<'_, PyDict>,
    file: &File,
    compression: Option<&str>,
    level: Option<u8>,
    x: bool,
) -> PyResult<SavedLists> {
    let plan = plan(plan_)?;
    let options = SaveOptions { compression: compression_of(compression, level)?, x };
    let saved = run(py, |session| write::save_h5ad(&plan, &file.0, &options, session))?;
    Ok((File(saved.store), saved.written, saved.removed, saved.left))
}
