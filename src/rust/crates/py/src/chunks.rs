//! Iterates over the rows of a matrix in chunks.

use crate::run::{settings, watching};
use crate::to_py::to_py;
use anndataoom_core::{stream, Error, Session};
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// An iterator over `(start, end, values)`. The pass reads ahead on threads of its own; it ends
/// when the iterator is dropped.
#[pyclass(frozen)]
pub(crate) struct Chunks {
    session: Session,
    progress: Option<Py<PyAny>>,
    chunks: Mutex<stream::Chunks>,
}

impl Chunks {
    pub(crate) fn new(py: Python<'_>, x: &anndataoom_core::LazyMatrix, size: usize) -> PyResult<Self> {
        let (session, progress) = settings(py)?;
        let chunks = py.detach(|| crate::run::quick(|| stream::Chunks::new(x, size, &session)))?;
        Ok(Chunks { session, progress, chunks: Mutex::new(chunks) })
    }
}

#[pymethods]
impl Chunks {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<(usize, usize, Bound<'py, PyAny>)>> {
        let next = watching(py, &self.session, self.progress.as_ref(), |_| {
            let mut chunks = match self.chunks.try_lock() {
                Ok(chunks) => chunks,
                Err(std::sync::TryLockError::Poisoned(e)) => PoisonError::into_inner(e),
                Err(_) => return Err(Error::State("chunked: already executing in another thread".to_owned())),
            };
            chunks.next().transpose()
        })?;
        let Some((rows, values)) = next else { return Ok(None) };
        Ok(Some((rows.start, rows.end, to_py(py, values)?)))
    }
}
