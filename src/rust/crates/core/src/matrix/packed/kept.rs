//! Packed rows that outlive a session: a file of their pieces, then a footer. The footer has the
//! place and checksum of each piece, and identifies the matrix and the state of its file.

use super::store::{checksum, Packed, Piece};
use super::{coder, Packable};
use crate::error::{Error, Result};
use crate::matrix::csr::Places;
use crate::matrix::disk::{with_plain, Shared};
use crate::matrix::index::hash;
use crate::matrix::rows::Decoded;
use crate::matrix::sparse::SparseParts;
use crate::matrix::{spare, Stamp};
use crate::memory;
use crate::session::Session;
use crate::store::positioned::{read_exact, write_all};
use crate::store::Temporary;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const MAGIC: &[u8; 8] = b"oomrows1";
/// Length and checksum of the footer, and the magic number.
const TAIL: usize = 24;
const COPY: &str = "a packed copy";

/// Offset, size and checksum of a piece.
type Written = (u64, u64, u64);

#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    element: String,
    stamp: Stamp,
    shape: (usize, usize),
    by_rows: bool,
    dtype: String,
    /// First entry of each piece, then the number of entries.
    starts: Vec<u64>,
    /// Offset, size and checksum of each piece.
    pieces: Vec<Written>,
}

/// A packed copy that is in use.
pub(in crate::matrix) struct Kept {
    pub(in crate::matrix) bytes: u64,
    /// Whether it was made by this call.
    pub(in crate::matrix) made: bool,
}

impl SparseParts {
    /// Makes passes read packed rows from the file at `path`, which is written if there is none
    /// that fits.
    ///
    /// # Errors
    /// [`Error::State`] where the state of the matrix's file cannot be told, or changes meanwhile;
    /// [`Error::Io`]; errors of reading the matrix.
    pub(in crate::matrix) fn pack(&self, path: &Path, session: &Session) -> Result<Kept> {
        let none = || Error::State("only a matrix in a file opened for reading can be packed".to_owned());
        let (name, stamp) = (self.packed_name().ok_or_else(none)?, self.stamp().ok_or_else(none)?);
        // A damaged copy is useless, and is written again.
        let found = self.open_kept(path, &stamp).ok().flatten();
        let made = found.is_none();
        let packed = match found {
            Some(packed) => packed,
            None => {
                self.write_kept(path, stamp, session)?;
                let changed = || {
                    let file = self.location().store;
                    Error::State(format!("'{file}' was changed while it was packed: open the file again"))
                };
                self.open_kept(path, &self.stamp().ok_or_else(none)?)?.ok_or_else(changed)?
            }
        };
        let bytes = packed.bytes();
        let packed = std::sync::Arc::new(packed);
        session.caches.keep_named(name, packed.clone());
        self.hold(Some(&packed));
        Ok(Kept { bytes, made })
    }

    /// Returns whether the matrix is compressed by rows (CSR).
    fn is_by_rows(&self) -> bool {
        self.indptr.len() == self.shape.0 + 1
    }

