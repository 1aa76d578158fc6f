//! Objects that R holds: open files and matrices, behind external pointers.

use anndataoom_core::store::Store;
use anndataoom_core::stream::Chunks;
use anndataoom_core::{LazyMatrix, Session};
use std::sync::{Arc, Mutex};

/// An open file.
#[derive(Debug)]
pub(crate) struct StoreHandle(pub(crate) Arc<Store>);

/// A matrix with the operations queued on it.
#[derive(Debug)]
pub(crate) struct MatrixHandle(pub(crate) LazyMatrix);

/// A pass that gives rows in turn, and what it was started with; `None` once it was let go.
#[derive(Debug)]
pub(crate) struct ChunksHandle {
    pub(crate) chunks: Mutex<Option<Chunks>>,
    pub(crate) session: Session,
}
