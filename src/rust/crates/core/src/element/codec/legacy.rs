//! Elements without encoding attributes, from anndata before 0.8: plain groups and datasets, `h5sparse_format`
//! matrices, compound tables.

use super::dataframe::{self, Columns};
use super::{array, categorical, dict, scalar, sparse, Reading};
use crate::element::{Description, SparseFormat, Value};
use crate::error::Result;
use crate::store::{Kind, Node};

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
        _ if values.is_scalar() => scalar::read(node, reading),
        _ => array::decode(&values),
    }
}

/// Whether a compound dataset is one of the tables of anndata 0.6.
fn is_table(node: &Node) -> bool {
    matches!(node.path(), "obs" | "var" | "raw.var" | "raw/var")
}

fn is_mapping(node: &Node) -> bool {
    matches!(node.path(), "obsm" | "varm" | "raw.varm" | "raw/varm")
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
    let categories = match node.store().node("uns") {
        Ok(uns) => uns.optional(&format!("{name}_categories"))?,
        Err(_) => None,
    };
    match categories {
        Some(categories) if matches!(values.kind(), Kind::Integer { .. }) => {
            let codes = values.read_integers(None)?;
            categorical::combine(node, codes, reading.read(&categories)?, false)
        }
        _ => array::decode(&values),
    }
}

fn sparse_format(node: &Node) -> Result<Option<SparseFormat>> {
    let Some(attribute) = node.attribute("h5sparse_format")? else { return Ok(None) };
    match attribute.text() {
        Some("csr") => Ok(Some(SparseFormat::Csr)),
        Some("csc") => Ok(Some(SparseFormat::Csc)),
        _ => Err(node.format("'csr' or 'csc' in the attribute 'h5sparse_format'", format!("{attribute:?}"))),
    }
}

pub(super) fn describe(node: &Node, out: &mut Description) -> Result<()> {
    if !node.is_group() {
        if is_table(node) {
            return dataframe::describe(node, out);
        }
        array::describe(node, out)?;
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
