//! Positioned reads of an open file.

use crate::error::{Error, Result};
use crate::store::Store;
use std::fs::File;
use std::path::PathBuf;

/// A plain read-only handle on the file behind a [`Store`].
#[derive(Debug)]
pub(crate) struct RawFile {
    path: PathBuf,
    file: File,
    len: u64,
}

impl RawFile {
    /// A handle on the very file `store` has open, not on whatever lies at its path by now.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be opened.
    pub(crate) fn of(store: &Store) -> Result<RawFile> {
        let path = store.path().to_owned();
        let io = |e: std::io::Error| Error::io(&path, "open", &e);
        let file = store.raw().map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        Ok(RawFile { path, file, len })
    }

    /// Bytes, time of the last change (since 1970) and number of the file as it is now.
    pub(crate) fn state(&self) -> Option<(u64, (u64, u32), u64)> {
        let now = self.file.metadata().ok()?;
        let since = now.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&now);
        #[cfg(not(unix))]
        let inode = 0;
        Some((now.len(), (since.as_secs(), since.subsec_nanos()), inode))
    }

    /// Bytes in the file when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `out` from byte `address` on.
    ///
    /// # Errors
    /// [`Error::File`] when the file ends before, [`Error::Io`] when the system refuses.
    pub(crate) fn read(&self, address: u64, out: &mut [u8]) -> Result<()> {
        read_exact_at(&self.file, address, out).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::File {
                path: self.path.clone(),
                message: format!(
                    "the file ends before byte {}: it is truncated, or was overwritten while open; open it again or \
                     restore it",
                    address.saturating_add(out.len() as u64)
                ),
            },
            _ => Error::io(&self.path, "read", &e),
        })
    }
}

#[cfg(unix)]
pub(in crate::matrix) fn read_exact_at(file: &File, address: u64, out: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, address)
}

#[cfg(windows)]
pub(in crate::matrix) fn read_exact_at(file: &File, mut address: u64, mut out: &mut [u8]) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !out.is_empty() {
        match file.seek_read(out, address) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                out = &mut out[n..];
                address += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