    /// Opens the copy at `path`. Returns `None` where there is none, or it is of another matrix or
    /// another state of the file.
    fn open_kept(&self, path: &Path, stamp: &Stamp) -> Result<Option<Packed>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(path, "open", &e)),
        };
        let damaged = || Error::File {
            path: path.into(),
            message: "this packed copy is damaged; delete it and run pack() again".to_owned(),
        };
        let length = file.metadata().map_err(|e| Error::io(path, "open", &e))?.len();
        let read = |at: u64, n: usize| -> Result<Vec<u8>> {
            let mut bytes = memory::zeros(n, COPY)?;
            read_exact(&file, &mut bytes, at).map_err(|e| Error::io(path, "read", &e))?;
            Ok(bytes)
        };
        let from = length.checked_sub(TAIL as u64).ok_or_else(damaged)?;
        let tail = read(from, TAIL)?;
        let number = |at: usize| tail[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let size = number(0);
        if tail[16..] != *MAGIC || size > from {
            return Err(damaged());
        }
        let bytes = read(from - size, size as usize)?;
        if hash(&bytes) != number(8) {
            return Err(damaged());
        }
        let Footer { element, stamp: of, shape, by_rows, dtype, starts, pieces } =
            postcard::from_bytes(&bytes).map_err(|_| damaged())?;
        let fits = of == *stamp
            && element == self.location().in_file()
            && (shape, by_rows) == (self.shape, self.is_by_rows())
            && dtype == self.data.dtype().name();
        if !fits {
            return Ok(None);
        }
        let ascends = starts.windows(2).all(|w| w[0] < w[1] && w[1] - w[0] <= super::store::ENTRIES);
        let ends = (starts.first(), starts.last()) == (Some(&0), Some(&self.nnz()));
        let lies = |&(at, n, _): &Written| at.checked_add(n).is_some_and(|end| end <= from - size);
        if !ascends || !ends || pieces.len() + 1 != starts.len() || !pieces.iter().all(lies) {
            return Err(damaged());
        }
        let pieces = pieces.into_iter().map(|(at, size, checksum)| Piece::new(at, size as usize, checksum));
        Packed::from_file(starts, pieces, file, path).map(Some)
    }

    /// Writes the copy at `path`, on all threads; each step has the entries of whole chunks.
    fn write_kept(&self, path: &Path, stamp: Stamp, session: &Session) -> Result<()> {
        let nnz = self.nnz();
        let number = nnz.div_ceil(self.step()) as usize;
        let steps = (0..number as u64).map(|i| i * self.step()).chain([nnz]);
        let steps = memory::exactly(number + 1, steps, COPY)?;
        let starts = super::store::starts(&steps)?;
        let failed = |e: std::io::Error| Error::io(path, "write", &e);
        let mut temporary = Temporary::create(path)?;
        let file = File::options().write(true).open(temporary.path()?).map_err(failed)?;
        let end = AtomicU64::new(0);
        session.monitor.begin(nnz);
        let of_step = |step: Range<u64>| -> Result<Vec<Written>> {
            session.monitor.check()?;
            let pieces = with_plain!(self.data.dtype(), T => self.pack_step::<T>(&step, &starts, &mut |bytes| {
                let at = end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                write_all(&file, bytes, at).map_err(failed)?;
                Ok((at, bytes.len() as u64, checksum(bytes)))
            }))?;
            session.monitor.advance(step.end - step.start);
            Ok(pieces)
        };
        let all = || steps.par_windows(2).map(|step| of_step(step[0]..step[1])).collect::<Result<Vec<_>>>();
        let pieces = session.install(all)?;
        let footer = Footer {
            element: self.location().in_file(),
            stamp,
            shape: self.shape,
            by_rows: self.is_by_rows(),
            dtype: self.data.dtype().name().to_owned(),
            starts,
            pieces: pieces.into_iter().flatten().collect(),
        };
        let mut bytes = postcard::to_allocvec(&footer).map_err(|e| Error::Internal(format!("{COPY}: {e}")))?;
        let (length, checksum) = (bytes.len() as u64, hash(&bytes));
        memory::reserve(&mut bytes, TAIL, COPY)?;
        bytes.extend(length.to_le_bytes());
        bytes.extend(checksum.to_le_bytes());
        bytes.extend(MAGIC);
        write_all(&file, &bytes, end.into_inner()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(temporary.path()?, path).map_err(|e| Error::io(path, "rename to", &e))?;
        temporary.keep();
        Ok(())
    }

    /// Packs the pieces of a step and passes their bytes to `write`, which returns their offset,
    /// size and checksum.
    fn pack_step<T: Packable>(
        &self,
        step: &Range<u64>,
        starts: &[u64],
        write: &mut dyn FnMut(&[u8]) -> Result<Written>,
    ) -> Result<Vec<Written>> {
        let mut decoded = Decoded::<T> { indptr: Vec::new(), indices: spare::buffer(), data: spare::buffer() };
        let from = Places { indices: Shared::unshared(), data: Shared::unshared(), packed: None, ascends: true };
        self.read(std::slice::from_ref(step), step.end - step.start, &from, &mut decoded)?;
        let of = starts.partition_point(|&start| start < step.start)..starts.partition_point(|&start| start < step.end);
        let mut pieces = memory::room(of.len(), COPY)?;
        let mut bytes = Vec::new();
        for piece in of {
            let part = (starts[piece] - step.start) as usize..(starts[piece + 1] - step.start) as usize;
            let (columns, values) = (&decoded.indices[part.clone()], &decoded.data[part]);
            memory::lengthen(&mut bytes, coder::most_bytes::<T>(values.len()), 0, COPY)?;
            let n = coder::pack(columns, values, &mut bytes);
            pieces.push(write(&bytes[..n])?);
        }
        spare::keep(decoded.indices);
        spare::keep(decoded.data);
        Ok(pieces)
    }
}
