//! The room on disk for what does not fit into memory.

use super::caches::Caches;
use super::machine;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Part of a disk that is left to others where no limit is set, and the most of it in bytes.
const RESERVE: (u64, u64) = (32, 256 << 20);

/// Bytes in scratch files that can be done without.
pub(crate) trait Yields: Send + Sync + std::fmt::Debug {
    /// Gives them back.
    fn give_up(&self);
}

/// A folder for files without a name, gone with their handles, the bytes in them, and how many there may be.
#[derive(Debug, Clone, Default)]
pub struct Space {
    /// `None` for the system's folder of temporary files.
    folder: Option<PathBuf>,
    /// Bytes of all files of a session.
    used: Arc<AtomicU64>,
    /// `None` for the room on the disk less a reserve.
    limit: Option<u64>,
    /// Bytes in use that are given up where others need them.
    yielding: Arc<Mutex<Vec<Weak<dyn Yields>>>>,
}

impl Space {
    /// The same space, with at most so many bytes in use; `None` for the room on the disk less a reserve.
    #[must_use]
    pub fn limited(&self, limit: Option<u64>) -> Self {
        Space { limit, ..self.clone() }
    }

    /// The same space in another folder: bytes there count as here.
    #[must_use]
    pub fn inside(&self, folder: &Path) -> Self {
        Space { folder: Some(folder.to_owned()), ..self.clone() }
    }

    /// The folder, for one more file.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that are free.
    pub(crate) fn free(&self) -> u64 {
        match self.limit {
            Some(limit) => limit.saturating_sub(self.used()),
            None => self.free_on_disk().unwrap_or(u64::MAX),
        }
    }

    /// Bytes that are free on the disk beside its reserve.
    fn free_on_disk(&self) -> Option<u64> {
        let (free, all) = machine::disk(&self.folder())?;
        Some(free.saturating_sub((all / RESERVE.0).min(RESERVE.1)))
    }

    /// Whether its files are in memory.
    pub(crate) fn is_in_memory(&self) -> bool {
        machine::is_in_memory(&self.folder())
    }

    /// Has bytes in use given up before others are refused.
    pub(crate) fn may_take_back<T: Yields + 'static>(&self, from: &Arc<T>) {
        let from: Weak<dyn Yields> = Arc::<T>::downgrade(from);
        let mut yielding = self.yielding.lock().unwrap_or_else(PoisonError::into_inner);
        yielding.retain(|known| known.strong_count() > 0);
        yielding.push(from);
    }

    /// Counts bytes that are going to be written; what can be done without makes room for them.
    ///
    /// # Errors
    /// [`Error::Scratch`] where there is no room for them.
    pub(crate) fn take(&self, bytes: u64) -> Result<()> {
        let refused = match self.take_free(bytes) {
            Err(refused @ Error::Scratch { .. }) => refused,
            done => return done,
        };
        let yielding = std::mem::take(&mut *self.yielding.lock().unwrap_or_else(PoisonError::into_inner));
        let given_up: Vec<_> = yielding.iter().filter_map(Weak::upgrade).collect();
        given_up.iter().for_each(|bytes| bytes.give_up());
        if given_up.is_empty() {
            Err(refused)
        } else {
            self.take_free(bytes)
        }
    }

    /// Counts bytes that are going to be written, where they are free.
    ///
    /// # Errors
    /// [`Error::Scratch`] where there is no room for them.
    pub(crate) fn take_free(&self, bytes: u64) -> Result<()> {
        let limit = self.limit.unwrap_or(u64::MAX);
        let more = |used: u64| used.checked_add(bytes).filter(|&used| used <= limit);
        let refused = |free| Error::Scratch { path: self.folder().into(), needed: bytes, free, limit: self.limit };
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map_err(|used| refused(limit.saturating_sub(used)))?;
        if self.limit.is_none() {
            if let Some(free) = self.free_on_disk() {
                if free < bytes {
                    self.give_back(bytes);
                    return Err(refused(free));
                }
            }
        }
        Ok(())
    }

    /// Counts bytes that are free again.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The room a pass over a stored matrix may take besides the blocks it has handed out.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// Bytes in memory.
    pub memory: usize,
    /// Place for what does not fit into them.
    pub scratch: Space,
    /// Packed rows.
    pub keeping: Keeping,
}

/// The packed rows that a pass finds and leaves.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    caches: Caches,
    limit: Option<u64>,
    memory: usize,
    fills: bool,
}

impl Keeping {
    pub(super) fn new(caches: Caches, limit: Option<u64>, memory: usize, fills: bool) -> Self {
        Keeping { caches, limit, memory, fills }
    }

    pub(crate) fn caches(&self) -> &Caches {
        &self.caches
    }

    /// Whether there are none.
    pub(crate) fn is_off(&self) -> bool {
        self.limit == Some(0)
    }

    /// Bytes that those of a matrix of `stored` bytes may take in `scratch`: without a limit as many as the matrix takes, a
    /// third of what is free at most, and a quarter of the memory of the session where scratch files are in memory.
    pub(crate) fn limit(&self, stored: u64, scratch: &Space) -> u64 {
        self.limit.unwrap_or_else(|| {
            let most = if scratch.is_in_memory() { self.memory as u64 / 4 } else { u64::MAX };
            stored.min(scratch.free() / 3).min(most)
        })
    }

    /// Whether the pass leaves them.
    pub(crate) fn fills(&self) -> bool {
        self.fills
    }
}

impl Allowance {
    /// An equal part of it for each of so many.
    #[must_use]
    pub(crate) fn among(&self, n: usize) -> Allowance {
        Allowance { memory: self.memory / n.max(1), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_past_the_limit_are_refused_by_folder_bytes_and_setting() {
        let all = Space::default();
        let space = all.inside(Path::new("/some/where")).limited(Some(100));
        space.take(70).unwrap();
        let error = space.take(40).unwrap_err();
        assert_eq!(error.class(), "io");
        let expected = "scratch files in '/some/where' need 40 bytes more, and 30 are free of the 100 they may take; \
                        raise the setting scratch_limit, or raise the setting memory so that more stays in memory";
        assert_eq!(error.to_string(), expected);
        // Every folder of a session counts, and bytes that are given back can be had again.
        assert_eq!(all.used(), 70);
        space.give_back(70);
        space.take(100).unwrap();
        assert_eq!(all.used(), 100);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn without_a_limit_the_disk_is_one() {
        let space = Space::default();
        space.take(1).unwrap();
        let error = space.take(1 << 60).unwrap_err().to_string();
        let (folder, free) = (space.folder(), "are free on the disk beside its reserve; ");
        assert!(error.starts_with(&format!("scratch files in '{}' need {} bytes more", folder.display(), 1u64 << 60)));
        assert!(error.contains(free) && error.contains("the setting scratch_limit"), "{error}");
        assert_eq!(space.used(), 1);
        // Who sets a limit has it, whatever the disk says.
        space.limited(Some(u64::MAX)).take(1 << 60).unwrap();
    }
}
