//! anndataoom-core: an out-of-memory AnnData.
//!
//! `store -> element -> matrix -> chain -> stream -> ops -> graph -> verbs`: a room per idea, each knowing only those before
//! it. The faces (R, Python) convert and validate; everything else lives here.
#![warn(unreachable_pub)]

pub mod chain;
mod codec;
pub mod dtype;
pub mod element;
mod encoded;
pub mod error;
pub mod given;
pub mod graph;
mod location;
pub mod matrix;
pub mod memory;
mod natural;
pub mod ops;
pub mod patch;
mod random;
pub mod reserve;
pub mod session;
pub mod sim;
mod simd;
pub mod store;
pub mod stream;
mod team;
pub mod text;
mod vector;
pub mod verbs;
pub mod write;

pub use chain::LazyMatrix;
pub use error::{Error, Result};
pub use location::Location;
pub(crate) use natural::natural_order;
pub use session::{Monitor, Session};
