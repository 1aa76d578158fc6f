//! Scratch space: disk space for data that does not fit into memory.

use super::caches::Caches;
use super::machine;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The part of a disk (one in 32) that is reserved for others where no limit is set, and the most
/// that is reserved, in bytes.
const RESERVE: (u64, u64) = (32, 256 << 20);

/// Scratch data that is dispensable, such as a cache.
pub(crate) trait Yields: Send + Sync + std::fmt::Debug {
    /// Deletes the data and returns its bytes to the [`Space`].
    fn give_up(&self);
}

/// A folder for unnamed files, which are deleted with their handles; the bytes in them, and the
/// limit of those bytes.
#[derive(Debug, Clone, Default)]
pub struct Space {
    /// The folder; `None` for the system's folder of temporary files.
    folder: Option<PathBuf>,
    /// The bytes of all files of a session.
    used: Arc<AtomicU64>,
    /// The most bytes in use; `None` for the free space on the disk less a reserve.
    limit: Option<u64>,
    /// Dispensable data, deleted where others need its bytes.
    yielding: Arc<Mutex<Vec<Weak<dyn Yields>>>>,
}

impl Space {
    /// Returns the same space with at most `limit` bytes in use; `None` for the free space on the
    /// disk less a reserve.
    #[must_use]
    pub fn limited(&self, limit: Option<u64>) -> Self {
        Space { limit, ..self.clone() }
    }

    /// Returns the same space in another folder; its bytes count towards the same total.
    #[must_use]
    pub fn in_folder(&self, folder: &Path) -> Self {
        Space { folder: Some(folder.to_owned()), ..self.clone() }
    }

    /// Returns the folder for the next file.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// Returns the number of bytes in use.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Returns the number of free bytes.
    pub(crate) fn free(&self) -> u64 {
        match self.limit {
            Some(limit) => limit.saturating_sub(self.used()),
            None => self.free_on_disk().unwrap_or(u64::MAX),
        }
    }

    /// Returns the bytes that are free on the disk besides the reserve.
    fn free_on_disk(&self) -> Option<u64> {
        let (free, all) = machine::disk(&self.folder())?;
        Some(free.saturating_sub((all / RESERVE.0).min(RESERVE.1)))
    }

    /// Returns whether its files are in memory.
    pub(crate) fn is_in_memory(&self) -> bool {
        machine::is_in_memory(&self.folder())
    }

    /// Registers dispensable data, to be deleted before a request for bytes is refused.
    pub(crate) fn may_take_back<T: Yields + 'static>(&self, from: &Arc<T>) {
        let from: Weak<dyn Yields> = Arc::<T>::downgrade(from);
        let mut yielding = self.yielding.lock().unwrap_or_else(PoisonError::into_inner);
        yielding.retain(|known| known.strong_count() > 0);
        yielding.push(from);
    }

    /// Counts bytes that are about to be written; dispensable data is deleted where they do not
    /// fit.
    ///
    /// # Errors
    /// [`Error::Scratch`] where there is no space for them.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<()> {
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

    /// Counts bytes that are about to be written, and deletes nothing for them.
    ///
    /// # Errors
    /// [`Error::Scratch`] where there is no space for them.
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

/// The memory and disk space that a pass over a stored matrix may use. The blocks that it has
/// handed out do not count.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// Bytes in memory.
    pub memory: usize,
    /// Scratch space for data that does not fit into memory.
    pub scratch: Space,
    /// How the pass uses packed rows.
    pub keeping: Keeping,
}

/// The settings by which a pass uses packed rows: the caches that hold them, the bytes they may
/// take, and whether the pass adds to them. Packed rows are the entries of a
/// compressed matrix that a first pass decoded, kept in scratch files for later passes.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    caches: Caches,
    limit: Option<u64>,
    memory: usize,
    fills: bool,
}

impl Keeping {
    /// Makes the settings for packed rows in `caches`. `limit` bounds their bytes; 0 turns them
    /// off, and with `None` [`Keeping::limit`] chooses. `memory` is the working memory of the
    /// session, in bytes. `fills` tells whether the pass leaves packed rows for later ones.
    pub(super) fn new(caches: Caches, limit: Option<u64>, memory: usize, fills: bool) -> Self {
        Keeping { caches, limit, memory, fills }
    }

    /// Returns the caches that hold the packed rows.
    pub(crate) fn caches(&self) -> &Caches {
        &self.caches
    }

    /// Returns whether packed rows are turned off.
    pub(crate) fn is_off(&self) -> bool {
        self.limit == Some(0)
    }

    /// Returns the number of bytes that the packed rows of a matrix may take in `scratch`. `stored`
    /// is the size, in bytes, of the matrix in its file. The result is the limit that is set.
    /// Without one, it is the least of `stored`, a third of the free scratch space and, where
    /// scratch files are in memory, a quarter of the session's memory.
    pub(crate) fn limit(&self, stored: u64, scratch: &Space) -> u64 {
        self.limit.unwrap_or_else(|| {
            let most = if scratch.is_in_memory() { self.memory as u64 / 4 } else { u64::MAX };
            stored.min(scratch.free() / 3).min(most)
        })
    }

    /// Returns whether the pass leaves packed rows for later ones.
    pub(crate) fn fills(&self) -> bool {
        self.fills
    }
}

impl Allowance {
    /// Returns an allowance with an equal part of the memory for each of `n` users.
    #[must_use]
    pub(crate) fn divided(&self, n: usize) -> Allowance {
        Allowance { memory: self.memory / n.max(1), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_past_the_limit_are_refused_by_folder_bytes_and_setting() {
        let all = Space::default();
        let space = all.in_folder(Path::new("/some/where")).limited(Some(100));
        space.reserve(70).unwrap();
        let error = space.reserve(40).unwrap_err();
        assert_eq!(error.class(), "io");
        let expected = "scratch files in '/some/where' need 40 bytes more, and 30 are free of the 100 they may take; \
                        raise the setting scratch_limit, or raise the setting memory so that more stays in memory";
        assert_eq!(error.to_string(), expected);
        // The folders of a session share one total, and bytes that were given back can be taken
        // again.
        assert_eq!(all.used(), 70);
        space.give_back(70);
        space.reserve(100).unwrap();
        assert_eq!(all.used(), 100);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn without_a_limit_the_disk_is_one() {
        let space = Space::default();
        space.reserve(1).unwrap();
        let error = space.reserve(1 << 60).unwrap_err().to_string();
        let (folder, free) = (space.folder(), "are free on the disk beside its reserve; ");
        assert!(error.starts_with(&format!("scratch files in '{}' need {} bytes more", folder.display(), 1u64 << 60)));
        assert!(error.contains(free) && error.contains("the setting scratch_limit"), "{error}");
        assert_eq!(space.used(), 1);
        // A limit that is set holds, whatever is free on the disk.
        space.limited(Some(u64::MAX)).reserve(1 << 60).unwrap();
    }
}
