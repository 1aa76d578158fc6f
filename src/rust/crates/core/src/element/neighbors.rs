//! Graphs that scanpy kept in `uns["neighbors"]` before anndata 0.7 had obsp. As in anndata's
//! reader (`anndata.compat._move_adj_mtx`), they are moved: elements of obsp that `uns/neighbors`
//! does not show.

use super::encoding;
use super::Value;
use crate::store::Store;
use std::sync::Arc;

/// The group that held the graphs.
const PLACE: &str = "uns/neighbors";
/// Keys of the graphs that are moved.
const GRAPHS: [&str; 2] = ["distances", "connectivities"];

/// Returns the key and the path of each graph of `uns/neighbors` that is shown as an element of
/// obsp, in a file of `n_obs` cells. Only matrices of cells x cells are moved; anndata refuses a
/// file with others.
pub(super) fn moved(store: &Arc<Store>, n_obs: usize) -> Vec<(String, String)> {
    let of_cells = |key: &&str| graph_shape(store, key).is_some_and(|shape| shape == [n_obs, n_obs]);
    GRAPHS.into_iter().filter(of_cells).map(|key| (key.to_owned(), format!("{PLACE}/{key}"))).collect()
}

/// Returns the extents of a graph if it is a matrix of any encoding.
fn graph_shape(store: &Arc<Store>, key: &str) -> Option<Vec<usize>> {
    let path = format!("{PLACE}/{key}");
    if !store.exists(&path) {
        return None;
    }
    let found = encoding::describe(&store.node(&path).ok()?).ok()?;
    let matrix = ["", "array", "csr_matrix", "csc_matrix"].contains(&found.encoding.as_str());
    (matrix && found.shape.len() == 2 && found.dtype.as_deref() != Some("compound")).then_some(found.shape)
}

/// Returns the keys of the element at `path` that are shown in obsp instead; none for any path but
/// `uns/neighbors`.
pub(super) fn missing_from(store: &Arc<Store>, path: &str) -> Vec<String> {
    if path.trim_matches('/') != PLACE {
        return Vec::new();
    }
    let n_obs = encoding::n_rows(store, "obs");
    n_obs.map(|n| moved(store, n).into_iter().map(|(key, _)| key).collect()).unwrap_or_default()
}

/// Returns `value`, read from `path`, without the elements moved to obsp.
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

/// Returns whether the element at `path` has no part that is shown in obsp instead, so that the
/// element may be copied unchanged.
pub(crate) fn is_whole(store: &Arc<Store>, path: &str) -> bool {
    missing_from(store, path).is_empty()
}
