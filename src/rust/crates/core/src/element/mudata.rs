//! Files of several modalities (MuData, h5mu). Each modality is a group laid out as an h5ad file.
//! The file's own `obs` describes all cells; `obsmap` gives the position of each of them in a
//! modality.

use super::{DataFrame, Value};
use crate::error::{Error, Result};
use crate::store::Store;
use std::sync::Arc;

/// The group of the modalities.
pub const MODALITIES: &str = "mod";

/// Returns the names of the modalities in the file's order; `None` for a file of another kind.
///
/// # Errors
/// The errors of reading.
pub fn modalities(store: &Arc<Store>) -> Result<Option<Vec<String>>> {
    // A remote store that cannot be read is an error, and not a file of another kind.
    if !store.node("")?.optional(MODALITIES)?.is_some_and(|node| node.is_group()) {
        return Ok(None);
    }
    let there = store.keys(MODALITIES)?;
    let mut names: Vec<String> = match store.attribute(MODALITIES, "mod-order")?.as_ref().and_then(|a| a.texts()) {
        Some(order) => order.iter().filter(|name| there.contains(name)).cloned().collect(),
        None => Vec::new(),
    };
    names.extend(there.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    Ok(Some(names))
}

/// Returns the path of the group of a modality; `None` chooses the only one.
///
/// # Errors
/// [`Error::Missing`] for a file of another kind; [`Error::Parameter`] for an unknown name, or for
/// `None` with several modalities.
pub fn modality(store: &Arc<Store>, name: Option<&str>) -> Result<String> {
    let Some(names) = modalities(store)? else {
        return Err(Error::Missing {
            path: store.location().clone(),
            element: MODALITIES.to_owned(),
            hint: "; is this an h5mu file? read() opens files of any kind".to_owned(),
        });
    };
    let path = |name: &str| format!("{MODALITIES}/{name}");
    match (name, names.as_slice()) {
        (None, [one]) => Ok(path(one)),
        (Some(wanted), names) if names.iter().any(|n| n == wanted) => Ok(path(wanted)),
        (found, names) => {
            let expected = format!("one of the modalities of '{}': {}", store.location(), names.join(", "));
            Err(Error::parameter("mod", expected, found.map_or("none".to_owned(), |n| format!("'{n}'"))))
        }
    }
}

/// Reads the columns of the file's own table `axis` ("obs" or "var") for the entries of the
/// modality `name`. Columns that repeat those of a modality ("rna:leiden") are left out. The result
/// is empty where the file has no such table, or no map to the modality.
///
/// # Errors
/// The errors of reading; [`Error::Format`] for a map that does not give every entry of the
/// modality once.
pub fn shared_columns(store: &Arc<Store>, axis: &str, name: &str) -> Result<Vec<(String, Value)>> {
    let map = format!("{axis}map/{name}");
    if !store.exists(axis) || !store.exists(&map) {
        return Ok(Vec::new());
    }
    let given: Vec<String> = modalities(store)?.unwrap_or_default().iter().map(|m| format!("{m}:")).collect();
    let names = super::column_names(store, axis)?;
    let names: Vec<String> = names.into_iter().filter(|n| !given.iter().any(|g| n.starts_with(g.as_str()))).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let node = store.node(&map)?;
    let n = super::read_index(store, &format!("{MODALITIES}/{name}/{axis}"))?.1.len().unwrap_or(0);
    let places = match super::read(store, &map)? {
        Value::Array(a) => a.data.to_f64()?,
        other => return Err(node.format("numbers", other.encoding())),
    };
    // 0 marks an entry that the modality lacks; others are its row, counted from 1.
    let mut rows = vec![u32::MAX; n];
    for (row, place) in places.iter().enumerate().filter(|(_, &p)| p != 0.0) {
        match rows.get_mut((*place as usize).wrapping_sub(1)) {
            Some(free) if *free == u32::MAX => *free = row as u32,
            _ => return Err(node.format(format!("each row from 1 to {n} once, and 0"), place.to_string())),
        }
    }
    if let Some(at) = rows.iter().position(|&r| r == u32::MAX) {
        return Err(node.format(format!("each row from 1 to {n}"), format!("none for row {}", at + 1)));
    }
    let column = |name: String| {
        let value = super::read_column(store, axis, &name)?.select(Some(&rows), None)?;
        Ok((name, value))
    };
    names.into_iter().map(column).collect()
}

/// Reads [`shared_columns`] as a table with the index of the modality.
///
/// # Errors
/// The errors of [`shared_columns`].
pub fn shared_frame(store: &Arc<Store>, axis: &str, name: &str) -> Result<DataFrame> {
    let (index_name, index) = super::read_index(store, &format!("{MODALITIES}/{name}/{axis}"))?;
    Ok(DataFrame { index_name, index: Box::new(index), columns: shared_columns(store, axis, name)? })
}
