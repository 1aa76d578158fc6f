//! Numbers: their dtypes, buffers of them, and their bytes.

mod data;
mod plain;

pub use data::{DType, Data, Number};
pub(crate) use plain::{as_bytes, as_bytes_mut, with_plain, Bit, Plain};
