//! Descriptions of elements.

/// The description of an element, without its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// `encoding-type`; "" for a plain group or dataset of anndata before 0.8.
    pub encoding: String,
    /// `encoding-version`.
    pub version: String,
    /// Extents; rows and columns for a dataframe, empty for scalars and dicts.
    pub shape: Vec<usize>,
    /// dtype by numpy's name, "string", "category" or "compound"; `None` where there is no single one.
    pub dtype: Option<String>,
    /// Stored values of a sparse matrix.
    pub nnz: Option<u64>,
    /// Number of categories.
    pub categories: Option<usize>,
    /// Keys of a dict, columns of a dataframe, fields of a rec-array, in order.
    pub keys: Vec<String>,
}
