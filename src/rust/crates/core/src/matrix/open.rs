//! The choice of the source that reads an element, by the element's encoding.

use super::csc::CscSource;
use super::csr::CsrSource;
use super::dense::{DenseSource, Straight, Turned};
use super::sparse::SparseParts;
use super::Source;
use crate::element::{self, Matrix, SparseFormat};
use crate::error::{Error, Result};
use crate::store::Store;
use std::sync::Arc;

/// Opens a matrix element ("X", "layers/counts", "raw/X") for streaming: `csr_matrix`,
/// `csc_matrix`, or a dense 2-D array. It also reads older encodings (`h5sparse_format` and
/// `h5sparse_shape` on sparse groups, dense datasets without attributes), and the groups of 10x
/// Genomics and the datasets of loom, as cells x genes.
///
/// # Errors
/// [`Error::Missing`] where there is no such element, [`Error::Format`] where it is no matrix or
/// contradicts itself, [`Error::Unsupported`] for a datatype or compression filter that cannot be
/// read.
pub fn open(store: &Arc<Store>, path: &str) -> Result<Arc<dyn Source>> {
    let path = path.trim_matches('/');
    let node = store.node(path).map_err(|e| match e {
        Error::Missing { path: store, hint, .. } => Error::Missing { path: store, element: path.to_owned(), hint },
        other => other,
    })?;
    match element::matrix(&node)? {
        Some(Matrix::Dense) => Ok(Arc::new(DenseSource::<Straight>::open(&node)?)),
        Some(Matrix::Turned) => Ok(Arc::new(DenseSource::<Turned>::open(&node)?)),
        Some(Matrix::Sparse(format, shape)) => {
            let parts = SparseParts::open(&node, format, shape)?;
            match format {
                SparseFormat::Csr => Ok(Arc::new(CsrSource::new(parts))),
                SparseFormat::Csc => Ok(Arc::new(CscSource::new(parts))),
            }
        }
        None => {
            let text = |name| Ok::<_, Error>(node.attribute(name)?.and_then(|a| a.text().map(|t| format!("'{t}'"))));
            let found = text("encoding-type")?.or(text("h5sparse_format")?);
            let found = found.unwrap_or_else(|| "a group without an encoding".to_owned());
            Err(node.format("a matrix ('csr_matrix', 'csc_matrix' or a 2-D array)", found))
        }
    }
}
