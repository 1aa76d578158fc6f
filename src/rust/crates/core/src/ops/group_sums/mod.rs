//! Sums of the values of each gene in each group of cells, for the pairs that occur: arrays where
//! most genes have values, lists where few have.

mod accumulator;
mod list;
mod rows;
mod sums;

pub(super) use accumulator::{Accumulator, Both, Exact, Moments, Spread, Summed, Total};
pub(super) use rows::{Bands, Rows};
pub(super) use sums::{typed, GroupSums};
