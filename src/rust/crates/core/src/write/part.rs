//! Writing a part of a plan to its place in the file.

use super::between::write_between;
use super::csc::write_csc;
use super::current::is_current;
use super::matrix::{write_csr, write_dense};
use super::plan::{Frame, Part, WriteOptions};
use super::rows::write_rows;
use crate::chain::LazyMatrix;
use crate::element::{self, Value};
use crate::error::{Error, Result};
use crate::matrix;
use crate::session::Session;
use crate::store::{GroupWriter, Store};
use std::borrow::Cow;
use std::sync::Arc;

/// Writes `part` as `key` of `group`.
pub(super) fn write_part(
    group: &GroupWriter<'_>,
    key: &str,
    part: &Part,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    session.monitor.check()?;
    let plain = element::DatasetOptions { compression: options.compression, shuffle: false };
    let path = if group.path().is_empty() { key.to_owned() } else { format!("{}/{key}", group.path()) };
    match part {
        Part::Value(value) => element::write(group, key, value, &plain),
        Part::Frame(frame) => write_frame(group, key, frame, options, session),
        Part::Rows(x) => write_rows(group, key, &**x, options.packing(), session),
        // An option asks for another layout than the stored one, so the matrix is streamed instead
        // of copied.
        Part::Copy { store, element, rows, columns }
            if [&options.as_dense, &options.as_csr, &options.as_csc].iter().any(|names| names.contains(&path)) =>
        {
            let x = LazyMatrix::new(matrix::open(store, element)?).select(rows.as_deref(), columns.as_deref())?;
            write_part(group, key, &Part::Matrix(x), options, session)
        }
        Part::Matrix(x) => {
            if options.as_csc.contains(&path) {
                write_csc(group, key, x, options.packing(), session)
            } else if options.as_csr.contains(&path) || x.is_sparse() && !options.as_dense.contains(&path) {
                write_csr(group, key, x, options.packing(), session)
            } else {
                write_dense(group, key, x, options.packing(), session)
            }
        }
        Part::Copy { store, element, rows, columns } => {
            if rows.is_none() && columns.is_none() && is_current(store, element)? && element::is_whole(store, element) {
                let anew = options.recompress && element::matrix(&store.node(element)?)?.is_some();
                return match !anew && group.copy(key, store, element)? {
                    true => Ok(()),
                    false => write_between(group, key, (store, element), options, session),
                };
            }
            let value = element::read_selected(store, element, rows.as_deref(), columns.as_deref())?;
            element::write(group, key, &value, &plain)
        }
    }
}

/// Returns whether an element is a group with the attributes of a dataframe.
pub(super) fn frame_of(store: &Arc<Store>, element: &str) -> bool {
    store.is_group(element).unwrap_or(false)
        && matches!(store.attribute(element, "encoding-type"), Ok(Some(a)) if a.text() == Some("dataframe"))
}

/// Returns the values of a part that is an index, a column or another element, and reads them where
/// they are in a file.
///
/// # Errors
/// [`Error::Shape`] for a part that is a matrix or a table; errors of reading.
pub(super) fn value_of(part: &Part) -> Result<Cow<'_, Value>> {
    Ok(match part {
        Part::Value(value) => Cow::Borrowed(value),
        Part::Copy { store, element, rows, columns } if is_current(store, element)? => {
            Cow::Owned(element::read_selected(store, element, rows.as_deref(), columns.as_deref())?)
        }
        Part::Copy { store, element, rows, .. } => {
            Cow::Owned(old_column(store, element)?.select(rows.as_deref(), None)?)
        }
        Part::Matrix(_) | Part::Rows(_) | Part::Frame(_) => {
            return Err(Error::shape("a column", "one element", "a matrix or a table"))
        }
    })
}

/// Reads a column (or the index) of an old dataframe, which has a meaning only together with its
/// frame.
fn old_column(store: &Arc<Store>, element: &str) -> Result<Value> {
    for (i, _) in element.match_indices('/') {
        let (frame, column) = (&element[..i], &element[i + 1..]);
        let Ok(names) = element::column_names(store, frame) else { continue };
        return match names.iter().any(|n| n == column) {
            true => element::read_column(store, frame, column),
            false => Ok(element::read_index(store, frame)?.1),
        };
    }
    element::read(store, element)
}

/// Writes a table put together from parts.
fn write_frame(
    group: &GroupWriter<'_>,
    key: &str,
    frame: &Frame,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    let group = group.group(key)?;
    let index = frame.index_name.as_deref().unwrap_or("_index");
    let names: Vec<&str> = frame.columns.iter().map(|c| c.0.as_str()).collect();
    element::start_frame(&group, index, &names)?;
    // A column with the index's name has the same values; it is written once, as by anndata.
    let columns = frame.columns.iter().filter(|(name, _)| name != index);
    let members = std::iter::once((index, &*frame.index)).chain(columns.map(|(n, c)| (n.as_str(), c)));
    for (name, part) in members {
        let (place, last) = group.column_place(name)?;
        match part {
            Part::Copy { store, element, .. } if !is_current(store, element)? => {
                let plain = element::DatasetOptions { compression: options.compression, shuffle: false };
                element::write(&place, last, &*value_of(part)?, &plain)?;
            }
            _ => write_part(&place, last, part, options, session)?,
        }
    }
    Ok(())
}
