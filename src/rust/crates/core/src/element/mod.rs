//! AnnData elements: one in-memory form per on-disk encoding, and its reader and writer.

mod data;
mod strings;
mod turn;
mod value;

pub use data::{DType, Data, Number};
pub use strings::Strings;
pub use value::{Array, Categorical, DataFrame, Nullable, Scalar, Sparse, SparseFormat, Value};
