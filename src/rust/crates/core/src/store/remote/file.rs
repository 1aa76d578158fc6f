//! A remote object, in the state in which it was opened.

use super::blocks::{block, forget, keep, BLOCK};
use super::disk;
use super::fetch::fetch;
use super::place::{Mark, Part, Place};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::array::{Extent, Take};
use crate::store::backend::FileState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of the first request, which cover most of the metadata of small files.
const FIRST: u64 = 256 << 10;
/// Upper bound of the bytes that are prefetched for sequential reads.
const AHEAD: u64 = 4 << 20;
/// Upper bound of the bytes of a read that is taken for metadata, and kept in memory.
const LARGE: u64 = 1 << 20;

/// A remote object that is open.
#[derive(Debug)]
pub(in crate::store) struct FarFile {
    place: Arc<Place>,
    /// Key of the object in the place; "" for the place itself.
    key: String,
    mark: Mark,
    /// Number of the object among all that this process opened.
    number: u64,
    /// The block at which the last read ended, and the number of blocks it read.
    last: Mutex<(u64, u64)>,
    /// The last bytes of the object, if it was opened by a request for them.
    end: Vec<u8>,
}

impl Drop for FarFile {
    fn drop(&mut self) {
        forget(self.number);
    }
}

impl FarFile {
    /// Opens an object by a request for its start; `None` when it does not exist.
    ///
    /// # Errors
    /// The errors of [`Place::get`].
    pub(in crate::store) fn open(place: &Arc<Place>, key: &str) -> Result<Option<FarFile>> {
        Self::look(place, key, &Part::Range(0..FIRST))
    }

    /// Opens an object by a request for its last bytes; `None` when it does not exist.
    ///
    /// # Errors
    /// The errors of [`Place::get`].
    pub(in crate::store) fn open_end(place: &Arc<Place>, key: &str, bytes: u64) -> Result<Option<FarFile>> {
        Self::look(place, key, &Part::End(bytes))
    }

    fn look(place: &Arc<Place>, key: &str, part: &Part) -> Result<Option<FarFile>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let Some(got) = place.get(key, part)? else { return Ok(None) };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (place, key, last) = (place.clone(), key.to_owned(), Mutex::default());
        let mut file = FarFile { place, key, mark: got.mark, number, last, end: Vec::new() };
        file.keep(got.at, &got.bytes)?;
        if matches!(part, Part::End(_)) && got.at + got.bytes.len() as u64 == file.len() {
            file.end = got.bytes;
        }
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
    /// The errors of [`FarFile::ask`].
    pub(in crate::store) fn part(&self, at: u64, size: u64) -> Result<Vec<u8>> {
        let of_end = at.checked_sub(self.len() - self.end.len() as u64).and_then(|from| {
            let from = usize::try_from(from).ok()?;
            self.end.get(from..from.checked_add(usize::try_from(size).ok()?)?)
        });
        if let Some(bytes) = of_end {
            return memory::copied(bytes, "a part of a file");
        }
        // Blocks that were read along with an earlier part are in memory already.
        if size <= LARGE && at.checked_add(size).is_some_and(|end| end <= self.len()) {
            let numbers = at / BLOCK..(at + size).div_ceil(BLOCK);
            if numbers.clone().all(|number| block(self.number, number).is_some()) {
                let mut bytes = memory::zeros::<u8>(size as usize, "a part of a file")?;
                self.read(at, &mut bytes)?;
                return Ok(bytes);
            }
        }
        disk::through(&self.place, &self.key, &self.mark, at, size, &|at, size| self.ask(at, size))
    }

    /// Fills `out` from `at` on, through the blocks that are kept in memory. Large reads bypass
    /// them.
    ///
    /// # Errors
    /// The errors of [`FarFile::part`].
    pub(in crate::store) fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        let size = out.len() as u64;
        let end = at.checked_add(size).filter(|&end| end <= self.len()).ok_or_else(|| self.ends_before(at, size))?;
        if size > LARGE {
            let pieces: Vec<Extent> = (at..end)
                .step_by(AHEAD as usize)
                .map(|at| Extent { object: 0, at, size: AHEAD.min(end - at), mask: 0 })
                .collect();
            return self.fetch(&pieces, &mut |i, bytes| {
                let from = (pieces[i].at - at) as usize;
                if let (Some(to), Some(bytes)) = (out.get_mut(from..from + pieces[i].size as usize), bytes) {
                    to.copy_from_slice(bytes);
                }
                Ok(())
            });
        }
        let mut number = at / BLOCK;
        while number * BLOCK < end {
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

    /// Reads the block `number` and those around it up to `end`: more and more of them while
    /// somebody reads on nearby, in either direction.
    fn blocks_from(&self, number: u64, end: u64) -> Result<Arc<Vec<u8>>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, size) = *last;
        let is_near = size > 0 && number.abs_diff(before) <= 2 * size;
        let size = if is_near { (2 * size).min(AHEAD / BLOCK) } else { 1 };
        *last = (number, size);
        drop(last);
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
    /// The errors of [`FarFile::part`] and of `take`.
    pub(in crate::store) fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()> {
        fetch(extents, |run| self.part(run.at, run.size).map(Some), take)
    }
}
