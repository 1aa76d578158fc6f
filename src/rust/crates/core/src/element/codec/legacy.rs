//! Elements without encoding attributes, from anndata before 0.8: plain groups and datasets, `h5sparse_format`
//! matrices, compound tables.

use super::{array, dict, scalar, sparse, Reading};
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
        Kind::Compound(_) => array::decode(&values),
        _ if values.is_scalar() => scalar::read(node, reading),
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
        return array::describe(node, out);
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
