//! The names of genes and cells beside a matrix.

use super::lines::{for_each_line, line_error, shown};
use crate::element::{DataFrame, Strings, Value};
use crate::error::{Error, Result};
use crate::session::Session;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// A table of texts.
pub(super) struct Columns {
    /// Titles of the columns; empty when the file has none.
    pub(super) titles: Vec<String>,
    pub(super) columns: Vec<Strings>,
}

impl Columns {
    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.columns.first().map_or(0, Strings::len)
    }

    /// Returns the column with this title; `None` where there is none.
    pub(super) fn titled(&self, title: &str) -> Option<&Strings> {
        self.titles.iter().position(|t| t == title).and_then(|i| self.columns.get(i))
    }
}

/// Checks that the names of an axis take no more than the memory of the session (at least 64 MiB),
/// because a small gzipped file can hold names beyond all memory.
pub(super) fn check_room(path: &Path, taken: usize, session: &Session) -> Result<()> {
    let limit = session.memory.max(64 << 20);
    if taken <= limit {
        return Ok(());
    }
    Err(Error::Memory {
        what: format!("the names in '{}'", path.display()),
        needed: taken as u64,
        limit: limit as u64,
        hint: "; the setting memory raises it".to_owned(),
    })
}

/// Reads the first `most` of the columns separated by tabs. Texts may be quoted; empty lines are
/// skipped.
///
/// # Errors
/// [`Error::Io`], [`Error::File`], [`Error::Line`]; [`Error::Memory`] for names that exceed the
/// memory of `session`.
pub(super) fn tabbed(path: &Path, most: usize, session: &Session) -> Result<Columns> {
    let mut columns: Vec<Strings> = Vec::new();
    let mut taken = 0;
    for_each_line(path, &session.monitor, |number, line| {
        if line.is_empty() {
            return Ok(());
        }
        let fields: Vec<&str> = line.split('\t').take(most).map(bare).collect();
        if columns.is_empty() {
            columns.resize_with(fields.len(), Strings::new);
        }
        let blank = fields.first().is_none_or(|f| f.is_empty());
        if blank || fields.len() != columns.len() {
            let expected = match columns.len() {
                1 => "a name".to_owned(),
                n => format!("{n} columns between tabs, the first of them a name"),
            };
            return Err(line_error(path, number, expected, shown(line.as_bytes())));
        }
        for (column, field) in columns.iter_mut().zip(fields) {
            taken += field.len() + size_of::<usize>();
            column.reserve(field)?;
            column.push(field);
        }
        check_room(path, taken, session)
    })?;
    Ok(Columns { titles: Vec::new(), columns })
}

/// Removes the quotes around a field.
fn bare(field: &str) -> &str {
    field.strip_prefix('"').and_then(|f| f.strip_suffix('"')).unwrap_or(field)
}

/// Reads a table separated by commas, with a line of titles; texts may be quoted.
///
/// # Errors
/// The errors of [`tabbed`].
pub(super) fn table(path: &Path, session: &Session) -> Result<Columns> {
    let (mut titles, mut columns) = (Vec::new(), Vec::<Strings>::new());
    let mut taken = 0;
    for_each_line(path, &session.monitor, |number, line| {
        let fields =
            unquoted(line).ok_or_else(|| line_error(path, number, "a closing quote", shown(line.as_bytes())))?;
        if number == 1 {
            titles = fields;
            columns.resize_with(titles.len(), Strings::new);
            return Ok(());
        }
        if fields.len() != titles.len() {
            let expected = format!("{} fields between commas, as in the first line", titles.len());
            return Err(line_error(path, number, expected, shown(line.as_bytes())));
        }
        for (column, field) in columns.iter_mut().zip(&fields) {
            taken += field.len() + size_of::<usize>();
            column.reserve(field)?;
            column.push(field);
        }
        check_room(path, taken, session)
    })?;
    Ok(Columns { titles, columns })
}

/// Splits a line at commas and removes quotes; `None` when a quote is not closed.
fn unquoted(line: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = line;
    loop {
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let Some((field, tail)) = rest.split_once(',') else {
                out.push(rest.to_owned());
                return Some(out);
            };
            out.push(field.to_owned());
            rest = tail;
            continue;
        };
        let mut field = String::new();
        loop {
            let (head, tail) = quoted.split_once('"')?;
            field.push_str(head);
            match tail.strip_prefix('"') {
                Some(more) => {
                    field.push('"');
                    quoted = more;
                }
                None => {
                    quoted = tail;
                    break;
                }
            }
        }
        out.push(field);
        match quoted.strip_prefix(',') {
            Some(tail) => rest = tail,
            None if quoted.is_empty() => return Some(out),
            None => return None,
        }
    }
}

/// Converts a column of texts to numbers if they are numbers: to int64 if all are integers, else to
/// float64 if all are numbers or empty (an empty text is NaN). A column with another text, or with
/// no number, stays texts.
pub(super) fn typed(column: Strings) -> Value {
    let whole: Option<Vec<i64>> = column.iter().map(|t| t.parse().ok()).collect();
    if let Some(whole) = whole.filter(|w| !w.is_empty()) {
        return Value::vector(whole);
    }
    let number = |t: &str| if t.is_empty() { Some(f64::NAN) } else { t.parse().ok() };
    let numbers: Option<Vec<f64>> = column.iter().map(number).collect();
    match numbers.filter(|n| n.iter().any(|v| !v.is_nan())) {
        Some(numbers) => Value::vector(numbers),
        None => texts(column),
    }
}

/// Makes a column of texts.
pub(super) fn texts(data: Strings) -> Value {
    Value::Strings { shape: vec![data.len()], data }
}

/// Makes a table of an index and columns.
pub(super) fn frame(index: Strings, columns: Vec<(String, Value)>) -> DataFrame {
    DataFrame { index_name: None, index: Box::new(texts(index)), columns }
}

/// Returns the names with "-1", "-2", ... appended to repeats, as anndata makes them unique.
pub(super) fn unique(names: &Strings) -> Result<Strings> {
    let taken: HashSet<&str> = names.iter().collect();
    if taken.len() == names.len() {
        return Strings::collected(names.iter());
    }
    let mut taken: HashSet<String> = taken.into_iter().map(str::to_owned).collect();
    let (mut seen, mut counts) = (HashSet::new(), HashMap::<&str, usize>::new());
    let mut out = Strings::new();
    for name in names.iter() {
        if seen.insert(name) {
            out.reserve(name)?;
            out.push(name);
            continue;
        }
        let count = counts.entry(name).or_default();
        let new = loop {
            *count += 1;
            let new = format!("{name}-{count}");
            if taken.insert(new.clone()) {
                break new;
            }
        };
        out.reserve(&new)?;
        out.push(&new);
    }
    Ok(out)
}
