//! `dataframe`: an index and named columns. Version 0.1.0 keeps a categorical's categories in
//! `__categories`.

use super::table::{self, Columns};
use super::{array, categorical, unknown_value, DatasetOptions, Encoding, Reading, PLAIN};
use crate::element::{DataFrame, Description, Value};
use crate::error::{Error, Result};
use crate::store::{GroupWriter, Node, Store};
use std::collections::HashSet;
use std::sync::Arc;

pub(super) const ENCODING: Encoding = Encoding {
    name: "dataframe",
    versions: &["0.1.0", "0.2.0"],
    read,
    describe,
    takes: |value| matches!(value, Value::DataFrame(_)),
    write,
    ..PLAIN
};

/// Writes the attributes of the group of a dataframe: encoding, index and order of columns.
pub(crate) fn start(group: &GroupWriter<'_>, index: &str, columns: &[&str]) -> Result<()> {
    ENCODING.mark_group(group)?;
    group.set_text("_index", index)?;
    group.set_texts("column-order", columns)
}

/// Reads the names of the index and of the columns of a dataframe or a compound table.
pub(in crate::element) fn columns_of(node: &Node) -> Result<Columns> {
    if !node.is_group() {
        return table::table_columns(node);
    }
    let order = node.attribute("column-order")?;
    let expected = || "a list of texts in the attribute 'column-order'";
    let Some(order) = order else {
        return Err(node.format(expected(), "no such attribute"));
    };
    let names = order.texts().ok_or_else(|| node.format(expected(), order.to_string()))?.to_vec();
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|n| !seen.insert(n.as_str())) {
        return Err(node.format("every column once in the attribute 'column-order'", format!("'{twice}' twice")));
    }
    let index = node.attribute("_index")?;
    let index = index.as_ref().and_then(|a| a.text());
    let index = index.ok_or_else(|| node.format("the name of the index in the attribute '_index'", "none"))?;
    Ok(Columns { index: index.to_owned(), names })
}

/// Reads the index alone, stored under `key`.
pub(in crate::element) fn index_of(node: &Node, key: &str, reading: &Reading) -> Result<Value> {
    column(node, key, None, reading)
}

/// Reads one column alone; checks its length if the index tells its own without being read.
pub(in crate::element) fn column_of(node: &Node, columns: &Columns, name: &str, reading: &Reading) -> Result<Value> {
    column(node, name, rows_of(node, &columns.index).ok().flatten(), reading)
}

/// Returns the number of rows by the extents of the index.
fn rows_of(node: &Node, index: &str) -> Result<Option<usize>> {
    if !node.is_group() {
        return Ok(node.shape().and_then(|s| s.first().copied()));
    }
    let child = node.child(index)?;
    // A hostile file may link a table as its own index.
    if child.is_group() && super::encoding_of(&child)?.0 == ENCODING.name {
        return Err(child.format("a 1-D index", "a dataframe"));
    }
    let shape = if child.is_group() { super::describe(&child)?.shape } else { child.shape().unwrap_or_default() };
    Ok(shape.first().copied())
}

/// Returns the number of rows of the table at `path` by the extents of its index; `None` for none.
pub(in crate::element) fn n_rows(store: &Arc<Store>, path: &str) -> Option<usize> {
    let node = store.node(path).ok()?;
    let columns = columns_of(&node).ok()?;
    rows_of(&node, &columns.index).ok().flatten()
}

/// Reads a dataframe or a compound table.
pub(super) fn read(node: &Node, reading: &Reading) -> Result<Value> {
    let Columns { index: key, names } = columns_of(node)?;
    let index = column(node, &key, None, reading)?;
    let rows = index.len().unwrap_or(0);
    let columns = names
        .into_iter()
        .map(|name| {
            let value = column(node, &name, Some(rows), reading)?;
            Ok((name, value))
        })
        .collect::<Result<_>>()?;
    let index_name = (key != "_index").then_some(key);
    Ok(Value::DataFrame(DataFrame { index_name, index: Box::new(index), columns }))
}

/// Reads one column or the index; checks that it is 1-D and, where `rows` is known, of this length.
fn column(node: &Node, name: &str, rows: Option<usize>, reading: &Reading) -> Result<Value> {
    if !node.is_group() {
        let value = table::table_column(node, name, reading)?;
        return one_dimensional(node, value, rows);
    }
    let child = node.child(name)?;
    let value = match old_categories(node, &child, name)? {
        Some(categories) => {
            let ordered = categories.attribute("ordered")?.and_then(|a| a.flag()).unwrap_or(false);
            let codes = array::whole_numbers(&child)?;
            categorical::combine(&child, codes, reading.read(&categories)?, ordered)?
        }
        None => reading.read(&child)?,
    };
    one_dimensional(&child, value, rows)
}

