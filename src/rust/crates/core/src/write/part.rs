//! One part of a plan into its place in the file.

use super::csc::write_csc;
use super::matrix::{write_csr, write_dense};
use super::plan::{Frame, Part, WriteOptions};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element;
use crate::error::Result;
use crate::matrix;
use crate::store::{GroupWriter, Store};
use std::sync::Arc;

/// Writes `part` as `key` of `group`.
pub(super) fn write_part(
    group: &GroupWriter<'_>,
    key: &str,
    part: &Part,
    options: &WriteOptions,
    ctx: &Context,
) -> Result<()> {
    ctx.monitor.check()?;
    let plain = element::WriteOptions { compression: options.compression, shuffle: false };
    let path = if group.path().is_empty() { key.to_owned() } else { format!("{}/{key}", group.path()) };
    match part {
        Part::Value(value) => element::write(group, key, value, &plain),
        Part::Frame(frame) => write_frame(group, key, frame, options, ctx),
        // Another layout than the stored one was asked for: no copy, a stream.
        Part::Copy { store, element, rows, columns }
            if options.as_dense.contains(&path) || options.as_csc.contains(&path) =>
        {
            let x = LazyMatrix::new(matrix::open(store, element)?).select(rows.as_deref(), columns.as_deref())?;
            write_part(group, key, &Part::Matrix(x), options, ctx)
        }
        Part::Matrix(x) => {
            if options.as_csc.contains(&path) {
                write_csc(group, key, x, options.compression, ctx)
            } else if x.is_sparse() && !options.as_dense.contains(&path) {
                write_csr(group, key, x, options.compression, ctx)
            } else {
                write_dense(group, key, x, options.compression, ctx)
            }
        }
        Part::Copy { store, element, rows, columns } => {
            if rows.is_none() && columns.is_none() && is_current(store, element)? && element::is_whole(store, element) {
                return element::copy(store, element, group, key);
            }
            let value = element::read_selected(store, element, rows.as_deref(), columns.as_deref())?;
            element::write(group, key, &value, &plain)
        }
    }
}

/// Whether an element can stand in a file of today as it is. Elements of anndata before 0.8 have no encoding, and a
/// dataframe of version 0.1.0 points to its categories by references, which a copy would break.
pub(super) fn is_current(store: &Arc<Store>, element: &str) -> Result<bool> {
    if !store.exists(element) {
        // A field of a compound table, or nothing at all, which reading tells.
        return Ok(false);
    }
    let text = |name| Ok::<_, crate::Error>(store.attribute(element, name)?.and_then(|a| a.text().map(str::to_owned)));
    let (encoding, version) = (text("encoding-type")?, text("encoding-version")?);
    Ok(match encoding.as_deref() {
        None | Some("") => false,
        Some("dataframe") => version.as_deref() != Some("0.1.0"),
        Some(_) => true,
    })
}

fn write_frame(group: &GroupWriter<'_>, key: &str, frame: &Frame, options: &WriteOptions, ctx: &Context) -> Result<()> {
    let group = group.group(key)?;
    let index = frame.index_name.as_deref().unwrap_or("_index");
    group.set_encoding("dataframe", "0.2.0")?;
    group.set_text("_index", index)?;
    group.set_texts("column-order", &frame.columns.iter().map(|c| c.0.as_str()).collect::<Vec<_>>())?;
    let members = std::iter::once((index, &*frame.index)).chain(frame.columns.iter().map(|(n, c)| (n.as_str(), c)));
    for (name, part) in members {
        match part {
            // A column of an old dataframe is understood only together with its frame.
            Part::Copy { store, element, rows, .. } if !is_current(store, element)? => {
                let (parent, column) = element.rsplit_once('/').unwrap_or(("", element));
                let value = match name == index {
                    true => element::read_index(store, parent)?.1,
                    false => element::read_column(store, parent, column)?,
                };
                let plain = element::WriteOptions { compression: options.compression, shuffle: false };
                element::write(&group, name, &value.select(rows.as_deref(), None)?, &plain)?;
            }
            _ => write_part(&group, name, part, options, ctx)?,
        }
    }
    Ok(())
}

/// The extents of an element on disk.
pub(super) fn stored_shape(store: &Arc<Store>, element: &str) -> Result<Vec<usize>> {
    Ok(element::describe(store, element)?.shape)
}
