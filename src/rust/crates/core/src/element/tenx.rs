//! Files of 10x Genomics (Cell Ranger): counts of features x barcodes by columns, which are cells x
//! genes by rows.

use super::{DataFrame, Value};
use crate::error::{Error, Result};
use crate::store::{Node, Store};
use std::sync::Arc;

/// A matrix of a 10x file with the names of its axes, as scanpy's `read_10x_h5` lays them out.
#[derive(Debug, Clone, PartialEq)]
pub struct TenX {
    /// Path of the matrix for [`crate::matrix::open`], which shows it as cells x genes.
    pub element: String,
    /// Barcodes, with the column `filtered_barcodes` where the file has it.
    pub obs: DataFrame,
    /// Gene names, with the columns `gene_ids` and, from Cell Ranger 3 on, `feature_types`,
    /// `genome` and any other the file has.
    pub var: DataFrame,
}

/// Returns whether the file has the layout of Cell Ranger.
pub(crate) fn is_10x(store: &Arc<Store>) -> bool {
    store.exists("matrix/barcodes") || !genomes(store).is_empty()
}

/// Returns the groups of a file of Cell Ranger 2, one for each genome.
fn genomes(store: &Arc<Store>) -> Vec<String> {
    let keys = store.keys("").unwrap_or_default();
    keys.into_iter().filter(|k| store.exists(&format!("{k}/gene_names"))).collect()
}

/// Reads the axes of a 10x file and returns them with the path of its matrix. In a file of Cell
/// Ranger 2, `genome` chooses one of several genomes. A later file has all in one matrix, and a
/// column of `var` to select by.
///
/// # Errors
/// [`Error::Missing`] for a file of another kind; [`Error::Parameter`] for an unknown genome, or
/// for `None` with several; the errors of [`read`](super::read()).
pub fn read_10x(store: &Arc<Store>, genome: Option<&str>) -> Result<TenX> {
    if store.exists("matrix/barcodes") {
        return version_3(&store.node("matrix")?);
    }
    let all = genomes(store);
    let element = match (genome, all.as_slice()) {
        (_, []) => {
            return Err(Error::Missing {
                path: store.location().clone(),
                element: "matrix".to_owned(),
                hint: "; is this a file of 10x Genomics? h5ad files are opened with read_h5ad()".to_owned(),
            })
        }
        (None, [one]) => one.clone(),
        (Some(wanted), all) if all.iter().any(|g| g == wanted) => wanted.to_owned(),
        (found, all) => {
            let expected = format!("one of the genomes of '{}': {}", store.location(), all.join(", "));
            return Err(Error::parameter("genome", expected, found.map_or("none".to_owned(), |g| format!("'{g}'"))));
        }
    };
    let node = store.node(&element)?;
    let names = read(&node, "gene_names")?;
    let columns = vec![("gene_ids".to_owned(), column(&node, "genes", &names)?)];
    Ok(TenX { obs: frame(read(&node, "barcodes")?, Vec::new()), var: frame(names, columns), element })
}

fn version_3(node: &Node) -> Result<TenX> {
    let features = node.child("features")?;
    let (names, barcodes) = (read(&features, "name")?, read(node, "barcodes")?);
    let mut columns = Vec::new();
    // A matrix of probes has the gene apart from the probe.
    if features.optional("gene_id")?.is_some() {
        columns.push(("gene_ids".to_owned(), column(&features, "gene_id", &names)?));
        columns.push(("probe_ids".to_owned(), column(&features, "id", &names)?));
    } else {
        columns.push(("gene_ids".to_owned(), column(&features, "id", &names)?));
    }
    columns.push(("feature_types".to_owned(), column(&features, "feature_type", &names)?));
    for key in features.keys()? {
        let known = ["name", "feature_type", "id", "gene_id", "_all_tag_keys"].contains(&key.as_str());
        if !known && !features.child(&key)?.is_group() {
            columns.push((key.clone(), column(&features, &key, &names)?));
        }
    }
    let mut cells = Vec::new();
    if node.optional("filtered_barcodes")?.is_some() {
        cells.push(("filtered_barcodes".to_owned(), column(node, "filtered_barcodes", &barcodes)?));
    }
    Ok(TenX { element: "matrix".to_owned(), obs: frame(barcodes, cells), var: frame(names, columns) })
}

fn read(group: &Node, key: &str) -> Result<Value> {
    super::read(group.store(), &format!("{}/{key}", group.path()))
}

/// Reads a dataset and checks that it has one value for every name.
fn column(group: &Node, key: &str, names: &Value) -> Result<Value> {
    let value = read(group, key)?;
    if value.len() == names.len() {
        return Ok(value);
    }
    let count = |v: &Value| v.len().map_or("no axis".to_owned(), |n| n.to_string());
    Err(group.child(key)?.format(format!("{} values, as there are names", count(names)), count(&value)))
}

fn frame(index: Value, columns: Vec<(String, Value)>) -> DataFrame {
    DataFrame { index_name: None, index: Box::new(index), columns }
}
