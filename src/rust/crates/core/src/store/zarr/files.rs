//! The objects of a store by their keys, wherever they are: metadata are read whole, chunks in
//! ranges.

use crate::error::Result;
use crate::location::Location;
use crate::store::backend::FileState;
use crate::store::traffic::Traffic;
use std::fmt::Debug;

/// The objects of a store. Keys are names joined by "/"; no name is empty, "." or "..".
pub(super) trait Files: Send + Sync + Debug {
    /// Returns the location of the store.
    fn location(&self) -> &Location;

    /// Reads a small object as a whole; `None` when it does not exist.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io); [`Error::External`](crate::Error::External) for an object
    /// outside of the store.
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Returns the names of the folders in a folder, sorted; empty when the folder does not exist.
    ///
    /// # Errors
    /// The errors of [`Files::read`].
    fn folders(&self, key: &str) -> Result<Vec<String>>;

    /// Returns the objects below a folder: keys relative to the folder, of at most `depth` names,
    /// with sizes in bytes.
    ///
    /// # Errors
    /// The errors of [`Files::read`].
    fn objects(&self, key: &str, depth: usize) -> Result<Vec<(String, u64)>>;

    /// Opens an object for reading in ranges; `None` when it does not exist.
    ///
    /// # Errors
    /// The errors of [`Files::read`].
    fn open(&self, key: &str) -> Result<Option<Box<dyn Ranges>>>;

    /// Returns whether the store is remote: each request takes long, so many are sent at once.
    fn is_far(&self) -> bool {
        false
    }

    /// Returns whether [`Files::objects`] can list the objects.
    fn lists(&self) -> bool {
        true
    }

    /// Opens an object whose last bytes are read first.
    ///
    /// # Errors
    /// The errors of [`Files::read`].
    fn open_end(&self, key: &str, bytes: u64) -> Result<Option<Box<dyn Ranges>>> {
        let _ = bytes;
        self.open(key)
    }

    /// Returns the bytes of all objects; 0 where they cannot be listed.
    fn bytes(&self) -> u64;

    /// Returns a mark of the present state, which changes when the store is replaced.
    ///
    /// # Errors
    /// Errors of the request, for a remote store.
    fn state(&self) -> Result<Option<FileState>>;

    /// Returns the requests and bytes so far; `None` for a local store.
    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

/// An open object.
pub(super) trait Ranges: Send + Sync + Debug {
    /// Returns the length in bytes.
    fn len(&self) -> u64;

    /// Returns the bytes of the object that are in memory.
    fn held(&self) -> u64 {
        0
    }

    /// Fills `out` from byte `at` on.
    ///
    /// # Errors
    /// When there are fewer bytes, or the system refuses.
    fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()>;
}

/// Returns the key of `name` in the folder `folder`.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Returns whether a name of a path stays within the store.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['\\', '\0'])
}
