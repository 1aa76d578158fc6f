//! The backends that exist, and the choice of one for a store.

use super::backend::Backend;
use super::remote::{self, Place, RemoteFile};
use super::sink::StoreSink;
use super::{hdf5, zarr, External};
use crate::error::{Error, Result};
use crate::location::{is_url, Location};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Filters of chunks that are read. In HDF5 files gzip, shuffle and lzf are also written, in Zarr
/// stores gzip and zstd.
pub const FILTERS: [&str; 9] = ["gzip", "shuffle", "fletcher32", "lzf", "zstd", "lz4", "bitshuffle", "blosc", "blosc2"];

/// Returns names and versions of the libraries on which backends are built.
#[must_use]
pub fn libraries() -> Vec<(&'static str, String)> {
    vec![hdf5::library()]
}

/// Returns whether the content of the file or folder at a path is a store of any backend. A Zarr
/// store that a killed writer left there is repaired first.
///
/// # Errors
/// [`crate::Error::Io`].
pub(crate) fn is_store(path: &Path) -> Result<bool> {
    Ok(is_zarr(path)? || (!path.is_dir() && hdf5::is_hdf5(path)?))
}

/// Returns whether there is a Zarr store, a folder or a zip archive, at a path. A store that a
/// killed writer left there is repaired first.
///
/// # Errors
/// [`crate::Error::Io`].
pub(crate) fn is_zarr(path: &Path) -> Result<bool> {
    zarr::is_zarr(path)
}

/// Opens the store at a path or URL. A path where [`is_zarr`] finds no Zarr store is opened as an
/// HDF5 file.
///
/// # Errors
/// The errors of [`Store::open`](super::Store::open); [`Error::State`] for a remote store with
/// `save`.
pub(super) fn open(path: &Path, save: bool, external: External) -> Result<Arc<dyn Backend>> {
    let location = Location::named(&named(path, &[])?);
    if location.is_url() {
        return open_remote(&location, save);
    }
    // Files that are missing or unreadable are reported by the backend that opens them.
    match zarr::is_zarr(path) {
        Ok(true) => zarr::open(path, save, external),
        _ => hdf5::open(path, save, external),
    }
}

/// A remote store that was opened and is handed on to the next call that opens it, with its process
/// and location.
static HANDED: Mutex<Option<Handed>> = Mutex::new(None);

type Handed = (u32, Location, Arc<dyn Backend>);

/// Keeps an open remote store for the next call of [`open`] in this process that opens a remote
/// store. That call returns the kept store, and sends no request, if its location is the same. Else
/// it forgets the kept store. Only one store is kept at a time.
pub(super) fn hand_on(store: &Arc<dyn Backend>) {
    let handed = (std::process::id(), store.location().clone(), store.clone());
    *HANDED.lock().unwrap_or_else(PoisonError::into_inner) = Some(handed);
}

fn open_remote(location: &Location, save: bool) -> Result<Arc<dyn Backend>> {
    if save {
        return Err(Error::State(format!(
            "'{location}' is remote, and is not saved into: open it with mode \"r\", and write another file with \
             write_h5ad() or write_zarr()"
        )));
    }
    let handed = HANDED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let place = Arc::new(Place::open(&location.to_string())?);
    if let Some((process, of, backend)) = handed {
        if process == std::process::id() && of == *place.location() {
            return Ok(backend);
        }
    }
    let none = || {
        let bucket = if location.to_string().starts_with("http") { "" } else { "bucket or " };
        let message = format!("not found: there is no such {bucket}object, and no Zarr store in it");
        Error::Io { path: place.location().clone(), action: "open", kind: ErrorKind::NotFound, message }
    };
    if remote::ends_in(location, &[".zarr"]) {
        if let Some(store) = zarr::open_remote(&place)? {
            return Ok(store);
        }
    }
    // The list of an archive is at its end.
    if remote::ends_in(location, &[".zip"]) {
        return zarr::open_remote_archive(RemoteFile::open_end(&place, "", 1 << 17)?.ok_or_else(none)?);
    }
    match RemoteFile::open(&place, "")? {
        Some(file) if zarr::is_archive(&file)? => zarr::open_remote_archive(file),
        Some(file) => hdf5::open_remote(file),
        None if remote::ends_in(location, &[".zarr"]) => Err(none()),
        None => zarr::open_remote(&place)?.ok_or_else(none),
    }
}

/// Returns the text that stands for a store wherever a path is expected. For a path of this
/// machine, it is the path unchanged. For a URL, it is the URL and, after a `#`, its public
/// options. Secrets, in `options` or in the URL, are kept in the memory of this process, and the
/// text shows none of them.
///
/// # Errors
/// [`Error::Parameter`] for options beside a path, for a text that is no URL of a known service,
/// and for an option that does not exist; [`Error::State`] in a build without remote stores.
pub fn named(path: &Path, options: &[(String, String)]) -> Result<PathBuf> {
    match path.to_str().map(whole) {
        Some(url) if is_url(&url) => remote::named(&url, options).map(PathBuf::from),
        _ if options.is_empty() => Ok(path.to_owned()),
        _ => {
            let expected = "a URL with it: a path of this machine takes no options";
            Err(Error::parameter("storage_options", expected, format!("'{}'", path.display())))
        }
    }
}

/// Returns the text that stands for the object or folder `name` below the URL `url`, as [`named`]
/// returns it, with the same options and secrets.
///
/// # Errors
/// The errors of [`named`].
pub fn part_url(url: &Path, name: &str) -> Result<PathBuf> {
    remote::part_url(&whole(&url.to_string_lossy()), name).map(PathBuf::from)
}

/// Restores a URL that went through a library of paths, which merges two slashes.
fn whole(text: &str) -> String {
    let known = ["http", "https", "s3", "gs", "az"];
    match text.split_once(":/") {
        Some((scheme, rest)) if known.contains(&scheme) && !rest.starts_with('/') => format!("{scheme}://{rest}"),
        _ => text.to_owned(),
    }
}

/// Checks that a path is not a URL.
fn writable(target: &Path) -> Result<()> {
    let location = Location::named(&target.to_str().map_or_else(|| target.to_owned(), |text| whole(text).into()));
    if location.is_url() {
        let message = "nothing is written to URLs: write to a path of this machine, and copy that".to_owned();
        // The message must not show its secrets.
        let text = location.to_string();
        let shown = text.split(['?', '#']).next().unwrap_or_default();
        let shown = shown.rsplit_once('@').map_or(shown.to_owned(), |(_, host)| format!("...@{host}"));
        return Err(Error::Io { path: Location::url(shown), action: "write", kind: ErrorKind::Other, message });
    }
    Ok(())
}

/// Begins the HDF5 file that will be at a path.
pub(super) fn create(target: &Path) -> Result<Box<dyn StoreSink>> {
    writable(target)?;
    hdf5::create(target)
}

/// Begins the Zarr store that will be at a path.
pub(super) fn create_zarr(target: &Path, format: zarr::ZarrFormat) -> Result<Box<dyn StoreSink>> {
    writable(target)?;
    zarr::create(target, format)
}
