//! Elements without encoding attributes, from anndata before 0.8: plain groups and datasets, `h5sparse_format`
//! matrices, compound tables.

use super::dataframe::{self, Columns};
use super::{array, categorical, dict, scalar, sparse, Reading};
use crate::element::{Description, Scalar, SparseFormat, Value};
use crate::error::Result;
use crate::store::{Kind, Node, Store};
use std::sync::Arc;

pub(super) fn read(node: &Node, reading: &Reading) -> Result<Value> {
    if node.is_group() {
        return match sparse_format(node)? {
            Some(format) => sparse::read_as(node, format, sparse::shape_of(node, "h5sparse_shape")?),
            None => dict::read(node, reading),
        };
    }
    let values = node.values()?;
    if values.is_null() {
        return Ok(Value::Null);
    }
    match values.kind() {
        Kind::Compound(_) if is_table(node) => dataframe::read(node, reading),
        Kind::Compound(_) => match array::decode(&values)? {
            // One field per key.
            Value::RecArray(fields) if is_mapping(node) => Ok(Value::Dict(fields)),
            other => Ok(other),
        },
        _ if values.is_scalar() || is_old_text(node, values.kind(), &values.shape()) => scalar::read(node, reading),
        _ => array::decode(&values),
    }
}

/// Whether a compound dataset is one of the tables of anndata 0.6.
fn is_table(node: &Node) -> bool {
    matches!(node.path(), "obs" | "var" | "raw.var" | "raw/var")
}

/// Whether it is a text of anndata 0.5, which keeps one of `uns` as a vector of one, of fixed width.
fn is_old_text(node: &Node, kind: &Kind, shape: &[usize]) -> bool {
    node.path().starts_with("uns/") && matches!(kind, Kind::FixedText { .. }) && shape == [1]
}

fn is_mapping(node: &Node) -> bool {
    matches!(node.path(), "obsm" | "varm" | "raw.varm" | "raw/varm")
}

/// The compound dataset that `path` names a field of: `obsm`, `varm` and the tables of anndata before 0.7.
pub(in crate::element) fn field(store: &Arc<Store>, path: &str) -> Result<Option<Node>> {
    let Some((parent, _)) = path.rsplit_once('/') else { return Ok(None) };
    match store.node(parent) {
        Ok(node) if !node.is_group() && (is_mapping(&node) || is_table(&node)) => Ok(Some(node)),
        _ => Ok(None),
    }
}

/// Reads one field of it.
pub(in crate::element) fn read_field(node: &Node, name: &str) -> Result<Value> {
    if is_table(node) {
        return table_column(node, name, &Reading::new());
    }
    array::decode(&node.values()?.field(name)?)
}

/// What it is.
pub(in crate::element) fn describe_field(node: &Node, name: &str) -> Result<Description> {
    let values = node.values()?.field(name)?;
    Ok(Description { shape: values.shape(), dtype: Some(values.kind().name()), ..Description::default() })
}

/// Columns of a compound table that hold codes of categories kept in `uns`.
pub(in crate::element) fn coded_columns(store: &Arc<Store>, table: &str) -> Vec<String> {
    let fields = store.node(table).ok().filter(|n| !n.is_group()).and_then(|n| match n.values().ok()?.kind() {
        Kind::Compound(fields) => Some(fields.clone()),
        _ => None,
    });
    let coded = |(_, kind): &(String, Kind)| matches!(kind, Kind::Integer { .. });
    fields.unwrap_or_default().into_iter().filter(coded).map(|f| f.0).collect()
}

/// The columns of a compound table: the first field is the index, as for anndata.
pub(super) fn table_columns(node: &Node) -> Result<Columns> {
    let values = node.values()?;
    let Kind::Compound(fields) = values.kind() else {
        return Err(node.format("a dataframe", values.kind().name()));
    };
    let mut names = fields.iter().map(|f| f.0.clone());
    let index = names.next().ok_or_else(|| node.format("a table with at least one column", "none"))?;
    Ok(Columns { index, names: names.collect() })
}

/// One field of a compound table; whole numbers are codes when `uns` has categories under the column's name.
pub(super) fn table_column(node: &Node, name: &str, reading: &Reading) -> Result<Value> {
    let values = node.values()?.field(name)?;
    if !matches!(values.kind(), Kind::Integer { .. }) {
        return array::decode(&values);
    }
    // anndata 0.6 keeps those of raw apart.
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
        // obs and var share the place: codes that do not fit are another table's, and these are numbers.
        if codes.iter().all(|&c| c >= -1 && usize::try_from(c).map_or(true, |c| Some(c) < categories.len())) {
            return categorical::combine(node, codes, categories, false);
        }
    }
    array::decode(&values)
}

fn sparse_format(node: &Node) -> Result<Option<SparseFormat>> {
    let Some(attribute) = node.attribute("h5sparse_format")? else { return Ok(None) };
    match attribute.text() {
        Some("csr") => Ok(Some(SparseFormat::Csr)),
        Some("csc") => Ok(Some(SparseFormat::Csc)),
        _ => Err(node.format("'csr' or 'csc' in the attribute 'h5sparse_format'", attribute.to_string())),
    }
}

pub(super) fn describe(node: &Node, out: &mut Description) -> Result<()> {
    if !node.is_group() {
        if is_table(node) {
            return dataframe::describe(node, out);
        }
        array::describe(node, out)?;
        if is_old_text(node, node.values()?.kind(), &out.shape) {
            out.shape = Vec::new();
        }
        if let Kind::Compound(fields) = node.values()?.kind() {
            out.keys = fields.iter().map(|f| f.0.clone()).collect();
        }
        return Ok(());
    }
    match sparse_format(node)? {
        Some(format) => {
            out.encoding = if format == SparseFormat::Csr { "csr_matrix" } else { "csc_matrix" }.into();
            let (rows, columns) = sparse::shape_of(node, "h5sparse_shape")?;
            sparse::describe_as(node, rows, columns, out)
        }
        None => dict::describe(node, out),
    }
}
