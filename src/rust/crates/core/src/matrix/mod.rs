//! On-disk matrices as row blocks.

mod block;
mod cache;
mod columns;
mod csc;
mod csr;
mod dense;
mod disk;
mod memory;
mod open;
mod rows;
mod source;
mod sparse;

pub use block::{Block, Positions, Storage};
pub(crate) use cache::{ColumnCache, MAX_COLUMNS as MAX_KEPT_COLUMNS};
pub use columns::ColumnMap;
pub use memory::MemorySource;
pub use open::open;
pub use source::{cut_blocks, Layout, Location, Pass, Rows, Source, BLOCK_ROWS, BLOCK_VALUES};
