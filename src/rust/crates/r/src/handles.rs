//! What R holds on to: open files and matrices, behind external pointers.

use anndataoom_core::store::Store;
use anndataoom_core::LazyMatrix;
use std::sync::Arc;

/// An open file.
#[derive(Debug)]
pub(crate) struct StoreHandle(pub(crate) Arc<Store>);

/// A matrix with the operations queued on it.
#[derive(Debug)]
pub(crate) struct MatrixHandle(pub(crate) LazyMatrix);
