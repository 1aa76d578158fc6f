//! Packed entries of one state of a matrix: their places, and the checks that they are unchanged.

use super::coder::{self, Packable, Place};
use super::Trouble;
use crate::error::{Error, Result};
use crate::matrix::disk::Scratch;
use crate::memory;
use crate::session::{Space, Yields};
use crate::store::positioned::read_exact;
use std::cell::RefCell;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

/// Entries that are packed together at most, so that their bytes stay in the second-level cache.
pub(super) const ENTRIES: u64 = 1 << 16;
/// Bytes to a multiple of which pieces are padded: whole pages are written in half the time.
const PAGE: usize = 4096;

const PACKED: &str = "packed rows";

/// The entries of the vectors of a compressed matrix by their positions, in pieces of at most
/// [`ENTRIES`]. Each piece is kept or missing; a missing one is read from the matrix's file. Only
/// the process that made them adds pieces; forked processes may read.
#[derive(Debug)]
pub(in crate::matrix) struct Packed {
    /// First entry of each piece, then the number of entries.
    starts: Vec<u64>,
    pieces: Vec<OnceLock<Piece>>,
    kept: AtomicUsize,
    bytes: AtomicU64,
    limit: u64,
    process: u32,
    /// `None` once the bytes were given up.
    file: RwLock<Option<Bytes>>,
    /// The reason why pieces are missing.
    trouble: OnceLock<Trouble>,
}

/// The file that has the bytes.
#[derive(Debug)]
enum Bytes {
    /// A scratch file of the session.
    Scratch(Scratch),
    /// A file that outlives the session, and its path.
    Kept(File, PathBuf),
}

/// The place and checksum of a piece.
#[derive(Debug)]
pub(super) struct Piece {
    at: u64,
    size: usize,
    checksum: u64,
    damaged: AtomicBool,
}

impl Piece {
    /// Makes the entry of a piece of `size` bytes at offset `at` of the file.
    pub(super) fn new(at: u64, size: usize, checksum: u64) -> Self {
        Piece { at, size, checksum, damaged: AtomicBool::new(false) }
    }
}

