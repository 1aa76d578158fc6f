//! Zarr stores of versions 2 and 3, in folders and zip archives.
//!
//! This module exists because the crate `zarrs` would bring 66 crates into a dependency tree that
//! is to stay small. `files` has the objects by their keys (`folder`, `zip`); `tree` has the
//! metadata (`json`); `metadata` reads the description of an array from them (`datatype`,
//! `codecs`); `chunks` locates and reads its chunks. `backend`, `object`, `array` and `values`
//! implement the traits of stores.

mod array;
mod backend;
mod chunks;
mod codecs;
mod datatype;
mod described;
mod files;
mod folder;
mod grid;
mod json;
mod metadata;
mod new;
mod object;
mod objects;
mod remote;
mod sink;
mod tree;
mod values;
mod zip;

use super::backend::Backend;
use super::remote::{Place, RemoteFile};
use super::sink::StoreSink;
use super::{External, Temporary};
use crate::codec::Compression;
use crate::error::{Error, Result};
use backend::ZarrStore;
use std::path::Path;
use std::sync::Arc;
use tree::Tree;

/// Returns whether there is a store in the folder, or in the zip archive, at a path. Where nothing
/// is at the path, a store that a killed writer left beside it gets its name back first.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn is_zarr(path: &Path) -> Result<bool> {
    if !path.exists() {
        new::recover(path);
    }
    if path.is_dir() {
        return Ok(folder::mark(path).is_some());
    }
    zip::is_store(path)
}

/// The format in which a store is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZarrFormat {
    /// Version of the format: 2 or 3.
    pub version: u8,
    /// Chunks of a matrix or long vector that share a file, in version 3; `None` for one file for
    /// each chunk.
    pub shards: Option<u64>,
    /// Whether the metadata of all elements are also gathered in one place.
    pub consolidate: bool,
    /// Compression of texts; the compression of numbers is in
    /// [`WriteOptions`](crate::write::WriteOptions).
    pub compression: Compression,
}

impl Default for ZarrFormat {
    fn default() -> Self {
        ZarrFormat { version: 3, shards: Some(1024), consolidate: true, compression: Compression::Zstd(3) }
    }
}

/// Begins a store that will be `target`. A link is followed: the folder it leads to is replaced.
///
/// # Errors
/// [`Error::Io`] when the folder is not there or not writable, or when `target` is something else
/// than a store; [`Error::Parameter`] for a version or number of shards that does not exist.
pub(super) fn create(target: &Path, format: ZarrFormat) -> Result<Box<dyn StoreSink>> {
    let kind = std::io::ErrorKind::Other;
    let refused = |message: &str| Error::Io { path: target.into(), action: "write", kind, message: message.to_owned() };
    if !matches!(format.version, 2 | 3) {
        return Err(Error::parameter("zarr_format", "2 or 3", format.version));
    }
    if format.shards == Some(0) {
        return Err(Error::parameter("shards", "a number of chunks of 1 or more", 0));
    }
    let name = target.file_name().ok_or_else(|| refused("it has no name"))?;
    if Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) {
        return Err(refused("zip archives are read and not written: give the name of a folder, and zip it afterwards"));
    }
    let target = if target.symlink_metadata().is_ok() {
        target.canonicalize().map_err(|e| Error::io(target, "write", &e))?
    } else {
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        parent.canonicalize().map_err(|e| Error::io(target, "write", &e))?.join(name)
    };
    new::recover(&target);
    if target.exists() && !target.is_dir() {
        return Err(refused("it is a file, and a Zarr store is a folder; give another name"));
    }
    let empty = || std::fs::read_dir(&target).is_ok_and(|mut entries| entries.next().is_none());
    if target.is_dir() && folder::mark(&target).is_none() && !empty() {
        return Err(refused("it is a folder with something else than a Zarr store in it; give another name"));
    }
    let temporary = Temporary::create_folder(&target)?;
    let ZarrFormat { version, shards, consolidate, compression } = format;
    let shard = shards.filter(|_| version == 3);
    Ok(Box::new(new::NewStore::new(temporary, sink::Store { version, shard, consolidate, compression, target })?))
}

/// Opens an existing store for reading.
///
/// # Errors
/// [`Error::Io`] when it is not there or not readable, [`Error::File`] for damaged metadata,
/// [`Error::State`] with `save`.
pub(super) fn open(path: &Path, save: bool, external: External) -> Result<Arc<dyn Backend>> {
    let path = path.canonicalize().map_err(|e| Error::io(path, "open", &e))?;
    if save {
        return Err(Error::State(format!(
            "'{}' is a Zarr store, which is not saved into in place: open it with mode \"r\" and write another with \
             write_zarr()",
            path.display()
        )));
    }
    let none = || Error::File {
        path: (&path).into(),
        message: "is no Zarr store: there is neither zarr.json nor .zgroup in it".to_owned(),
    };
    if path.is_dir() {
        let files = folder::Folder::open(&path, external).ok_or_else(none)?;
        return Ok(Arc::new(ZarrStore::new(Tree::open(Arc::new(files))?, external)));
    }
    let tree = Tree::open(Arc::new(zip::Zip::open(&path)?))?;
    match tree.meta("")? {
        Some(_) => Ok(Arc::new(ZarrStore::new(tree, external))),
        None => Err(none()),
    }
}

/// Opens the remote store at a place; `None` when there is none.
///
/// # Errors
/// [`Error::File`] for damaged metadata; errors of the requests.
pub(super) fn open_remote(place: &Arc<Place>) -> Result<Option<Arc<dyn Backend>>> {
    let Some(files) = remote::Remote::open(place)? else { return Ok(None) };
    Ok(Some(Arc::new(ZarrStore::new(Tree::open(Arc::new(files))?, External::Refuse))))
}

/// Returns whether a remote object begins like a zip archive.
///
/// # Errors
/// Errors of the request.
pub(super) fn is_archive(file: &RemoteFile) -> Result<bool> {
    let mut first = [0; 4];
    if file.len() < first.len() as u64 {
        return Ok(false);
    }
    file.read(0, &mut first)?;
    Ok(&first == b"PK\x03\x04")
}

/// Opens the store in a remote zip archive.
///
/// # Errors
/// [`Error::File`] for an archive that is damaged or has no store in it; errors of the requests.
pub(super) fn open_remote_archive(file: RemoteFile) -> Result<Arc<dyn Backend>> {
    let location = file.place().location().clone();
    let tree = Tree::open(Arc::new(zip::Zip::open_remote(file)?))?;
    match tree.meta("")? {
        Some(_) => Ok(Arc::new(ZarrStore::new(tree, External::Refuse))),
        None => Err(Error::File {
            path: location,
            message: "is a zip archive without a Zarr store: there is neither zarr.json nor .zgroup in it".to_owned(),
        }),
    }
}
