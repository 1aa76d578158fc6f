//! anndataoom-core: an out-of-memory AnnData.
#![warn(missing_docs, unreachable_pub)]

pub mod context;
pub mod error;
pub mod graph;

pub use context::{Context, Monitor};
pub use error::{Error, Result};
