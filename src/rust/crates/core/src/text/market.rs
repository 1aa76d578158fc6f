//! A sparse matrix as text: Matrix Market's coordinate format
//! (<https://math.nist.gov/MatrixMarket/formats.html>).

use super::bytes::stream;
use super::lines::{line_error, shown, Lines};
use crate::error::{Error, Result};
use crate::session::Monitor;
use std::path::{Path, PathBuf};

/// Upper bound of the bytes of a line; three numbers need few, comments may need more.
const LONGEST: usize = 1 << 16;

/// The header of a matrix: its extents, its number of values, and whether the values are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Number of rows as the file has them.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Number of lines of values.
    pub(super) values: u64,
    /// Whether lines have no value, which then is 1.
    pattern: bool,
}

/// A receiver of the values of a matrix, one by one.
pub(super) trait Entries {
    /// The reason to stop reading.
    type Stop: From<Error>;
    /// Takes a value and its row and column, which count from 0 in the file. `whole` tells that the
    /// number was written without a fraction and must be kept exactly. `line` is the number of its
    /// line, from 1.
    ///
    /// # Errors
    /// The errors of the implementation.
    fn entry(&mut self, row: u32, column: u32, value: f64, whole: bool, line: u64) -> Result<(), Self::Stop>;
}

enum Stage {
    Banner,
    Size { pattern: bool },
    Body(Header),
}

/// The state of reading a matrix.
struct Parser<'e, E> {
    path: PathBuf,
    stage: Stage,
    /// Number of lines of values so far.
    seen: u64,
    entries: Option<&'e mut E>,
}

/// Reads the header of a matrix: the lines before its values.
///
/// # Errors
/// [`Error::Io`], [`Error::File`], [`Error::Line`], [`Error::Unsupported`].
pub(super) fn header(path: &Path, monitor: &Monitor) -> Result<Header> {
    enum Found {
        Header(Header),
        Error(Error),
    }
    impl From<Error> for Found {
        fn from(e: Error) -> Found {
            Found::Error(e)
        }
    }
    struct Nothing;
    impl Entries for Nothing {
        type Stop = Found;
        fn entry(&mut self, _: u32, _: u32, _: f64, _: bool, _: u64) -> Result<(), Found> {
            Ok(())
        }
    }
    let mut parser = Parser::<Nothing> { path: path.to_owned(), stage: Stage::Banner, seen: 0, entries: None };
    let mut lines = Lines::up_to(path, LONGEST);
    let mut take = |line: u64, whole: &[u8]| {
        parser.lines(line, whole)?;
        match parser.stage {
            Stage::Body(header) => Err(Found::Header(header)),
            _ => Ok(()),
        }
    };
    let read = stream(path, monitor, |piece| lines.feed(piece, &mut take));
    match read.and_then(|()| lines.finish(&mut take)) {
        Err(Found::Header(header)) => Ok(header),
        Err(Found::Error(e)) => Err(e),
        Ok(()) => Err(Error::File { path: path.into(), message: "ends before the extents of its matrix".to_owned() }),
    }
}

/// Passes the values of a matrix to `entries`.
///
/// # Errors
/// The errors of [`header`]; [`Error::Line`] for a line without two positions in range and a value,
/// and for more lines than promised; [`Error::File`] for fewer; the errors of `entries`.
pub(super) fn read<E: Entries>(path: &Path, monitor: &Monitor, entries: &mut E) -> Result<(), E::Stop> {
    let mut parser = Parser { path: path.to_owned(), stage: Stage::Banner, seen: 0, entries: Some(entries) };
    let mut lines = Lines::up_to(path, LONGEST);
    stream(path, monitor, |piece| lines.feed(piece, &mut |line, whole: &[u8]| parser.lines(line, whole)))?;
    lines.finish(&mut |line, whole: &[u8]| parser.lines(line, whole))?;
    let message = match parser.stage {
        Stage::Body(header) if header.values == parser.seen => return Ok(()),
        Stage::Body(header) => format!(
            "ends after {} of the {} values that its first lines promise: it is cut short",
            parser.seen, header.values
        ),
        _ => "ends before the extents of its matrix".to_owned(),
    };
    Err(Error::File { path: path.into(), message }.into())
}

/// Returns the bytes from `from` up to a blank or the end of the line.
fn token(line: &[u8], from: usize) -> &[u8] {
    let rest = &line[from..];
    let end = rest.iter().position(|&b| b.is_ascii_whitespace()).unwrap_or(rest.len());
    &rest[..end]
}

/// Parses digits from `at` on. Returns the number and the offset after it; `None` without digits or
/// with more than 18.
#[inline(always)]
fn digits(text: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let start = at;
    let mut n = 0_u64;
    while let Some(d) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        n = n.wrapping_mul(10).wrapping_add(u64::from(d));
        at += 1;
    }
    (at > start && at - start <= 18).then_some((n, at))
}

