//! An open HDF5 file.

use super::bytes::{Bytes, Far, Plain};
use super::driver;
use super::external::Family;
use super::heap::{self, Superblock};
use super::raw::RawFile;
use super::update::{lock_to_read, recover, Open};
use super::{probe, register, External};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::backend::Backend;
use crate::store::remote::FarFile;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// A file open for reading. Through it nothing is ever written to the file; what is saved into it is another's.
pub(super) struct Hdf5File {
    path: PathBuf,
    location: Location,
    file: hdf5::File,
    /// The bytes that the library reads it through.
    bytes: Arc<dyn Bytes>,
    /// The file itself, locked as a reader locks it; `None` for one open to be saved into.
    plain: Option<File>,
    update: Option<Open>,
    family: Arc<Family>,
    relatives: Arc<Relatives>,
    /// Files opened because this one names them.
    linked: Mutex<Vec<Arc<Hdf5File>>>,
    /// A handle for reading chunks, made when the first is read.
    raw: OnceLock<Arc<RawFile>>,
    superblock: OnceLock<Superblock>,
}

/// A file that was asked for and those opened because it names them.
#[derive(Default)]
struct Relatives {
    /// The file asked for, which keeps the others open.
    head: OnceLock<Weak<Hdf5File>>,
    files: Mutex<HashMap<PathBuf, Weak<Hdf5File>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hdf5File {
    /// Opens the file at `path`, which is absolute, for reading, as the first of a family.
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

    /// Opens a file that this process has locked for itself.
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

    pub(super) fn prepare(path: &Path) -> Result<()> {
        recover(path)?;
        probe::check(path)?;
        register::register();
        Ok(())
    }

    pub(super) fn of_update(path: &Path, file: hdf5::File, open: Open, family: &Arc<Family>) -> Hdf5File {
        let bytes = open.bytes();
        Hdf5File { update: Some(open), ..Self::of_view(path, file, bytes, family) }
    }

    /// Opens a file far away for reading; none of the files it names is opened.
    pub(super) fn open_far(file: Arc<FarFile>) -> Result<Arc<Hdf5File>> {
        register::register();
        let location = file.place().location().clone();
        probe::check_far(&file)?;
        let path = PathBuf::from(&location);
        let family = Family::new(&path, External::Refuse);
        let bytes: Arc<dyn Bytes> = Arc::new(Far(file.clone()));
        let opened = driver::open(&bytes, &family, &path, false).map_err(|e| probe::refused(&location, &e))?;
        let raw = OnceLock::from(Arc::new(RawFile::far(&file)));
        Ok(Arc::new(Hdf5File { location, raw, ..Self::of_view(&path, opened, bytes, &family) }))
    }

    /// The file far away, where it is one.
    pub(super) fn as_far(&self) -> Option<&Arc<FarFile>> {
        self.raw.get()?.as_far()
    }

    /// A file as it will be, to be looked at.
    pub(super) fn of_view(path: &Path, file: hdf5::File, bytes: Arc<dyn Bytes>, family: &Arc<Family>) -> Hdf5File {
        let (path, family, relatives, linked) = (path.to_owned(), family.clone(), Arc::default(), Mutex::default());
        let location = Location::from(&path);
        let (raw, superblock) = Default::default();
        Hdf5File { path, location, file, bytes, plain: None, update: None, family, relatives, linked, raw, superblock }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    pub(super) fn update(&self) -> Option<&Open> {
        self.update.as_ref()
    }

    pub(super) fn family(&self) -> &Arc<Family> {
        &self.family
    }

    /// Makes it the file that was asked for; the first to be set stays.
    pub(super) fn set_head(self: &Arc<Self>) {
        if self.relatives.head.set(Arc::downgrade(self)).is_ok() {
            lock(&self.relatives.files).insert(self.path.clone(), Arc::downgrade(self));
        }
    }

    /// A file that a link leads to, opened once; `place` is what [`Family::allows`] gave.
    ///
    /// # Errors
    /// The errors of opening it.
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

    /// A plain handle on the very file that is open, not on whatever lies at its path by now.
    pub(super) fn raw(&self) -> std::io::Result<File> {
        match (&self.update, &self.plain) {
            (Some(open), _) => open.raw(),
            (None, Some(plain)) => plain.try_clone(),
            (None, None) => File::open(&self.path),
        }
    }

    /// The same for reading chunks, shared by all who do.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be opened.
    pub(super) fn reader(&self) -> Result<Arc<RawFile>> {
        if let Some(raw) = self.raw.get() {
            return Ok(raw.clone());
        }
        let file = self.raw().and_then(|file| RawFile::of(&self.path, file));
        let raw = Arc::new(file.map_err(|e| Error::io(&self.path, "open", &e))?);
        Ok(self.raw.get_or_init(|| raw).clone())
    }

    /// Bytes of the file and of those opened because it names them.
    pub(super) fn bytes_of_family(&self) -> u64 {
        let linked = lock(&self.linked);
        linked.iter().map(|s| s.bytes()).fold(self.bytes(), u64::saturating_add)
    }

    /// The superblock of the file, read once.
    pub(super) fn superblock(&self) -> Superblock {
        *self.superblock.get_or_init(|| heap::superblock(&*self.bytes))
    }

    /// The bytes as the library reads them.
    pub(super) fn bytes_read(&self) -> &dyn Bytes {
        &*self.bytes
    }

    /// Whether the library writes to the file, and may hold parts of it that the file does not have yet.
    pub(super) fn is_updated(&self) -> bool {
        self.update.is_some()
    }

    /// The HDF5 handle.
    pub(super) fn hdf5(&self) -> &hdf5::File {
        &self.file
    }
}
