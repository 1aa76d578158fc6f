//! The class of open files: list and read elements.

use crate::buffer::positions;
use crate::run::{quick, run};
use crate::to_py::to_py;
use anndataoom_core::element::loom::LoomOptions;
use anndataoom_core::element::{self, Entries, Slots, TenX, Value};
use anndataoom_core::store::{named, External, Store};
use anndataoom_core::{Location, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The path of X, the (key, path) pairs of every slot, and those of raw: X, var and the pairs of
/// varm.
type Tree = (Option<String>, Vec<(&'static str, Entries)>, Option<(String, String, Entries)>);

/// Converts the slots of a foreign file to a dict. A matrix in it is the path of its element and
/// the columns that are taken.
fn slots_to_py(py: Python<'_>, found: Slots) -> PyResult<Bound<'_, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("X", found.x)?;
    out.set_item("layers", found.layers)?;
    out.set_item("obs", to_py(py, Value::DataFrame(found.obs))?)?;
    out.set_item("var", to_py(py, Value::DataFrame(found.var))?)?;
    let slots = [found.obsm, found.varm, found.obsp, found.varp, found.uns];
    for (slot, values) in ["obsm", "varm", "obsp", "varp", "uns"].into_iter().zip(slots) {
        let items = values.into_iter().map(|(key, value)| Ok((key, to_py(py, value)?)));
        out.set_item(slot, items.collect::<PyResult<Vec<_>>>()?)?;
    }
    Ok(out)
}

/// Returns whether a path is a URL.
pub(crate) fn is_far(path: &Path) -> bool {
    Location::named(path).is_url()
}

impl File {
    /// Runs something that is short for a file of this machine; for one far away it may be long,
    /// and is watched.
    fn quick<T: Send>(&self, py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
        match self.0.traffic() {
            Some(_) => run(py, |_| work()),
            None => quick(work),
        }
    }
}

/// Converts a location to a path, or to text where it is a URL.
pub(crate) fn place_to_py<'py>(py: Python<'py>, location: &Location) -> PyResult<Bound<'py, PyAny>> {
    let place = PathBuf::from(location);
    if is_far(&place) {
        return Ok(place.to_string_lossy().into_owned().into_pyobject(py)?.into_any());
    }
    place.into_pyobject(py).map(Bound::into_any)
}

/// Returns the path or URL by which a store is opened again: for a URL a text without secrets,
/// which stay in this process.
#[pyfunction]
pub(crate) fn place(path: PathBuf, options: Vec<(String, String)>) -> PyResult<String> {
    quick(|| Ok(named(&path, &options)?.to_string_lossy().into_owned()))
}

/// An open file. Objects that were made from it keep it open.
#[pyclass(frozen, weakref)]
pub(crate) struct File(pub(crate) Arc<Store>);

#[pymethods]
impl File {
    #[new]
    #[pyo3(signature = (path, save=false, external="refuse", group="", format=None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        save: bool,
        external: &str,
        group: &str,
        format: Option<&str>,
    ) -> PyResult<Self> {
        let open = || {
            let store = Store::open_as(&path, save, External::parse(external)?)?;
            format.map_or(Ok(()), |format| store.expect_format(format))?;
            if group.is_empty() {
                Ok(store)
            } else {
                store.subgroup(group)
            }
        };
        match is_far(&path) {
            true => run(py, |_| open()),
            false => py.detach(|| quick(open)),
        }
        .map(File)
    }

    /// Requests and bytes of a store far away so far, those sent again, and bytes of the cache on
    /// this machine; None for a file of this machine.
    fn traffic(&self) -> Option<(u64, u64, u64, u64)> {
        self.0.traffic().map(|t| (t.requests, t.bytes, t.retries, t.cached))
    }

    /// Returns the group that this object stands for; empty for the whole file.
    #[getter]
    fn group(&self) -> &str {
        self.0.location().group()
    }

    /// Returns a group of the file as a file of its own.
    fn subgroup(&self, py: Python<'_>, group: &str) -> PyResult<File> {
        self.quick(py, || self.0.subgroup(group)).map(File)
    }

    /// Returns the modalities of an h5mu file; None for a file of another kind.
    fn modalities(&self, py: Python<'_>) -> PyResult<Option<Vec<String>>> {
        self.quick(py, || element::mudata::modalities(&self.0))
    }

    /// Returns the path of the group of a modality.
    fn modality(&self, py: Python<'_>, name: Option<&str>) -> PyResult<String> {
        self.quick(py, || element::mudata::modality(&self.0, name))
    }

    /// Returns the columns of the whole file's `axis` ("obs" or "var") for the entries of a
    /// modality, as a table.
    fn shared_frame<'py>(&self, py: Python<'py>, axis: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let frame = run(py, |_| element::mudata::shared_frame(&self.0, axis, name))?;
        to_py(py, Value::DataFrame(frame))
    }

    /// Reads an assay of an h5Seurat file into slots.
    fn read_h5seurat<'py>(
        &self,
        py: Python<'py>,
        assay: Option<&str>,
        slot: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        slots_to_py(py, run(py, |_| element::seurat::read_h5seurat(&self.0, assay, slot))?)
    }

    /// Reads a loom file into slots.
    fn read_loom<'py>(
        &self,
        py: Python<'py>,
        x_name: String,
        obs_names: String,
        var_names: String,
        obsm: Vec<(String, Vec<String>)>,
        varm: Vec<(String, Vec<String>)>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let options = LoomOptions { x_name, obs_names, var_names, obsm, varm };
        slots_to_py(py, run(py, |_| element::loom::read_loom(&self.0, &options))?)
    }

    /// Returns which other files, named in this one, may be opened too.
    #[getter]
    fn external(&self) -> &'static str {
        self.0.external().name()
    }

    /// Returns whether the file was opened to be saved into.
    #[getter]
    fn can_save(&self) -> bool {
        self.0.can_save()
    }

    /// Returns the path; a URL is returned as text, because paths take two slashes for one.
    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        place_to_py(py, self.0.location())
    }

    /// Returns the state that a remote store was opened in; None for a file of this machine.
    fn mark(&self) -> Option<(u64, u64)> {
        self.0.mark()
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn exists(&self, py: Python<'_>, path: &str) -> PyResult<bool> {
        self.quick(py, || Ok(self.0.exists(path)))
    }

    /// Returns the elements of an h5ad file.
    fn tree(&self, py: Python<'_>) -> PyResult<Tree> {
        let tree = self.quick(py, || element::tree(&self.0))?;
        Ok((tree.x, tree.slots, tree.raw.map(|r| (r.x, r.var, r.varm))))
    }

    /// Reads a file of 10x Genomics. Returns the path of its matrix, obs and var.
    fn read_10x<'py>(
        &self,
        py: Python<'py>,
        genome: Option<&str>,
    ) -> PyResult<(String, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let TenX { element, obs, var } = run(py, |_| element::read_10x(&self.0, genome))?;
        Ok((element, to_py(py, Value::DataFrame(obs))?, to_py(py, Value::DataFrame(var))?))
    }

    fn keys(&self, py: Python<'_>, path: &str) -> PyResult<Vec<String>> {
        self.quick(py, || self.0.keys(path))
    }

    /// Returns encoding, shape and dtype of an element.
    fn describe(&self, py: Python<'_>, path: &str) -> PyResult<(String, Vec<usize>, Option<String>)> {
        self.quick(py, || element::describe(&self.0, path)).map(|d| (d.encoding, d.shape, d.dtype))
    }

    #[pyo3(signature = (path, rows=None, columns=None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        path: &str,
        rows: Option<&Bound<'py, PyAny>>,
        columns: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (rows, columns) = (positions(rows)?, positions(columns)?);
        let value = run(py, |_| element::read_selected(&self.0, path, rows.as_deref(), columns.as_deref()))?;
        to_py(py, value)
    }

    fn column_names(&self, py: Python<'_>, path: &str) -> PyResult<Vec<String>> {
        self.quick(py, || element::column_names(&self.0, path))
    }

    fn read_index<'py>(&self, py: Python<'py>, path: &str) -> PyResult<(Option<String>, Bound<'py, PyAny>)> {
        let (name, value) = run(py, |_| element::read_index(&self.0, path))?;
        Ok((name, to_py(py, value)?))
    }

    fn read_column<'py>(&self, py: Python<'py>, path: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let value = run(py, |_| element::read_column(&self.0, path, name))?;
        to_py(py, value)
    }
}

/// Converts a value to the core and back, for tests.
#[pyfunction]
pub(crate) fn echo<'py>(py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    to_py(py, crate::from_py::from_py(x)?)
}
