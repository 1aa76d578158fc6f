//! Holds the values of rows until they are read by column: each block sorted by column, in memory
//! or in a scratch file.

use super::column::{Bytes, Column, Label, PerColumn, Value, COLUMNS, NO_LABEL};
use crate::error::{Error, Result};
use crate::matrix::{Block, Scratch, Storage};
use crate::memory;
use crate::session::{Lease, Session, Space};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The share of the session's memory in which values are held, as a divisor: one quarter.
pub(super) const HELD: usize = 4;

/// The values of a block that are not 0, sorted by column.
pub(super) struct Piece<T, L> {
    /// The end of each column in `labels` and `values`.
    ends: Vec<u32>,
    labels: Vec<L>,
    values: Vec<T>,
}

/// A piece in memory, or the offsets of a piece in the scratch file.
pub(super) enum Held<T, L> {
    Memory(Piece<T, L>),
    Scratch { counts: Vec<u32>, ends: u64, labels: u64, values: u64 },
}

/// Room for the pieces of blocks: memory up to a limit, then one scratch file.
pub(super) struct Hold {
    memory: Lease,
    bytes: AtomicUsize,
    scratch: Mutex<Option<Arc<Scratch>>>,
    space: Space,
}

/// The pieces of all blocks of a pass.
pub(super) struct Spool<T, L> {
    n_cols: usize,
    pieces: Vec<Held<T, L>>,
    /// The number of values of each column.
    counts: Vec<u64>,
    hold: Arc<Hold>,
}

/// Sorts the values of a block of floats by column, with the labels of their rows. Leaves out zeros
/// and rows labelled [`NO_LABEL`].
pub(super) fn piece<T: Value, L: Label>(block: &Block, labels: Option<&[u32]>) -> Result<Piece<T, L>> {
    let label = |i: usize| {
        let row = block.positions.row(i);
        labels.map_or(row as u32, |l| l[row])
    };
    let broken = || Error::Internal("the blocks of a chain differ in dtype".to_owned());
    let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
    let data = T::slice(data).ok_or_else(broken)?;
    let zero = T::default();
    // At first the number of values in the columns before each, later the place of the next value.
    let mut next = memory::zeros::<u32>(block.n_cols + 1, COLUMNS)?;
    let n_rows = block.n_rows();
    let kept = |i: &usize| labels.is_none() || label(*i) != NO_LABEL;
    match &block.storage {
        Storage::Csr { indptr, indices, .. } => {
            for i in (0..n_rows).filter(kept) {
                let range = indptr[i]..indptr[i + 1];
                for (&c, &x) in indices[range.clone()].iter().zip(&data[range]) {
                    next[c as usize + 1] += u32::from(x != zero);
                }
            }
        }
        Storage::Dense(_) => {
            for row in (0..n_rows).filter(kept).map(|i| &data[i * block.n_cols..(i + 1) * block.n_cols]) {
                next[1..].iter_mut().zip(row).for_each(|(n, &x)| *n += u32::from(x != zero));
            }
        }
    }
    (0..block.n_cols).for_each(|c| next[c + 1] += next[c]);
    let total = next[block.n_cols] as usize;
    let mut by_column = memory::zeros::<L>(total, COLUMNS)?;
    let mut values = memory::zeros::<T>(total, COLUMNS)?;
    let mut put = |c: usize, x: T, label: L| {
        if x != zero {
            let at = &mut next[c];
            (values[*at as usize], by_column[*at as usize]) = (x, label);
            *at += 1;
        }
    };
    for i in (0..n_rows).filter(kept) {
        let of = L::from_code(label(i));
        match &block.storage {
            Storage::Csr { indptr, indices, .. } => {
                let range = indptr[i]..indptr[i + 1];
                indices[range.clone()].iter().zip(&data[range]).for_each(|(&c, &x)| put(c as usize, x, of));
            }
            Storage::Dense(_) => {
                let row = &data[i * block.n_cols..(i + 1) * block.n_cols];
                row.iter().enumerate().for_each(|(c, &x)| put(c, x, of));
            }
        }
    }
    // Each entry has moved from the start of its column to the end.
    next.truncate(block.n_cols);
    Ok(Piece { ends: next, labels: by_column, values })
}

