//! An object of another program's file, arranged in AnnData's slots.

use super::{DataFrame, Value};

/// A matrix that stays in the file: the path of its element, and the column of that element for
/// each feature (`None` when both are in the same order).
pub type Layer = (String, Option<Vec<u32>>);

/// The parts of one object in such a file; values of matrices stay in the file.
#[derive(Debug, Clone)]
pub struct Slots {
    /// The matrix that becomes X.
    pub x: Layer,
    /// The other matrices, by name.
    pub layers: Vec<(String, Layer)>,
    /// Names and columns of the cells.
    pub obs: DataFrame,
    /// Names and columns of the features.
    pub var: DataFrame,
    /// Arrays of the cells, such as `X_pca`.
    pub obsm: Vec<(String, Value)>,
    /// Arrays of the features, such as `PCs`.
    pub varm: Vec<(String, Value)>,
    /// Graphs of the cells.
    pub obsp: Vec<(String, Value)>,
    /// Graphs of the features.
    pub varp: Vec<(String, Value)>,
    /// Values about neither cells nor features.
    pub uns: Vec<(String, Value)>,
}
