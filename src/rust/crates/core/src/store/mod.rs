//! Files: HDF5 groups, datasets and attributes; open modes, atomic replacement. Knows nothing of AnnData.

mod hdf5_file;

pub use hdf5_file::Store;
