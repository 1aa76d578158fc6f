//! Files open for saving: each is opened once in a process, and locked against others as HDF5 does
//! it.

use super::view::PagedFile;
use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

/// A file open for saving, shared by all in this process that have it open for saving. It has a
/// reader's lock, so that others may read, and a writer's lock during a save.
pub(in crate::store::hdf5) struct Shared {
    file: File,
    identity: Identity,
    state: Mutex<SaveState>,
}

/// The identity of a file: equal for two names of one file.
type Identity = (u64, u64);

/// The parts of a shared file that saves change.
pub(super) struct SaveState {
    /// Saves so far.
    generation: u64,
    saving: bool,
    /// Length and time of change after the last save.
    seen: (u64, Option<SystemTime>),
    views: Vec<Weak<PagedFile>>,
}

static OPEN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Returns the shared file at `path`. It is the one that is open in this process; else `file`,
    /// a handle to read and write it, is locked against writers of other processes.
    ///
    /// # Errors
    /// [`Error::Io`] when another process is writing to it.
    pub(super) fn open(path: &Path, file: File) -> Result<Arc<Shared>> {
        let io = |e: std::io::Error| Error::io(path, "open for saving", &e);
        let identity = identity(&file).map_err(io)?;
        let mut open = lock(&OPEN);
        open.retain(|shared| shared.strong_count() > 0);
        if let Some(shared) = open.iter().filter_map(Weak::upgrade).find(|shared| shared.identity == identity) {
            return Ok(shared);
        }
        if !try_lock(&file, false).map_err(io)? {
            return Err(Error::Io {
                path: path.into(),
                action: "open for saving",
                kind: std::io::ErrorKind::Other,
                message: "another process is writing to it; close it there".into(),
            });
        }
        let seen = seen(&file).map_err(io)?;
        let state = SaveState { generation: 0, saving: false, seen, views: Vec::new() };
        let shared = Arc::new(Shared { file, identity, state: Mutex::new(state) });
        open.push(Arc::downgrade(&shared));
        Ok(shared)
    }

    /// Returns the handle to read and write.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the number of saves so far.
    pub(super) fn generation(&self) -> u64 {
        lock(&self.state).generation
    }

    /// Returns a view of the file as it is now, which later saves do not change, and the number of
    /// saves before it.
    pub(super) fn view(&self, path: &Path) -> Result<(Arc<PagedFile>, u64)> {
        let mut state = lock(&self.state);
        let view = self.file.try_clone().and_then(PagedFile::readable).map_err(|e| Error::io(path, "open", &e))?;
        let view = Arc::new(view);
        state.views.retain(|view| view.strong_count() > 0);
        state.views.push(Arc::downgrade(&view));
        Ok((view, state.generation))
    }

    /// Runs `work`, which changes the file, and returns its result. `work` gets a function that it
    /// must call before it changes a page, with the number and the old content of the page. The
    /// function keeps the old content for the open views of the file. One more save is counted,
    /// even if `work` fails.
    ///
    /// # Errors
    /// The errors of `work`.
    pub(super) fn change<T>(&self, work: impl FnOnce(&dyn Fn(u64, &[u8])) -> Result<T>) -> Result<T> {
        let mut state = lock(&self.state);
        let views: Vec<Arc<PagedFile>> = state.views.iter().filter_map(Weak::upgrade).collect();
        let done = work(&|page, old| views.iter().for_each(|view| view.keep(page, old)));
        state.generation += 1;
        if let Ok(now) = seen(&self.file) {
            state.seen = now;
        }
        done
    }

    /// Checks that the file at `path` is still this one, as the last save in this process left it.
    ///
    /// # Errors
    /// [`Error::State`] when the file at `path` is another by now, or another process wrote to it.
    pub(super) fn check_unchanged(&self, path: &Path) -> Result<()> {
        let io = |e: std::io::Error| Error::io(path, "save", &e);
        let there = File::open(path).map_err(io)?;
        if identity(&there).map_err(io)? == self.identity && seen(&there).map_err(io)? == lock(&self.state).seen {
            return Ok(());
        }
        Err(Error::State(format!(
            "'{}' was changed since it was opened, by another program: open it again, or write another file",
            path.display()
        )))
    }
}

fn seen(file: &File) -> std::io::Result<(u64, Option<SystemTime>)> {
    let meta = file.metadata()?;
    Ok((meta.len(), meta.modified().ok()))
}

#[cfg(unix)]
fn identity(file: &File) -> std::io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

#[cfg(windows)]
fn identity(file: &File) -> std::io::Result<Identity> {
    use std::os::windows::fs::MetadataExt;
    // The nearest to an identity in stable Rust: the time of creation.
    Ok((0, file.metadata()?.creation_time()))
}

/// Tries to lock for writing or reading, as HDF5 does. Returns `false` when another handle has the
/// lock. A file system without locks counts as locked.
fn try_lock(file: &File, exclusive: bool) -> std::io::Result<bool> {
    if std::env::var("HDF5_USE_FILE_LOCKING").is_ok_and(|v| v == "FALSE" || v == "0") {
        return Ok(true);
    }
    match if exclusive { file.try_lock() } else { file.try_lock_shared() } {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Locks a file as a reader does, until it is closed; returns whether that was possible.
pub(in crate::store::hdf5) fn lock_to_read(file: &File) -> std::io::Result<bool> {
    try_lock(file, false)
}

/// The right to change a file, released on drop.
pub(super) struct Exclusive(Arc<Shared>);

impl Exclusive {
    /// Locks the file as a writer does, for a save.
    ///
    /// # Errors
    /// [`Error::Io`] when anybody else has the file open.
    pub(super) fn lock(shared: &Arc<Shared>, path: &Path) -> Result<Exclusive> {
        let kind = std::io::ErrorKind::Other;
        let refused =
            |message: &str| Error::Io { path: path.into(), action: "save into", kind, message: message.into() };
        {
            let mut state = lock(&shared.state);
            if state.saving {
                return Err(refused("it is being saved by another thread"));
            }
            state.saving = true;
        }
        let exclusive = Exclusive(shared.clone());
        if try_lock(&shared.file, true).map_err(|e| Error::io(path, "save into", &e))? {
            return Ok(exclusive);
        }
        Err(refused(
            "it is also open elsewhere, in another process or read-only in this one; close it there, or write another \
             file",
        ))
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // Back to a reader's lock, which was lost when the writer's lock could not be had.
        let _ = try_lock(&self.0.file, false);
        lock(&self.0.state).saving = false;
    }
}

/// Locks a file for writing, if nobody has it open. Waits up to 10 s while `wait` returns `true`;
/// returns whether the lock was taken.
pub(super) fn lock_alone(file: &File, path: &Path, wait: impl Fn() -> bool) -> Result<bool> {
    let start = Instant::now();
    loop {
        if try_lock(file, true).map_err(|e| Error::io(path, "open", &e))? {
            return Ok(true);
        }
        if !wait() || start.elapsed() > Duration::from_secs(10) {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
