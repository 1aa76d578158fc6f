//! Converts text files of other programs to h5ad files.

use crate::run::{quick, run};
use crate::store::is_remote;
use anndataoom_core::text::{self, MtxOptions, TextOptions};
use pyo3::prelude::*;
use std::path::PathBuf;

/// Converts a folder with a count matrix to the h5ad file `to`.
#[pyfunction]
#[pyo3(signature = (path, to, *, gene_ids, make_unique, gex_only, prefix))]
pub(crate) fn read_10x_mtx(
    py: Python<'_>,
    path: PathBuf,
    to: PathBuf,
    gene_ids: bool,
    make_unique: bool,
    gex_only: bool,
    prefix: Option<String>,
) -> PyResult<()> {
    let options = MtxOptions { gene_ids, make_unique, gex_only, prefix };
    run(py, |session| text::read_10x_mtx(&path, &options, &to, session))
}

/// Converts a table of numbers to the h5ad file `to`.
#[pyfunction]
#[pyo3(signature = (path, to, *, delimiter, first_column_names, transpose))]
pub(crate) fn read_text(
    py: Python<'_>,
    path: PathBuf,
    to: PathBuf,
    delimiter: Option<String>,
    first_column_names: Option<bool>,
    transpose: bool,
) -> PyResult<()> {
    let options = TextOptions { delimiter, first_column_names, transpose };
    run(py, |session| text::read_text(&path, &options, &to, session))
}

/// Looks into a file or folder and returns the name of its kind.
#[pyfunction]
pub(crate) fn content(py: Python<'_>, path: PathBuf) -> PyResult<&'static str> {
    match is_remote(&path) {
        true => run(py, |_| Ok(text::content(path)?.name())),
        false => py.detach(|| quick(|| Ok(text::content(path)?.name()))),
    }
}

/// Returns the paths or URLs of the parts of a collection; none where the path is no collection.
#[pyfunction]
pub(crate) fn collection(py: Python<'_>, path: PathBuf) -> PyResult<Vec<String>> {
    let parts =
        || text::collection(&path).map(|parts| parts.iter().map(|p| p.to_string_lossy().into_owned()).collect());
    match is_remote(&path) {
        true => run(py, |_| parts()),
        false => py.detach(|| quick(parts)),
    }
}

/// Returns the file name prefixes of the matrices in a folder that has several; empty for a single
/// matrix.
#[pyfunction]
pub(crate) fn prefixes(py: Python<'_>, path: PathBuf) -> PyResult<Vec<String>> {
    py.detach(|| quick(|| text::prefixes(&path)))
}
