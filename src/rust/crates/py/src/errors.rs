//! Converts errors of the core to ordinary Python exceptions.

use anndataoom_core::error::printable;
use anndataoom_core::given::Syntax;
use anndataoom_core::Error;
use pyo3::exceptions::*;
use pyo3::prelude::*;
use std::io::ErrorKind;

/// Converts `error` to the exception that a Python user expects; the message names file and
/// element.
pub(crate) fn to_py_err(error: Error) -> PyErr {
    let text = printable(&error.in_syntax(&Syntax::PYTHON)).into_owned();
    match &error {
        Error::External { .. } => PyPermissionError::new_err(text),
        Error::Io { kind: ErrorKind::NotFound, .. } => PyFileNotFoundError::new_err(text),
        Error::Io { kind: ErrorKind::PermissionDenied, .. } => PyPermissionError::new_err(text),
        Error::Io { .. } | Error::Scratch { .. } | Error::File { .. } => PyOSError::new_err(text),
        Error::Missing { .. } | Error::Name { .. } => PyKeyError::new_err(text),
        // scanpy raises an IndexError for it.
        Error::Argument { parameter: "percent_top", .. } => PyIndexError::new_err(text),
        Error::Index { .. } => PyIndexError::new_err(text),
        Error::Memory { .. } | Error::OutOfMemory { .. } => PyMemoryError::new_err(text),
        Error::Unsupported { .. } => PyNotImplementedError::new_err(text),
        Error::Cancelled => PyKeyboardInterrupt::new_err("interrupted"),
        Error::State(_) | Error::Numerical(_) | Error::Progress { .. } | Error::Internal(_) => {
            PyRuntimeError::new_err(text)
        }
        _ => PyValueError::new_err(text),
    }
}
