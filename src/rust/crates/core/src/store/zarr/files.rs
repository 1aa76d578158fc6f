//! The objects of a store by their keys, wherever they are: metadata read whole, chunks in ranges.

use crate::error::Result;
use crate::location::Location;
use crate::store::backend::State;
use crate::store::traffic::Traffic;
use std::fmt::Debug;

/// Where the objects of a store are. Keys are names joined by "/", none of them empty, "." or "..".
pub(super) trait Files: Send + Sync + Debug {
    /// The place of the store.
    fn location(&self) -> &Location;

    /// The bytes of a small object; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), [`Error::External`](crate::Error::External) for one outside of the store.
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Names of the folders in one, in their order; empty when there is none.
    ///
    /// # Errors
    /// As [`Files::read`].
    fn folders(&self, key: &str) -> Result<Vec<String>>;

    /// Keys below a folder, from there, at most `depth` names long, with their sizes in bytes.
    ///
    /// # Errors
    /// As [`Files::read`].
    fn objects(&self, key: &str, depth: usize) -> Result<Vec<(String, u64)>>;

    /// An object, to be read in ranges; `None` when there is none.
    ///
    /// # Errors
    /// As [`Files::read`].
    fn open(&self, key: &str) -> Result<Option<Box<dyn Ranges>>>;

    /// Whether they are far away: an answer takes long, and many are asked for at once.
    fn is_far(&self) -> bool {
        false
    }

    /// Whether [`Files::objects`] says which there are.
    fn lists(&self) -> bool {
        true
    }

    /// [`Files::open`] for an object of which the last bytes are read first.
    ///
    /// # Errors
    /// As [`Files::read`].
    fn open_end(&self, key: &str, bytes: u64) -> Result<Option<Box<dyn Ranges>>> {
        let _ = bytes;
        self.open(key)
    }

    /// Bytes of all objects.
    fn bytes(&self) -> u64;

    /// A mark of the present state, which changes when the store is replaced.
    ///
    /// # Errors
    /// Errors of asking for it where it is far away.
    fn state(&self) -> Result<Option<State>>;

    /// What it took so far; `None` on this machine.
    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

/// An open object.
pub(super) trait Ranges: Send + Sync + Debug {
    /// Bytes.
    fn len(&self) -> u64;

    /// Bytes of it that are in memory.
    fn held(&self) -> u64 {
        0
    }

    /// Fills `out` from byte `at` on.
    ///
    /// # Errors
    /// When there are not as many, or the system refuses.
    fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()>;
}

/// The key of `name` in the folder `folder`.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Whether names of a path stay within the store.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['\\', '\0'])
}
