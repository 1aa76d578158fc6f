//! HDF5 files. The modules above use only [`open`] and [`create`].
//!
//! Reading: [`Hdf5File`] is an open file, and [`Node`] a group or dataset in it. `transfer` reads
//! values through the library; `array` reads chunks without it. Writing: [`Hdf5Writer`] is a file
//! being made beside its target, and `sink` has its groups and datasets. `update` saves into an
//! existing file.

mod array;
mod backend;
mod bytes;
mod chunks;
mod claim;
mod copy;
mod datatype;
mod descriptors;
mod driver;
mod environment;
mod external;
mod fault;
mod file;
mod filters;
mod heap;
mod layout;
mod lengths;
mod links;
mod node;
mod object;
mod open;
mod parts;
mod probe;
mod raw;
mod register;
mod repack;
mod replace;
mod sink;
mod storage;
mod texts;
mod transfer;
mod tree;
mod update;
mod writer;

use super::{External, Kind, Padding};
pub(super) use backend::{library, open, open_remote};
use file::Hdf5File;
use node::Node;
pub(super) use probe::is_hdf5;
pub(super) use replace::create;
use writer::Hdf5Writer;
