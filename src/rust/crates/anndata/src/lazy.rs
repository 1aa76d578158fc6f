//! Opens matrices of an AnnData lazily, in its file.

use anndata::{AnnData, AnnDataOp, AxisArraysOp};
use anndata_hdf5::H5;
use anndataoom_core::store::Store;
use anndataoom_core::{matrix, LazyMatrix};
use anyhow::{bail, Context, Result};

/// Returns `X`, cells x genes, as a lazy matrix: nothing is read until a verb needs it, and then
/// block by block. The object must have been opened for reading (`H5::open`), because a file open
/// for writing is locked and may lack data that were not flushed.
///
/// # Errors
/// Fails if there is no `X`, if the file is open for writing, or if the matrix has an encoding that
/// cannot be streamed.
pub fn lazy_x(adata: &AnnData<H5>) -> Result<LazyMatrix> {
    if adata.x().is_none() {
        bail!("'{}' has no X; lazy_layer() takes a layer", adata.filename().display());
    }
    in_place(adata, "X")
}

/// Returns the layer `name`, cells x genes, as a lazy matrix, as [`lazy_x`] does.
///
/// # Errors
/// Fails as [`lazy_x`] does. For a missing layer the error lists the layers that exist.
pub fn lazy_layer(adata: &AnnData<H5>, name: &str) -> Result<LazyMatrix> {
    if adata.layers().get(name).is_none() {
        let mut there = adata.layers().keys();
        there.sort();
        bail!("'{}' has no layer '{name}'; its layers: {}", adata.filename().display(), there.join(", "));
    }
    in_place(adata, &format!("layers/{name}"))
}

fn in_place(adata: &AnnData<H5>, element: &str) -> Result<LazyMatrix> {
    let path = adata.filename();
    let store = Store::open(&path).with_context(|| {
        let path = path.display();
        format!("cannot read {element} of '{path}' in place; an object opened with H5::open_rw() locks its file: use H5::open()")
    })?;
    Ok(LazyMatrix::new(matrix::open(&store, element)?))
}
