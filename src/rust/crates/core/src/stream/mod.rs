//! Runs passes. A pass reads and transforms the blocks of a matrix on worker threads and hands them
//! on in block order. The source sets the boundaries of the blocks, so that results are the same
//! bits for any number of threads.
//!
//! A [`Reducer`] adds values up; a writer takes blocks one after the other ([`in_sequence`]). A
//! caller with a loop over rows of its own pulls [`Blocks`] or [`Chunks`]. A function of the values
//! of one gene in all cells is called column by column ([`map_columns`]). [`collect()`] loads a
//! selection into memory.
//!
//! ```
//! # fn main() -> anndataoom_core::Result<()> {
//! use anndataoom_core::stream::{Blocks, Order};
//! use anndataoom_core::{matrix, store::Store, LazyMatrix, Session};
//!
//! let store = Store::open("../../../../inst/extdata/pbmc_like.h5ad")?;
//! let x = LazyMatrix::new(matrix::open(&store, "X")?);
//! let mut rows = 0;
//! for block in Blocks::new(&x, Order::Matrix, &Session::default())? {
//!     rows += block?.n_rows();
//! }
//! assert_eq!(rows, 700);
//! # Ok(())
//! # }
//! ```

mod ahead;
mod blocks;
mod collect;
mod columns;
mod execute;
mod needs;
mod partial;
mod reduce;
mod reducer;
mod runs;
mod scatter;
mod schedule;
mod sequence;

pub use crate::team::Team;
pub use blocks::{Blocks, Chunks};
pub use collect::{collect, collect_in, collect_rows_into, known_in, Room};
pub(crate) use columns::scratch;
pub use columns::{map_columns, Bytes, Column, Label, PerColumn, Value, NO_LABEL};
pub(crate) use execute::keeps_columns;
pub use needs::{Needs, LONG_RUN, RUN};
pub use partial::{finish, reduce_runs, Partial};
pub use reduce::{reduce, reduce_into};
pub use reducer::{adds_up, gives_rows, gives_sum, no_rows, no_state, Reducer};
pub use scatter::Scatter;
pub use schedule::Schedule;
pub(crate) use sequence::in_file_order;
pub use sequence::in_sequence;

/// The order of the rows of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The order of the matrix, for readers and writers.
    Matrix,
    /// The order of the file: no chunk is decoded twice, however the rows are permuted. Blocks
    /// carry the matrix positions of their rows. It is for reducers, whose per-row results are
    /// scattered by position.
    File,
}
