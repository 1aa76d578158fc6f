//! Elements without encoding attributes, from anndata before 0.8: plain groups and datasets,
//! `h5sparse_format` matrices, compound tables.

use super::table::{is_mapping, is_table};
use super::{array, dataframe, dict, scalar, sparse, Encoding, Matrix, Reading, PLAIN};
use crate::element::{loom, Description, SparseFormat, Value};
use crate::error::Result;
use crate::store::{Kind, Node};

pub(super) const ENCODING: Encoding = Encoding { name: "", versions: &[""], read, describe, matrix, ..PLAIN };

fn read(node: &Node, reading: &Reading) -> Result<Value> {
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
            // A compound dataset with one field per key.
            Value::RecArray(fields) if is_mapping(node) => Ok(Value::Dict(fields)),
            other => Ok(other),
        },
        _ if values.is_scalar() || is_old_text(node, values.kind(), &values.shape()) => scalar::read(node, reading),
        _ => array::decode(&values),
    }
}

/// Returns whether it is a text of anndata 0.5, which stores texts of `uns` as vectors of length 1
/// and of fixed width.
fn is_old_text(node: &Node, kind: &Kind, shape: &[usize]) -> bool {
    node.path().starts_with("uns/") && matches!(kind, Kind::FixedText { .. }) && shape == [1]
}

fn sparse_format(node: &Node) -> Result<Option<SparseFormat>> {
    let Some(attribute) = node.attribute("h5sparse_format")? else { return Ok(None) };
    match attribute.text() {
        Some("csr") => Ok(Some(SparseFormat::Csr)),
        Some("csc") => Ok(Some(SparseFormat::Csc)),
        _ => Err(node.format("'csr' or 'csc' in the attribute 'h5sparse_format'", attribute.to_string())),
    }
}

fn describe(node: &Node, out: &mut Description) -> Result<()> {
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

/// Returns how an element is streamed as a matrix: a dense array, one of a loom file, a sparse
/// matrix with the old attributes, or a group of 10x Genomics or SeuratDisk.
fn matrix(node: &Node) -> Result<Option<Matrix>> {
    if !node.is_group() {
        return Ok(Some(if loom::is_matrix(node) { Matrix::Turned } else { Matrix::Dense }));
    }
    let format = node.attribute("h5sparse_format")?;
    match format.as_ref().map(|a| a.text()) {
        Some(Some("csr")) => sparse::matrix(node, SparseFormat::Csr).map(Some),
        Some(Some("csc")) => sparse::matrix(node, SparseFormat::Csc).map(Some),
        Some(Some(_)) => Ok(None),
        // Compressed columns of features x cells are compressed rows of cells x features.
        _ => {
            let shape = match shape_10x(node)? {
                None => shape_seurat(node)?,
                found => found,
            };
            Ok(shape.map(|shape| Matrix::Sparse(SparseFormat::Csr, shape)))
        }
    }
}

/// Returns the numbers of cells and features of a matrix of SeuratDisk. They come from the
/// attribute `dims` or, without it, from the number of offsets and the names of the features of its
/// assay.
fn shape_seurat(group: &Node) -> Result<Option<(usize, usize)>> {
    let extent = |n: i64| u32::try_from(n).ok().map(|n| n as usize);
    if let Some(dims) = group.attribute("dims")? {
        return Ok(match dims.integers() {
            Some(&[features, cells]) => extent(cells).zip(extent(features)),
            _ => None,
        });
    }
    let Some(offsets) = group.optional("indptr")?.and_then(|n| n.shape()) else { return Ok(None) };
    let Some((assay, _)) = group.path().rsplit_once('/').filter(|p| p.0.starts_with("assays/")) else {
        return Ok(None);
    };
    let features = group.store().node(assay)?.optional("features")?.and_then(|n| n.shape());
    Ok(match (offsets.as_slice(), features.as_deref()) {
        (&[offsets], Some(&[features])) if offsets > 0 => Some((offsets - 1, features)),
        _ => None,
    })
}

/// Returns the numbers of cells and genes of a matrix of Cell Ranger, which stores its extents in a
/// dataset.
fn shape_10x(group: &Node) -> Result<Option<(usize, usize)>> {
    if group.optional("barcodes")?.is_none() {
        return Ok(None);
    }
    let shape = group.child("shape")?;
    // The dataset is read only once its extents are known to be small.
    if shape.shape() != Some(vec![2]) {
        return Ok(None);
    }
    let extent = |n: i64| u32::try_from(n).ok().map(|n| n as usize);
    let extents = shape.values()?.read_integers(None)?;
    Ok(match extents.as_slice() {
        &[genes, cells] => extent(cells).zip(extent(genes)),
        _ => None,
    })
}
