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
mod external;
mod hdf5;
mod kind;
mod node;
pub(crate) mod positioned;
mod sink;
#[allow(clippy::module_inception)] // the store itself
mod store;
mod temporary;
mod values;

pub use crate::codec::Compression;
pub use attribute::Attribute;
pub(crate) use backend::{Identity, State};
pub use external::External;
pub use hdf5::{hdf5_version, FILTERS};
pub(crate) use kind::{Kind, Padding};
pub use node::Node;
pub use sink::{DatasetWriter, GroupWriter, Layout, Writer};
pub(crate) use sink::{Target, Update};
pub use store::Store;
pub(crate) use temporary::Temporary;
pub(crate) use values::Values;