impl Hold {
    /// Keeps a piece in memory, or writes it to the scratch file where the memory is used up; from
    /// any thread.
    pub(super) fn hold<T: Value, L: Label>(&self, piece: Piece<T, L>) -> Result<Held<T, L>> {
        let bytes = piece.ends.len() * 4 + piece.values.len() * (size_of::<T>() + size_of::<L>());
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.memory.bytes() {
            return Ok(Held::Memory(piece));
        }
        let file = {
            // A poisoned lock cannot occur: nothing that can panic runs while it is held.
            let mut file = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
            match &*file {
                Some(file) => file.clone(),
                None => file.insert(Arc::new(Scratch::new(&self.space)?)).clone(),
            }
        };
        let (ends, labels) = (file.append(u32::bytes(&piece.ends))?, file.append(L::bytes(&piece.labels))?);
        let values = file.append(T::bytes(&piece.values))?;
        Ok(Held::Scratch { counts: piece.ends, ends, labels, values })
    }

    fn file(&self) -> Result<Arc<Scratch>> {
        let file = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        file.clone().ok_or_else(|| Error::Internal("a scratch file that nobody made".to_owned()))
    }
}

impl<T: Value, L: Label> Spool<T, L> {
    /// Makes an empty spool for pieces of `n_cols` columns. They stay in memory up to the size of
    /// the lease.
    pub(super) fn new(n_cols: usize, memory: Lease, space: &Space) -> Result<Self> {
        let hold = Hold { memory, bytes: AtomicUsize::new(0), scratch: Mutex::new(None), space: space.clone() };
        Ok(Spool { n_cols, pieces: Vec::new(), counts: memory::zeros(n_cols, COLUMNS)?, hold: Arc::new(hold) })
    }

    /// Returns the room for the pieces. A worker thread keeps a piece there by [`Hold::hold`].
    pub(super) fn room(&self) -> Arc<Hold> {
        self.hold.clone()
    }

    /// Adds the piece of the next block, in the order of the pass.
    pub(super) fn push(&mut self, mut held: Held<T, L>) -> Result<()> {
        let ends = match &mut held {
            Held::Memory(piece) => &piece.ends,
            Held::Scratch { counts, .. } => &*counts,
        };
        let mut start = 0;
        for (count, &end) in self.counts.iter_mut().zip(ends) {
            *count += u64::from(end - start);
            start = end;
        }
        if let Held::Scratch { counts, .. } = &mut held {
            *counts = Vec::new();
        }
        memory::reserve(&mut self.pieces, 1, COLUMNS)?;
        self.pieces.push(held);
        Ok(())
    }

    /// Calls `of` for every column, on the threads of `session`, and returns the results in column
    /// order. `first` is the position in the matrix of the spool's first column.
    ///
    /// # Errors
    /// Errors of reading the scratch file and of `of`.
    pub(super) fn columns<F: PerColumn>(self, first: usize, of: &F, session: &Session) -> Result<Vec<F::Output>> {
        // Each task holds a copy of the values of its columns.
        let again = session.part(HELD);
        let limit = (again.bytes() / session.threads.max(1) / (size_of::<T>() + size_of::<L>())) as u64;
        let mut bands: Vec<Range<usize>> = Vec::new();
        let (mut start, mut held) = (0, 0);
        // There are at least 8 bands a thread, however small the matrix is.
        let widest = self.n_cols.div_ceil(8 * session.threads.max(1)).max(1);
        for (c, &count) in self.counts.iter().enumerate() {
            if c > start && (held + count > limit || c - start >= widest) {
                bands.push(start..c);
                (start, held) = (c, 0);
            }
            held += count;
        }
        if start < self.n_cols {
            bands.push(start..self.n_cols);
        }
        session.monitor.begin(self.n_cols as u64);
        let made: Vec<Vec<F::Output>> = session.install(|| {
            bands
                .par_iter()
                .map(|band| {
                    session.monitor.check()?;
                    let made = self.band(band.clone(), first, of, session)?;
                    session.monitor.advance(band.len() as u64);
                    Ok(made)
                })
                .collect::<Result<_>>()
        })?;
        let mut out = memory::room(self.n_cols, COLUMNS)?;
        made.into_iter().for_each(|band| out.extend(band));
        Ok(out)
    }

