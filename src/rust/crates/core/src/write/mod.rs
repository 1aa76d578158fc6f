//! Streamed writing: any chain, any element, into an h5ad file, in memory that does not depend on the matrix.
//!
//! A [`H5adPlan`] says for every slot whether it is a value in memory, a chain to stream or an element to copy;
//! [`write_h5ad`] carries it out. A worker thread that has read and transformed a block also compresses the chunks
//! that become complete by it (`spool`); the calling thread hands them to HDF5 in order. Files are the same bytes for
//! any number of threads. [`save_h5ad`] writes what changed into the file an object came from.

mod between;
mod check;
mod chunks;
mod convert;
mod csc;
mod csr;
mod current;
mod encode;
mod h5ad;
mod matrix;
mod mudata;
mod names;
mod packing;
mod part;
mod plan;
mod rows;
mod same;
mod save;
mod spool;
mod tenx;
mod vectors;

pub use crate::store::Compression;
pub use convert::{convert, convert_to, Conversion};
pub use csc::write_csc;
pub use h5ad::{write_h5ad, write_store, write_zarr};
pub use matrix::{write_csr, write_dense};
pub use mudata::write_h5mu;
pub use packing::Packing;
pub use plan::{Frame, H5adPlan, Part, RawPlan, WriteOptions};
pub use rows::{RowRun, RowStream};
pub use save::{save_h5ad, SaveOptions, Saved};
pub use tenx::write_10x_h5;
pub(crate) use tenx::{compressed, TenXPlan};
pub use vectors::SPARSE_CHUNK;
