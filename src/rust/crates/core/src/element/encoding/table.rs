//! Compound datasets of anndata before 0.7: the tables, and `obsm` and `varm` with a field for each
//! key.

use super::{array, categorical, Reading};
use crate::element::{Description, Scalar, Value};
use crate::error::Result;
use crate::store::{Kind, Node, Store};
use std::sync::Arc;

/// The names in a dataframe.
pub(in crate::element) struct Columns {
    /// Key of the index.
    pub(in crate::element) index: String,
    /// Keys of the columns, in order.
    pub(in crate::element) names: Vec<String>,
}

/// Returns whether a compound dataset is one of the tables of anndata 0.6, by its path: `obs`,
/// `var` or `raw.var`.
pub(super) fn is_table(node: &Node) -> bool {
    matches!(node.path(), "obs" | "var" | "raw.var" | "raw/var")
}

/// Returns whether a compound dataset is an `obsm` or `varm`, by its path; each of its fields is
/// then the value of a key.
pub(super) fn is_mapping(node: &Node) -> bool {
    matches!(node.path(), "obsm" | "varm" | "raw.varm" | "raw/varm")
}

/// Returns the compound dataset that `path` names a field of: `obsm`, `varm` or a table of anndata
/// before 0.7.
pub(in crate::element) fn field(store: &Arc<Store>, path: &str) -> Result<Option<Node>> {
    let Some((parent, _)) = path.rsplit_once('/') else { return Ok(None) };
    match store.node(parent) {
        Ok(node) if !node.is_group() && (is_mapping(&node) || is_table(&node)) => Ok(Some(node)),
        _ => Ok(None),
    }
}

/// Reads one field of a compound dataset.
pub(in crate::element) fn read_field(node: &Node, name: &str) -> Result<Value> {
    if is_table(node) {
        return table_column(node, name, &Reading::new());
    }
    array::decode(&node.values()?.field(name)?)
}

/// Describes one field of a compound dataset without reading its values.
pub(in crate::element) fn describe_field(node: &Node, name: &str) -> Result<Description> {
    let values = node.values()?.field(name)?;
    Ok(Description { shape: values.shape(), dtype: Some(values.kind().name()), ..Description::default() })
}

/// Returns the integer columns of a compound table, which may hold codes of categories kept in
/// `uns`.
pub(in crate::element) fn coded_columns(store: &Arc<Store>, table: &str) -> Vec<String> {
    let fields = store.node(table).ok().filter(|n| !n.is_group()).and_then(|n| match n.values().ok()?.kind() {
        Kind::Compound(fields) => Some(fields.clone()),
        _ => None,
    });
    let coded = |(_, kind): &(String, Kind)| matches!(kind, Kind::Integer { .. });
    fields.unwrap_or_default().into_iter().filter(coded).map(|f| f.0).collect()
}

/// Returns the columns of a compound table; the first field is the index, as in anndata.
pub(super) fn table_columns(node: &Node) -> Result<Columns> {
    let values = node.values()?;
    let Kind::Compound(fields) = values.kind() else {
        return Err(node.format("a dataframe", values.kind().name()));
    };
    let mut names = fields.iter().map(|f| f.0.clone());
    let index = names.next().ok_or_else(|| node.format("a table with at least one column", "none"))?;
    Ok(Columns { index, names: names.collect() })
}

/// Reads one field of a compound table. Integers are codes when `uns` has categories under the
/// column's name.
pub(super) fn table_column(node: &Node, name: &str, reading: &Reading) -> Result<Value> {
    let values = node.values()?.field(name)?;
    if !matches!(values.kind(), Kind::Integer { .. }) {
        return array::decode(&values);
    }
    // anndata 0.6 keeps the categories of raw apart.
    let places: &[&str] = if node.path().starts_with("raw") { &["raw.cat", "uns"] } else { &["uns"] };
    for place in places {
        let Ok(group) = node.store().node(place) else { continue };
        let Some(categories) = group.optional(&format!("{name}_categories"))? else { continue };
        let categories = match reading.read(&categories)? {
            // A single category was stored without its axis.
            Value::Scalar(Scalar::String(s)) => Value::strings([s]),
            Value::Scalar(Scalar::Number(data)) => Value::vector(data),
            several => several,
        };
        let codes = values.read_integers(None)?;
        // obs and var share the place. Codes that do not fit belong to the other table, and these
        // are numbers.
        if codes.iter().all(|&c| c >= -1 && usize::try_from(c).map_or(true, |c| Some(c) < categories.len())) {
            return categorical::combine(node, codes, categories, false);
        }
    }
    array::decode(&values)
}
