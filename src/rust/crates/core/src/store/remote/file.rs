//! A remote object, in the state in which it was opened.

use super::blocks::{block, forget, keep, BLOCK};
use super::disk;
use super::fetch::fetch;
use super::place::{Mark, Part, Place};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::array::{Extent, Take, TakePiece};
use crate::store::backend::FileState;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the first request, which cover most of the metadata of small files.
const FIRST: u64 = 256 << 10;
/// Upper bound of the bytes that are prefetched for sequential reads.
const AHEAD: u64 = 4 << 20;
/// Upper bound of the blocks that may be fetched along with others and not be used; of a small file
/// fewer, a 64th of it.
const UNUSED: u64 = 16;
/// Upper bound of the bytes of a read that is taken for metadata, and kept in memory.
const LARGE: u64 = 1 << 20;

/// A remote object that is open.
#[derive(Debug)]
pub(in crate::store) struct RemoteFile {
    place: Arc<Place>,
    /// Key of the object in the place; "" for the place itself.
    key: String,
    mark: Mark,
    /// Number of the object among all that this process opened.
    number: u64,
    reads: Mutex<Reads>,
}

/// The reads of metadata so far.
#[derive(Debug, Default)]
struct Reads {
    /// The blocks that were used.
    used: HashSet<u64>,
    /// The number of blocks that were fetched.
    fetched: u64,
}

