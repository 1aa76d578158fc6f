//! On-disk matrices as row blocks.

mod block;
mod columns;
mod memory;
mod source;

pub use block::{Block, Positions, Storage};
pub use columns::ColumnMap;
pub use memory::MemorySource;
pub use source::{cut_blocks, Layout, Location, Pass, Rows, Source, BLOCK_ROWS, BLOCK_VALUES};
