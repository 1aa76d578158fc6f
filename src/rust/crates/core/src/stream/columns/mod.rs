//! A pass by columns: a gene's values of all cells, on the threads of the session.
//!
//! Rows are read once. Their values are sorted by column, block by block ([`spool`]), and held in
//! memory as far as the memory of the pass allows, then in a scratch file. From there every task
//! takes a band of neighbouring columns. Compressed columns and the column index are read band by
//! band instead, without the rest of the rows. Both ways give the values of a column in the order
//! of the file; they differ in time only.

mod column;
mod map;
mod spool;

pub use column::{Bytes, Column, Label, PerColumn, Value, NO_LABEL};
pub use map::map_columns;
pub(crate) use map::scratch;
