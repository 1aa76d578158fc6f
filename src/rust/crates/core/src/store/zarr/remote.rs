//! A remote store: every object is an object of a bucket or host, by its key below that of the
//! store.

use super::files::{Files, Ranges};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::backend::FileState;
use crate::store::remote::{Part, Place, RemoteFile};
use crate::store::traffic::Traffic;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The metadata objects that identify a store, in the order in which they are tried.
const MARKS: [&str; 3] = ["zarr.json", ".zmetadata", ".zgroup"];

/// A place with a store in it.
#[derive(Debug)]
pub(super) struct Remote {
    place: Arc<Place>,
    /// The object whose state is taken for that of the store.
    mark: &'static str,
    /// Objects that were read to find the mark, each to be taken once.
    read: Mutex<HashMap<&'static str, Option<Vec<u8>>>>,
    looks: Mutex<Looks>,
    looked: Condvar,
}

/// Requests for the state of the store, which threads that want one at the same time share.
#[derive(Debug, Default)]
struct Looks {
    started: u64,
    ended: u64,
    running: bool,
    found: Option<Result<Option<FileState>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Remote {
    /// Opens the store at a place; `None` when there is none.
    ///
    /// # Errors
    /// Errors of the requests for its metadata.
    pub(super) fn open(place: &Arc<Place>) -> Result<Option<Remote>> {
        let mut read = HashMap::new();
        for mark in MARKS {
            let got = place.get(mark, &Part::All)?;
            let state = got.as_ref().map(|got| got.mark.state());
            read.insert(mark, got.map(|got| got.bytes));
            if let Some(state) = state {
                // The first call of `state` gets this state.
                let looks = Looks { ended: 1, found: Some(Ok(Some(state))), ..Looks::default() };
                let (place, read, looks) = (place.clone(), Mutex::new(read), Mutex::new(looks));
                return Ok(Some(Remote { place, mark, read, looks, looked: Condvar::new() }));
            }
        }
        Ok(None)
    }
}

impl Files for Remote {
    fn location(&self) -> &Location {
        self.place.location()
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        if let Some(known) = lock(&self.read).remove(key) {
            return Ok(known);
        }
        Ok(self.place.get(key, &Part::All)?.map(|got| got.bytes))
    }

    fn folders(&self, key: &str) -> Result<Vec<String>> {
        let mut names = self.place.folders(key)?;
        names.sort_unstable();
        Ok(names)
    }

    fn objects(&self, key: &str, _: usize) -> Result<Vec<(String, u64)>> {
        // An empty list would be taken for an array of which no chunk was written.
        Err(Error::Internal(format!("the objects of '{key}' in '{}' cannot be listed", self.location())))
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn Ranges>>> {
        Ok(RemoteFile::open(&self.place, key)?.map(|file| Box::new(RemoteRanges(Arc::new(file))) as Box<dyn Ranges>))
    }

    fn open_end(&self, key: &str, bytes: u64) -> Result<Option<Box<dyn Ranges>>> {
        let found = RemoteFile::open_end(&self.place, key, bytes)?;
        Ok(found.map(|file| Box::new(RemoteRanges(Arc::new(file))) as Box<dyn Ranges>))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn lists(&self) -> bool {
        false
    }

    fn bytes(&self) -> u64 {
        0
    }

    /// Returns a state that was requested after this call began, perhaps by another thread.
    fn state(&self) -> Result<Option<FileState>> {
        let mut looks = lock(&self.looks);
        let needed = looks.started + 1;
        loop {
            if let Some(found) = looks.found.clone().filter(|_| looks.ended >= needed) {
                looks.started = looks.started.max(looks.ended);
                return found;
            }
            if looks.running {
                looks = self.looked.wait(looks).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            looks.running = true;
            looks.started = looks.started.max(looks.ended) + 1;
            let number = looks.started;
            drop(looks);
            let found = self.place.mark(self.mark).map(|mark| mark.map(|mark| mark.state()));
            looks = lock(&self.looks);
            looks.running = false;
            looks.ended = number;
            looks.found = Some(found);
            self.looked.notify_all();
        }
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.place.traffic())
    }
}

/// A remote object, read in ranges.
#[derive(Debug)]
pub(super) struct RemoteRanges(pub(super) Arc<RemoteFile>);

/// Upper bound of the bytes of a read that is taken for metadata, whose neighbourhood is wanted
/// too.
const SMALL: usize = 4 << 10;

impl Ranges for RemoteRanges {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn is_sure(&self) -> bool {
        self.0.is_marked()
    }

    fn part(&self, at: u64, size: u64) -> std::io::Result<Vec<u8>> {
        self.0.part(at, size).map_err(std::io::Error::other)
    }

    fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        if out.len() <= SMALL {
            return self.0.read(at, out).map_err(std::io::Error::other);
        }
        let bytes = self.0.part(at, out.len() as u64).map_err(std::io::Error::other)?;
        out.copy_from_slice(&bytes);
        Ok(())
    }
}

/// Returns the crate's own error that an error of the system wraps, if it does.
pub(super) fn of_remote(error: &std::io::Error) -> Option<Error> {
    error.get_ref()?.downcast_ref::<Error>().cloned()
}
