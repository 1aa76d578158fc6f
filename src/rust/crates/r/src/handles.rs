//! Objects that R holds behind external pointers: open files, matrices and passes.

use anndataoom_core::store::Store;
use anndataoom_core::stream::Chunks;
use anndataoom_core::{LazyMatrix, Session};
use std::sync::{Arc, Mutex};

/// An open file.
#[derive(Debug)]
pub(crate) struct StoreHandle(pub(crate) Arc<Store>);

/// A matrix with its queued operations.
#[derive(Debug)]
pub(crate) struct MatrixHandle(pub(crate) LazyMatrix);

/// A pass that returns chunks of rows, and its session; `chunks` is `None` once the pass was ended.
#[derive(Debug)]
pub(crate) struct ChunksHandle {
    pub(crate) chunks: Mutex<Option<Chunks>>,
    pub(crate) session: Session,
}
