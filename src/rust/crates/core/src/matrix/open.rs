//! From an element's encoding to the source that reads it.

use super::csc::CscSource;
use super::csr::CsrSource;
use super::dense::DenseSource;
use super::sparse::SparseParts;
use super::{Layout, Source};
use crate::error::{Error, Result};
use crate::store::{Node, Store};
use std::sync::Arc;

/// Opens a matrix element ("X", "layers/counts", "raw/X") for streaming: `csr_matrix`, `csc_matrix`, or a dense 2-D
/// array. The older encodings are read too: `h5sparse_format` and `h5sparse_shape` on sparse groups, dense datasets
/// without attributes; and the groups of 10x Genomics, as cells x genes.
///
/// # Errors
/// [`Error::Missing`] when there is no such element, [`Error::Format`] when it is no matrix or contradicts itself,
/// [`Error::Unsupported`] for a datatype or compression filter that cannot be read.
pub fn open(store: &Arc<Store>, element: &str) -> Result<Arc<dyn Source>> {
    let element = element.trim_matches('/');
    let bad = |expected: &str, found: String| Error::Format {
        path: store.location().clone(),
        element: element.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let node = store.node(element).map_err(|e| match e {
        Error::Missing { path, hint, .. } => Error::Missing { path, element: element.to_owned(), hint },
        other => other,
    })?;
    if !node.is_group() {
        return Ok(Arc::new(DenseSource::open(&node)?));
    }
    let encoding = match text_attribute(&node, "encoding-type")? {
        None => text_attribute(&node, "h5sparse_format")?,
        found => found,
    };
    if encoding.is_none() {
        if let Some(shape) = shape_10x(&node)? {
            // Features x barcodes by columns are cells x genes by rows.
            return Ok(Arc::new(CsrSource::new(SparseParts::open(&node, Layout::Csr, shape)?)));
        }
    }
    let layout = match encoding.as_deref() {
        Some("csr_matrix" | "csr") => Layout::Csr,
        Some("csc_matrix" | "csc") => Layout::Csc,
        other => {
            let found = other.map_or("a group without an encoding".to_owned(), |e| format!("'{e}'"));
            return Err(bad("a matrix ('csr_matrix', 'csc_matrix' or a 2-D array)", found));
        }
    };
    let shape = match node.attribute("shape")? {
        None => node.attribute("h5sparse_shape")?,
        found => found,
    };
    let shape = shape.ok_or_else(|| bad("an attribute 'shape'", "none".to_owned()))?;
    let extent = |n: i64| u32::try_from(n).ok().map(|n| n as usize);
    let extents = match shape.integers() {
        Some(&[n, m]) => extent(n).zip(extent(m)),
        Some(_) => None,
        None => return Err(bad("an attribute 'shape' of two integers", shape.to_string())),
    };
    let Some(extents) = extents else {
        return Err(bad("a shape of two numbers below 4294967296", shape.to_string()));
    };
    let parts = SparseParts::open(&node, layout, extents)?;
    match layout {
        Layout::Csr => Ok(Arc::new(CsrSource::new(parts))),
        _ => Ok(Arc::new(CscSource::new(parts))),
    }
}

/// Cells and genes of a matrix of Cell Ranger, which has its extents in a dataset.
fn shape_10x(group: &Node) -> Result<Option<(usize, usize)>> {
    if group.optional("barcodes")?.is_none() {
        return Ok(None);
    }
    let shape = group.child("shape")?;
    // Not read before it is known to be small.
    if shape.shape() != Some(vec![2]) {
        return Ok(None);
    }
    let extent = |n: i64| u32::try_from(n).ok().map(|n| n as usize);
    let extents = shape.values()?.read_integers(None)?;
    Ok(match extents.as_slice() {
        &[genes, cells] => extent(cells).zip(extent(genes)),
        _ => None,
    })
}

/// An attribute of one text; `None` when there is none or it is something else.
fn text_attribute(group: &Node, name: &str) -> Result<Option<String>> {
    Ok(group.attribute(name)?.and_then(|a| a.text().map(str::to_owned)))
}
