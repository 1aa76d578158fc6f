//! The results of a verb for an AnnData: values by slot and key, under scanpy's names. The faces merge it without knowing
//! the verb.

use crate::element::Value;

/// Results of a verb, to be merged into an AnnData.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// Columns of obs, one value per cell.
    pub obs: Vec<(String, Value)>,
    /// Columns of var, one value per gene.
    pub var: Vec<(String, Value)>,
    /// Arrays over cells.
    pub obsm: Vec<(String, Value)>,
    /// Arrays over genes.
    pub varm: Vec<(String, Value)>,
    /// Square matrices over cells.
    pub obsp: Vec<(String, Value)>,
    /// Everything else; a dict here replaces the key's whole value.
    pub uns: Vec<(String, Value)>,
}
