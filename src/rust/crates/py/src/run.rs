//! Runs long calls on a thread of their own, without the GIL, while Python's thread watches for
//! Ctrl-C.

use crate::errors::to_py_err;
use crate::given::given;
use anndataoom_core::given::Given;
use anndataoom_core::session::{guard, watched};
use anndataoom_core::verbs;
use anndataoom_core::{reserve, Result, Session};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The session of this process, which keeps results of calls for later ones.
static SESSION: LazyLock<Session> = LazyLock::new(Session::default);

/// Begins a call of the session with the settings of `anndataoom.settings`. Returns also the
/// function that draws progress.
pub(crate) fn settings(py: Python<'_>) -> PyResult<(Session, Option<Py<PyAny>>)> {
    let call = py.import("anndataoom._settings")?.getattr("call_settings")?.call0()?;
    let (settings, progress): (Bound<'_, PyDict>, Option<Py<PyAny>>) = call.extract()?;
    let mut values = HashMap::new();
    for (name, value) in settings {
        values.insert(name.extract::<String>()?, given(&value)?);
    }
    let of = |name: &str| values.get(name).cloned().unwrap_or(Given::Nothing);
    let session = verbs::call(&SESSION, of).map_err(to_py_err)?;
    Ok((session, progress))
}

/// Runs `work` with the settings of the user. It must not use Python objects.
///
/// # Errors
/// Errors of `work` as Python exceptions; `KeyboardInterrupt` after Ctrl-C.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce(&Session) -> Result<T> + Send) -> PyResult<T> {
    let (session, progress) = settings(py)?;
    watching(py, &session, progress.as_ref(), work)
}

/// Runs `work` as [`run`] does, in a session that outlives the call.
///
/// # Errors
/// The errors of [`run`].
pub(crate) fn watching<T: Send>(
    py: Python<'_>,
    session: &Session,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Session) -> Result<T> + Send,
) -> PyResult<T> {
    let watch = |fraction: Option<f64>| {
        py.check_signals()?;
        match (progress, fraction) {
            (Some(draw), Some(fraction)) => draw.call1(py, (fraction,)).map(drop),
            _ => Ok(()),
        }
    };
    watched(session, work, |pause| py.detach(pause), watch)?.map_err(to_py_err)
}

/// Runs short work with the GIL. Panics become errors.
pub(crate) fn quick<T>(work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    guard(|| {
        reserve::provide()?;
        work()
    })
    .map_err(to_py_err)
}
