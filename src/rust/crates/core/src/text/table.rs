//! A table of numbers as text: lines of values between delimiters. Names of columns are in the
//! first line, names of rows in the first column.

use super::bytes::stream;
use super::lines::{each_up_to, line_error, shown, Lines};
use super::market::Entries;
use super::names::check_room;
use crate::element::Strings;
use crate::error::{Error, Result};
use crate::session::Session;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Options of reading a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextOptions {
    /// The text between values. `None` detects it in the first line: a tab, a comma, a semicolon or
    /// blanks.
    pub delimiter: Option<String>,
    /// Whether the first column holds names. With `None` it does if its first value is no number.
    pub first_column_names: Option<bool>,
    /// Whether the rows of the table are genes.
    pub transpose: bool,
}

/// The separator of values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Delimiter {
    Blanks,
    Text(String),
}

/// The layout of a table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    path: PathBuf,
    delimiter: Delimiter,
    /// Number of the first line with values, from 1.
    first: u64,
    /// Whether the first column holds names.
    named: bool,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Names of the columns, for errors.
    names: Strings,
    /// Upper bound of the bytes of a line.
    longest: usize,
}

/// A table with the names of its rows and columns.
pub(super) struct Found {
    pub(super) table: Table,
    pub(super) rows: Strings,
    pub(super) columns: Strings,
}

/// Reads the names of a table and counts its rows.
///
/// # Errors
/// [`Error::Io`], [`Error::File`]; [`Error::Line`] for a text that is no table; [`Error::Memory`]
/// for names that exceed the memory of `session`.
pub(super) fn scan(path: &Path, options: &TextOptions, session: &Session) -> Result<Found> {
    let longest = session.memory.max(64 << 20) / 4;
    let mut delimiter = None;
    let (mut header, mut comment): (Option<(u64, Vec<String>)>, Option<String>) = (None, None);
    let mut layout: Option<(u64, bool, usize)> = None;
    let (mut rows, mut n_rows, mut taken) = (Strings::new(), 0_usize, 0);
    each_up_to(path, longest, &session.monitor, |number, line| {
        if line.trim().is_empty() {
            return Ok(());
        }
        if layout.is_none() && line.starts_with('#') {
            comment = Some(line.trim_start_matches('#').to_owned());
            return Ok(());
        }
        let delimiter = delimiter.get_or_insert_with(|| match &options.delimiter {
            Some(text) if text.trim().is_empty() && !text.contains('\t') => Delimiter::Blanks,
            Some(text) => Delimiter::Text(text.clone()),
            None => sniff(line),
        });
        let mut fields = Fields { rest: Some(line), delimiter };
        if layout.is_none() {
            let all = fields.map(|f| f.map(Cow::into_owned)).collect::<Option<Vec<String>>>();
            let all = all.ok_or_else(|| line_error(path, number, "a closing quote", shown(line.as_bytes())))?;
            // The first column may hold names, so the last field decides.
            if header.is_none() && all.last().is_some_and(|f| f.trim().parse::<f64>().is_err()) {
                header = Some((number, all));
                return Ok(());
            }
            let is_name = all.first().is_some_and(|f| f.trim().parse::<f64>().is_err());
            let named = options.first_column_names.unwrap_or(is_name);
            layout = Some((number, named, all.len() - usize::from(named)));
            fields = Fields { rest: Some(line), delimiter };
        }
        if layout.is_some_and(|l| l.1) {
            let name = fields.next().flatten();
            let name = name.ok_or_else(|| line_error(path, number, "a closing quote", shown(line.as_bytes())))?;
            taken += name.len() + size_of::<usize>();
            rows.reserve(&name)?;
            rows.push(&name);
            check_room(path, taken, session)?;
        }
        n_rows += 1;
        Ok(())
    })?;
    let Some((first, named, n_columns)) = layout else {
        return Err(Error::File { path: path.into(), message: "holds no line of numbers".to_owned() });
    };
    let delimiter = delimiter.unwrap_or(Delimiter::Blanks);
    let columns = column_names(path, header, comment, n_columns)?;
    if n_rows > u32::MAX as usize || n_columns > u32::MAX as usize {
        return Err(Error::File { path: path.into(), message: format!("has {n_rows} x {n_columns} values, too many") });
    }
    let numbered = |n: usize| Strings::collected((0..n).map(|i| i.to_string()));
    let rows = if named { rows } else { numbered(n_rows)? };
    let columns = match columns {
        Some(names) => Strings::collected(&names)?,
        None => numbered(n_columns)?,
    };
    let names = Strings::collected(columns.iter())?;
    let path = path.to_owned();
    let table = Table { path, delimiter, first, named, rows: n_rows, columns: n_columns, names, longest };
    Ok(Found { table, rows, columns })
}

