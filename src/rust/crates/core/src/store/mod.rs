//! Files: groups, datasets and attributes; open modes, atomic replacement. Knows nothing of AnnData.

mod hdf5;
mod temporary;

pub(crate) use hdf5::{chunks, datatype, fault, plan, Item, Kind, Update, Values};
pub use hdf5::{
    hdf5_version, Attribute, Compression, DatasetWriter, External, GroupWriter, Layout, Node, Store, Writer, FILTERS,
};
pub(crate) use temporary::Temporary;
