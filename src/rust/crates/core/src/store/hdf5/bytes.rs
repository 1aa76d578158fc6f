//! The bytes of a file under the HDF5 library: of a plain file, of one that is saved into, or of a
//! remote one.

use super::fault;
use crate::store::positioned::read_exact;
use crate::store::remote::RemoteFile;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// The bytes of a file, wherever they are.
pub(super) trait Bytes: Send + Sync {
    /// Fills `out` with the bytes from `at` on; past the end there are zeros.
    fn read(&self, out: &mut [u8], at: u64) -> io::Result<()>;
    /// Writes `bytes` at `at`.
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Returns the length in bytes.
    fn len(&self) -> u64;
    /// Sets the length in bytes.
    fn set_len(&self, len: u64);
}

/// A local file that is only read.
pub(super) struct Plain {
    file: File,
    len: u64,
}

impl Plain {
    /// Makes the bytes of an open file. Its length is measured once, here: if the file grows later,
    /// its new bytes are not seen.
    ///
    /// # Errors
    /// Errors of reading the length.
    pub(super) fn new(file: File) -> io::Result<Plain> {
        let len = file.metadata()?.len();
        Ok(Plain { file, len })
    }
}

impl Bytes for Plain {
    fn read(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let there = self.len.saturating_sub(at).min(out.len() as u64) as usize;
        let (inside, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if inside.is_empty() {
            return Ok(());
        }
        read_exact(&self.file, inside, at).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::other(
                "the file was cut off or overwritten while it was open (it ends too early now); open it again or restore it",
            ),
            _ => e,
        })
    }

    fn write(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is open for reading"))
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn set_len(&self, _: u64) {}
}

/// A remote file, which is only read.
pub(super) struct Remote(pub(super) Arc<RemoteFile>);

impl Bytes for Remote {
    fn read(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let there = self.len().saturating_sub(at).min(out.len() as u64) as usize;
        let (inside, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if inside.is_empty() {
            return Ok(());
        }
        self.0.read(at, inside).map_err(|e| {
            let words = e.to_string();
            fault::keep_error(e);
            io::Error::other(words)
        })
    }

    fn write(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is remote, and open for reading"))
    }

    fn len(&self) -> u64 {
        self.0.len()
    }

    fn set_len(&self, _: u64) {}
}
