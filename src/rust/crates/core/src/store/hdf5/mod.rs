//! HDF5 files. Reading: [`Store`] is an open file, [`Node`] a group or dataset in it, `Values` what a dataset, one field
//! of it or an attribute holds. Writing: [`Writer`] is a file being made beside its target, [`GroupWriter`] and
//! [`DatasetWriter`] fill it, [`Writer::commit`] puts it in place. Saving into a file that stays is `update`'s.

mod attribute;
pub(crate) mod chunks;
mod copy;
pub(crate) mod datatype;
mod driver;
mod external;
pub(crate) mod fault;
mod group_change;
mod group_writer;
mod hdf5_file;
mod heap;
mod lengths;
mod links;
mod node;
mod probe;
mod register;
mod repack;
mod storage;
mod transfer;
mod update;
mod writer;

pub use attribute::Attribute;
pub(crate) use datatype::{Item, Kind};
pub use external::External;
pub use group_writer::{Compression, DatasetWriter, GroupWriter, Layout};
pub use hdf5_file::{hdf5_version, Store, FILTERS};
pub use node::Node;
pub(crate) use register::plan;
pub(crate) use transfer::Values;
pub(super) use update::prepared;
pub(crate) use update::Update;
pub use writer::Writer;
