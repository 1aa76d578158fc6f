//! Streamed writing: any chain, any element, into an h5ad file, in memory that does not depend on the matrix.
//!
//! A worker thread that has read and transformed a block also compresses the chunks that become complete by it
//! (`spool`); the calling thread hands them to HDF5 in order. Files are the same bytes for any number of threads.

mod chunks;
mod encode;
mod matrix;
mod spool;

pub use matrix::{write_csr, write_dense, SPARSE_CHUNK};
