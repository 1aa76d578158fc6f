//! The results of a verb for an AnnData: values by slot and key, under scanpy's names. The faces
//! merge them without knowing the verb.

use crate::element::Value;

/// Results of a verb, to be merged into an AnnData.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// Columns of obs, one value per cell.
    pub obs: Vec<(String, Value)>,
    /// Columns of var, one value per gene.
    pub var: Vec<(String, Value)>,
    /// Arrays with one row per cell.
    pub obsm: Vec<(String, Value)>,
    /// Arrays with one row per gene.
    pub varm: Vec<(String, Value)>,
    /// Square matrices of cells.
    pub obsp: Vec<(String, Value)>,
    /// Other values. A dict replaces the whole value of its key.
    pub uns: Vec<(String, Value)>,
}
