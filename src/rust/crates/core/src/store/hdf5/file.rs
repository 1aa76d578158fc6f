//! An open HDF5 file.

use super::bytes::{Bytes, Plain, Remote};
use super::driver;
use super::external::Family;
use super::heap::{self, Superblock};
use super::raw::RawFile;
use super::update::{lock_to_read, recover, Open};
use super::{probe, register, External};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::backend::Backend;
use crate::store::remote::RemoteFile;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// An HDF5 file open for reading. Nothing is written through it: a save has its own view of the
/// file.
pub(super) struct Hdf5File {
    path: PathBuf,
    location: Location,
    file: hdf5::File,
    /// The bytes through which the library reads the file.
    bytes: Arc<dyn Bytes>,
    /// The file itself, with a reader's lock on it; `None` for a file opened to be saved into, for
    /// a view and for a remote file.
    plain: Option<File>,
    update: Option<Open>,
    family: Arc<Family>,
    relatives: Arc<Relatives>,
    /// Files that were opened because this one names them.
    linked: Mutex<Vec<Arc<Hdf5File>>>,
    /// A handle for reading chunks, made when the first is read.
    raw: OnceLock<Arc<RawFile>>,
    superblock: OnceLock<Superblock>,
}

/// A file that was opened by the user, and the files that were opened because it names them.
#[derive(Default)]
struct Relatives {
    /// The file opened by the user, which keeps the others open.
    head: OnceLock<Weak<Hdf5File>>,
    files: Mutex<HashMap<PathBuf, Weak<Hdf5File>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hdf5File {
    /// Opens the file at `path`, which must be absolute, for reading, as the first of a family.
    pub(super) fn open_first(path: &Path, family: &Arc<Family>) -> Result<Arc<Hdf5File>> {
        Self::open_in(path, family, &Arc::default())
    }

    fn open_in(path: &Path, family: &Arc<Family>, relatives: &Arc<Relatives>) -> Result<Arc<Hdf5File>> {
        Self::prepare(path)?;
        let io = |e: std::io::Error| Error::io(path, "open", &e);
        let plain = File::open(path).map_err(io)?;
        if !lock_to_read(&plain).map_err(io)? {
            return Err(probe::locked(path));
        }
        Self::of_plain(path, plain, family, relatives)
    }

    /// Opens a file without a lock, for files that only this process uses.
    pub(super) fn open_unlocked(path: &Path) -> Result<Arc<Hdf5File>> {
        register::register();
        let plain = File::open(path).map_err(|e| Error::io(path, "open", &e))?;
        Self::of_plain(path, plain, &Family::new(path, External::Refuse), &Arc::default())
    }

    fn of_plain(path: &Path, plain: File, family: &Arc<Family>, relatives: &Arc<Relatives>) -> Result<Arc<Hdf5File>> {
        let io = |e: std::io::Error| Error::io(path, "open", &e);
        let bytes: Arc<dyn Bytes> = Arc::new(plain.try_clone().and_then(Plain::new).map_err(io)?);
        let file = driver::open(&bytes, family, path, false).map_err(|e| probe::refused(&path.into(), &e))?;
        Ok(Arc::new(Hdf5File {
            plain: Some(plain),
            relatives: relatives.clone(),
            ..Self::of_view(path, file, bytes, family)
        }))
    }

    /// Prepares to open the file at `path`: finishes an interrupted save, checks the signature, and
    /// registers the filters.
    pub(super) fn prepare(path: &Path) -> Result<()> {
        recover(path)?;
        probe::check(path)?;
        register::register();
        Ok(())
    }

    /// Makes a file that may be saved into; `open` is the state in which it was opened.
    pub(super) fn of_update(path: &Path, file: hdf5::File, open: Open, family: &Arc<Family>) -> Hdf5File {
        let bytes = open.bytes();
        Hdf5File { update: Some(open), ..Self::of_view(path, file, bytes, family) }
    }

    /// Opens a remote file for reading, and none of the files it names.
    pub(super) fn open_remote(file: Arc<RemoteFile>) -> Result<Arc<Hdf5File>> {
        register::register();
        let location = file.place().location().clone();
        probe::check_remote(&file)?;
        let path = PathBuf::from(&location);
        let family = Family::new(&path, External::Refuse);
        let bytes: Arc<dyn Bytes> = Arc::new(Remote(file.clone()));
        let opened = driver::open(&bytes, &family, &path, false).map_err(|e| probe::refused(&location, &e))?;
        let raw = OnceLock::from(Arc::new(RawFile::remote(&file)));
        Ok(Arc::new(Hdf5File { location, raw, ..Self::of_view(&path, opened, bytes, &family) }))
    }

    /// Returns the remote file, if this is one.
    pub(super) fn as_remote(&self) -> Option<&Arc<RemoteFile>> {
        self.raw.get()?.as_remote()
    }

    /// Makes a file whose bytes are `bytes`, such as the state that a save will leave, which is
    /// checked before it is committed. `path` is the path of the file that the bytes are a view of.
    pub(super) fn of_view(path: &Path, file: hdf5::File, bytes: Arc<dyn Bytes>, family: &Arc<Family>) -> Hdf5File {
        let (path, family, relatives, linked) = (path.to_owned(), family.clone(), Arc::default(), Mutex::default());
        let location = Location::from(&path);
        let (raw, superblock) = Default::default();
        Hdf5File { path, location, file, bytes, plain: None, update: None, family, relatives, linked, raw, superblock }
    }

    /// Returns the path, which is absolute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the location, for errors.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the state of a file opened to be saved into; `None` for any other.
    pub(super) fn update(&self) -> Option<&Open> {
        self.update.as_ref()
    }

    /// Returns the family, which decides about the files that this one names.
    pub(super) fn family(&self) -> &Arc<Family> {
        &self.family
    }

    /// Marks this file as the one opened by the user. Only the first call in a family counts.
    pub(super) fn set_head(self: &Arc<Self>) {
        if self.relatives.head.set(Arc::downgrade(self)).is_ok() {
            lock(&self.relatives.files).insert(self.path.clone(), Arc::downgrade(self));
        }
    }

    /// Opens the file that a link leads to, or returns it if it is open; `place` is the result of
    /// [`Family::allows`].
    ///
    /// # Errors
    /// The errors of opening the file.
    pub(super) fn linked(&self, place: &Path) -> Result<Arc<Hdf5File>> {
        let relatives = &self.relatives;
        if let Some(file) = lock(&relatives.files).get(place).and_then(Weak::upgrade) {
            return Ok(file);
        }
        let file = Self::open_in(place, &self.family, relatives)?;
        lock(&relatives.files).insert(place.to_owned(), Arc::downgrade(&file));
        if let Some(head) = relatives.head.get().and_then(Weak::upgrade) {
            lock(&head.linked).push(file.clone());
        }
        Ok(file)
    }

    /// Returns a new handle to read the file that is open, even if another file has taken its path
    /// since. Only a view ([`Hdf5File::of_view`]) is opened by its path.
    ///
    /// # Errors
    /// Errors of the system.
    pub(super) fn raw(&self) -> std::io::Result<File> {
        match (&self.update, &self.plain) {
            (Some(open), _) => open.raw(),
            (None, Some(plain)) => plain.try_clone(),
            (None, None) => File::open(&self.path),
        }
    }

    /// Returns the handle for reading chunks, which all readers share.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be opened.
    pub(super) fn reader(&self) -> Result<Arc<RawFile>> {
        if let Some(raw) = self.raw.get() {
            return Ok(raw.clone());
        }
        let file = self.raw().and_then(|file| RawFile::new(&self.path, file));
        let raw = Arc::new(file.map_err(|e| Error::io(&self.path, "open", &e))?);
        Ok(self.raw.get_or_init(|| raw).clone())
    }

    /// Returns the size, in bytes, of the file and of the files that were opened because it names
    /// them.
    pub(super) fn bytes_of_family(&self) -> u64 {
        let linked = lock(&self.linked);
        linked.iter().map(|s| s.bytes()).fold(self.bytes(), u64::saturating_add)
    }

    /// Returns the superblock of the file, which is read once.
    pub(super) fn superblock(&self) -> Superblock {
        *self.superblock.get_or_init(|| heap::superblock(&*self.bytes))
    }

    /// Returns the source from which the library reads the file. For a file that may be saved into,
    /// it is the view from the time when the file was opened.
    pub(super) fn bytes_read(&self) -> &dyn Bytes {
        &*self.bytes
    }

    /// Returns whether the file was opened to be saved into. The library may then hold parts of it
    /// that are not in the file yet.
    pub(super) fn is_updated(&self) -> bool {
        self.update.is_some()
    }

    /// Returns the HDF5 handle.
    pub(super) fn hdf5(&self) -> &hdf5::File {
        &self.file
    }
}
