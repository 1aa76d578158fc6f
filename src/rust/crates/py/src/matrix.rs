//! The class of lazy matrices: open, select, record, read.

use crate::buffer::{copied, f64s, positions};
use crate::chunks::Chunks;
use crate::errors::to_py_err;
use crate::from_py::from_py;
use crate::run::{quick, run};
use crate::store::{place_to_py, File};
use crate::to_py::{buffer, to_py};
use anndataoom_core::chain::{nodes, Description, Parameter, Vector};
use anndataoom_core::element::Value;
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::{ops, stream, Error, LazyMatrix, Result};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::Arc;

/// A matrix on disk or in memory, with the operations recorded on it. It is immutable.
#[pyclass(frozen)]
pub(crate) struct Matrix(pub(crate) LazyMatrix);

/// Makes a lazy matrix of a value in memory.
pub(crate) fn in_memory(value: Value) -> Result<LazyMatrix> {
    let source = match value {
        Value::Sparse(s) => MemorySource::taking(s)?,
        Value::Array(a) => MemorySource::from_array(a)?,
        other => return Err(Error::shape("X", "a matrix", other.encoding())),
    };
    Ok(LazyMatrix::new(Arc::new(source)))
}

type Arr<'py> = Option<Bound<'py, PyAny>>;

#[pymethods]
impl Matrix {
    #[staticmethod]
    #[pyo3(signature = (file, element, chain=None))]
    fn open(py: Python<'_>, file: &File, element: &str, chain: Option<Vec<u8>>) -> PyResult<Self> {
        let store = file.0.clone();
        let open = || {
            let source = anndataoom_core::matrix::open(&store, element)?;
            match chain {
                Some(bytes) => LazyMatrix::from_bytes(source, &bytes),
                None => Ok(LazyMatrix::new(source)),
            }
        };
        match store.traffic() {
            Some(_) => run(py, |_| open()),
            None => py.detach(|| quick(open)),
        }
        .map(Matrix)
    }

