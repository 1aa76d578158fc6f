//! Streamed writing of any chain and any element into an h5ad file, with memory that does not
//! depend on the size of the matrix.
//!
//! A [`H5adPlan`] has for every slot a value in memory, a chain to stream or an element to copy;
//! [`write_h5ad`] writes it. A worker thread that has read and transformed a block also compresses
//! the chunks that it completes (`spool`); the calling thread writes them to the file in order.
//! Files have the same bytes for any number of threads. [`save_h5ad`] writes changes into the file
//! that an object was read from.
//!
//! ```
//! # fn main() -> anndataoom_core::Result<()> {
//! use anndataoom_core::write::{write_h5ad, H5adPlan, Part, WriteOptions};
//! use anndataoom_core::{matrix, ops, store::Store, LazyMatrix, Session};
//!
//! let store = Store::open("../../../../inst/extdata/pbmc_like.h5ad")?;
//! let (logged, _) = ops::log1p(&LazyMatrix::new(matrix::open(&store, "X")?), None)?;
//! let x = Part::of_chain(&logged, Some(&store)); // streamed
//! let plan = H5adPlan::new(Some(x), Part::copy(&store, "obs"), Part::copy(&store, "var")); // copied unread
//! let path = std::env::temp_dir().join(format!("write-{}.h5ad", std::process::id()));
//! write_h5ad(&plan, &path, &WriteOptions::default(), &Session::default())?;
//! assert_eq!(Store::open(&path)?.keys("obs")?, store.keys("obs")?);
//! # std::fs::remove_file(&path).unwrap();
//! # Ok(())
//! # }
//! ```

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
