//! The content of an h5ad file to write: every slot as values, as a chain to stream, or as an
//! element to copy.

use super::current::is_current;
use super::packing::Packing;
use super::rows::RowStream;
use crate::chain::LazyMatrix;
use crate::element::{self, DataFrame, Value};
use crate::error::Result;
use crate::store::{Compression, Store};
use std::sync::Arc;

/// An element of the new file.
#[derive(Debug, Clone)]
pub enum Part {
    /// A value in memory.
    Value(Value),
    /// A chain, streamed in the dtype of the chain. A sparse one is written as `csr_matrix` (also
    /// from a CSC source, because a pass yields rows), any other as a dense `array`.
    Matrix(LazyMatrix),
    /// Rows that come in order, and once only: written as `csr_matrix`.
    Rows(Arc<dyn RowStream>),
    /// An element of an open file. Without a selection it is copied verbatim, with its dtype,
    /// format (CSC stays CSC), attributes and compression, unless an option names it for another
    /// layout. With rows or columns it is read, selected in memory and written anew; use
    /// [`Part::Matrix`] for large matrices instead.
    Copy {
        /// The file.
        store: Arc<Store>,
        /// The path of the element in the file ("obsm/X_pca").
        element: String,
        /// Entries of the first axis to keep, in order; all when `None`.
        rows: Option<Vec<u32>>,
        /// Entries of the second axis to keep, in order; all when `None`.
        columns: Option<Vec<u32>>,
    },
    /// A table put together column by column, so that unchanged columns keep their exact form on
    /// disk.
    Frame(Frame),
}

/// A dataframe in parts.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Name of the index; `None` for pandas' unnamed index.
    pub index_name: Option<String>,
    /// The index.
    pub index: Box<Part>,
    /// Columns in order; each is a [`Part::Value`] or a [`Part::Copy`].
    pub columns: Vec<(String, Part)>,
}

/// The slot `raw`: a matrix with its own genes.
#[derive(Debug, Clone)]
pub struct RawPlan {
    /// Cells x raw genes.
    pub x: Part,
    /// A dataframe, one row per raw gene.
    pub var: Part,
    /// Arrays over raw genes, by name.
    pub varm: Vec<(String, Part)>,
}

/// The content of an h5ad file. The numbers of cells and genes are those of `obs` and `var`.
#[derive(Debug, Clone)]
pub struct H5adPlan {
    /// Cells x genes; `None` for a file without X.
    pub x: Option<Part>,
    /// Matrices, cells x genes, by name.
    pub layers: Vec<(String, Part)>,
    /// A dataframe, one row per cell.
    pub obs: Part,
    /// A dataframe, one row per gene.
    pub var: Part,
    /// Arrays, sparse matrices or dataframes over cells, by name.
    pub obsm: Vec<(String, Part)>,
    /// Arrays, sparse matrices or dataframes over genes, by name.
    pub varm: Vec<(String, Part)>,
    /// Matrices, cells x cells, by name.
    pub obsp: Vec<(String, Part)>,
    /// Matrices, genes x genes, by name.
    pub varp: Vec<(String, Part)>,
    /// Any other elements, by name.
    pub uns: Vec<(String, Part)>,
    /// The slot `raw`: a matrix with genes of its own.
    pub raw: Option<RawPlan>,
}

/// The options of writing a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Compression of elements that are written anew; elements copied verbatim keep theirs.
    pub compression: Compression,
    /// Whether unchanged matrices, which are copied verbatim otherwise, are compressed anew too.
    pub recompress: bool,
    /// Paths ("X", "layers/counts", "raw/X") of streamed or copied matrices that are written dense.
    pub as_dense: Vec<String>,
    /// Paths of streamed or copied matrices that are written as `csr_matrix`; of dense ones the
    /// values other than 0.
    pub as_csr: Vec<String>,
    /// Paths of streamed or copied matrices that are written as `csc_matrix`; see
    /// [`write_csc`](super::write_csc) for the cost.
    pub as_csc: Vec<String>,
    /// Values per chunk of a matrix: stored values of a sparse one; of a dense one whole rows with
    /// about as many values.
    pub chunk: Option<usize>,
}

