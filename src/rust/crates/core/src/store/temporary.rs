//! The file (or folder) that is written beside its target, and those that writers who were killed have left.
//!
//! A writer holds a lock on its temporary file, which the system gives back when the process ends, however it ends: a
//! file of that name whose lock can be had is nobody's any more. Numbers of processes say nothing, as they are used again.
//! On a network share the lock counts for all machines, or there are no locks: then only files of this machine whose
//! process is gone are removed.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file or folder that disappears unless it was put in place.
pub(crate) struct Temporary {
    path: Option<PathBuf>,
    /// Holds the lock; on Windows no folder has one.
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
    /// An empty file beside `target`, after those that nobody writes to any more were removed.
    pub(crate) fn create(target: &Path) -> Result<Temporary> {
        Self::made(target, |path| File::create_new(path).map(Some))
    }

    /// An empty folder beside `target`, after the same.
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
                // Of a process of the same number that was killed where there are no locks.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(io)?,
            };
            // Who looks for leftovers may have the lock for a moment, and removes the file then.
            if file.as_ref().is_some_and(|file| matches!(lock(file), Locked::Other)) || !path.exists() {
                continue;
            }
            return Ok(Temporary { path: Some(path), file });
        }
    }

    pub(crate) fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| Error::Internal("no temporary file".into()))
    }

    /// Gives up the file, which has been renamed.
    pub(crate) fn keep(&mut self) {
        self.path = None;
        self.unlock();
    }

    /// Also where a process forked meanwhile shares the handle: the lock would stay on what is the target by now.
    fn unlock(&self) {
        #[cfg(unix)]
        let _ = self.file.as_ref().map(File::unlock);
    }
}

enum Locked {
    /// By this handle.
    Mine,
    Other,
    /// There are no locks here.
    Unknown,
}

/// On Windows a file that somebody has open cannot be removed, and a lock would keep the library from writing.
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

/// A word for this machine.
fn host() -> String {
    let name = ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|p| std::fs::read_to_string(p).ok());
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok()).unwrap_or_default();
    // FNV-1a
    let hash =
        name.trim().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{:08x}", hash >> 32)
}

/// Whether a process of this machine is gone; only where that can be told.
fn is_gone(process: &str) -> bool {
    Path::new("/proc/self").exists() && !Path::new("/proc").join(process).exists()
}

/// Removes what writers of `target` that are gone have left. What cannot be removed harms nobody.
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
        // Opened for writing, as some network shares want it for a lock; a folder cannot be.
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
    // Nothing can be done, or lost, when this fails: the target is not touched.
    let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Only files of the very pattern that nobody holds are removed.
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
