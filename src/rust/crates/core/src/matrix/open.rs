//! From an element's encoding to the source that reads it.

use super::csc::CscSource;
use super::csr::CsrSource;
use super::dense::DenseSource;
use super::sparse::SparseParts;
use super::{Layout, Source};
use crate::error::{Error, Result};
use crate::store::Store;
use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
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
        path: store.path().to_owned(),
        element: element.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    match kind(store, element)? {
        hdf5::LocationType::Dataset => Ok(Arc::new(DenseSource::open(store, element)?)),
        hdf5::LocationType::Group => {
            let group = store.hdf5().group(element).map_err(|e| hdf5_error(store, element, &e))?;
            let encoding =
                string_attribute(&group, "encoding-type").or_else(|| string_attribute(&group, "h5sparse_format"));
            if let (None, Some(shape)) = (&encoding, shape_10x(&group)) {
                // Features x barcodes by columns are cells x genes by rows.
                let parts = SparseParts::open(store, element, Layout::Csr, shape)?;
                return Ok(Arc::new(CsrSource::new(parts)));
            }
            let layout = match encoding.as_deref() {
                Some("csr_matrix" | "csr") => Layout::Csr,
                Some("csc_matrix" | "csc") => Layout::Csc,
                other => {
                    let found = other.map_or("a group without an encoding".to_owned(), |e| format!("'{e}'"));
                    return Err(bad("a matrix ('csr_matrix', 'csc_matrix' or a 2-D array)", found));
                }
            };
            let shape = ["shape", "h5sparse_shape"].iter().find_map(|name| group.attr(name).ok());
            let shape = shape.ok_or_else(|| bad("an attribute 'shape'", "none".to_owned()))?;
            let shape: Vec<i64> =
                shape.read_raw().map_err(|e| bad("an attribute 'shape' of two integers", e.to_string()))?;
            let in_range = |n: &i64| u32::try_from(*n).is_ok();
            let (n_rows, n_cols) = match shape.as_slice() {
                [n, m] if in_range(n) && in_range(m) => (*n as usize, *m as usize),
                other => return Err(bad("a shape of two numbers below 4294967296", format!("{other:?}"))),
            };
            let parts = SparseParts::open(store, element, layout, (n_rows, n_cols))?;
            match layout {
                Layout::Csr => Ok(Arc::new(CsrSource::new(parts))),
                _ => Ok(Arc::new(CscSource::new(parts))),
            }
        }
        _ => Err(bad("a group or dataset", "a named datatype".to_owned())),
    }
}

/// Cells and genes of a matrix of Cell Ranger, which has its extents in a dataset.
fn shape_10x(group: &hdf5::Group) -> Option<(usize, usize)> {
    if !group.link_exists("barcodes") {
        return None;
    }
    match group.dataset("shape").ok()?.read_raw::<i64>().ok()?.as_slice() {
        &[genes, cells] => {
            let extent = |n: i64| u32::try_from(n).ok().map(|n| n as usize);
            Some((extent(cells)?, extent(genes)?))
        }
        _ => None,
    }
}

/// What lies at `element`.
fn kind(store: &Store, element: &str) -> Result<hdf5::LocationType> {
    let mut path = String::new();
    for part in element.split('/') {
        let parent = if path.is_empty() { "/" } else { path.as_str() };
        let group = store.hdf5().group(parent).ok();
        if part.is_empty() || !group.as_ref().is_some_and(|g| g.link_exists(part)) {
            let mut names = group.and_then(|g| g.member_names().ok()).unwrap_or_default();
            names.sort_unstable();
            let place = if path.is_empty() { "the file" } else { path.as_str() };
            let hint = match names.as_slice() {
                [] => format!("; {place} holds nothing"),
                names => {
                    let more = if names.len() > 12 { ", ..." } else { "" };
                    format!("; {place} holds {}{more}", names.iter().take(12).cloned().collect::<Vec<_>>().join(", "))
                }
            };
            return Err(Error::Missing { path: store.path().to_owned(), element: element.to_owned(), hint });
        }
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
    }
    store.hdf5().loc_type_by_name(element).map_err(|e| hdf5_error(store, element, &e))
}

fn hdf5_error(store: &Store, element: &str, e: &hdf5::Error) -> Error {
    Error::File { path: store.path().to_owned(), message: format!("element '{element}': {e}") }
}

/// A string attribute in any of the forms HDF5 has for one.
fn string_attribute(group: &hdf5::Group, name: &str) -> Option<String> {
    let attribute = group.attr(name).ok()?;
    match attribute.dtype().ok()?.to_descriptor().ok()? {
        TypeDescriptor::VarLenUnicode => attribute.read_scalar::<VarLenUnicode>().ok().map(|s| s.as_str().to_owned()),
        TypeDescriptor::VarLenAscii => attribute.read_scalar::<VarLenAscii>().ok().map(|s| s.as_str().to_owned()),
        TypeDescriptor::FixedAscii(_) => attribute.read_scalar::<FixedAscii<64>>().ok().map(|s| s.as_str().to_owned()),
        TypeDescriptor::FixedUnicode(_) => {
            attribute.read_scalar::<FixedUnicode<64>>().ok().map(|s| s.as_str().to_owned())
        }
        _ => None,
    }
}