/// Returns the names of `n` columns: those of the line `header`, without the title of a column of
/// names, or else those of the last comment.
fn column_names(
    path: &Path,
    header: Option<(u64, Vec<String>)>,
    comment: Option<String>,
    n: usize,
) -> Result<Option<Vec<String>>> {
    if let Some((line, mut names)) = header {
        if names.len() == n + 1 {
            names.remove(0);
        }
        if names.len() != n {
            let expected = format!("{n} names of columns, as there are values in the line below");
            return Err(line_error(path, line, expected, format!("{} of them", names.len())));
        }
        return Ok(Some(names));
    }
    let words = comment.map(|c| c.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    Ok(words.filter(|w| w.len() == n))
}

fn sniff(line: &str) -> Delimiter {
    match ['\t', ',', ';'].into_iter().find(|&c| line.contains(c)) {
        Some(c) => Delimiter::Text(c.to_string()),
        None => Delimiter::Blanks,
    }
}

/// The fields of a line without quotes; the last item is `None` when a quote is not closed.
struct Fields<'a> {
    rest: Option<&'a str>,
    delimiter: &'a Delimiter,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Cow<'a, str>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.rest?;
        if *self.delimiter == Delimiter::Blanks {
            rest = rest.trim_start();
            if rest.is_empty() {
                self.rest = None;
                return None;
            }
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            return Some(self.quoted(quoted));
        }
        let end = match self.delimiter {
            Delimiter::Blanks => rest.find(char::is_whitespace).map(|i| (i, 1)),
            Delimiter::Text(text) => rest.find(text.as_str()).map(|i| (i, text.len())),
        };
        let field = match end {
            Some((end, width)) => {
                self.rest = rest.get(end + width..);
                &rest[..end]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(Some(Cow::Borrowed(field)))
    }
}

impl<'a> Fields<'a> {
    fn quoted(&mut self, mut rest: &'a str) -> Option<Cow<'a, str>> {
        self.rest = None;
        let mut field = String::new();
        loop {
            let (head, tail) = rest.split_once('"')?;
            field.push_str(head);
            match tail.strip_prefix('"') {
                Some(more) => {
                    field.push('"');
                    rest = more;
                }
                None => {
                    self.rest = match self.delimiter {
                        Delimiter::Blanks if tail.is_empty() => None,
                        Delimiter::Blanks => Some(tail.strip_prefix(char::is_whitespace)?),
                        Delimiter::Text(_) if tail.is_empty() => None,
                        Delimiter::Text(text) => Some(tail.strip_prefix(text.as_str())?),
                    };
                    return Some(Cow::Owned(field));
                }
            }
        }
    }
}

impl Table {
    /// Passes the values other than 0 to `entries`.
    ///
    /// # Errors
    /// [`Error::Line`] for a value that is no number and for a line with too many or too few;
    /// [`Error::File`] for a file that became shorter; the errors of [`stream`] and of `entries`.
    pub(super) fn read<E: Entries>(&self, session: &Session, entries: &mut E) -> Result<(), E::Stop> {
        let mut row = 0;
        let mut take = |first: u64, whole: &[u8]| -> Result<(), E::Stop> {
            for (number, line) in (first..).zip(whole.split_inclusive(|&b| b == b'\n')) {
                let line = line.trim_ascii_end();
                if number < self.first || line.is_empty() {
                    continue;
                }
                if row >= self.rows {
                    return Err(self
                        .wrong(number, "the end of the file, which was changed while it was read", line)
                        .into());
                }
                self.line(number, row as u32, line, entries)?;
                row += 1;
            }
            Ok(())
        };
        let mut lines = Lines::up_to(&self.path, self.longest);
        stream(&self.path, &session.monitor, |piece| lines.feed(piece, &mut take))?;
        lines.finish(&mut take)?;
        if row == self.rows {
            return Ok(());
        }
        let message = format!("ends after {row} of {} rows: it was changed while it was read", self.rows);
        Err(Error::File { path: (&self.path).into(), message }.into())
    }

    fn wrong(&self, number: u64, expected: impl Into<String>, found: &[u8]) -> Error {
        line_error(&self.path, number, expected, shown(found))
    }

    fn line<E: Entries>(&self, number: u64, row: u32, line: &[u8], entries: &mut E) -> Result<(), E::Stop> {
        // The end of the line was trimmed, with it an empty last value, which is no number anyway.
        let text = std::str::from_utf8(line).map_err(|_| self.wrong(number, "UTF-8 text", line))?;
        let mut fields = Fields { rest: Some(text), delimiter: &self.delimiter };
        if self.named {
            fields.next();
        }
        let mut column = 0;
        for field in fields {
            let field = field.ok_or_else(|| self.wrong(number, "a closing quote", line))?;
            if column >= self.columns {
                let expected = format!("{} values, as in the first line of values", self.columns);
                return Err(line_error(&self.path, number, expected, "more").into());
            }
            let (value, whole) = self.number(number, column, field.trim())?;
            if value != 0.0 {
                entries.entry(row, column as u32, value, whole, number)?;
            }
            column += 1;
        }
        if column == self.columns {
            return Ok(());
        }
        let expected = format!("{} values, as in the first line of values", self.columns);
        Err(line_error(&self.path, number, expected, format!("{column}")).into())
    }

    /// Parses the value of a field; returns it and whether it is written without a fraction.
    fn number(&self, number: u64, column: usize, field: &str) -> Result<(f64, bool)> {
        if let [digit @ b'0'..=b'9'] = field.as_bytes() {
            return Ok((f64::from(digit - b'0'), true));
        }
        let whole = field.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'+');
        match field.parse() {
            Ok(value) => Ok((value, whole)),
            Err(_) => {
                let name = self.names.get(column).unwrap_or_default();
                let found = if field.is_empty() { "nothing".to_owned() } else { shown(field.as_bytes()) };
                Err(line_error(&self.path, number, format!("a number in the column '{name}'"), found))
            }
        }
    }
}
