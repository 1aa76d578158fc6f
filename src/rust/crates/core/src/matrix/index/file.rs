//! The file of a column index: a magic number, the packed columns one after the other, then a
//! footer with the end and the checksum of each column and the state of the matrix they were made
//! of. The last 24 bytes locate and check the footer.

use super::pack::{unpack, Bits};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::matrix::{Source, Stamp};
use crate::memory;
use crate::store::positioned::read_exact;
use crate::store::Temporary;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"oomcols1";
/// Bytes of the length and checksum of the footer, and the magic number again.
const TAIL: usize = 24;

/// The contents of the footer.
#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    element: String,
    stamp: Stamp,
    shape: (usize, usize),
    dtype: String,
    /// Offset of the end of each column's bytes; the first column begins after the magic number.
    ends: Vec<u64>,
    /// Number of stored values of each column.
    counts: Vec<u64>,
    /// Checksum of each column's bytes.
    checksums: Vec<u64>,
}

/// Returns a checksum that detects damage, but not manipulation.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    add_up(bytes.len(), words.iter().map(|word| u64::from_le_bytes(*word)), u64::from_le_bytes(last))
}

/// Returns the [`hash`] of the bytes of numbers.
pub(crate) fn hash_words(words: &[u64]) -> u64 {
    add_up(size_of_val(words), words.iter().copied(), 0)
}

/// Returns the checksum of `length` bytes in little-endian words, the `last` of which is padded
/// with zeros.
fn add_up(length: usize, words: impl Iterator<Item = u64>, last: u64) -> u64 {
    let step = |h: u64, word: u64| (h ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let h = step(words.fold(length as u64, step), last);
    h ^ (h >> 32)
}

/// An open index whose matrix is unchanged.
#[derive(Debug)]
pub(crate) struct ColumnIndex {
    path: PathBuf,
    file: File,
    footer: Footer,
    dtype: DType,
}

impl ColumnIndex {
    /// Opens the index at `path` for `source`. Returns `None` where there is no index, or it was
    /// made of another matrix or another state of the file.
    ///
    /// # Errors
    /// [`Error::File`] where the index is damaged, [`Error::Io`] where it cannot be read.
    pub(crate) fn open(path: &Path, source: &dyn Source) -> Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(path, "open", &e)),
        };
        let damaged = || damaged(path, "its last bytes are no footer of a column index");
        let length = file.metadata().map_err(|e| Error::io(path, "open", &e))?.len();
        let read = |at: u64, n: usize| -> Result<Vec<u8>> {
            let mut bytes = memory::zeros(n, "the index of columns")?;
            read_exact(&file, &mut bytes, at).map_err(|e| Error::io(path, "read", &e))?;
            Ok(bytes)
        };
        let from = length.checked_sub(TAIL as u64).ok_or_else(damaged)?;
        let tail = read(from, TAIL)?;
        let number = |at: usize| tail[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let (size, checksum) = (number(0), number(8));
        if tail[16..] != *MAGIC || size > from {
            return Err(damaged());
        }
        let bytes = read(from - size, size as usize)?;
        if hash(&bytes) != checksum {
            return Err(damaged());
        }
        let footer: Footer = postcard::from_bytes(&bytes).map_err(|_| damaged())?;
        let fits = source.stamp().as_ref() == Some(&footer.stamp)
            && source.location().is_some_and(|l| l.in_file() == footer.element)
            && source.shape() == footer.shape
            && source.dtype().name() == footer.dtype;
        if !fits {
            return Ok(None);
        }
        let n = footer.shape.1;
        if [footer.ends.len(), footer.counts.len(), footer.checksums.len()] != [n; 3] {
            return Err(damaged());
        }
        Ok(Some(ColumnIndex { path: path.to_owned(), file, footer, dtype: source.dtype() }))
    }

    /// Returns the path of the index.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the size in bytes of the packed columns and the magic number before them, without
    /// the footer.
    pub(crate) fn bytes(&self) -> u64 {
        self.footer.ends.last().copied().unwrap_or(0)
    }

    /// Returns the dtype of the values.
    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    /// Returns the number of stored values of a column.
    pub(crate) fn count(&self, column: u32) -> u64 {
        self.footer.counts.get(column as usize).copied().unwrap_or(0)
    }

    /// Returns the offsets of the first byte of a column and of the byte after its last.
    fn range(&self, column: u32) -> (u64, u64) {
        let at = |c: usize| self.footer.ends.get(c).copied();
        let start = (column as usize).checked_sub(1).map_or(Some(MAGIC.len() as u64), at);
        (start.unwrap_or(0), at(column as usize).unwrap_or(0))
    }

    /// Checks that `source` is in the state that the index was made of.
    ///
    /// # Errors
    /// [`Error::State`] where it is not: neither source nor index can then be read.
    pub(crate) fn check(&self, source: &dyn Source) -> Result<()> {
        if source.stamp().as_ref() == Some(&self.footer.stamp) {
            return Ok(());
        }
        let name = source.location().map_or_else(String::new, |l| format!("'{}'", l.store));
        Err(Error::State(format!(
            "{name} was changed after it was opened, and its column index '{}' is stale: open the file again, then \
             run index_columns()",
            self.path.display()
        )))
    }

    /// Reads the rows and values of a column.
    ///
    /// # Errors
    /// [`Error::File`] where its bytes are damaged, [`Error::Io`] where they cannot be read.
    pub(super) fn read<T: Bits>(&self, column: u32) -> Result<(Vec<u32>, Vec<T>)> {
        let ((start, end), count) = (self.range(column), self.count(column));
        let bad = || damaged(&self.path, &format!("column {column} does not have the bytes that were written"));
        let size = end.checked_sub(start).filter(|_| count <= self.footer.shape.0 as u64).ok_or_else(bad)?;
        const COLUMN: &str = "a column of an index";
        let mut bytes: Vec<u8> = Vec::new();
        crate::matrix::disk::reserve(&mut bytes, size, || self.path.display().to_string())?;
        bytes.resize(size as usize, 0);
        read_exact(&self.file, &mut bytes, start).map_err(|e| Error::io(&self.path, "read", &e))?;
        if self.footer.checksums.get(column as usize) != Some(&hash(&bytes)) {
            return Err(bad());
        }
        let (mut rows, mut values) = (memory::room(count as usize, COLUMN)?, memory::room(count as usize, COLUMN)?);
        unpack(&bytes, self.footer.shape.0, &mut rows, &mut values).ok_or_else(bad)?;
        if rows.len() as u64 != count {
            return Err(bad());
        }
        Ok((rows, values))
    }
}

