//! Files that a file names: by external links, in external storage, as sources of virtual datasets.
//! A file from elsewhere must not show what else lies on the machine, so no such file is opened
//! unless the user allows it.
//!
//! [`Node`](super::Node) follows links, and asks [`Family::allows`]. Files that the library opens
//! by itself come to the [driver](super::driver), which asks [`Family::second`]. External storage,
//! which the library opens without a driver, is checked when a dataset is opened.

use super::bytes::{Bytes, Plain};
use super::External;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The policy for a file and for those opened because it names them.
pub(super) struct Family {
    number: u64,
    policy: External,
    /// The folder of the file that was opened first.
    folder: PathBuf,
    /// The bytes of a file about to be opened, on their way to the driver.
    handed: Mutex<Option<Arc<dyn Bytes>>>,
}

static FAMILIES: Mutex<Option<HashMap<u64, Weak<Family>>>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(all) = lock(&FAMILIES).as_mut() {
            all.remove(&self.number);
        }
    }
}

impl Family {
    /// Makes the family of the file at `path`, which must be absolute, and registers it under a new
    /// number.
    pub(super) fn new(path: &Path, policy: External) -> Arc<Family> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let family = Arc::new(Family { number, policy, folder, handed: Mutex::default() });
        lock(&FAMILIES).get_or_insert_default().insert(number, Arc::downgrade(&family));
        family
    }

    /// Returns the number under which the family is registered.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Finds a family that is still in use by its number.
    pub(super) fn of_number(number: u64) -> Option<Arc<Family>> {
        lock(&FAMILIES).as_ref()?.get(&number)?.upgrade()
    }

    /// Returns the policy on other files.
    pub(super) fn policy(&self) -> External {
        self.policy
    }

    /// Sets the bytes that [`Family::handed_over`] returns; `None` removes them.
    pub(super) fn hand_over(&self, bytes: Option<Arc<dyn Bytes>>) {
        *lock(&self.handed) = bytes;
    }

    /// Returns the bytes of the file that is being opened; `None` when the library opens a file by
    /// itself.
    pub(super) fn handed_over(&self) -> Option<Arc<dyn Bytes>> {
        lock(&self.handed).clone()
    }

    /// Checks that the file at `path` may be opened, and returns its path with symbolic links
    /// resolved.
    ///
    /// # Errors
    /// The end of a sentence about the path, such as "a file outside the folder '...'". The caller
    /// puts the name and "is" or "to" before it.
    pub(super) fn allows(&self, path: &Path) -> Result<PathBuf, String> {
        if self.policy == External::Refuse {
            return Err("another file, which is not opened unless asked for".to_owned());
        }
        let place = path.canonicalize().map_err(|e| format!("another file, which cannot be opened ({e})"))?;
        if self.policy == External::SameFolder && place.parent() != Some(&self.folder) {
            return Err(format!("a file outside the folder '{}'", self.folder.display()));
        }
        if place.is_file() {
            Ok(place)
        } else {
            Err("something that is no file".to_owned())
        }
    }

    /// Opens, for reading, a file that the library opens by itself because another file names it.
    /// `write` tells whether the library asked to write to it.
    ///
    /// # Errors
    /// A sentence that names the file: the policy does not allow it, `write` is set, or it cannot
    /// be opened.
    pub(super) fn second(&self, path: &Path, write: bool) -> Result<Arc<dyn Bytes>, String> {
        let place = self.allows(path).map_err(|reason| format!("'{}' is {reason}", path.display()))?;
        if write {
            return Err(format!("'{}' belongs to another file, and is not written to", place.display()));
        }
        let opened = File::open(&place).and_then(Plain::new);
        Ok(Arc::new(opened.map_err(|e| format!("'{}' cannot be opened: {e}", place.display()))?))
    }
}

/// Returns the path to which a name in the file at `from` leads. A relative name starts at the
/// folder of the file.
pub(super) fn target(from: &Path, name: &str) -> PathBuf {
    from.parent().unwrap_or(Path::new("/")).join(name)
}