impl Reads {
    /// Returns the number of blocks to fetch for one that is missing in a file of `len` bytes: more
    /// when those that came along with earlier ones were used. About half of all blocks are used,
    /// beyond a few at the start.
    fn next(&self, len: u64) -> u64 {
        let used = self.used.len() as u64;
        let unused = self.fetched.saturating_sub(used);
        let may_be = (len / 64 / BLOCK).clamp(1, UNUSED);
        (used + may_be).saturating_sub(unused).clamp(1, AHEAD / BLOCK)
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        forget(self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RemoteFile {
    /// Opens an object by a request for its start; `None` when it does not exist.
    ///
    /// # Errors
    /// The errors of [`Place::get`].
    pub(in crate::store) fn open(place: &Arc<Place>, key: &str) -> Result<Option<RemoteFile>> {
        Self::look(place, key, &Part::Range(0..FIRST))
    }

    /// Opens an object by a request for its last bytes, which are kept in memory if they are few;
    /// `None` when it does not exist.
    ///
    /// # Errors
    /// The errors of [`Place::get`].
    pub(in crate::store) fn open_end(place: &Arc<Place>, key: &str, bytes: u64) -> Result<Option<RemoteFile>> {
        // The block in which the last bytes begin is kept as a whole.
        Self::look(place, key, &Part::End(bytes.min(LARGE) + BLOCK))
    }

    fn look(place: &Arc<Place>, key: &str, part: &Part) -> Result<Option<RemoteFile>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let Some(got) = place.get(key, part)? else { return Ok(None) };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (place, key, reads) = (place.clone(), key.to_owned(), Mutex::default());
        let file = RemoteFile { place, key, mark: got.mark, number, reads };
        file.keep(got.at, &got.bytes)?;
        Ok(Some(file))
    }

    /// Returns the place of the object.
    pub(in crate::store) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// Returns the number of this object among all remote objects that this process opened.
    pub(in crate::store) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the length in bytes.
    pub(in crate::store) fn len(&self) -> u64 {
        self.mark.bytes
    }

    /// Returns whether the service marks the states of the object, so that a change is noticed.
    pub(in crate::store) fn is_marked(&self) -> bool {
        self.mark.etag.is_some() || self.mark.modified.is_some()
    }

    /// Returns the state in which the object was opened, which does not change.
    pub(in crate::store) fn state(&self) -> FileState {
        self.mark.state()
    }

    /// Keeps the whole blocks among `bytes`, which begin at `at`. The last block of the file may be
    /// shorter.
    fn keep(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let end = at + bytes.len() as u64;
        let mut number = at.div_ceil(BLOCK);
        loop {
            let (first, last) = (number * BLOCK, ((number + 1) * BLOCK).min(self.len()));
            if first >= last || last > end {
                return Ok(());
            }
            let part = memory::copied(&bytes[(first - at) as usize..(last - at) as usize], "metadata of a file")?;
            keep(self.number, number, &Arc::new(part));
            lock(&self.reads).fetched += 1;
            number += 1;
        }
    }

    /// Requests `size` bytes from `at` on, and checks that the object is in the state in which it
    /// was opened.
    ///
    /// # Errors
    /// [`Error::File`] when it has changed or is gone; the errors of [`Place::get`].
    fn ask(&self, at: u64, size: u64) -> Result<Vec<u8>> {
        let end = at.checked_add(size).filter(|&end| end <= self.len()).ok_or_else(|| self.ends_before(at, size))?;
        if size == 0 {
            return Ok(Vec::new());
        }
        let gone = || Error::File {
            path: self.place.name(&self.key),
            message: "is not there any more: it was removed while it was open".to_owned(),
        };
        let got = self.place.get(&self.key, &Part::Range(at..end))?.ok_or_else(gone)?;
        if got.mark != self.mark {
            return Err(self.place.changed(&self.key, &self.mark, &got.mark));
        }
        let mut bytes = got.bytes;
        // The server sent the whole object, which is little more than the part.
        if got.at < at && bytes.len() as u64 == self.len() {
            bytes.drain(..at as usize);
            bytes.truncate(size as usize);
        } else if got.at == at && bytes.len() as u64 > size && bytes.len() as u64 == self.len() {
            bytes.truncate(size as usize);
        } else if got.at != at || bytes.len() as u64 != size {
            let found =
                format!("gives bytes {} to {} where {at} to {end} are asked for", got.at, got.at + bytes.len() as u64);
            return Err(Error::File { path: self.place.name(&self.key), message: format!("{found}; try again") });
        }
        Ok(bytes)
    }

    fn ends_before(&self, at: u64, size: u64) -> Error {
        Error::File {
            path: self.place.name(&self.key),
            message: format!("ends before byte {}: it is truncated or damaged; restore it", at.saturating_add(size)),
        }
    }

    /// Returns `size` bytes from `at` on, from the cache on this machine if they are there.
    ///
    /// # Errors
    /// The errors of [`RemoteFile::ask`].
    pub(in crate::store) fn part(&self, at: u64, size: u64) -> Result<Vec<u8>> {
        // Blocks that were read along with an earlier part are in memory already.
        if size <= LARGE && at.checked_add(size).is_some_and(|end| end <= self.len()) {
            let numbers = at / BLOCK..(at + size).div_ceil(BLOCK);
            if numbers.clone().all(|number| block(self.number, number).is_some()) {
                let mut bytes = memory::zeros::<u8>(size as usize, "a part of a file")?;
                self.read(at, &mut bytes)?;
                return Ok(bytes);
            }
        }
        disk::read_through(&self.place, &self.key, &self.mark, at, size, &|at, size| self.ask(at, size))
    }

    /// Fills `out` from `at` on, through the blocks that are kept in memory. Large reads bypass
    /// them.
    ///
    /// # Errors
    /// The errors of [`RemoteFile::part`].
    pub(in crate::store) fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        let size = out.len() as u64;
        let end = at.checked_add(size).filter(|&end| end <= self.len()).ok_or_else(|| self.ends_before(at, size))?;
        if size > LARGE {
            let pieces: Vec<Extent> = (at..end)
                .step_by(AHEAD as usize)
                .map(|at| Extent { object: 0, at, size: AHEAD.min(end - at), mask: 0 })
                .collect();
            return self.fetch_pieces(&pieces, &mut |i, bytes| {
                let from = (pieces[i].at - at) as usize;
                if let (Some(to), Some(bytes)) = (out.get_mut(from..from + pieces[i].size as usize), bytes) {
                    to.copy_from_slice(&bytes);
                }
                Ok(())
            });
        }
        let mut number = at / BLOCK;
        while number * BLOCK < end {
            lock(&self.reads).used.insert(number);
            let bytes = match block(self.number, number) {
                Some(bytes) => bytes,
                None => self.blocks_from(number, end.div_ceil(BLOCK))?,
            };
            let first = number * BLOCK;
            let (from, to) = (at.max(first), end.min(first + BLOCK));
            let part = bytes.get((from - first) as usize..(to - first) as usize);
            let part = part.ok_or_else(|| self.ends_before(at, size))?;
            out[(from - at) as usize..(to - at) as usize].copy_from_slice(part);
            number += 1;
        }
        Ok(())
    }

    /// Reads the block `number` and those around it, in either direction, at least up to `end`.
    fn blocks_from(&self, number: u64, end: u64) -> Result<Arc<Vec<u8>>> {
        let size = lock(&self.reads).next(self.len());
        let there = |number: &u64| block(self.number, *number).is_some();
        let all = self.len().div_ceil(BLOCK);
        let last = end.max(number - number % size + size).min(all);
        let last = (number + 1..last).find(there).unwrap_or(last);
        let first = number - number % size;
        let first = (first..number).rev().find(there).map_or(first, |known| known + 1);
        let at = first * BLOCK;
        let bytes = self.part(at, (last * BLOCK).min(self.len()) - at)?;
        self.keep(at, &bytes)?;
        let from = (number - first) * BLOCK;
        let wanted = bytes.get(from as usize..bytes.len().min((from + BLOCK) as usize)).unwrap_or_default();
        Ok(Arc::new(memory::copied(wanted, "metadata of a file")?))
    }

    /// Reads many parts at once and hands each to `take`.
    ///
    /// # Errors
    /// The errors of [`RemoteFile::part`] and of `take`.
    pub(in crate::store) fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()> {
        self.fetch_pieces(extents, &mut |i, piece| take(i, piece.as_deref()))
    }

    /// Reads many parts at once and gives each to `take`.
    ///
    /// # Errors
    /// The errors of [`RemoteFile::part`] and of `take`.
    pub(in crate::store) fn fetch_pieces(&self, extents: &[Extent], take: &mut TakePiece<'_>) -> Result<()> {
        fetch(extents, |run| self.part(run.at, run.size).map(Some), take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_comes_along_where_it_was_used() {
        let gigabyte = 1 << 30;
        let mut reads = Reads { used: HashSet::new(), fetched: 4 };
        assert_eq!((reads.next(gigabyte), reads.next(1 << 20)), (12, 1));
        reads.used.extend(0..40);
        assert_eq!(reads.next(gigabyte), 56);
        // Blocks that nobody wanted bring it back to one.
        reads.fetched = 200;
        assert_eq!(reads.next(gigabyte), 1);
    }
}
