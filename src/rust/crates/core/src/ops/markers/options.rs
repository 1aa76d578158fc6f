//! The parameters of a comparison, and its results for one gene.

/// The name, in errors, of the verb.
pub(super) const VERB: &str = "rank_genes_groups";

/// The test by which groups are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Welch's t-test.
    T,
    /// Welch's t-test that takes the size of the group for the number of cells it is compared with,
    /// which overestimates the variance.
    TOverestimated,
    /// Wilcoxon's rank-sum test in its normal approximation.
    Wilcoxon {
        /// Whether ties reduce the variance.
        tie_correct: bool,
    },
    /// The coefficients of a multinomial logistic regression on all genes together.
    Logistic,
}

/// The adjustment of p-values for many genes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// The false discovery rate of Benjamini & Hochberg (1995).
    BenjaminiHochberg,
    /// p times the number of genes, at most 1.
    Bonferroni,
}

/// The parameters of [`rank_genes_groups`](super::rank_genes_groups).
#[derive(Debug, Clone)]
pub struct MarkerOptions {
    /// The column of obs that the groups are from, for messages.
    pub groupby: String,
    /// The group of each cell, a position in `names`.
    pub codes: Vec<u32>,
    /// The names of all groups.
    pub names: Vec<String>,
    /// The groups to compare, in this order; `None` for all.
    pub groups: Option<Vec<String>>,
    /// "rest", or the group that the others are compared with.
    pub reference: String,
    /// The test.
    pub test: Test,
    /// The adjustment of p-values.
    pub correction: Correction,
    /// The number of genes kept of each group; `None` for all.
    pub n_genes: Option<usize>,
    /// Whether genes are ordered by the absolute value of their scores.
    pub rankby_abs: bool,
    /// Whether the shares of cells that express a gene are returned.
    pub pts: bool,
    /// The base of the logarithm of the values; `None` for e.
    pub log_base: Option<f64>,
}

impl MarkerOptions {
    /// Returns the parameters of a test of all groups of `groupby` against the rest, with scanpy's
    /// defaults. The caller still has to set `codes` and `names`.
    pub fn new(groupby: &str, test: Test) -> Self {
        MarkerOptions {
            groupby: groupby.to_owned(),
            codes: Vec::new(),
            names: Vec::new(),
            groups: None,
            reference: "rest".to_owned(),
            test,
            correction: Correction::BenjaminiHochberg,
            n_genes: None,
            rankby_abs: false,
            pts: false,
            log_base: None,
        }
    }
}

/// The results of one gene for the groups compared: scores, p-values (of t-tests), log2 fold
/// changes, and the shares of cells in which it is not 0. The shares are those of all chosen groups
/// (`pts`) and of the cells that each is compared with (`pts_rest`).
#[derive(Default)]
pub(super) struct Tested {
    pub(super) scores: Vec<f64>,
    pub(super) p: Vec<f64>,
    pub(super) folds: Vec<f32>,
    pub(super) pts: Vec<f64>,
    pub(super) pts_rest: Vec<f64>,
}
