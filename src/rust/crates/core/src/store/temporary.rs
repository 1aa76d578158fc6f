//! Temporary files and folders beside their target, and the removal of those that killed writers
//! left.
//!
//! A writer holds a lock on its temporary file. The system releases the lock when the process ends,
//! for whatever reason, so a temporary file whose lock is free belongs to nobody. Process numbers
//! prove nothing, since they are used again. On a network share either the lock counts for all
//! machines or there are no locks; without locks, only the files of this machine whose process is
//! gone are removed.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A temporary file or folder. It is removed on drop, unless [`Temporary::keep`] was called.
pub(crate) struct Temporary {
    path: Option<PathBuf>,
    /// The handle that holds the lock; on Windows folders have none.
    file: Option<File>,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            remove(&path);
        }
        self.unlock();
    }
}

impl Temporary {
    /// Creates an empty file beside `target`, after it removed the leftovers of other writers.
    pub(crate) fn create(target: &Path) -> Result<Temporary> {
        Self::made(target, |path| File::create_new(path).map(Some))
    }

    /// Creates an empty folder beside `target`, after it removed the leftovers of other writers.
    pub(crate) fn create_folder(target: &Path) -> Result<Temporary> {
        Self::made(target, |path| {
            std::fs::create_dir(path)?;
            if cfg!(windows) {
                return Ok(None);
            }
            File::open(path).map(Some)
        })
    }

    fn made(target: &Path, make: impl Fn(&Path) -> std::io::Result<Option<File>>) -> Result<Temporary> {
        let io = |e: std::io::Error| Error::io(target, "write", &e);
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        remove_leftovers(target, &name);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let n = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = target.with_file_name(format!(".{name}.{}-{}-{n}.tmp", host(), std::process::id()));
            let file = match make(&path) {
                // A process of the same number was killed where there are no locks, and left this
                // name.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(io)?,
            };
            // Another writer that looks for leftovers may hold the lock for a moment, and then
            // removes the file.
            if file.as_ref().is_some_and(|file| matches!(lock(file), Locked::Other)) || !path.exists() {
                continue;
            }
            return Ok(Temporary { path: Some(path), file });
        }
    }

    /// Returns the path of the file or folder.
    pub(crate) fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| Error::Internal("no temporary file".into()))
    }

    /// Gives up the file, which has been renamed: it is no longer removed on drop.
    pub(crate) fn keep(&mut self) {
        self.path = None;
        self.unlock();
    }

    /// Releases the lock explicitly. Closing the file is not enough where a process that was forked
    /// meanwhile shares the handle: the lock would stay on the file, which is the target by now.
    fn unlock(&self) {
        #[cfg(unix)]
        let _ = self.file.as_ref().map(File::unlock);
    }
}

enum Locked {
    /// This handle holds the lock.
    Mine,
    /// Another handle holds it.
    Other,
    /// The file system has no locks.
    Unknown,
}

/// Tries to lock a temporary file, without waiting. Not on Windows: there a file that somebody has
/// open cannot be removed, and a lock would keep the HDF5 library from writing.
fn lock(file: &File) -> Locked {
    if cfg!(windows) {
        return Locked::Unknown;
    }
    match file.try_lock() {
        Ok(()) => Locked::Mine,
        Err(TryLockError::WouldBlock) => Locked::Other,
        Err(TryLockError::Error(_)) => Locked::Unknown,
    }
}

/// Returns a word for this machine: 8 hexadecimal digits from its name.
fn host() -> String {
    let name = ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|p| std::fs::read_to_string(p).ok());
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok()).unwrap_or_default();
    // FNV-1a
    let hash =
        name.trim().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{:08x}", hash >> 32)
}

/// Returns whether a process of this machine is gone; `false` where that cannot be told.
fn is_gone(process: &str) -> bool {
    Path::new("/proc/self").exists() && !Path::new("/proc").join(process).exists()
}

/// Removes the leftovers of writers of `target` that are gone. A leftover that cannot be removed
/// does no harm.
fn remove_leftovers(target: &Path, name: &str) {
    let Some(entries) = target.parent().and_then(|folder| std::fs::read_dir(folder).ok()) else { return };
    let prefix = format!(".{name}.");
    for entry in entries.flatten() {
        let file = entry.file_name();
        let Some(middle) = file.to_str().and_then(|f| f.strip_prefix(&prefix)).and_then(|f| f.strip_suffix(".tmp"))
        else {
            continue;
        };
        let is_number = |s: &&str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let parts: Vec<&str> = middle.split('-').collect();
        let [machine, process, count] = parts.as_slice() else { continue };
        let machine_is_a_word = machine.len() == 8 && machine.bytes().all(|b| b.is_ascii_hexdigit());
        if !machine_is_a_word || !is_number(process) || !is_number(count) {
            continue;
        }
        // Opened for writing, which some network shares require for a lock; a folder cannot be
        // opened so.
        let folder = entry.path().is_dir();
        let Ok(opened) = File::options().write(!folder).read(folder).open(entry.path()) else { continue };
        let gone = match lock(&opened) {
            Locked::Mine => true,
            Locked::Other => false,
            Locked::Unknown => cfg!(windows) || (*machine == host() && is_gone(process)),
        };
        drop_if(gone, opened, &entry.path());
    }
}

fn drop_if(gone: bool, opened: File, path: &Path) {
    if cfg!(windows) {
        drop(opened);
    }
    if gone {
        remove(path);
    }
}

fn remove(path: &Path) {
    // A failure cannot be mended and costs nothing: the target is not touched.
    let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Checks that leftovers are removed only if their name has the full pattern and nobody holds
    /// them.
    #[test]
    fn leftovers() {
        let dir = std::env::temp_dir().join(format!("anndataoom-left-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let target = dir.join("a.h5ad");
        let held = Temporary::create(&target).unwrap();
        let nobodys = dir.join(format!(".a.h5ad.{}-{}-77.tmp", host(), std::process::id()));
        let others = [".a.h5ad.note.tmp", ".a.h5ad.5-0.tmp", "a.h5ad.00000000-1-1.tmp", ".b.h5ad.00000000-1-1.tmp"];
        std::fs::write(&nobodys, "x").unwrap();
        for other in others {
            std::fs::write(dir.join(other), "x").unwrap();
        }
        let second = Temporary::create(&target).unwrap();
        assert!(!nobodys.exists() && held.path().unwrap().exists() && second.path().unwrap().exists());
        assert!(others.iter().all(|other| dir.join(other).exists()));
        let left = held.path().unwrap().to_owned();
        drop((held, second));
        assert!(!left.exists());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
