//! The verb that finds highly variable genes.

use super::call::Outcome;
use super::domain::{Kind, COUNT, LIMIT, SHARE_ABOVE_0};
use super::entry::{need, param, Preset, Source, Verb, INPLACE, LAYER, LOG_BASE, MATRIX};
use super::transforms::{CHECK_VALUES, CLIP, THETA};
use crate::ops;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&HIGHLY_VARIABLE_GENES];

const FLAVORS: Kind = Kind::Choice(&["seurat", "cell_ranger", "seurat_v3", "seurat_v3_paper", "pearson_residuals"]);
/// The number of bins. The upper bound is far above the number of genes.
const BINS: Kind = Kind::Whole(1, 100_000);

static HIGHLY_VARIABLE_GENES: Verb = Verb {
    name: "highly_variable_genes",
    label: "highly variable genes",
    params: &[
        LAYER,
        param("n_top_genes", COUNT, Preset::Nothing, "How many to choose."),
        param("min_disp", LIMIT, Preset::Number(0.5), "Bound on the normalised dispersion, without n_top_genes."),
        param("max_disp", LIMIT, Preset::Number(f64::INFINITY), "See min_disp."),
        param("min_mean", LIMIT, Preset::Number(0.0125), "Bound on the mean, without n_top_genes."),
        param("max_mean", LIMIT, Preset::Number(3.0), "See min_mean."),
        param("span", SHARE_ABOVE_0, Preset::Number(0.3), "Share of the genes in a local fit of seurat_v3."),
        param("n_bins", BINS, Preset::Whole(20), "Bins of mean expression of seurat."),
        param("flavor", FLAVORS, Preset::Text("seurat"), "How genes are ranked."),
        param("subset", Kind::Flag, Preset::Flag(false), "Whether the other genes are dropped."),
        INPLACE,
        param("batch_key", Kind::Text, Preset::Nothing, "Column of obs: genes are ranked in every batch and merged."),
        CHECK_VALUES,
        THETA,
        CLIP,
    ],
    needs: &[MATRIX, need("batch_key", Source::Groups), LOG_BASE],
    gives: &[
        "var/highly_variable",
        "var/means",
        "var/dispersions",
        "var/dispersions_norm",
        "var/variances",
        "var/variances_norm",
        "var/residual_variances",
        "var/highly_variable_rank",
        "var/highly_variable_nbatches",
        "var/highly_variable_intersection",
        "uns/hvg",
    ],
    run: |call, session| {
        let batches = call.opt_groups("batch_key").map(|groups| (groups.codes, groups.names));
        let (batch, batch_names) = batches.map_or((None, Vec::new()), |(codes, names)| (Some(codes), names));
        let log_base = call.numbers("log_base").and_then(|v| v.first().copied());
        let args = &call.args;
        let options = ops::HvgOptions {
            flavor: ops::Flavor::parse(args.text("flavor")?)?,
            n_top_genes: args.opt_count("n_top_genes")?,
            min_mean: args.number("min_mean")?,
            max_mean: args.number("max_mean")?,
            min_disp: args.number("min_disp")?,
            max_disp: args.number("max_disp")?,
            n_bins: args.count("n_bins")?,
            span: args.number("span")?,
            theta: args.number("theta")?,
            clip: args.opt_number("clip")?,
            log_base,
            batch,
            batch_names,
            check_values: args.flag("check_values")?,
        };
        let found = ops::highly_variable_genes(&call.matrix()?, &options, session)?;
        let patch = found.patch(args.opt_text("layer")?.unwrap_or("adata.X"))?;
        let notes = found.notes.into_iter().map(|note| ("values", note)).collect();
        // With `subset`, the face adds the columns first and then drops the other genes.
        let keep = if args.flag("subset")? { Some((false, found.highly_variable)) } else { None };
        Ok(Outcome { patch, keep, notes, ..Outcome::default() })
    },
    room: None,
};
