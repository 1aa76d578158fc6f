//! Reading elements of an open file.

use super::encoding::{self, Reading};
use super::{neighbors, Description, Value};
use crate::error::{Error, Result};
use crate::store::{Node, Store};
use std::sync::Arc;

/// Reads the whole element at `path`.
///
/// # Errors
/// [`Error::Missing`] when it is not there, [`Error::Unsupported`] for an encoding or type this
/// library does not know, [`Error::Format`] when its parts contradict each other.
pub fn read(store: &Arc<Store>, path: &str) -> Result<Value> {
    match encoding::field(store, path)? {
        Some(node) => encoding::read_field(&node, last(path)),
        None => Ok(neighbors::without_moved(store, path, Reading::new().read(&store.node(path)?)?)),
    }
}

/// Describes the element at `path` without reading its values.
///
/// # Errors
/// The errors of [`read`], except those of the values.
pub fn describe(store: &Arc<Store>, path: &str) -> Result<Description> {
    match encoding::field(store, path)? {
        Some(node) => encoding::describe_field(&node, last(path)),
        None => {
            let mut found = encoding::describe(&store.node(path)?)?;
            let missing = neighbors::missing_from(store, path);
            found.keys.retain(|key| !missing.contains(key));
            Ok(found)
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Reads rows (first axis) and columns (second axis) of the element at `path`, in the given order,
/// repeats allowed; `None` is all of them. See [`Value::select`].
///
/// # Errors
/// The errors of [`read`] and [`Value::select`].
pub fn read_selected(store: &Arc<Store>, path: &str, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Value> {
    let value = read(store, path)?;
    if rows.is_none() && columns.is_none() {
        return Ok(value);
    }
    value.select(rows, columns)
}

/// Returns the names of the columns of the dataframe at `path`, in order, without the index.
///
/// # Errors
/// The errors of [`read`].
pub fn column_names(store: &Arc<Store>, path: &str) -> Result<Vec<String>> {
    let node = store.node(path)?;
    encoding::columns_of(&node).map(|c| c.names)
}

/// Reads the name (`None` for pandas' unnamed index) and the values of the index of the dataframe
/// at `path`.
///
/// # Errors
/// The errors of [`read`].
pub fn read_index(store: &Arc<Store>, path: &str) -> Result<(Option<String>, Value)> {
    let node = store.node(path)?;
    let columns = encoding::columns_of(&node)?;
    let index = encoding::index_of(&node, &columns.index, &Reading::new())?;
    let name = (columns.index != "_index").then_some(columns.index);
    Ok((name, index))
}

/// Reads one column of the dataframe at `path`. Errors of other columns do not matter.
///
/// # Errors
/// [`Error::Name`] for a missing column; the errors of [`read`].
pub fn read_column(store: &Arc<Store>, path: &str, name: &str) -> Result<Value> {
    let node: Node = store.node(path)?;
    let columns = encoding::columns_of(&node)?;
    if !columns.names.iter().any(|n| n == name) {
        let shown = columns.names.iter().take(30).map(String::as_str).collect::<Vec<_>>().join(", ");
        let hint = if shown.is_empty() { "; there are no columns".into() } else { format!("; there are: {shown}") };
        return Err(Error::Name { what: "column", name: name.to_owned(), hint: format!(" in '{path}'{hint}") });
    }
    encoding::column_of(&node, &columns, name, &Reading::new())
}
