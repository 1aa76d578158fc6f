//! Quality control and filters.

use super::call::{Call, Outcome};
use super::domain::{Kind, COUNT, LIMIT, NOT_NEGATIVE};
use super::entry::{need, param, Param, Preset, Source, Verb, COPY, INPLACE, LAYER, MATRIX};
use crate::error::Result;
use crate::given::Given;
use crate::ops::{self, CellCriterion, GeneCriterion};

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&CALCULATE_QC_METRICS, &GENE_RANGES, &FILTER_CELLS, &FILTER_GENES];

static CALCULATE_QC_METRICS: Verb = Verb {
    name: "calculate_qc_metrics",
    label: "quality control",
    params: &[
        param("expr_type", Kind::Text, Preset::Text("counts"), "Names the columns; only \"counts\".").python(),
        param("var_type", Kind::Text, Preset::Text("genes"), "Names the columns; only \"genes\".").python(),
        param("qc_vars", Kind::List(&Kind::Text), Preset::Nothing, "Boolean columns of var: sets of genes."),
        param(
            "percent_top",
            Kind::List(&COUNT),
            Preset::Wholes(&[50, 100, 200, 500]),
            "Sizes of sets of highest genes.",
        ),
        LAYER,
        param("use_raw", Kind::Flag, Preset::Flag(false), "Whether raw is used instead of X.").python(),
        param("inplace", Kind::Flag, Preset::Flag(false), "Whether obs and var get the columns.").python(),
        param("log1p", Kind::Flag, Preset::Flag(true), "Whether logarithms of the counts are added."),
        param("parallel", Kind::Object("a flag"), Preset::Nothing, "Accepted and has no effect.").python(),
    ],
    needs: &[MATRIX, need("qc_vars", Source::Masks)],
    gives: &[
        "obs/n_genes_by_counts",
        "obs/log1p_n_genes_by_counts",
        "obs/total_counts",
        "obs/log1p_total_counts",
        "obs/pct_counts_in_top_{percent_top}_genes",
        "obs/total_counts_{qc_vars}",
        "obs/log1p_total_counts_{qc_vars}",
        "obs/pct_counts_{qc_vars}",
        "var/n_cells_by_counts",
        "var/mean_counts",
        "var/log1p_mean_counts",
        "var/pct_dropout_by_counts",
        "var/total_counts",
        "var/log1p_total_counts",
    ],
    run: |call, session| {
        let masks = call.masks("qc_vars");
        let options = ops::QcOptions {
            qc_vars: masks.into_iter().map(|(name, mask)| ops::QcSubset { name, mask }).collect(),
            percent_top: call.args.counts("percent_top")?,
            log1p: call.args.flag("log1p")?,
        };
        let found = ops::calculate_qc_metrics(&call.matrix()?, &options, session)?;
        Ok(Outcome { patch: found.patch()?, ..Outcome::default() })
    },
    room: None,
};

static GENE_RANGES: Verb = Verb {
    name: "gene_ranges",
    label: "gene ranges",
    params: &[
        param("threshold", LIMIT, Preset::Number(0.0), "What the value of a cell has to be above to be counted."),
        LAYER,
        INPLACE,
    ],
    needs: &[MATRIX],
    gives: &["var/min_expression", "var/max_expression", "var/n_cells_above"],
    run: |call, session| {
        let found = ops::gene_ranges(&call.matrix()?, call.args.number("threshold")?, session)?;
        Ok(Outcome { patch: found.patch()?, ..Outcome::default() })
    },
    room: None,
};

const fn bound(name: &'static str, about: &'static str) -> Param {
    param(name, NOT_NEGATIVE, Preset::Nothing, about)
}

const MIN_COUNTS: Param = bound("min_counts", "Least total count of what stays.");
const MAX_COUNTS: Param = bound("max_counts", "Largest total count of what stays.");

static FILTER_CELLS: Verb = Verb {
    name: "filter_cells",
    label: "filter cells",
    params: &[
        MIN_COUNTS,
        bound("min_genes", "Least number of genes detected in a cell that stays."),
        MAX_COUNTS,
        bound("max_genes", "Largest number of genes detected in a cell that stays."),
        INPLACE,
        COPY,
    ],
    needs: &[MATRIX],
    gives: &["obs/n_counts", "obs/n_genes"],
    run: |call, session| {
        let limits = [
            ("min_counts", CellCriterion::MinCounts as fn(f64) -> CellCriterion),
            ("min_genes", CellCriterion::MinGenes),
            ("max_counts", CellCriterion::MaxCounts),
            ("max_genes", CellCriterion::MaxGenes),
        ];
        let criterion = only(call, "exactly one of min_counts, min_genes, max_counts, max_genes", limits)?;
        filtered(ops::filter_cells(&call.matrix()?, criterion, session)?, true)
    },
    room: None,
};

static FILTER_GENES: Verb = Verb {
    name: "filter_genes",
    label: "filter genes",
    params: &[
        MIN_COUNTS,
        bound("min_cells", "Least number of cells in which a gene that stays is detected."),
        MAX_COUNTS,
        bound("max_cells", "Largest number of cells in which a gene that stays is detected."),
        INPLACE,
        COPY,
    ],
    needs: &[MATRIX],
    gives: &["var/n_counts", "var/n_cells"],
    run: |call, session| {
        let limits = [
            ("min_counts", GeneCriterion::MinCounts as fn(f64) -> GeneCriterion),
            ("min_cells", GeneCriterion::MinCells),
            ("max_counts", GeneCriterion::MaxCounts),
            ("max_cells", GeneCriterion::MaxCells),
        ];
        let criterion = only(call, "exactly one of min_counts, min_cells, max_counts, max_cells", limits)?;
        filtered(ops::filter_genes(&call.matrix()?, criterion, session)?, false)
    },
    room: None,
};

/// The name of a parameter, and the criterion that its value makes.
type Limit<T> = (&'static str, fn(f64) -> T);

/// Returns the criterion of the one limit that is given; `all` names the limits in the error for
/// none or several.
fn only<T>(call: &Call<'_>, all: &'static str, limits: [Limit<T>; 4]) -> Result<T> {
    let mut found = Vec::new();
    for (name, criterion) in limits {
        found.extend(call.args.opt_number(name)?.map(|limit| (name, criterion(limit))));
    }
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match (found.pop(), found.is_empty()) {
        (Some((_, criterion)), true) => Ok(criterion),
        _ => Err(call.args.refuse(all, "given", Given::Other(names))),
    }
}

fn filtered(found: ops::Filtered, cells: bool) -> Result<Outcome> {
    Ok(Outcome { patch: found.patch()?, keep: Some((cells, found.keep)), ..Outcome::default() })
}