    #[staticmethod]
    #[pyo3(signature = (value, chain=None))]
    fn memory(value: &Bound<'_, PyAny>, chain: Option<Vec<u8>>) -> PyResult<Self> {
        let value = from_py(value)?;
        quick(|| {
            let x = in_memory(value)?;
            match chain {
                Some(bytes) => LazyMatrix::from_bytes(x.source().clone(), &bytes),
                None => Ok(x),
            }
        })
        .map(Matrix)
    }

    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.0.shape()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.dtype().name()
    }

    #[getter]
    fn is_sparse(&self) -> bool {
        self.0.is_sparse()
    }

    /// Returns file and element; None for a matrix in memory.
    #[getter]
    fn location<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyAny>, String)>> {
        self.0.location().map(|l| Ok((place_to_py(py, &l.store)?, l.element))).transpose()
    }

    #[getter]
    fn ops(&self) -> Vec<&'static str> {
        self.0.nodes().iter().map(|node| node.name()).collect()
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (x, d) = (&self.0, PyDict::new(py));
        d.set_item("layout", x.source().layout().name())?;
        d.set_item("stored_dtype", x.source().dtype().name())?;
        d.set_item("stored_shape", x.source().shape())?;
        d.set_item("nnz", x.source().nnz())?;
        d.set_item("disk_bytes", x.source().disk_bytes())?;
        let reads = x.source().reads();
        d.set_item("chunks", reads.chunks)?;
        d.set_item("decoded", reads.decoded)?;
        d.set_item("queued", x.queued().iter().map(|q| q.line(call)).collect::<Vec<_>>())?;
        d.set_item("selected", x.rows().is_some() || x.columns().is_some())?;
        Ok(d)
    }

    #[pyo3(signature = (rows=None, columns=None))]
    fn select(&self, rows: Arr<'_>, columns: Arr<'_>) -> PyResult<Self> {
        let (rows, columns) = (positions(rows.as_ref())?, positions(columns.as_ref())?);
        quick(|| self.0.select(rows.as_deref(), columns.as_deref())).map(Matrix)
    }

    /// Returns the source row of each row; None when all rows are there, in order.
    fn source_rows<'py>(&self, py: Python<'py>) -> PyResult<Arr<'py>> {
        self.0.rows().map(|r| buffer(py, copied(r)?)).transpose()
    }

    /// Returns the stored matrix below, without selections and operations.
    fn stored(&self) -> Self {
        Matrix(LazyMatrix::new(self.0.source().clone()))
    }

    /// Returns the matrix without the operations from position `keep` on.
    fn without_nodes_from(&self, keep: usize) -> Self {
        Matrix(self.0.without_nodes_from(keep))
    }

    #[pyo3(signature = (base=None))]
    fn log1p(&self, base: Option<f64>) -> PyResult<Self> {
        quick(|| Ok(ops::log1p(&self.0, base)?.0)).map(Matrix)
    }

    fn with_divisors(&self, divisors: &Bound<'_, PyAny>, target_sum: f64) -> PyResult<Self> {
        let divisors: Vector<f64> = f64s(divisors)?.into();
        quick(|| self.0.with(nodes::Normalize { divisors, target_sum })).map(Matrix)
    }

    fn with_scale(
        &self,
        mean: &Bound<'_, PyAny>,
        std: &Bound<'_, PyAny>,
        max_value: Option<f64>,
        zero_center: bool,
    ) -> PyResult<Self> {
        let (mean, std): (Vector<f64>, Vector<f64>) = (f64s(mean)?.into(), f64s(std)?.into());
        quick(|| self.0.with(nodes::Scale { mean, std, max_value, zero_center })).map(Matrix)
    }

    fn with_pearson(
        &self,
        cell_sums: &Bound<'_, PyAny>,
        gene_sums: &Bound<'_, PyAny>,
        total: f64,
        theta: f64,
        clip: f64,
    ) -> PyResult<Self> {
        let (cell_sums, gene_sums): (Vector<f64>, Vector<f64>) = (f64s(cell_sums)?.into(), f64s(gene_sums)?.into());
        quick(|| self.0.with(nodes::PearsonResiduals { cell_sums, gene_sums, total, theta, clip })).map(Matrix)
    }

    fn chain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.0.to_bytes().map_err(to_py_err)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Reads all values; an error if they take more than `limit` bytes.
    fn collect<'py>(&self, py: Python<'py>, limit: u64) -> PyResult<Bound<'py, PyAny>> {
        let value = run(py, |session| stream::collect(&self.0, session, limit))?;
        to_py(py, value)
    }

    /// Returns an iterator over the values, `size` rows at a time.
    fn chunks(&self, py: Python<'_>, size: usize) -> PyResult<Chunks> {
        Chunks::new(py, &self.0, size)
    }

    /// Returns the plan as text.
    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        run(py, |session| Ok(ops::explain(&self.0, call, session)?.to_string()))
    }

    /// Makes or finds the column index, which is used from now on. Returns its path, its bytes, and
    /// whether it was made by this call.
    fn index_columns(&self, py: Python<'_>, dir: PathBuf) -> PyResult<(PathBuf, u64, bool)> {
        let found = run(py, |session| ops::index_columns(&self.0, &dir, session))?;
        Ok((found.path, found.bytes, found.made))
    }

    /// Reads packed rows from a copy in a folder from now on. Returns its path, its bytes and
    /// whether it was made now.
    fn pack(&self, py: Python<'_>, dir: PathBuf) -> PyResult<(PathBuf, u64, bool)> {
        let found = run(py, |session| ops::pack(&self.0, &dir, session))?;
        Ok((found.path, found.bytes, found.made))
    }

    /// Reads the sums of counts, unless a pass left them, so that later calls need not.
    fn learn_sums(&self, py: Python<'_>) -> PyResult<()> {
        run(py, |session| ops::learn_sums(&self.0, session))
    }

    fn row_sums<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        buffer(py, run(py, |session| ops::row_sums(&self.0, session))?)
    }

    fn col_sums<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        buffer(py, run(py, |session| ops::col_sums(&self.0, session))?)
    }

    /// Returns sums over numpy's `axis` in numpy's dtype; None is one sum of all values.
    #[pyo3(signature = (axis=None))]
    fn sums<'py>(&self, py: Python<'py>, axis: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        let axis = axis.map(|a| if a == 0 { ops::Axis::Obs } else { ops::Axis::Var });
        buffer(py, run(py, |session| ops::sums(&self.0, axis, session)?.into_numpy())?)
    }

    /// Returns means and variances over numpy's `axis`, 0 or 1.
    fn mean_var<'py>(
        &self,
        py: Python<'py>,
        axis: usize,
        ddof: usize,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let axis = if axis == 0 { ops::Axis::Obs } else { ops::Axis::Var };
        let found = run(py, |session| ops::mean_var(&self.0, axis, ddof, session))?;
        Ok((buffer(py, found.mean)?, buffer(py, found.var)?))
    }
}

/// Returns the call of a verb in Python's syntax.
fn call(d: &Description) -> String {
    let value = |p: &Parameter| match p {
        Parameter::Nothing => "None".to_owned(),
        Parameter::Flag(flag) => if *flag { "True" } else { "False" }.to_owned(),
        Parameter::Number(x) => x.to_string(),
        Parameter::Names(names) => format!("{names:?}"),
    };
    let parameters: Vec<String> = d.parameters.iter().map(|(name, p)| format!("{name}={}", value(p))).collect();
    format!("{}({})", d.verb, parameters.join(", "))
}
