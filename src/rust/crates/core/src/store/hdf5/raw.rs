//! Positioned reads of an open file.

use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::array::{Extent, Take};
use crate::store::backend::FileState;
use crate::store::positioned::read_exact;
use crate::store::remote::RemoteFile;
use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Bytes of adjacent chunks that are fetched by one read. They fit a core's cache, and spread the
/// cost of a call over many small chunks.
const FETCH: u64 = 1 << 20;

thread_local! {
    static FETCHED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A plain read-only handle on an open file.
#[derive(Debug)]
pub(super) struct RawFile {
    location: Location,
    place: Place,
    len: u64,
}

#[derive(Debug)]
enum Place {
    Here(File),
    Remote(Arc<RemoteFile>),
}

impl RawFile {
    /// Makes the handle of an open file; `path` is for errors.
    ///
    /// # Errors
    /// Errors of reading its length.
    pub(super) fn new(path: &Path, file: File) -> std::io::Result<RawFile> {
        let len = file.metadata()?.len();
        Ok(RawFile { location: path.into(), place: Place::Here(file), len })
    }

    /// Makes the handle of a remote file.
    pub(super) fn remote(file: &Arc<RemoteFile>) -> RawFile {
        let location = file.place().location().clone();
        RawFile { location, place: Place::Remote(file.clone()), len: file.len() }
    }

    /// Returns the remote file, if this is one.
    pub(super) fn as_remote(&self) -> Option<&Arc<RemoteFile>> {
        match &self.place {
            Place::Remote(file) => Some(file),
            Place::Here(_) => None,
        }
    }

    /// Returns the present state of a local file, or the state in which a remote file was opened.
    /// Returns `None` where the system does not tell the time of the last change.
    pub(super) fn state(&self) -> Option<FileState> {
        let file = match &self.place {
            Place::Here(file) => file,
            Place::Remote(file) => return Some(file.state()),
        };
        let now = file.metadata().ok()?;
        let since = now.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&now);
        #[cfg(not(unix))]
        let inode = 0;
        Some(FileState { bytes: now.len(), modified: (since.as_secs(), since.subsec_nanos()), inode })
    }

    /// Returns the bytes that the file had when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `out` from byte `address` on.
    ///
    /// # Errors
    /// [`Error::File`] when the file ends before, [`Error::Io`] when the system refuses.
    pub(super) fn read(&self, address: u64, out: &mut [u8]) -> Result<()> {
        let file = match &self.place {
            Place::Here(file) => file,
            Place::Remote(file) => {
                out.copy_from_slice(&file.part(address, out.len() as u64)?);
                return Ok(());
            }
        };
        read_exact(file, out, address).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::File {
                path: self.location.clone(),
                message: format!(
                    "the file ends before byte {}: it is truncated, or was overwritten while open; open it again or \
                     restore it",
                    address.saturating_add(out.len() as u64)
                ),
            },
            _ => Error::io(&self.location, "read", &e),
        })
    }

    /// Reads extents and hands the bytes of each to `take`. Adjacent extents are read together.
    ///
    /// # Errors
    /// The errors of [`RawFile::read`]; the errors of `take`.
    pub(super) fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()> {
        if let Place::Remote(file) = &self.place {
            return file.fetch(extents, take);
        }
        FETCHED.with_borrow_mut(|fetched| {
            let mut first = 0;
            while let Some(&start) = extents.get(first) {
                let (mut run, mut end) = (start, first + 1);
                while let Some(longer) = extents.get(end).and_then(|&next| run.joined(next)) {
                    if longer.size > FETCH {
                        break;
                    }
                    (run, end) = (longer, end + 1);
                }
                // No extent is longer than the file, see `Meta::longest`.
                let n = run.size as usize;
                if fetched.len() < n {
                    fetched.resize(n, 0);
                }
                self.read(run.at, &mut fetched[..n])?;
                let mut at = 0;
                for (i, extent) in extents.iter().enumerate().take(end).skip(first) {
                    take(i, Some(&fetched[at..at + extent.size as usize]))?;
                    at += extent.size as usize;
                }
                first = end;
            }
            if fetched.capacity() > 16 << 20 {
                *fetched = Vec::new();
            }
            Ok(())
        })
    }
}
