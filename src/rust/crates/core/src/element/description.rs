//! Descriptions of elements.

/// The description of an element without its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// `encoding-type`; "" for an element without one (anndata before 0.8).
    pub encoding: String,
    /// `encoding-version`.
    pub version: String,
    /// Extents of every axis: rows and columns for a dataframe, empty for scalars and dicts.
    pub shape: Vec<usize>,
    /// dtype by numpy's name, "string", "category" or "compound"; `None` for elements of several
    /// dtypes or none.
    pub dtype: Option<String>,
    /// Number of stored values of a sparse matrix.
    pub nnz: Option<u64>,
    /// Number of categories.
    pub categories: Option<usize>,
    /// Keys of a dict, columns of a dataframe, fields of a rec-array, in order.
    pub keys: Vec<String>,
}
