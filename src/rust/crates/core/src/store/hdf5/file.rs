//! An open HDF5 file.

use super::bytes::{Bytes, Plain};
use super::driver;
use super::external::Family;
use super::raw::RawFile;
use super::{probe, register, update, External, Node};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::backend::{Backend, Change, Object, State};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A file open for reading. Through it nothing is ever written to the file; what is saved into it is another's.
pub(super) struct Hdf5File {
    path: PathBuf,
    location: Location,
    file: hdf5::File,
    /// The file itself, locked as a reader locks it; `None` for one open to be saved into.
    plain: Option<File>,
    update: Option<update::Open>,
    family: Arc<Family>,
    /// Files opened because this one names them.
    linked: Mutex<Vec<Arc<Hdf5File>>>,
    /// A handle for reading chunks, made when the first is read.
    raw: OnceLock<Arc<RawFile>>,
    /// Bytes of an address in it.
    addresses: OnceLock<usize>,
}

/// Opens an existing file for reading or, with `save`, to be saved into; `external` says which of the files it names may
/// be opened too. A save of it that was interrupted is finished first.
///
/// # Errors
/// [`Error::Io`] when it is not there, not readable or locked, [`Error::File`] when it is not HDF5 or truncated.
pub(in crate::store) fn open(path: &Path, save: bool, external: External) -> Result<Arc<dyn Backend>> {
    let path = path.canonicalize().map_err(|e| Error::io(path, "open", &e))?;
    let family = Family::new(&path, external);
    let file = if save {
        Hdf5File::prepare(&path)?;
        let (file, open) = update::open(&path, &family)?;
        Arc::new(Hdf5File::of_update(&path, file, open, &family))
    } else {
        Hdf5File::open_in(&path, &family)?
    };
    family.set_head(&file);
    Ok(file)
}

impl Hdf5File {
    /// Opens the file at `path`, which is absolute, for reading, as one of a family.
    pub(super) fn open_in(path: &Path, family: &Arc<Family>) -> Result<Arc<Hdf5File>> {
        Self::prepare(path)?;
        let io = |e: std::io::Error| Error::io(path, "open", &e);
        let plain = File::open(path).map_err(io)?;
        if !update::lock_to_read(&plain).map_err(io)? {
            return Err(probe::locked(path));
        }
        Self::of_plain(path, plain, family)
    }

    /// Opens a file that this process has locked for itself.
    pub(super) fn open_unlocked(path: &Path) -> Result<Arc<Hdf5File>> {
        register::register();
        let plain = File::open(path).map_err(|e| Error::io(path, "open", &e))?;
        Self::of_plain(path, plain, &Family::new(path, External::Refuse))
    }

    fn of_plain(path: &Path, plain: File, family: &Arc<Family>) -> Result<Arc<Hdf5File>> {
        let io = |e: std::io::Error| Error::io(path, "open", &e);
        let bytes: Arc<dyn Bytes> = Arc::new(plain.try_clone().and_then(Plain::new).map_err(io)?);
        let file = driver::open(&bytes, family, path, false).map_err(|e| probe::refused(path, &e))?;
        Ok(Arc::new(Hdf5File { plain: Some(plain), ..Self::of_view(path, file, family) }))
    }

    fn prepare(path: &Path) -> Result<()> {
        update::recover(path)?;
        probe::check(path)?;
        register::register();
        Ok(())
    }

    pub(super) fn of_update(path: &Path, file: hdf5::File, open: update::Open, family: &Arc<Family>) -> Hdf5File {
        Hdf5File { update: Some(open), ..Self::of_view(path, file, family) }
    }

    /// A file as it will be, to be looked at.
    pub(super) fn of_view(path: &Path, file: hdf5::File, family: &Arc<Family>) -> Hdf5File {
        let (path, family, linked) = (path.to_owned(), family.clone(), Mutex::default());
        let location = Location::from(&path);
        let (raw, addresses) = Default::default();
        Hdf5File { path, location, file, plain: None, update: None, family, linked, raw, addresses }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn update(&self) -> Option<&update::Open> {
        self.update.as_ref()
    }

    pub(super) fn family(&self) -> &Arc<Family> {
        &self.family
    }

    /// Keeps a file open as long as this one is.
    pub(super) fn keep(&self, file: &Arc<Hdf5File>) {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).push(file.clone());
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
        let linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        linked.iter().map(|s| s.bytes()).fold(self.bytes(), u64::saturating_add)
    }

    /// Bytes of an address in the file: 8 in all but odd ones.
    pub(super) fn bytes_of_addresses(&self) -> usize {
        *self.addresses.get_or_init(|| self.file.create_plist().map_or(8, |p| p.sizes().sizeof_addr))
    }

    /// The HDF5 handle.
    pub(super) fn hdf5(&self) -> &hdf5::File {
        &self.file
    }
}

impl Backend for Hdf5File {
    fn location(&self) -> &Location {
        &self.location
    }

    fn object(self: Arc<Self>, path: &str) -> Result<Arc<dyn Object>> {
        Ok(Arc::new(Node::open(&self, path)?))
    }

    fn bytes(&self) -> u64 {
        self.file.size()
    }

    fn external(&self) -> External {
        self.family.policy()
    }

    fn state(&self) -> Option<State> {
        self.reader().ok()?.state()
    }

    fn can_save(&self) -> bool {
        self.update.is_some()
    }

    fn change(&self) -> Result<Box<dyn Change>> {
        Ok(Box::new(update::Update::begin(self)?))
    }
}

/// Name and version of the library inside.
pub(in crate::store) fn library() -> (&'static str, String) {
    let (major, minor, patch) = hdf5::library_version();
    ("hdf5", format!("{major}.{minor}.{patch}"))
}