    /// Collects the columns of a band from all pieces and calls `of` for each.
    fn band<F: PerColumn>(
        &self,
        band: Range<usize>,
        first: usize,
        of: &F,
        session: &Session,
    ) -> Result<Vec<F::Output>> {
        let width = band.len();
        let mut next = memory::zeros::<usize>(width + 1, COLUMNS)?;
        for (c, &count) in self.counts[band.clone()].iter().enumerate() {
            next[c + 1] = next[c] + count as usize;
        }
        let total = next[width];
        let mut labels = memory::zeros::<L>(total, COLUMNS)?;
        let mut values = memory::zeros::<T>(total, COLUMNS)?;
        let (mut read_ends, mut read_labels, mut read_values) = (Vec::new(), Vec::new(), Vec::new());
        for piece in &self.pieces {
            session.monitor.check()?;
            let (ends, from): (&[u32], _) = match piece {
                Held::Memory(piece) => (&piece.ends[band.clone()], end_before(&piece.ends, band.start)),
                Held::Scratch { ends, .. } => {
                    // The end of the column before is read too, where there is one.
                    let skip = band.start.min(1);
                    refill(&mut read_ends, width + skip)?;
                    let at = ends + 4 * (band.start - skip) as u64;
                    self.hold.file()?.read(at, u32::bytes_mut(&mut read_ends))?;
                    (&read_ends[skip..], if skip == 1 { read_ends[0] } else { 0 })
                }
            };
            let n = (ends.last().copied().unwrap_or(from) - from) as usize;
            let (piece_labels, piece_values): (&[L], &[T]) = match piece {
                Held::Memory(piece) => {
                    let range = from as usize..from as usize + n;
                    (&piece.labels[range.clone()], &piece.values[range])
                }
                Held::Scratch { labels, values, .. } => {
                    let file = self.hold.file()?;
                    refill(&mut read_labels, n)?;
                    refill(&mut read_values, n)?;
                    file.read(labels + u64::from(from) * size_of::<L>() as u64, L::bytes_mut(&mut read_labels))?;
                    file.read(values + u64::from(from) * size_of::<T>() as u64, T::bytes_mut(&mut read_values))?;
                    (&read_labels, &read_values)
                }
            };
            let mut start = 0;
            for (to, &end) in next.iter_mut().zip(ends) {
                let range = start..(end - from) as usize;
                let into = *to..*to + range.len();
                labels[into.clone()].copy_from_slice(&piece_labels[range.clone()]);
                values[into.clone()].copy_from_slice(&piece_values[range.clone()]);
                (start, *to) = (range.end, into.end);
            }
        }
        // Each entry has moved from the start of its column to the end.
        let mut out = memory::room(width, COLUMNS)?;
        let mut start = 0;
        for (c, &end) in next[..width].iter().enumerate() {
            let (labels, values) = (&labels[start..end], &values[start..end]);
            out.push(of.column(&Column { index: first + band.start + c, labels, values })?);
            start = end;
        }
        Ok(out)
    }
}

/// Returns the end of the column before `c`, 0 for the first.
fn end_before(ends: &[u32], c: usize) -> u32 {
    c.checked_sub(1).map_or(0, |c| ends[c])
}

/// Resizes `to` to `n` values, whose contents do not matter.
fn refill<T: Bytes>(to: &mut Vec<T>, n: usize) -> Result<()> {
    memory::reserve(to, n.saturating_sub(to.len()), COLUMNS)?;
    to.resize(n, T::default());
    Ok(())
}
