//! The Python face, `anndataoom._core`: it converts between Python and the core and computes
//! nothing.
//!
//! Values cross as tagged tuples, `("array", buffer)`, `("sparse", "csr", shape, indptr, indices,
//! data)`, .... The module `anndataoom/_convert.py` is the other end; it handles numpy, scipy and
//! pandas.

mod buffer;
mod chunks;
mod errors;
mod from_py;
mod given;
mod matrix;
mod run;
mod stack;
mod store;
mod text;
mod to_py;
mod verbs;
mod write;

use anndataoom_core::reserve::Reserved;
use pyo3::prelude::*;

#[global_allocator]
static MEMORY: Reserved = Reserved;

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_class::<buffer::Buffer>()?;
    m.add_class::<chunks::Chunks>()?;
    m.add_class::<matrix::Matrix>()?;
    m.add_class::<store::File>()?;
    verbs::register(m)?;
    m.add_function(wrap_pyfunction!(write::write_h5ad, m)?)?;
    m.add_function(wrap_pyfunction!(write::save_h5ad, m)?)?;
    m.add_function(wrap_pyfunction!(stack::stack, m)?)?;
    m.add_function(wrap_pyfunction!(stack::stack_members, m)?)?;
    for function in [
        wrap_pyfunction!(write::write_zarr, m)?,
        wrap_pyfunction!(write::convert, m)?,
        wrap_pyfunction!(write::write_h5mu, m)?,
        wrap_pyfunction!(write::write_10x_h5, m)?,
        wrap_pyfunction!(write::write_10x_mtx, m)?,
        wrap_pyfunction!(text::read_10x_mtx, m)?,
        wrap_pyfunction!(text::read_text, m)?,
        wrap_pyfunction!(text::content, m)?,
        wrap_pyfunction!(text::collection, m)?,
        wrap_pyfunction!(store::place, m)?,
        wrap_pyfunction!(text::prefixes, m)?,
    ] {
        m.add_function(function)?;
    }
    m.add_function(wrap_pyfunction!(store::echo, m)?)?;
    Ok(())
}
