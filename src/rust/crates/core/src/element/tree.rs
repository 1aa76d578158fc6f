//! The places of the slots of an h5ad file, whatever version of anndata wrote it.

use super::{encoding, neighbors};
use crate::error::{Error, Result};
use crate::store::Store;
use std::sync::Arc;

/// Elements of one slot: key, and path inside the file.
pub type Entries = Vec<(String, String)>;

/// The elements of an h5ad file, by slot. [`super::read`] and [`crate::matrix::open`] take the
/// paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// Path of the matrix; `None` in a file without X.
    pub x: Option<String>,
    /// Each of [`SLOTS`] with its elements, in the file's order.
    pub slots: Vec<(&'static str, Entries)>,
    /// The raw matrix and its genes.
    pub raw: Option<RawTree>,
}

/// `raw`: a group of that name, or before anndata 0.7 `raw.X`, `raw.var` and `raw.varm`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawTree {
    /// Path of the matrix.
    pub x: String,
    /// Path of the table of its genes.
    pub var: String,
    /// Arrays over its genes.
    pub varm: Entries,
}

/// The `encoding-type` of a store with several objects, which annbatch writes.
pub const COLLECTION: &str = "annbatch-preshuffled";

/// The slots that hold elements by key.
pub const SLOTS: [&str; 6] = ["layers", "obsm", "varm", "obsp", "varp", "uns"];

/// Lists the elements of an h5ad file. Damaged elements are listed, too; reading them gives the
/// error.
///
/// # Errors
/// [`Error::Missing`] for a file without `obs` or `var`; for one of 10x Genomics it names the
/// function to call.
pub fn tree(store: &Arc<Store>) -> Result<Tree> {
    for required in ["obs", "var"] {
        if !store.exists(required) {
            let encoding = store.attribute("", "encoding-type").ok().flatten();
            let tenx = if super::tenx::is_10x(store) {
                "it is a file of 10x Genomics: open it with read_10x_h5()"
            } else if encoding.is_some_and(|encoding| encoding.text() == Some(COLLECTION)) {
                "it is a collection of several objects: open it with read() or AnnDataSet()"
            } else {
                "is this an h5ad file?"
            };
            return Err(Error::Missing {
                path: store.location().clone(),
                element: required.to_owned(),
                hint: format!("; {tenx}"),
            });
        }
    }
    let old: Vec<String> = ["obs", "var"].iter().flat_map(|t| encoding::coded_columns(store, t)).collect();
    let mut slots = Vec::new();
    for slot in SLOTS {
        let mut entries = members(store, slot)?;
        if slot == "uns" {
            // anndata before 0.7 keeps the categories of the tables' columns in uns.
            entries.retain(|(key, _)| {
                key.strip_suffix("_categories").is_none_or(|column| !old.iter().any(|o| o == column))
            });
        }
        if slot == "obsp" {
            // A moved element replaces the one that has its new name, as in anndata.
            let moved = encoding::n_rows(store, "obs").map_or_else(Vec::new, |n| neighbors::moved(store, n));
            entries.retain(|(key, _)| !moved.iter().any(|(k, _)| k == key));
            entries.extend(moved);
        }
        slots.push((slot, entries));
    }
    // `raw` can also be null: anndata writes that for an object without one.
    let raw = [("raw/X", "raw/var", "raw/varm"), ("raw.X", "raw.var", "raw.varm")];
    let raw = match raw.into_iter().find(|(x, _, _)| present(store, x)) {
        None => None,
        Some((x, var, varm)) => Some(RawTree { x: x.to_owned(), var: var.to_owned(), varm: members(store, varm)? }),
    };
    Ok(Tree { x: present(store, "X").then(|| "X".to_owned()), slots, raw })
}

/// Returns whether there is an element other than null at `path`.
fn present(store: &Arc<Store>, path: &str) -> bool {
    store.exists(path) && !matches!(super::describe(store, path), Ok(d) if d.encoding == "null")
}

/// Returns the elements of a group, or the fields of a compound table.
fn members(store: &Arc<Store>, slot: &str) -> Result<Entries> {
    if !present(store, slot) {
        return Ok(Vec::new());
    }
    let node = store.node(slot)?;
    let keys = if node.is_group() { node.keys()? } else { super::describe(store, slot)?.keys };
    Ok(keys.into_iter().map(|key| (key.clone(), format!("{slot}/{key}"))).collect())
}