thread_local! {
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Returns a checksum against damage, of four interleaved streams, so that it takes no time beside
/// unpacking.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let (rows, rest) = bytes.as_chunks::<32>();
    let step = |h: u64, word: u64| (h ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let add = |sums: &mut [u64; 4], row: &[u8; 32]| {
        for (sum, word) in sums.iter_mut().zip(row.as_chunks::<8>().0) {
            *sum = step(*sum, u64::from_le_bytes(*word));
        }
    };
    let mut sums = [bytes.len() as u64, 1, 2, 3];
    rows.iter().for_each(|row| add(&mut sums, row));
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    add(&mut sums, &last);
    sums.into_iter().fold(0, step)
}

/// Grows a buffer to at least `n` bytes; only new bytes are initialised.
fn room(bytes: &mut Vec<u8>, n: usize) -> Result<()> {
    memory::lengthen(bytes, n, 0, PACKED)
}

/// Returns the position of the first entry of each piece, then the number of all entries. A piece
/// has at most [`ENTRIES`] entries. `cuts` are ascending positions, from the first entry to the
/// end, which no piece crosses.
pub(super) fn starts(cuts: &[u64]) -> Result<Vec<u64>> {
    let number = cuts.windows(2).map(|cut| (cut[1] - cut[0]).div_ceil(ENTRIES)).sum::<u64>() as usize;
    let mut starts = memory::room(number + 1, PACKED)?;
    for cut in cuts.windows(2) {
        starts.extend((cut[0]..cut[1]).step_by(ENTRIES as usize));
    }
    starts.extend(cuts.last());
    Ok(starts)
}

impl Packed {
    /// Makes packed rows of which all pieces are missing. `cuts` are the positions at which a pass
    /// over all entries begins to read a block, and the number of entries; no piece crosses one.
    /// Pieces may take `limit` bytes in all.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(in crate::matrix) fn new(cuts: &[u64], limit: u64, space: &Space) -> Result<Self> {
        let starts = starts(cuts)?;
        let pieces = memory::collected((1..starts.len()).map(|_| OnceLock::new()), PACKED)?;
        let (file, trouble) = match Scratch::yielding(space) {
            Ok(file) => (Some(Bytes::Scratch(file)), OnceLock::new()),
            Err(e) => (None, Trouble::Scratch(e.to_string()).into()),
        };
        Ok(Packed {
            starts,
            pieces,
            kept: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            limit,
            process: std::process::id(),
            file: RwLock::new(file),
            trouble,
        })
    }

    /// Makes packed rows whose pieces are all in a file that outlives the session.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(super) fn from_file(
        starts: Vec<u64>,
        pieces: impl ExactSizeIterator<Item = Piece>,
        file: File,
        path: &Path,
    ) -> Result<Self> {
        let pieces: Vec<_> = memory::collected(pieces.map(OnceLock::from), PACKED)?;
        let bytes = pieces.iter().filter_map(OnceLock::get).map(|piece| piece.size as u64).sum();
        Ok(Packed {
            starts,
            kept: AtomicUsize::new(pieces.len()),
            pieces,
            bytes: AtomicU64::new(bytes),
            limit: 0,
            process: std::process::id(),
            file: RwLock::new(Some(Bytes::Kept(file, path.to_owned()))),
            trouble: OnceLock::new(),
        })
    }

    /// Returns the path of the file if it outlives the session; `None` for a scratch file.
    pub(in crate::matrix) fn path(&self) -> Option<PathBuf> {
        match self.file.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(Bytes::Kept(_, path)) => Some(path.clone()),
            _ => None,
        }
    }

    /// Returns the number of pieces that are kept, and the number of all pieces.
    pub(in crate::matrix) fn pieces(&self) -> (usize, usize) {
        (self.kept.load(Ordering::Relaxed), self.pieces.len())
    }

    /// Returns the bytes of the pieces that are kept.
    pub(in crate::matrix) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the reason why pieces are missing.
    pub(in crate::matrix) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.get()
    }

    /// Records the first reason why pieces are missing.
    fn set_trouble(&self, trouble: Trouble) {
        let _ = self.trouble.set(trouble);
    }

    /// Returns whether an entry is in a piece that is kept and undamaged.
    pub(in crate::matrix) fn holds(&self, entry: u64) -> bool {
        self.is_kept(self.piece_of(entry))
    }

    /// Returns the piece that holds an entry.
    fn piece_of(&self, entry: u64) -> usize {
        self.starts.partition_point(|&start| start <= entry).saturating_sub(1)
    }

    /// Returns whether a piece is kept and undamaged.
    fn is_kept(&self, piece: usize) -> bool {
        let found = self.pieces.get(piece).and_then(OnceLock::get);
        found.is_some_and(|piece| !piece.damaged.load(Ordering::Relaxed))
    }

    /// Packs and keeps the missing pieces within `range`, whose columns and values are given in the
    /// order of the matrix.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] for a buffer. Without space for a piece, it stays missing; this is no
    /// error.
    fn fill<T: Packable>(&self, range: &Range<u64>, columns: &[u32], values: &[T], bytes: &mut Vec<u8>) -> Result<()> {
        if self.trouble.get().is_some() || self.process != std::process::id() {
            return Ok(());
        }
        let mut piece = self.starts.partition_point(|&start| start < range.start);
        while let Some(&[start, end]) = self.starts.get(piece..piece + 2) {
            if end > range.end {
                break;
            }
            if self.pieces[piece].get().is_none() {
                let part = (start - range.start) as usize..(end - range.start) as usize;
                let (Some(columns), Some(values)) = (columns.get(part.clone()), values.get(part)) else {
                    return Err(Error::Internal("fewer entries than were read".to_owned()));
                };
                if !self.keep(piece, columns, values, bytes)? {
                    break;
                }
            }
            piece += 1;
        }
        Ok(())
    }

    /// Packs a piece and keeps it. Returns whether there was space.
    fn keep<T: Packable>(&self, number: usize, columns: &[u32], values: &[T], bytes: &mut Vec<u8>) -> Result<bool> {
        room(bytes, coder::most_bytes::<T>(values.len()) + PAGE)?;
        let used = coder::pack(columns, values, bytes);
        let size = used.next_multiple_of(PAGE);
        bytes[used..size].fill(0);
        let bytes = &bytes[..size];
        if self.bytes.fetch_add(size as u64, Ordering::Relaxed) + size as u64 > self.limit {
            self.bytes.fetch_sub(size as u64, Ordering::Relaxed);
            self.set_trouble(Trouble::Limit(self.limit));
            return Ok(false);
        }
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Bytes::Scratch(file)) = file.as_ref() else { return Ok(false) };
        match file.append(bytes) {
            Ok(at) => {
                let piece = Piece::new(at, size, checksum(bytes));
                if self.pieces[number].set(piece).is_ok() {
                    self.kept.fetch_add(1, Ordering::Relaxed);
                }
                Ok(true)
            }
            Err(e) => {
                self.bytes.fetch_sub(size as u64, Ordering::Relaxed);
                self.set_trouble(Trouble::Scratch(e.to_string()));
                Ok(false)
            }
        }
    }

    /// Reads the bytes of a piece and returns their number; `None` where the piece is missing or
    /// damaged.
    fn read(&self, number: usize, bytes: &mut Vec<u8>) -> Result<Option<usize>> {
        let Some(piece) = self.pieces.get(number).and_then(OnceLock::get) else { return Ok(None) };
        if piece.damaged.load(Ordering::Relaxed) {
            return Ok(None);
        }
        room(bytes, piece.size)?;
        let bytes = &mut bytes[..piece.size];
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let read = match file.as_ref() {
            Some(Bytes::Scratch(file)) => file.read(piece.at, bytes).is_ok(),
            Some(Bytes::Kept(file, _)) => read_exact(file, bytes, piece.at).is_ok(),
            None => return Ok(None),
        };
        let whole = read && checksum(bytes) == piece.checksum;
        if !whole {
            self.lose(piece);
        }
        Ok(whole.then_some(piece.size))
    }

    /// Marks a piece as damaged.
    fn lose(&self, piece: &Piece) {
        self.set_trouble(Trouble::Damaged);
        if !piece.damaged.swap(true, Ordering::Relaxed) {
            self.kept.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Packed rows are dispensable: their bytes are given up for data that is not.
impl Yields for Packed {
    fn give_up(&self) {
        self.set_trouble(Trouble::GivenUp);
        let file = self.file.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(file);
        self.kept.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }
}

/// The way of one reader through packed entries. A piece is read once, however many runs of entries
/// are in it.
pub(in crate::matrix) struct Reader<'a> {
    packed: &'a Packed,
    /// The number of the piece in `bytes`, and its size.
    piece: Option<(usize, usize)>,
    place: Place,
    bytes: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(in crate::matrix) fn new(packed: &'a Packed) -> Self {
        Reader { packed, piece: None, place: Place::default(), bytes: BYTES.take() }
    }

    /// Packs and keeps entries that were read from the file.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] for a buffer. Without space for a piece, it stays missing; this is no
    /// error.
    pub(in crate::matrix) fn fill<T: Packable>(
        &mut self,
        range: &Range<u64>,
        columns: &[u32],
        values: &[T],
    ) -> Result<()> {
        self.piece = None;
        self.packed.fill(range, columns, values, &mut self.bytes)
    }

    /// Reads entries of `range` from its start on, as far as they are packed, and returns the
    /// position after the last one read.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(in crate::matrix) fn append<T: Packable>(
        &mut self,
        range: &Range<u64>,
        columns: &mut Vec<u32>,
        values: &mut Vec<T>,
    ) -> Result<u64> {
        let (mut at, mut number) = (range.start, self.packed.piece_of(range.start));
        while at < range.end {
            let size = match self.piece.take_if(|(at_hand, _)| *at_hand == number) {
                Some((_, size)) => size,
                None => {
                    let Some(size) = self.packed.read(number, &mut self.bytes)? else { break };
                    self.place = Place::default();
                    size
                }
            };
            let (start, end) = (self.packed.starts[number], self.packed.starts[number + 1]);
            let to = end.min(range.end);
            let (n, part) = ((end - start) as usize, ((at - start) as usize, (to - start) as usize));
            let before = (columns.len(), values.len());
            if coder::unpack(&self.bytes[..size], n, part, &mut self.place, columns, values).is_none() {
                if let Some(piece) = self.packed.pieces[number].get() {
                    self.packed.lose(piece);
                }
                columns.truncate(before.0);
                values.truncate(before.1);
                break;
            }
            self.piece = Some((number, size));
            (at, number) = (to, number + 1);
        }
        Ok(at)
    }

    /// Returns the position of the next packed entry after the start of `range`, which is not
    /// packed, or the end of `range`.
    pub(in crate::matrix) fn missing(&self, range: &Range<u64>) -> u64 {
        let mut number = self.packed.piece_of(range.start) + 1;
        while number < self.packed.pieces.len()
            && self.packed.starts[number] < range.end
            && !self.packed.is_kept(number)
        {
            number += 1;
        }
        self.packed.starts[number].min(range.end)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        BYTES.replace(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks pieces at positions that need more than 32 bits.
    #[test]
    fn positions_have_64_bits() {
        let space = Space::default();
        let far = 1_u64 << 33;
        let packed = Packed::new(&[0, 5, far, far, far + 100_000], 1 << 20, &space).unwrap();
        let columns: Vec<u32> = (0..100_000).map(|i| i % 900 * 7).collect();
        let values: Vec<f32> = columns.iter().map(|&c| (c % 11) as f32).collect();
        let range = far..far + 100_000;
        Reader::new(&packed).fill(&range, &columns, &values).unwrap();
        assert_eq!(packed.pieces(), (2, 1 + (far - 5).div_ceil(ENTRIES) as usize + 2));
        for part in [0..100_000, 65_535..65_537, 70_000..99_999, 3..4] {
            let (mut c, mut v) = (Vec::new(), Vec::<f32>::new());
            let wanted = far + part.start as u64..far + part.end as u64;
            assert_eq!(Reader::new(&packed).append(&wanted, &mut c, &mut v).unwrap(), wanted.end);
            assert!(c == columns[part.clone()] && v == values[part]);
        }
        // Entries before them are not there.
        let (mut c, mut v) = (Vec::new(), Vec::<f32>::new());
        let mut reader = Reader::new(&packed);
        assert_eq!(reader.append(&(2..far + 5), &mut c, &mut v).unwrap(), 2);
        assert_eq!((reader.missing(&(2..far + 5)), reader.missing(&(2..9)), c.len()), (far, 9, 0));
        assert_eq!(space.used(), packed.bytes());
        packed.give_up();
        assert_eq!((space.used(), packed.pieces().0), (0, 0));
        assert_eq!(Reader::new(&packed).append(&range, &mut c, &mut v).unwrap(), far);
    }

    #[test]
    fn a_checksum_sees_every_byte() {
        let bytes: Vec<u8> = (0..1000).map(|i| (i * 7) as u8).collect();
        let whole = checksum(&bytes);
        for i in 0..bytes.len() {
            let mut other = bytes.clone();
            other[i] ^= 1;
            assert_ne!(checksum(&other), whole);
            assert_ne!(checksum(&bytes[..i]), whole);
        }
    }
}