impl WriteOptions {
    /// Returns the compression and chunks of a matrix.
    pub(super) fn packing(&self) -> Packing {
        Packing { compression: self.compression, chunk: self.chunk }
    }
}

impl H5adPlan {
    /// Makes a plan of X and the two dataframes, without other elements.
    pub fn new(x: Option<Part>, obs: Part, var: Part) -> Self {
        H5adPlan {
            x,
            obs,
            var,
            layers: Vec::new(),
            obsm: Vec::new(),
            varm: Vec::new(),
            obsp: Vec::new(),
            varp: Vec::new(),
            uns: Vec::new(),
            raw: None,
        }
    }
}

impl Part {
    /// Makes a part that copies a whole element of an open file.
    pub fn copy(store: &Arc<Store>, element: impl Into<String>) -> Part {
        Part::Copy { store: store.clone(), element: element.into(), rows: None, columns: None }
    }

    /// Makes a part of `x` in the cheapest faithful way: a verbatim copy where `x` is a whole
    /// untransformed element of `store`, else a stream.
    pub fn of_chain(x: &LazyMatrix, store: Option<&Arc<Store>>) -> Part {
        match (store, x.location()) {
            (Some(store), Some(at))
                if at.store == *store.location()
                    && x.nodes().is_empty()
                    && x.rows().is_none()
                    && x.columns().is_none()
                    && is_copied(store, &at.element) =>
            {
                Part::copy(store, at.element)
            }
            _ => Part::Matrix(x.clone()),
        }
    }
}

/// Returns whether an element can be copied as it is. An older or foreign one cannot, and is
/// streamed rather than read whole.
fn is_copied(store: &Arc<Store>, element: &str) -> bool {
    is_current(store, element).unwrap_or(true)
}

impl From<Value> for Part {
    fn from(v: Value) -> Part {
        Part::Value(v)
    }
}

impl From<DataFrame> for Part {
    fn from(d: DataFrame) -> Part {
        Part::Value(Value::DataFrame(d))
    }
}

impl From<LazyMatrix> for Part {
    fn from(x: LazyMatrix) -> Part {
        Part::Matrix(x)
    }
}

/// Returns the extents of a part ([`shape_of`]). Returns `None` for an element that is copied whole
/// and cannot be read: it is copied as it is.
pub(super) fn known_shape(part: &Part) -> Result<Option<Vec<usize>>> {
    match (shape_of(part), part) {
        (Err(_), Part::Copy { store, element, rows: None, columns: None }) if store.exists(element) => Ok(None),
        (shape, _) => shape.map(Some),
    }
}

/// Returns the extents that a part will have; none for a scalar. A dataframe has two: its rows and
/// its columns.
pub(super) fn shape_of(part: &Part) -> Result<Vec<usize>> {
    let value = |v: &Value| match v {
        Value::Array(a) => a.shape.clone(),
        Value::Complex { shape, .. } | Value::Strings { shape, .. } => shape.clone(),
        Value::Sparse(s) => vec![s.shape.0, s.shape.1],
        Value::DataFrame(d) => vec![d.index.len().unwrap_or(0), d.columns.len()],
        other => other.len().into_iter().collect(),
    };
    Ok(match part {
        Part::Value(v) => value(v),
        Part::Matrix(x) => vec![x.shape().0, x.shape().1],
        Part::Rows(x) => vec![x.shape().0, x.shape().1],
        Part::Frame(f) => {
            let rows = shape_of(&f.index)?.first().copied().unwrap_or(0);
            vec![rows, f.columns.len()]
        }
        Part::Copy { store, element: path, rows, columns } => {
            let mut shape = element::describe(store, path)?.shape;
            for (axis, list) in [rows, columns].into_iter().enumerate() {
                if let (Some(extent), Some(list)) = (shape.get_mut(axis), list) {
                    *extent = list.len();
                }
            }
            shape
        }
    })
}
