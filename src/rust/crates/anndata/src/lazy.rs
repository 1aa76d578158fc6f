//! Matrices of an AnnData, in place.

use anndata::{AnnData, AnnDataOp, AxisArraysOp};
use anndata_hdf5::H5;
use anndataoom_core::store::Store;
use anndataoom_core::{matrix, LazyMatrix};
use anyhow::{bail, Context, Result};

/// Returns `X`, cells x genes, in place: nothing is read until a verb asks for it, and then in blocks. The object must
/// have been opened for reading (`H5::open`): a file that is open for writing is locked, and may lack what was not flushed.
///
/// # Errors
/// When there is no `X`, when the file is open for writing, or when the matrix has an encoding that cannot be streamed.
pub fn lazy_x(adata: &AnnData<H5>) -> Result<LazyMatrix> {
    if adata.x().is_none() {
        bail!("'{}' has no X; lazy_layer() takes a layer", adata.filename().display());
    }
    in_place(adata, "X")
}

/// Returns the layer `name`, cells x genes, in place, as [`lazy_x`] does.
///
/// # Errors
/// As [`lazy_x`]; for a layer that is not there, with the names of the layers that are.
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
