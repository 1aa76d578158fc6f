//! Which groups are compared and how, and what comes of it for a gene.

/// The name of the verb in errors.
pub(super) const VERB: &str = "rank_genes_groups";

/// How groups are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Welch's t-test.
    T,
    /// The same with as many cells compared with as the group has, which overestimates the variance.
    TOverestimated,
    /// Wilcoxon's rank sums, by their normal approximation, with the correction for ties or without.
    Wilcoxon {
        /// Whether ties make the variance smaller.
        tie_correct: bool,
    },
    /// The coefficients of a multinomial logistic regression on all genes together.
    Logistic,
}

/// How p-values of many genes are adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// The false discovery rate of Benjamini & Hochberg (1995).
    BenjaminiHochberg,
    /// p times the number of genes.
    Bonferroni,
}

/// Which groups are compared, and how.
#[derive(Debug, Clone)]
pub struct MarkerOptions {
    /// The column of obs the groups are from, for messages.
    pub groupby: String,
    /// The group of each cell, a number of `names`.
    pub codes: Vec<u32>,
    /// Names of all groups.
    pub names: Vec<String>,
    /// The groups to compare, in this order; all without it.
    pub groups: Option<Vec<String>>,
    /// "rest", or the group the others are compared with.
    pub reference: String,
    /// The test.
    pub test: Test,
    /// The adjustment of p-values.
    pub correction: Correction,
    /// How many genes are kept of each group; all without it.
    pub n_genes: Option<usize>,
    /// Whether genes are ordered by the size of their scores.
    pub rankby_abs: bool,
    /// Whether the shares of cells with a gene are given.
    pub pts: bool,
    /// The base of the logarithm the values are in, e without it.
    pub log_base: Option<f64>,
}

impl MarkerOptions {
    /// A test of all groups of `groupby` against the rest, with scanpy's defaults; groups are still to be given.
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

/// Results of one gene: scores of the groups compared, for t-tests their p-values, log2 fold changes, and shares of cells
/// in which it is not 0: of all chosen groups, and of the cells each is compared with.
#[derive(Default)]
pub(super) struct Tested {
    pub(super) scores: Vec<f64>,
    pub(super) p: Vec<f64>,
    pub(super) folds: Vec<f32>,
    pub(super) pts: Vec<f64>,
    pub(super) pts_rest: Vec<f64>,
}
