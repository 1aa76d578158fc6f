//! Dataframes beside a table (obsm, varm, raw's varm) go to the file under the names of that table: anndata opens no
//! file where they differ, and an object whose cells were renamed knows no better ones.

use super::part::{frame_of, value_of};
use super::plan::{Frame, H5adPlan, Part};
use super::same::same;
use crate::element::{self, DataFrame, Value};
use crate::error::Result;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

/// Parts that are written in place of a plan's, by path.
#[derive(Default)]
pub(super) struct Renamed(HashMap<String, Part>);

impl Renamed {
    /// The dataframes of `plan` that have other names than the table they lie beside.
    pub(super) fn of(plan: &H5adPlan) -> Result<Self> {
        let mut out = Renamed::default();
        out.beside("obsm", &plan.obsm, &plan.obs)?;
        out.beside("varm", &plan.varm, &plan.var)?;
        if let Some(raw) = &plan.raw {
            out.beside("raw/varm", &raw.varm, &raw.var)?;
        }
        Ok(out)
    }

    /// The part to write at `path`.
    pub(super) fn part<'p>(&'p self, path: &str, part: &'p Part) -> &'p Part {
        self.0.get(path).unwrap_or(part)
    }

    fn beside(&mut self, slot: &str, parts: &[(String, Part)], table: &Part) -> Result<()> {
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

/// Name and values of the index of a part that is a dataframe; `None` for another, or one that cannot be read, which is
/// kept as it is.
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

/// The same of a table, which in old files is no dataframe by its attributes.
fn table_index(part: &Part) -> Result<Option<(Option<String>, Cow<'_, Value>)>> {
    let Part::Copy { store, element, rows, .. } = part else { return index_of(part) };
    let (name, index) = element::read_index(store, element)?;
    Ok(Some((name, Cow::Owned(index.select(rows.as_deref(), None)?))))
}

fn columns_of(part: &Part) -> Result<Vec<String>> {
    Ok(match part {
        Part::Value(Value::DataFrame(frame)) => frame.columns.iter().map(|c| c.0.clone()).collect(),
        Part::Frame(frame) => frame.columns.iter().map(|c| c.0.clone()).collect(),
        Part::Copy { store, element, .. } => element::column_names(store, element)?,
        _ => Vec::new(),
    })
}

/// A dataframe under another index; columns of a file stay there.
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
        Part::Matrix(_) | Part::Value(_) => part.clone(),
    })
}
