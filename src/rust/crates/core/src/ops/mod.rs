//! Computations on an expression matrix: sums and moments, quality control, normalisation, highly
//! variable genes, PCA and markers of groups.
//!
//! Every pass of a verb is a [`crate::stream::Reducer`]: blocks are reduced on worker threads,
//! partial results are folded and merged in block order in f64, and per-row results are scattered
//! by the positions that a block carries. Results are therefore the same bits for any number of
//! threads, any memory budget and any split over processes. Each verb has a typed result, which a
//! method turns into a [`crate::patch::Patch`] under scanpy's names.

mod aggregate;
mod columns;
mod combat;
mod design;
mod doublets;
mod downsample;
mod explain;
mod filter;
mod gene_ranges;
mod gene_sets;
mod group_sums;
mod hvg;
mod index_columns;
mod markers;
mod mean_var;
mod moments;
mod normalize;
mod pack;
mod pca;
mod pearson;
mod product;
mod project;
mod qc;
mod reductions;
mod regress;
mod score_aucell;
mod score_genes;
mod sums;
mod view;

pub use aggregate::{aggregate, Aggregation, Functions, DENSE};
pub use combat::{combat, CombatModel, Combined};
pub use doublets::{simulate_doublets, DoubletOptions, Doublets};
pub use downsample::{downsample_counts, Counts};
pub use explain::{explain, Plan, ReadFrom, Step};
pub use filter::{filter_cells, filter_genes, CellCriterion, Filtered, GeneCriterion};
pub use gene_ranges::{gene_ranges, GeneRanges};
pub use hvg::{highly_variable_genes, learn_sums, loess, Flavor, Hvg, HvgOptions};
pub use index_columns::{index_columns, Indexed};
pub use markers::{rank_genes_groups, Correction, MarkerOptions, Ranked, RankedGroup, Test};
pub use mean_var::mean_var;
pub use moments::{Axis, MeanVar};
pub use normalize::{log1p, normalize_total, scale, NormalizeOptions, Normalized, ScaleOptions, Scaled};
pub use pack::pack;
pub(crate) use pca::leading_eigenpairs;
use pca::pca_by_lanczos;
pub use pca::{n_components, pca, pca_into, MaskVar, Pca, PcaOptions, MAX_EXACT, N_COMPS};
pub use pearson::{normalize_pearson_residuals, PearsonOptions, PearsonSettings};
pub use product::{times, transposed_times};
pub use project::{project, Components};
pub use qc::{calculate_qc_metrics, QcMetrics, QcOptions, QcSubset};
pub use reductions::{cross_product, totals, Totals};
pub use regress::{regress_out, Regressors};
pub use score_aucell::score_aucell;
pub use score_genes::{score_genes, ScoreOptions};
pub use sums::{col_sums, row_sums, sums, Sums};
