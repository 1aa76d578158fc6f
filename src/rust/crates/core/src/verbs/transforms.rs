//! Verbs that record an operation on the matrix.

use super::call::Outcome;
use super::domain::{Kind, COUNT, NOT_NEGATIVE_OR_INFINITE, POSITIVE, POSITIVE_OR_INFINITE, SHARE};
use super::entry::{need, param, Param, Preset, Source, Verb, COPY, INPLACE, LAYER, MATRIX};
use crate::element::Value;
use crate::ops;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&NORMALIZE_TOTAL, &LOG1P, &SCALE, &NORMALIZE_PEARSON_RESIDUALS, &REGRESS_OUT];

/// The parameter of the overdispersion of Pearson residuals.
pub(super) const THETA: Param =
    param("theta", POSITIVE_OR_INFINITE, Preset::Number(100.0), "Overdispersion of the negative binomial.");
/// The parameter of the bound of Pearson residuals.
pub(super) const CLIP: Param = param(
    "clip",
    NOT_NEGATIVE_OR_INFINITE,
    Preset::Nothing,
    "Residuals are clipped to [-clip, clip]; the square root of the number of cells without it.",
);
/// The parameter that names an array of obsm to use instead of X.
pub(super) const OBSM: Param = param("obsm", Kind::Text, Preset::Nothing, "Array of obsm instead of X.").python();
/// The parameter that asks for a check that counts are whole numbers.
pub(super) const CHECK_VALUES: Param =
    param("check_values", Kind::Flag, Preset::Flag(true), "Whether values that are not whole numbers are warned of.");

static NORMALIZE_TOTAL: Verb = Verb {
    name: "normalize_total",
    label: "cell totals",
    params: &[
        param("target_sum", POSITIVE, Preset::Nothing, "Total of each cell afterwards; the median total without it."),
        param(
            "exclude_highly_expressed",
            Kind::Flag,
            Preset::Flag(false),
            "Whether genes with more than max_fraction of the counts of any cell are left out of the totals.",
        ),
        param("max_fraction", SHARE, Preset::Number(0.05), "See exclude_highly_expressed."),
        param("key_added", Kind::Key, Preset::Nothing, "Column of obs for the totals over the target."),
        LAYER,
        INPLACE,
        COPY,
    ],
    needs: &[MATRIX],
    gives: &["X", "obs/{key_added}"],
    run: |call, session| {
        let options = ops::NormalizeOptions {
            target_sum: call.args.opt_number("target_sum")?,
            exclude_highly_expressed: call.args.flag("exclude_highly_expressed")?,
            max_fraction: call.args.number("max_fraction")?,
        };
        let (y, found) = ops::normalize_total(&call.matrix()?, &options, session)?;
        Ok(Outcome {
            matrix: Some(y),
            patch: found.patch(call.args.opt_text("key_added")?)?,
            values: vec![
                ("norm_factor".to_owned(), found.norm_factor_column()?),
                ("counts_per_cell".to_owned(), Value::vector(found.counts_per_cell)),
                ("target_sum".to_owned(), Value::number(found.target_sum)),
            ],
            ..Outcome::default()
        })
    },
    room: None,
};

static LOG1P: Verb = Verb {
    name: "log1p",
    label: "log1p",
    params: &[
        param("base", POSITIVE, Preset::Nothing, "Base of the logarithm, not 1; natural without it."),
        COPY,
        param("chunked", Kind::Flag, Preset::Nothing, "Accepted and has no effect.").python(),
        param("chunk_size", COUNT, Preset::Nothing, "Accepted and has no effect.").python(),
        LAYER,
        OBSM,
    ],
    needs: &[MATRIX],
    gives: &["X", "uns/log1p"],
    run: |call, _| {
        let (x, base) = (call.matrix()?, call.args.opt_number("base")?);
        let (y, patch) = ops::log1p(&x, base)?;
        let twice = x.nodes().iter().any(|node| node.name() == "log1p");
        let place = call.args.opt_text("layer")?.map_or_else(|| "X".to_owned(), |layer| format!("layer '{layer}'"));
        let note = || ("log1p", format!("{place} is a logarithm already: log1p() is queued a second time"));
        let notes = twice.then(note).into_iter().collect();
        Ok(Outcome { matrix: Some(y), patch, notes, ..Outcome::default() })
    },
    room: None,
};

static SCALE: Verb = Verb {
    name: "scale",
    label: "gene moments",
    params: &[
        param("zero_center", Kind::Flag, Preset::Flag(true), "Whether means are subtracted."),
        param(
            "max_value",
            POSITIVE,
            Preset::Nothing,
            "Values are clipped to [-max_value, max_value], only above where not centred.",
        ),
        COPY,
        LAYER,
        OBSM,
        param("mask_obs", Kind::Object("a column of obs or a mask"), Preset::Nothing, "Cells to scale.").python(),
    ],
    needs: &[MATRIX],
    gives: &["X", "var/mean", "var/std"],
    run: |call, session| {
        let options = ops::ScaleOptions {
            zero_center: call.args.flag("zero_center")?,
            max_value: call.args.opt_number("max_value")?,
        };
        let (y, found) = ops::scale(&call.matrix()?, &options, session)?;
        Ok(Outcome { matrix: Some(y), patch: found.patch()?, ..Outcome::default() })
    },
    room: None,
};

static NORMALIZE_PEARSON_RESIDUALS: Verb = Verb {
    name: "normalize_pearson_residuals",
    label: "sums of counts",
    params: &[THETA, CLIP, CHECK_VALUES, LAYER, INPLACE, COPY],
    needs: &[MATRIX],
    gives: &["X", "uns/pearson_residuals_normalization"],
    run: |call, session| {
        let options = ops::PearsonOptions {
            theta: call.args.number("theta")?,
            clip: call.args.opt_number("clip")?,
            check_values: call.args.flag("check_values")?,
        };
        let computed_on = call.args.opt_text("layer")?.unwrap_or("adata.X").to_owned();
        let (y, found) = ops::normalize_pearson_residuals(&call.matrix()?, &options, session)?;
        let mut values = found.settings();
        let notes = found.note.map(|note| ("values", note)).into_iter().collect();
        values.push(("computed_on".to_owned(), Value::string(computed_on)));
        let key = "pearson_residuals_normalization".to_owned();
        let patch = crate::patch::Patch { uns: vec![(key, Value::Dict(values.clone()))], ..Default::default() };
        Ok(Outcome { matrix: Some(y), patch, values, notes, ..Outcome::default() })
    },
    room: None,
};

static REGRESS_OUT: Verb = Verb {
    name: "regress_out",
    label: "regressing out",
    params: &[
        param("keys", Kind::List(&Kind::Text), Preset::Required, "Columns of obs: numbers, or a single one of groups."),
        LAYER,
        param("n_jobs", Kind::Object("a number"), Preset::Nothing, "Accepted and has no effect.").python(),
        COPY,
    ],
    needs: &[MATRIX, need("keys", Source::Covariates)],
    gives: &["X"],
    run: |call, session| {
        let by = match call.opt_groups("keys") {
            None => ops::Regressors::Numbers(call.columns("keys")),
            Some(groups) => ops::Regressors::Groups {
                name: call.args.texts("keys")?.concat(),
                codes: groups.complete()?,
                n_groups: groups.names.len(),
            },
        };
        Ok(Outcome { matrix: Some(ops::regress_out(&call.matrix()?, &by, session)?), ..Outcome::default() })
    },
    room: None,
};
