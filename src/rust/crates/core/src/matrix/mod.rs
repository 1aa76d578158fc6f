//! Matrices, on disk or in memory, as row blocks.

mod block;
mod cache;
mod columns;
mod csc;
mod csr;
mod dense;
mod disk;
mod index;
mod memory;
mod open;
mod packed;
mod rows;
mod source;
mod spare;
mod sparse;
mod stamp;
mod vector;

pub use block::{Block, Positions, Storage};
pub(crate) use cache::{ColumnCache, MAX_COLUMNS as MAX_KEPT_COLUMNS};
pub use columns::ColumnMap;
pub(crate) use disk::Scratch;
pub(crate) use index::{hash, pack, Bits, ColumnIndex, Writer as IndexWriter};
pub use memory::MemorySource;
pub use open::open;
pub use packed::{PackedState, Trouble as PackedTrouble};
pub use source::{cut_blocks, Fetch, Layout, Location, Pass, Reads, Rows, Source, BLOCK_ROWS, BLOCK_VALUES};
pub use stamp::Stamp;
pub(crate) use vector::Vector;
