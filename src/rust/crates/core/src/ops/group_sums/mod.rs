//! Sums of the values of each gene in each group of cells, kept for the pairs there are: dense where most genes have values,
//! in lists where few have.

mod cell;
mod list;
mod rows;
mod sums;

pub(super) use cell::{Both, Cell, Exact, Moments, Spread, Summed, Total};
pub(super) use rows::{Bands, Rows};
pub(super) use sums::{typed, GroupSums};
