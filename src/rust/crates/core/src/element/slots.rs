//! An object of another program's file, laid out as AnnData's slots.

use super::{DataFrame, Value};

/// A matrix that is read in place: its element, and the columns of it to take where they are in another order than the
/// features.
pub type Layer = (String, Option<Vec<u32>>);

/// All that such a file holds of one object; matrices stay in the file.
#[derive(Debug, Clone)]
pub struct Slots {
    /// The matrix that becomes X.
    pub x: Layer,
    /// The other matrices, by name.
    pub layers: Vec<(String, Layer)>,
    /// Cells.
    pub obs: DataFrame,
    /// Features.
    pub var: DataFrame,
    /// Arrays of the cells, such as `X_pca`.
    pub obsm: Vec<(String, Value)>,
    /// Arrays of the features, such as `PCs`.
    pub varm: Vec<(String, Value)>,
    /// Graphs of the cells.
    pub obsp: Vec<(String, Value)>,
    /// Graphs of the features.
    pub varp: Vec<(String, Value)>,
    /// Values that belong to neither.
    pub uns: Vec<(String, Value)>,
}
