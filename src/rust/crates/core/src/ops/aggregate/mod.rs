//! Sums, means, variances, counts and medians of groups of cells or genes (`scanpy.get.aggregate`);
//! see [`aggregate()`]. Medians take a pass of their own, all other functions share one.

mod genes;
mod groups;
mod layers;
mod medians;
mod options;

pub use groups::aggregate;
pub(super) use groups::passes;
pub use layers::DENSE;
pub use options::{Aggregation, Functions};
