//! Lines of a text that comes in pieces.

use super::bytes::stream;
use crate::error::{Error, Result};
use crate::session::Monitor;
use std::path::{Path, PathBuf};

/// Upper bound of the bytes of a line.
const LONGEST: usize = 1 << 20;
/// Number of bytes of a line that an error shows.
const SHOWN: usize = 40;

/// Splits a text that comes in pieces into whole lines.
pub(super) struct Lines {
    path: PathBuf,
    /// The start of a line that the next piece continues.
    rest: Vec<u8>,
    /// Upper bound of the bytes of a line.
    longest: usize,
    /// Number of lines passed on.
    count: u64,
}

impl Lines {
    /// Makes a splitter for lines of at most `longest` bytes; `path` is for errors.
    pub(super) fn up_to(path: &Path, longest: usize) -> Lines {
        Lines { path: path.to_owned(), rest: Vec::new(), longest, count: 0 }
    }

    /// Passes all lines that are whole by now to `take`, several in one call, with their ends.
    /// `take` also gets the number of the first of them, counted from 1 in the file.
    ///
    /// # Errors
    /// [`Error::Line`] for a line that is too long; the errors of `take`.
    pub(super) fn feed<E: From<Error>>(
        &mut self,
        piece: &[u8],
        take: &mut impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut piece = piece;
        if !self.rest.is_empty() {
            let end = piece.iter().position(|&b| b == b'\n').map_or(piece.len(), |i| i + 1);
            let (head, tail) = piece.split_at(end);
            self.keep(head)?;
            piece = tail;
            if self.rest.last() == Some(&b'\n') {
                take(self.count + 1, &self.rest)?;
                self.count += 1;
                self.rest.clear();
            }
        }
        let end = piece.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let (whole, tail) = piece.split_at(end);
        if !whole.is_empty() {
            take(self.count + 1, whole)?;
            self.count += count(whole);
        }
        Ok(self.keep(tail)?)
    }

    fn keep(&mut self, part: &[u8]) -> Result<()> {
        if self.rest.len() + part.len() > self.longest {
            let expected = format!("lines of at most {} bytes", self.longest);
            return Err(line_error(&self.path, self.count + 1, expected, "a longer one"));
        }
        self.rest.extend_from_slice(part);
        Ok(())
    }

    /// Passes the last line to `take`, if the text does not end with a line end. The line gets an
    /// end like all others.
    ///
    /// # Errors
    /// The errors of `take`.
    pub(super) fn finish<E: From<Error>>(
        mut self,
        take: &mut impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.rest.is_empty() {
            return Ok(());
        }
        self.rest.push(b'\n');
        take(self.count + 1, &self.rest)
    }
}

fn count(whole: &[u8]) -> u64 {
    whole.iter().map(|&b| u64::from(b == b'\n')).sum()
}

/// Makes an [`Error::Line`].
pub(super) fn line_error(path: &Path, line: u64, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::Line { path: path.into(), line, expected: expected.into(), found: found.into() }
}

/// Returns a line for messages, shortened.
pub(super) fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return "an empty line".to_owned();
    }
    let more = if line.len() > SHOWN { "..." } else { "" };
    let start = &line[..line.len().min(SHOWN)];
    format!("'{}{more}'", String::from_utf8_lossy(start).trim_end_matches('\u{fffd}').replace('\0', "\\0"))
}

/// Passes each line of a file to `take`: its number from 1, and its text without the end. A byte
/// order mark at the start is skipped.
///
/// # Errors
/// The errors of [`stream`]; [`Error::Line`] for a line that is no UTF-8 text or too long.
pub(super) fn for_each_line(path: &Path, monitor: &Monitor, take: impl FnMut(u64, &str) -> Result<()>) -> Result<()> {
    each_up_to(path, LONGEST, monitor, take)
}

/// Passes lines like [`for_each_line`]; they may have up to `longest` bytes.
///
/// # Errors
/// The errors of [`for_each_line`].
pub(super) fn each_up_to(
    path: &Path,
    longest: usize,
    monitor: &Monitor,
    mut take: impl FnMut(u64, &str) -> Result<()>,
) -> Result<()> {
    let mut split = |first: u64, whole: &[u8]| {
        for (number, line) in (first..).zip(whole.split_inclusive(|&b| b == b'\n')) {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let text = if number == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
            match std::str::from_utf8(text) {
                Ok(text) if !text.contains('\0') => take(number, text)?,
                _ => return Err(line_error(path, number, "UTF-8 text", shown(line))),
            }
        }
        Ok(())
    };
    let mut lines = Lines::up_to(path, longest);
    stream(path, monitor, |piece| lines.feed(piece, &mut split))?;
    lines.finish(&mut split)
}