/// Returns the offset after one or more blanks; `None` without any.
#[inline(always)]
fn blanks(text: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    while matches!(text.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// Returns the offset after the end of the line, with blanks before it skipped; `None` when
/// something else follows.
#[inline(always)]
fn end(text: &[u8], mut at: usize) -> Option<usize> {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r')) {
        at += 1;
    }
    (text.get(at) == Some(&b'\n')).then_some(at + 1)
}

impl<E: Entries> Parser<'_, E> {
    /// Parses whole lines, the first of which has number `line`.
    fn lines(&mut self, line: u64, whole: &[u8]) -> Result<(), E::Stop> {
        let (mut line, mut rest) = (line, whole);
        while !rest.is_empty() {
            if let Stage::Body(header) = self.stage {
                return match self.entries.take() {
                    None => Ok(()),
                    Some(entries) => {
                        let read = self.body(header, entries, line, rest);
                        self.entries = Some(entries);
                        read
                    }
                };
            }
            let n = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |i| i + 1);
            let (one, tail) = rest.split_at(n);
            self.first(line, one)?;
            (line, rest) = (line + 1, tail);
        }
        Ok(())
    }

    /// Parses a line before the values.
    fn first(&mut self, line: u64, text: &[u8]) -> Result<()> {
        let wrong = |expected: &str| Err(line_error(&self.path, line, expected, shown(text)));
        match self.stage {
            Stage::Banner => {
                let words = String::from_utf8_lossy(text).to_lowercase();
                let words: Vec<&str> = words.split_whitespace().collect();
                let ["%%matrixmarket", "matrix", format, field, symmetry] = words[..] else {
                    return wrong("'%%MatrixMarket matrix coordinate integer general', as a Matrix Market file begins");
                };
                match (format, field, symmetry) {
                    ("coordinate", "integer" | "real" | "double" | "pattern", "general") => {
                        self.stage = Stage::Size { pattern: field == "pattern" };
                        Ok(())
                    }
                    ("coordinate" | "array", _, _) => Err(Error::Unsupported {
                        path: (&self.path).into(),
                        element: format!("line {line}"),
                        what: format!("a Matrix Market file of the kind '{format} {field} {symmetry}'"),
                        hint: "; counts are 'coordinate', 'integer', 'real' or 'pattern', and 'general'".to_owned(),
                    }),
                    _ => wrong("'%%MatrixMarket matrix coordinate integer general', as a Matrix Market file begins"),
                }
            }
            Stage::Size { pattern } => {
                let words = String::from_utf8_lossy(text);
                if words.starts_with('%') || words.trim().is_empty() {
                    return Ok(());
                }
                let numbers: Vec<Option<u64>> = words.split_whitespace().map(|w| w.parse().ok()).collect();
                let [Some(rows), Some(columns), Some(values)] = numbers[..] else {
                    return wrong("numbers of rows, columns and values");
                };
                let (Ok(r), Ok(c)) = (u32::try_from(rows), u32::try_from(columns)) else {
                    return wrong("extents below 4294967296");
                };
                self.stage = Stage::Body(Header { rows: r as usize, columns: c as usize, values, pattern });
                Ok(())
            }
            Stage::Body(_) => Ok(()),
        }
    }

    /// Parses lines of values.
    fn body(&mut self, header: Header, entries: &mut E, line: u64, text: &[u8]) -> Result<(), E::Stop> {
        let (mut line, mut place, mut seen) = (line, 0, self.seen);
        let (rows, columns) = (header.rows as u64, header.columns as u64);
        while place < text.len() {
            let found = (|| {
                let (row, next) = digits(text, place)?;
                let (column, next) = digits(text, blanks(text, next)?)?;
                if header.pattern {
                    return Some((row, column, 1.0, true, end(text, next)?));
                }
                let start = blanks(text, next)?;
                if let Some((value, next)) = digits(text, start) {
                    if let Some(next) = end(text, next) {
                        return Some((row, column, value as f64, true, next));
                    }
                }
                let word = token(text, start);
                let value: f64 = std::str::from_utf8(word).ok()?.parse().ok()?;
                let whole = word.iter().all(|b| b.is_ascii_digit() || *b == b'-' || *b == b'+');
                Some((row, column, value, whole, end(text, start + word.len())?))
            })();
            match found {
                Some((row, column, value, whole, next))
                    if row.wrapping_sub(1) < rows && column.wrapping_sub(1) < columns && seen < header.values =>
                {
                    entries.entry((row - 1) as u32, (column - 1) as u32, value, whole, line)?;
                    seen += 1;
                    place = next;
                }
                _ => {
                    let n = text[place..].iter().position(|&b| b == b'\n').map_or(text.len() - place, |i| i + 1);
                    let one = &text[place..place + n];
                    match self.odd(header, seen, found.map(|f| (f.0, f.1)), line, one)? {
                        None => place += n,
                        // The line begins with blanks, which are skipped.
                        Some(skip) => {
                            place += skip;
                            continue;
                        }
                    }
                }
            }
            line += 1;
        }
        self.seen = seen;
        Ok(())
    }

    /// Judges a line that is not a plain line of values: `None` for a comment or an empty line; the
    /// number of blanks before its first other byte; an error.
    fn odd(
        &self,
        header: Header,
        seen: u64,
        found: Option<(u64, u64)>,
        line: u64,
        text: &[u8],
    ) -> Result<Option<usize>> {
        let inner = text.trim_ascii();
        if inner.is_empty() || inner.starts_with(b"%") {
            return Ok(None);
        }
        let skip = text.len() - text.trim_ascii_start().len();
        if skip > 0 {
            return Ok(Some(skip));
        }
        let wrong = |expected: String| Err(line_error(&self.path, line, expected, shown(text)));
        match found {
            Some(_) if seen >= header.values => {
                wrong(format!("the end, after the {} values that the first lines promise", header.values))
            }
            Some(_) => wrong(format!("a row from 1 to {} and a column from 1 to {}", header.rows, header.columns)),
            None if header.pattern => wrong("a row and a column".to_owned()),
            None => wrong("a row, a column and a value".to_owned()),
        }
    }
}
