//! Graphs that scanpy kept in `uns["neighbors"]` before anndata 0.7 had obsp. anndata's reader moves them there
//! (`anndata.compat._move_adj_mtx`), and so do we: they are elements of obsp, and not seen in uns.

use super::encoding;
use super::Value;
use crate::store::Store;
use std::sync::Arc;

/// Where they are.
const PLACE: &str = "uns/neighbors";
/// The elements that are moved.
const GRAPHS: [&str; 2] = ["distances", "connectivities"];

/// Keys of obsp, and the paths of the elements to be found there, in a file of `n_obs` cells: matrices only, and unlike
/// anndata, which refuses the file, only where they are of the cells.
pub(super) fn moved(store: &Arc<Store>, n_obs: usize) -> Vec<(String, String)> {
    let of_cells = |key: &&str| graph_shape(store, key).is_some_and(|shape| shape == [n_obs, n_obs]);
    GRAPHS.into_iter().filter(of_cells).map(|key| (key.to_owned(), format!("{PLACE}/{key}"))).collect()
}

/// The extents of what is a matrix, however it is stored.
fn graph_shape(store: &Arc<Store>, key: &str) -> Option<Vec<usize>> {
    let path = format!("{PLACE}/{key}");
    if !store.exists(&path) {
        return None;
    }
    let found = encoding::describe(&store.node(&path).ok()?).ok()?;
    let matrix = ["", "array", "csr_matrix", "csc_matrix"].contains(&found.encoding.as_str());
    (matrix && found.shape.len() == 2 && found.dtype.as_deref() != Some("compound")).then_some(found.shape)
}

/// The keys an element lacks because they are in obsp.
pub(super) fn missing_from(store: &Arc<Store>, path: &str) -> Vec<String> {
    if path.trim_matches('/') != PLACE {
        return Vec::new();
    }
    let n_obs = encoding::n_rows(store, "obs");
    n_obs.map(|n| moved(store, n).into_iter().map(|(key, _)| key).collect()).unwrap_or_default()
}

/// `value`, read from `path`, without what is in obsp.
pub(super) fn without_moved(store: &Arc<Store>, path: &str, value: Value) -> Value {
    match value {
        Value::Dict(mut items) => {
            let missing = missing_from(store, path);
            items.retain(|(key, _)| !missing.contains(key));
            Value::Dict(items)
        }
        other => other,
    }
}

/// Whether the element at `path` holds nothing that belongs elsewhere: it may be copied as it is.
pub(crate) fn is_whole(store: &Arc<Store>, path: &str) -> bool {
    missing_from(store, path).is_empty()
}
