//! Ranks the genes that mark a group of cells (`scanpy.tl.rank_genes_groups`). t-tests take one
//! pass over rows, rank sums one over columns. Results are exact, and the same bits for any number
//! of threads, any memory and any layout.

mod compare;
mod groups;
mod logistic;
mod newton;
mod options;
mod ranks;
mod sums;
mod table;
mod tails;

pub use compare::rank_genes_groups;
pub use options::{Correction, MarkerOptions, Test};
pub use table::{Ranked, RankedGroup};
