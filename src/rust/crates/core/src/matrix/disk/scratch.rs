//! A temporary file without a name, deleted with its handle.

use crate::error::{Error, Result};
use crate::session::Space;
use crate::store::positioned::{prepare, read_exact, write_all};
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of disk space that are allocated at a time.
const STEP: u64 = 16 << 20;

/// A file without a name in the scratch space of a session. It is deleted when it is dropped, and
/// when the process dies.
#[derive(Debug)]
pub(crate) struct Scratch {
    file: File,
    end: AtomicU64,
    space: Space,
    /// Whether its data is dispensable, so that no other data is deleted to make space for it.
    yields: bool,
    /// The file's size up to which disk space was allocated; the first bytes count as allocated.
    prepared: AtomicU64,
}

impl Scratch {
    /// Creates a file in the scratch space of a session.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be created in the folder.
    pub(crate) fn new(space: &Space) -> Result<Self> {
        let place = space.folder();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let failed = |e: std::io::Error| Error::io(&place, "create a scratch file in", &e);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("anndataoom-{}-{since:x}-{n}.scratch", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(windows)]
        {
            // FILE_FLAG_DELETE_ON_CLOSE
            std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, 0x0400_0000);
        }
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        #[cfg(unix)]
        std::fs::remove_file(&path).map_err(failed)?;
        Ok(Scratch {
            file,
            end: AtomicU64::new(0),
            space: space.clone(),
            yields: false,
            prepared: AtomicU64::new(STEP),
        })
    }

    /// Creates a file for dispensable data. It takes free space only: no other dispensable data is
    /// deleted to make space for it.
    ///
    /// # Errors
    /// The errors of [`Scratch::new`].
    pub(crate) fn yielding(space: &Space) -> Result<Self> {
        let mut scratch = Scratch::new(space)?;
        scratch.yields = true;
        Ok(scratch)
    }

    /// Writes `bytes` at the end and returns their offset.
    ///
    /// # Errors
    /// [`Error::Scratch`] where the session has no space for them; [`Error::Io`].
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<u64> {
        if self.yields {
            self.space.take_free(bytes.len() as u64)?;
        } else {
            self.space.reserve(bytes.len() as u64)?;
        }
        let at = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.prepare(at + bytes.len() as u64);
        write_all(&self.file, bytes, at).map_err(|e| Error::io(self.space.folder(), "write a scratch file in", &e))?;
        Ok(at)
    }

    /// Allocates room on disk for many writes at once, which takes less time than for each of them.
    /// Where the system cannot, each write allocates its own.
    fn prepare(&self, end: u64) {
        let prepared = self.prepared.load(Ordering::Relaxed);
        if end > prepared {
            let more = self.prepared.compare_exchange(prepared, end + STEP, Ordering::Relaxed, Ordering::Relaxed);
            if more.is_ok() {
                prepare(&self.file, prepared, end + STEP - prepared);
            }
        }
    }

    /// Reads the bytes from `at` on into `out`, as many as it holds.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        read_exact(&self.file, out, at).map_err(|e| Error::io(self.space.folder(), "read a scratch file in", &e))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.space.give_back(*self.end.get_mut());
    }
}
