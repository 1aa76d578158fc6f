//! The room on disk for what does not fit into memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// A folder for files without a name, gone with their handles, and the bytes in them.
#[derive(Debug, Clone, Default)]
pub struct Space(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// `None` for the system's folder of temporary files.
    folder: Option<PathBuf>,
    used: AtomicU64,
}

impl Space {
    /// In this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Space(Arc::new(Inner { folder: Some(folder.into()), used: AtomicU64::new(0) }))
    }

    /// The folder, for one more file.
    pub(crate) fn folder(&self) -> PathBuf {
        self.0.folder.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Counts bytes written.
    pub(crate) fn take(&self, bytes: u64) {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are free again.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The room a pass over a stored matrix may take besides the blocks it has handed out.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// Bytes in memory.
    pub memory: usize,
    /// Place for what does not fit into them.
    pub scratch: Space,
}

impl Allowance {
    /// An equal part of it for each of so many.
    #[must_use]
    pub(crate) fn among(&self, n: usize) -> Allowance {
        Allowance { memory: self.memory / n.max(1), scratch: self.scratch.clone() }
    }
}
