//! The content of an h5ad file to write: every slot as values, as a chain to stream, or as an element to copy.

use super::current::is_current;
use super::packing::Packing;
use super::rows::RowStream;
use crate::chain::LazyMatrix;
use crate::element::{self, DataFrame, Value};
use crate::error::Result;
use crate::store::{Compression, Store};
use std::sync::Arc;

/// One element of the new file.
#[derive(Debug, Clone)]
pub enum Part {
    /// A value in memory.
    Value(Value),
    /// A chain, streamed: `csr_matrix` where it is sparse (a CSC source too: its rows are what a pass gives), else a
    /// dense `array`; the dtype is the chain's.
    Matrix(LazyMatrix),
    /// Rows that come in order, once: `csr_matrix`.
    Rows(Arc<dyn RowStream>),
    /// An element of an open file. With nothing selected it is copied verbatim: dtype, format (CSC stays CSC), attributes
    /// and compression as they are, unless an option names it for another layout. With rows or columns it is read, selected in memory and written anew; give large
    /// matrices as [`Part::Matrix`] instead.
    Copy {
        /// The file it is in.
        store: Arc<Store>,
        /// Its path there ("obsm/X_pca").
        element: String,
        /// Entries of the first axis to keep, in order; all when `None`.
        rows: Option<Vec<u32>>,
        /// Entries of the second axis to keep, in order; all when `None`.
        columns: Option<Vec<u32>>,
    },
    /// A table put together column by column, so that columns nobody touched keep their exact form on disk.
    Frame(Frame),
}

/// A dataframe in parts.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Name of the index; `None` for pandas' unnamed index.
    pub index_name: Option<String>,
    /// The index.
    pub index: Box<Part>,
    /// Columns in order; every one a [`Part::Value`] or a [`Part::Copy`].
    pub columns: Vec<(String, Part)>,
}

/// `raw`: a matrix with its own genes.
#[derive(Debug, Clone)]
pub struct RawPlan {
    /// Cells x raw genes.
    pub x: Part,
    /// A dataframe, one row per raw gene.
    pub var: Part,
    /// Arrays over raw genes.
    pub varm: Vec<(String, Part)>,
}

/// Everything an h5ad file holds. The numbers of cells and genes are those of `obs` and `var`.
#[derive(Debug, Clone)]
pub struct H5adPlan {
    /// Cells x genes; `None` for a file without X.
    pub x: Option<Part>,
    /// Cells x genes, by name.
    pub layers: Vec<(String, Part)>,
    /// A dataframe, one row per cell.
    pub obs: Part,
    /// A dataframe, one row per gene.
    pub var: Part,
    /// Arrays, sparse matrices or dataframes over cells.
    pub obsm: Vec<(String, Part)>,
    /// The same over genes.
    pub varm: Vec<(String, Part)>,
    /// Cells x cells.
    pub obsp: Vec<(String, Part)>,
    /// Genes x genes.
    pub varp: Vec<(String, Part)>,
    /// Anything else.
    pub uns: Vec<(String, Part)>,
    /// Raw counts and their genes.
    pub raw: Option<RawPlan>,
}

/// How a file is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Compression of what is written anew; elements copied verbatim keep theirs.
    pub compression: Compression,
    /// Whether matrices that nobody touched are compressed anew too.
    pub recompress: bool,
    /// Matrices (streamed or copied parts) to write dense, by path: "X", "layers/counts", "raw/X".
    pub as_dense: Vec<String>,
    /// Matrices (streamed or copied parts) to write as `csr_matrix`: of dense ones what is not 0.
    pub as_csr: Vec<String>,
    /// Matrices (streamed or copied parts) to write as `csc_matrix`; see [`write_csc`](super::write_csc) for what that costs.
    pub as_csc: Vec<String>,
    /// Values of a chunk of a matrix: stored ones of a sparse one, whole rows of about as many of a dense one.
    pub chunk: Option<usize>,
}

impl WriteOptions {
    pub(super) fn packing(&self) -> Packing {
        Packing { compression: self.compression, chunk: self.chunk }
    }
}

impl H5adPlan {
    /// A plan with X and the two dataframes, nothing else.
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
    /// The whole element of an open file.
    pub fn copy(store: &Arc<Store>, element: impl Into<String>) -> Part {
        Part::Copy { store: store.clone(), element: element.into(), rows: None, columns: None }
    }

    /// `x` in the cheapest faithful way: a verbatim copy when it is a whole untransformed element of `store`, else
    /// streamed.
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

/// Whether an element can be copied as it is: an older or foreign one, which cannot, is better streamed than read whole.
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

/// [`shape_of`]; `None` for an element copied whole that cannot be understood: it is kept as it is.
pub(super) fn known_shape(part: &Part) -> Result<Option<Vec<usize>>> {
    match (shape_of(part), part) {
        (Err(_), Part::Copy { store, element, rows: None, columns: None }) if store.exists(element) => Ok(None),
        (shape, _) => shape.map(Some),
    }
}

/// The extents a part will have, as far as it has any.
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