/// Checks that a column is 1-D and, where `rows` is known, of this length.
fn one_dimensional(child: &Node, value: Value, rows: Option<usize>) -> Result<Value> {
    let one_dimension = match &value {
        Value::Array(a) => a.shape.len() == 1,
        Value::Complex { shape, .. } | Value::Strings { shape, .. } => shape.len() == 1,
        Value::Categorical(_) | Value::Nullable(_) => true,
        _ => false,
    };
    if !one_dimension {
        return Err(child.format("a 1-D column", format!("{} of extents {:?}", value.encoding(), child.shape())));
    }
    match (rows, value.len()) {
        (Some(rows), found) if found != Some(rows) => {
            Err(child.format(format!("{rows} rows, as the index"), found.unwrap_or(0).to_string()))
        }
        _ => Ok(value),
    }
}

/// Returns the categories of a column of version 0.1.0; `None` for other columns. Its attribute
/// `categories` refers to them, but anndata always put them at `__categories/<column>`.
fn old_categories(frame: &Node, column: &Node, name: &str) -> Result<Option<Node>> {
    if column.is_group() || !column.has_attribute("categories")? {
        return Ok(None);
    }
    match frame.optional("__categories")? {
        Some(all) => all.child(name).map(Some),
        None => Err(column.format("its categories in '__categories', as its attributes say", "no such group")),
    }
}

/// Describes a dataframe or a compound table by its rows and the names of its columns.
pub(super) fn describe(node: &Node, out: &mut Description) -> Result<()> {
    let Columns { index, names } = columns_of(node)?;
    out.shape = vec![rows_of(node, &index)?.unwrap_or(0), names.len()];
    out.keys = names;
    Ok(())
}

fn write(group: &GroupWriter<'_>, key: &str, value: &Value, options: &DatasetOptions) -> Result<()> {
    let Value::DataFrame(frame) = value else { return Err(unknown_value(key, value)) };
    let rows = frame.index.len();
    let index = frame.index_name.as_deref().unwrap_or("_index");
    check_names(key, index, frame.columns.iter().map(|c| c.0.as_str()))?;
    for (name, value) in &frame.columns {
        if value.len() != rows {
            let (rows, found) = (rows.unwrap_or(0), value.len().unwrap_or(0));
            return Err(Error::shape(format!("writing '{key}', column '{name}'"), format!("{rows} rows"), found));
        }
        if name == index && !same_texts(&frame.index, value) {
            let expected = format!("a column named otherwise than the index, or with the same values (in '{key}')");
            return Err(Error::parameter("column", expected, format!("'{name}' with other values")));
        }
    }
    let group = group.group(key)?;
    start(&group, index, &frame.columns.iter().map(|c| c.0.as_str()).collect::<Vec<_>>())?;
    // A column with the index's name has the same values, so it is stored once, as in anndata.
    let columns = frame.columns.iter().filter(|(name, _)| name != index);
    for (name, value) in std::iter::once((index, &*frame.index)).chain(columns.map(|(n, v)| (n.as_str(), v))) {
        let (place, last) = group.column_place(name)?;
        super::write(&place, last, value, options)?;
    }
    Ok(())
}

/// Checks the names of the columns of the dataframe `key`: each occurs once and is not reserved by
/// anndata. A name with '/' has no empty part and does not continue the name of another column ("T"
/// and "T/NK").
///
/// # Errors
/// [`Error::Parameter`] naming the column.
pub(crate) fn check_names<'n>(key: &str, index: &'n str, columns: impl Iterator<Item = &'n str>) -> Result<()> {
    let bad = |expected: &str, found: &str| Err(Error::parameter("column", format!("{expected} (in '{key}')"), found));
    let mut seen = HashSet::new();
    for name in columns {
        if name == "_index" {
            return bad("a name other than '_index', which anndata reserves", "'_index'");
        }
        if !seen.insert(name) {
            return bad("every name once", &format!("'{name}' twice"));
        }
    }
    seen.insert(index);
    for name in seen.iter().filter(|name| name.contains('/')) {
        if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return bad("a name without empty parts between '/'", &format!("'{name}'"));
        }
        if let Some((i, _)) = name.match_indices('/').find(|&(i, _)| seen.contains(&name[..i])) {
            return bad(&format!("no column '{}/...' beside one of that name", &name[..i]), &format!("'{name}'"));
        }
    }
    Ok(())
}

/// Returns whether two columns have equal values or read as the same texts.
pub(crate) fn same_texts(a: &Value, b: &Value) -> bool {
    a == b || matches!((texts(a), texts(b)), (Some(a), Some(b)) if a == b)
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Strings { data, .. } => Some(data.iter().collect()),
        Value::Categorical(c) => {
            let Value::Strings { data, .. } = &*c.categories else { return None };
            c.codes.iter().map(|&code| usize::try_from(code).ok().and_then(|code| data.get(code))).collect()
        }
        _ => None,
    }
}
