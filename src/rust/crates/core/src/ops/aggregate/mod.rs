//! Sums, means, variances, counts and medians of groups of cells or genes (`scanpy.get.aggregate`), all of them in one pass,
//! medians in one of their own; see [`aggregate()`].

mod genes;
mod groups;
mod layers;
mod medians;
mod options;

pub use groups::aggregate;
pub(super) use groups::passes;
pub use layers::DENSE;
pub use options::{Aggregation, Functions};
