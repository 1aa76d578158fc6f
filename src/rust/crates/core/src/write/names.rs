//! Names of the dataframes in obsm, varm and raw's varm: they are written with the names of the
//! table whose axis they share. anndata opens no file where these differ, and an object whose cells
//! were renamed keeps the old names in its dataframes.

use super::part::{frame_of, value_of};
use super::plan::{Frame, H5adPlan, Part};
use super::same::same;
use crate::element::{self, DataFrame, Strings, Value};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

/// Parts that are written instead of the plan's, by path.
#[derive(Default)]
pub(super) struct Renamed(HashMap<String, Part>);

impl Renamed {
    /// Finds the dataframes of `plan` whose names differ from the names of their table, and gives
    /// them the table's.
    pub(super) fn find(plan: &H5adPlan) -> Result<Self> {
        let mut out = Renamed::default();
        out.add_slot("obsm", &plan.obsm, &plan.obs)?;
        out.add_slot("varm", &plan.varm, &plan.var)?;
        if let Some(raw) = &plan.raw {
            out.add_slot("raw/varm", &raw.varm, &raw.var)?;
        }
        Ok(out)
    }

    /// Returns the part to write at `path`: the renamed one, if there is one, or `part`.
    pub(super) fn part<'p>(&'p self, path: &str, part: &'p Part) -> &'p Part {
        self.0.get(path).unwrap_or(part)
    }

    /// Adds the dataframes of a slot whose names differ from the names of `table`.
    fn add_slot(&mut self, slot: &str, parts: &[(String, Part)], table: &Part) -> Result<()> {
        let names = OnceCell::new();
        for (key, part) in parts {
            let Some((name, index)) = index_of(part)? else { continue };
            if names.get().is_none() {
                let _ = names.set(table_index(table)?);
            }
            let Some(Some((table_name, wanted))) = names.get() else { continue };
            if same(&index, wanted) {
                continue;
            }
            let taken = |name: &&String| columns_of(part).is_ok_and(|columns| columns.contains(*name));
            let name = table_name.as_ref().or(name.as_ref()).filter(|n| !taken(n)).cloned();
            self.0.insert(format!("{slot}/{key}"), with_index(part, name, wanted)?);
        }
        Ok(())
    }
}

/// Returns name and values of the index of a part that is a dataframe. Returns `None` for any other
/// part, and for a dataframe that cannot be read, which is copied as it is.
fn index_of(part: &Part) -> Result<Option<(Option<String>, Cow<'_, Value>)>> {
    Ok(match part {
        Part::Value(Value::DataFrame(frame)) => Some((frame.index_name.clone(), Cow::Borrowed(&*frame.index))),
        Part::Frame(frame) => Some((frame.index_name.clone(), value_of(&frame.index)?)),
        Part::Copy { store, element, rows, .. } if frame_of(store, element) => {
            let Ok((name, index)) = element::read_index(store, element) else { return Ok(None) };
            Some((name, Cow::Owned(index.select(rows.as_deref(), None)?)))
        }
        _ => None,
    })
}

/// Returns name and values of the index of `obs`, `var` or raw's `var`; `None` for a part that is
/// no dataframe. An element of a file is always read as a dataframe, since in an old file no
/// attribute marks it as one.
pub(super) fn table_index(part: &Part) -> Result<Option<(Option<String>, Cow<'_, Value>)>> {
    let Part::Copy { store, element, rows, .. } = part else { return index_of(part) };
    let (name, index) = element::read_index(store, element)?;
    Ok(Some((name, Cow::Owned(index.select(rows.as_deref(), None)?))))
}

/// Returns a column of a table; `None` where it has none of that name.
pub(super) fn column_of(part: &Part, name: &str) -> Result<Option<Part>> {
    if !columns_of(part)?.iter().any(|c| c == name) {
        return Ok(None);
    }
    let named = |columns: &[(String, Part)]| columns.iter().find(|c| c.0 == name).map(|c| c.1.clone());
    Ok(match part {
        Part::Frame(frame) => named(&frame.columns),
        Part::Value(Value::DataFrame(frame)) => {
            let column = frame.columns.iter().find(|c| c.0 == name);
            column.map(|c| c.1.copied()).transpose()?.map(Part::Value)
        }
        Part::Copy { store, element, rows, .. } => {
            let value = element::read_column(store, element, name)?.select(rows.as_deref(), None)?;
            Some(Part::Value(value))
        }
        _ => None,
    })
}

/// Returns the names of a table's columns, in order.
fn columns_of(part: &Part) -> Result<Vec<String>> {
    Ok(match part {
        Part::Value(Value::DataFrame(frame)) => frame.columns.iter().map(|c| c.0.clone()).collect(),
        Part::Frame(frame) => frame.columns.iter().map(|c| c.0.clone()).collect(),
        Part::Copy { store, element, .. } => element::column_names(store, element)?,
        _ => Vec::new(),
    })
}

/// Returns a dataframe with another index; stored columns are not read.
fn with_index(part: &Part, index_name: Option<String>, index: &Value) -> Result<Part> {
    let boxed = Box::new(Part::Value(index.copied()?));
    Ok(match part {
        Part::Value(Value::DataFrame(frame)) => {
            let columns = element::copies(&frame.columns)?;
            DataFrame { index_name, index: Box::new(index.copied()?), columns }.into()
        }
        Part::Frame(frame) => Part::Frame(Frame { index_name, index: boxed, columns: frame.columns.clone() }),
        Part::Copy { store, element, rows, .. } => {
            let column = |name: String| {
                let element = format!("{element}/{name}");
                (name, Part::Copy { store: store.clone(), element, rows: rows.clone(), columns: None })
            };
            let columns = element::column_names(store, element)?.into_iter().map(column).collect();
            Part::Frame(Frame { index_name, index: boxed, columns })
        }
        Part::Matrix(_) | Part::Rows(_) | Part::Value(_) => part.clone(),
    })
}

/// Returns the texts of a column; a categorical one is expanded to the names of its categories.
/// `name` names the column in errors.
///
/// # Errors
/// [`Error::Shape`] for a column of another type, or with missing values.
pub(super) fn texts(value: &Value, name: &str) -> Result<Strings> {
    let bad = |found: &str| Error::shape(name, "texts", found);
    match value {
        Value::Strings { data, .. } => Ok(data.clone()),
        Value::Categorical(c) => {
            let Value::Strings { data, .. } = &*c.categories else { return Err(bad("categories that are no texts")) };
            let codes: Vec<usize> = c.codes.iter().map(|&code| usize::try_from(code).unwrap_or(usize::MAX)).collect();
            data.select(&codes)?.ok_or_else(|| bad("missing values"))
        }
        Value::Nullable(n) if !n.mask.contains(&true) => texts(&n.values, name),
        other => Err(bad(other.encoding())),
    }
}
