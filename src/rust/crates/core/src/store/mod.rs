//! Stores: groups, arrays and attributes; open modes, atomic replacement. Knows nothing of AnnData.
//!
//! Reading: [`Store`] is an open store, [`Node`] a group or array in it, `Values` what an array, one field of it or an
//! attribute holds, `array::ChunkedArray` an array of numbers by the chunk. Writing: [`Writer`] is a store being made
//! beside its target, [`GroupWriter`] and [`DatasetWriter`] fill it, [`Writer::commit`] puts it in place; `Update` saves
//! into a store that stays. All of them stand on the traits of `backend`, `array` and `sink`, which each folder here
//! implements for one format.

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
pub(crate) use backend::{Identity, State};
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