/// Makes the error for a damaged index.
fn damaged(path: &Path, what: &str) -> Error {
    let message = format!("this column index is damaged: {what}; delete it and run index_columns() again");
    Error::File { path: path.into(), message }
}

/// The writer of an index, which writes it beside its final name and renames it when it is
/// complete.
pub(crate) struct Writer {
    path: PathBuf,
    temporary: Temporary,
    out: std::io::BufWriter<File>,
    footer: Footer,
    at: u64,
}

impl Writer {
    /// Starts an index of `source` at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be written; [`Error::State`] where the source has no
    /// stamp.
    pub(crate) fn new(path: &Path, source: &dyn Source) -> Result<Self> {
        let none = || Error::State("only a matrix in a file opened for reading can be indexed".to_owned());
        let (stamp, location) = source.stamp().zip(source.location()).ok_or_else(none)?;
        let failed = |e: std::io::Error| Error::io(path, "write", &e);
        let temporary = Temporary::create(path)?;
        let file = File::options().write(true).open(temporary.path()?).map_err(failed)?;
        let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
        out.write_all(MAGIC).map_err(failed)?;
        let (shape, dtype) = (source.shape(), source.dtype().name().to_owned());
        let (ends, counts, checksums) = (Vec::new(), Vec::new(), Vec::new());
        let footer = Footer { element: location.in_file(), stamp, shape, dtype, ends, counts, checksums };
        Ok(Writer { path: path.to_owned(), temporary, out, footer, at: MAGIC.len() as u64 })
    }

    /// Appends the next column: its packed segments, and the number of values in them.
    ///
    /// # Errors
    /// [`Error::Io`], also for a full disk.
    pub(crate) fn column(&mut self, packed: &[u8], count: u64) -> Result<()> {
        self.out.write_all(packed).map_err(|e| Error::io(&self.path, "write", &e))?;
        self.at += packed.len() as u64;
        self.footer.ends.push(self.at);
        self.footer.counts.push(count);
        self.footer.checksums.push(hash(packed));
        Ok(())
    }

    /// Writes the footer and renames the file to its final name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn finish(mut self) -> Result<()> {
        let failed = |e: std::io::Error| Error::io(&self.path, "write", &e);
        let footer =
            postcard::to_allocvec(&self.footer).map_err(|e| Error::Internal(format!("a column index: {e}")))?;
        self.out.write_all(&footer).map_err(failed)?;
        self.out.write_all(&(footer.len() as u64).to_le_bytes()).map_err(failed)?;
        self.out.write_all(&hash(&footer).to_le_bytes()).map_err(failed)?;
        self.out.write_all(MAGIC).map_err(failed)?;
        self.out.flush().map_err(failed)?;
        self.out.get_ref().sync_all().map_err(failed)?;
        std::fs::rename(self.temporary.path()?, &self.path).map_err(|e| Error::io(&self.path, "rename to", &e))?;
        self.temporary.keep();
        Ok(())
    }
}
