//! Stores: groups, arrays and attributes; open modes; atomic replacement. This module knows nothing
//! of AnnData.
//!
//! Reading: [`Store`] is an open store and [`Node`] a group or array in it. `Values` are the values
//! of an array, of one field of it, or of an attribute; `array::ChunkedArray` is an array of
//! numbers read by the chunk. Writing: [`Writer`] is a store being made beside its target;
//! [`GroupWriter`] and [`DatasetWriter`] fill it; [`Writer::commit`] puts it in place. `Update`
//! saves into an existing store. All of them are built on the traits of `backend`, `array` and
//! `sink`, which each folder here implements for one format.
//!
//! ```
//! # fn main() -> anndataoom_core::Result<()> {
//! use anndataoom_core::store::Store;
//!
//! let store = Store::open("../../../../inst/extdata/pbmc_like.h5ad")?;
//! assert!(store.keys("obs")?.contains(&"cell_type".to_owned()));
//! let x = store.node("X")?;
//! assert_eq!(x.attribute("encoding-type")?.and_then(|a| a.text().map(str::to_owned)).as_deref(), Some("csr_matrix"));
//! let error = store.node("obsm/X_umap").unwrap_err();
//! assert_eq!(error.class(), "missing"); // and its text names the file, the element and what there is instead
//! # Ok(())
//! # }
//! ```

pub(crate) mod array;
mod attribute;
mod backend;
mod backends;
mod external;
mod group;
mod hdf5;
mod kind;
mod memory;
pub(crate) mod positioned;
#[cfg(feature = "remote")]
mod remote;
#[cfg(not(feature = "remote"))]
#[path = "absent.rs"]
mod remote;
mod sink;
#[allow(clippy::module_inception)] // the store itself
mod store;
mod temporary;
mod traffic;
mod values;
mod writer;
mod zarr;

pub use crate::codec::Compression;
pub use attribute::Attribute;
pub(crate) use backend::{FileState, Identity};
pub(crate) use backends::{is_store, is_zarr};
pub use backends::{libraries, named, FILTERS};
pub use external::External;
pub(crate) use kind::{Kind, Padding};
pub use memory::Memory;
pub use remote::{cache_folder, set_cache};
pub use sink::Layout;
pub(crate) use sink::Target;
pub use store::{Node, Store};
pub(crate) use temporary::Temporary;
pub use traffic::Traffic;
pub(crate) use values::Values;
pub(crate) use writer::Update;
pub use writer::{DatasetWriter, GroupWriter, Writer};
pub use zarr::ZarrFormat;
