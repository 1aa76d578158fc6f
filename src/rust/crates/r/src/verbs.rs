//! Verbs over an expression matrix: each decodes its parameters, runs the core and gives what to merge.

use crate::args::Args;
use crate::from_r::{self, from_r, Place};
use crate::matrices::handle;
use crate::reply::{reply, Notes};
use crate::run::run;
use crate::to_r::{float32, list_of, patch_to_r, to_r, transposed_to_r};
use crate::vector::{doubles, logicals, uninitialised};
use anndataoom_core::element::{Array, Value};
use anndataoom_core::ops::{self, CellCriterion, Filtered, GeneCriterion};
use anndataoom_core::{Error, LazyMatrix, Result};
use extendr_api::prelude::*;
use extendr_api::AsTypedSlice;

/// `matrix`: the sum of each row.
#[extendr]
fn rs_row_sums(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.matrix("matrix")?;
        doubles("sums", run(a, |ctx| ops::row_sums(&x, ctx))?.into_iter())
    })
}

/// `matrix`: the sum of each column.
#[extendr]
fn rs_col_sums(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.matrix("matrix")?;
        doubles("sums", run(a, |ctx| ops::col_sums(&x, ctx))?.into_iter())
    })
}

/// `matrix`: sum, least and largest value of all, and how many there are without and with NaN.
#[extendr]
fn rs_totals(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.matrix("matrix")?;
        let all = run(a, |ctx| ops::totals(&x, ctx))?;
        let values = [all.sum, all.min, all.max, all.count as f64, all.nan as f64];
        list_of(["sum", "min", "max", "count", "nan"].into_iter(), values.into_iter().map(Robj::from).collect())
    })
}

/// `matrix`: `t(matrix) %*% matrix`.
#[extendr]
fn rs_cross_product(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.matrix("matrix")?;
        let p = x.shape().1;
        let product = run(a, |ctx| ops::cross_product(&x, ctx))?;
        // Symmetric: its rows are its columns.
        transposed_to_r(Value::Array(Array { shape: vec![p, p], data: product.into() }), "product", notes)
    })
}

/// `matrix`, `by` (a numeric R matrix), `transposed`: `matrix %*% by`, or `t(matrix) %*% by`.
#[extendr]
fn rs_product(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (x, transposed) = (a.matrix("matrix")?, a.bool("transposed")?);
        let by = a.get("by").ok_or_else(|| Error::parameter("y", "a numeric matrix", "NULL"))?;
        let (y, width) = match from_r(by, "y", Place::Column)? {
            Value::Array(Array { shape, data }) if shape.len() == 2 => {
                (data.to_f64(), shape.last().copied().unwrap_or(0))
            }
            other => return Err(Error::parameter("y", "a numeric matrix", other.encoding())),
        };
        let (rows, product) = if transposed {
            (x.shape().1, run(a, |ctx| ops::transposed_times(&x, &y, width, ctx))?)
        } else {
            (x.shape().0, run(a, |ctx| ops::times(&x, &y, width, ctx))?)
        };
        to_r(&Value::Array(Array { shape: vec![rows, width], data: product.into() }), "product", notes)
    })
}

/// `matrix`, `axis` ("obs": of each cell, "var": of each gene), `ddof`: means and variances.
#[extendr]
fn rs_mean_var(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (x, ddof) = (a.matrix("matrix")?, a.usize("ddof")?);
        // numpy's axis is the one that goes away.
        let axis = match a.str("axis")? {
            "var" => ops::Axis::Obs,
            "obs" => ops::Axis::Var,
            other => return Err(Error::parameter("axis", "\"obs\" or \"var\"", format!("\"{other}\""))),
        };
        let moments = run(a, |ctx| ops::mean_var(&x, axis, ddof, ctx))?;
        list_of(["mean", "var"].into_iter(), vec![moments.mean.into(), moments.var.into()])
    })
}

/// `matrix`, `qc_vars` (named list of masks), `percent_top`, `log1p`.
#[extendr]
fn rs_qc_metrics(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.matrix("matrix")?;
        let percent_top = a.opt_doubles("percent_top")?.unwrap_or_default();
        if let Some(bad) = percent_top.iter().find(|v| !(**v >= 0.0 && v.fract() == 0.0)) {
            return Err(Error::parameter("percent_top", "whole numbers", bad));
        }
        let options = ops::QcOptions {
            qc_vars: gene_sets(a)?,
            percent_top: percent_top.into_iter().map(|v| v as usize).collect(),
            log1p: a.bool("log1p")?,
        };
        let metrics = run(a, |ctx| ops::calculate_qc_metrics(&x, &options, ctx))?;
        patch_to_r(metrics.patch(), notes)
    })
}

fn gene_sets(a: &Args) -> Result<Vec<ops::QcSubset>> {
    let Some(list) = a.get("qc_vars").and_then(|l| l.as_list()) else { return Ok(Vec::new()) };
    list.iter()
        .map(|(name, mask)| {
            let mask = mask.as_logical_slice().ok_or_else(|| Error::parameter("qc_vars", "TRUE and FALSE", name))?;
            Ok(ops::QcSubset { name: name.to_owned(), mask: mask.iter().map(Rbool::is_true).collect() })
        })
        .collect()
}

fn filtered(f: &Filtered, notes: &Notes) -> Result<Robj> {
    let keep = logicals("keep", f.keep.iter().map(|&k| Rbool::from(k)))?;
    list_of(["keep", "patch"].into_iter(), vec![keep, patch_to_r(f.patch(), notes)?])
}

fn unknown_criterion(known: &str, found: &str) -> Error {
    Error::parameter("criterion", format!("one of {known}"), format!("\"{found}\""))
}

/// `matrix`, `criterion` ("min_genes", ...), `bound`.
#[extendr]
fn rs_filter_cells(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (x, bound) = (a.matrix("matrix")?, a.f64("bound")?);
        let criterion = match a.str("criterion")? {
            "min_genes" => CellCriterion::MinGenes(bound),
            "min_counts" => CellCriterion::MinCounts(bound),
            "max_genes" => CellCriterion::MaxGenes(bound),
            "max_counts" => CellCriterion::MaxCounts(bound),
            other => return Err(unknown_criterion("min_counts, min_genes, max_counts, max_genes", other)),
        };
        filtered(&run(a, |ctx| ops::filter_cells(&x, criterion, ctx))?, notes)
    })
}

/// `matrix`, `criterion` ("min_cells", ...), `bound`.
#[extendr]
fn rs_filter_genes(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (x, bound) = (a.matrix("matrix")?, a.f64("bound")?);
        let criterion = match a.str("criterion")? {
            "min_cells" => GeneCriterion::MinCells(bound),
            "min_counts" => GeneCriterion::MinCounts(bound),
            "max_cells" => GeneCriterion::MaxCells(bound),
            "max_counts" => GeneCriterion::MaxCounts(bound),
            other => return Err(unknown_criterion("min_counts, min_cells, max_counts, max_cells", other)),
        };
        filtered(&run(a, |ctx| ops::filter_genes(&x, criterion, ctx))?, notes)
    })
}

/// A handle on the new matrix, with `patch` beside it.
fn changed(x: LazyMatrix, patch: Robj) -> Result<Robj> {
    let mut reply =
        handle(x)?.as_list().map(|l| l.iter().map(|(k, v)| (k.to_owned(), v)).collect::<Vec<_>>()).unwrap_or_default();
    reply.push(("patch".to_owned(), patch));
    let (names, values): (Vec<String>, Vec<Robj>) = reply.into_iter().unzip();
    list_of(names.iter().map(String::as_str), values)
}

/// `matrix`, `target_sum`, `exclude_highly_expressed`, `max_fraction`, `key_added`.
#[extendr]
fn rs_normalize_total(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.matrix("matrix")?;
        let options = ops::NormalizeOptions {
            target_sum: a.opt_f64("target_sum")?,
            exclude_highly_expressed: a.bool("exclude_highly_expressed")?,
            max_fraction: a.f64("max_fraction")?,
        };
        let key = a.opt_str("key_added")?;
        let (y, normalized) = run(a, |ctx| ops::normalize_total(&x, &options, ctx))?;
        changed(y, patch_to_r(normalized.patch(key), notes)?)
    })
}

/// `matrix`, `zero_center`, `max_value`.
#[extendr]
fn rs_scale(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.matrix("matrix")?;
        let options = ops::ScaleOptions { zero_center: a.bool("zero_center")?, max_value: a.opt_f64("max_value")? };
        let (y, scaled) = run(a, |ctx| ops::scale(&x, &options, ctx))?;
        changed(y, patch_to_r(scaled.patch(), notes)?)
    })
}

/// `matrix`, and `columns` (named list of numbers), or `key`, `codes` (from 1) and `n_groups`.
#[extendr]
fn rs_regress_out(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.matrix("matrix")?;
        let by = if let Some(codes) = a.opt_positions("codes")? {
            ops::Regressors::Groups { name: a.str("key")?.to_owned(), codes, n_groups: a.usize("n_groups")? }
        } else {
            ops::Regressors::Numbers(a.named_doubles("columns")?)
        };
        handle(run(a, |ctx| ops::regress_out(&x, &by, ctx))?)
    })
}

/// `matrix`, the parameters of `scanpy.pp.highly_variable_genes`, `batch` (codes from 1),
/// `batch_names`, `log_base`, `computed_on`.
#[extendr]
fn rs_highly_variable_genes(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.matrix("matrix")?;
        let batch = a.opt_doubles("batch")?.map(|codes| codes.into_iter().map(|c| c as i32 - 1).collect());
        let options = ops::HvgOptions {
            flavor: ops::Flavor::parse(a.str("flavor")?)?,
            n_top_genes: a.opt_usize("n_top_genes")?,
            min_mean: a.f64("min_mean")?,
            max_mean: a.f64("max_mean")?,
            min_disp: a.f64("min_disp")?,
            max_disp: a.f64("max_disp")?,
            n_bins: a.usize("n_bins")?,
            span: a.f64("span")?,
            theta: a.f64("theta")?,
            clip: a.opt_f64("clip")?,
            log_base: a.opt_f64("log_base")?,
            batch,
            batch_names: a.opt_strings("batch_names")?.unwrap_or_default(),
            check_values: a.bool("check_values")?,
        };
        let computed_on = a.str("computed_on")?;
        let found = run(a, |ctx| ops::highly_variable_genes(&x, &options, ctx))?;
        found.notes.iter().for_each(|note| notes.warn("values", note.clone()));
        patch_to_r(found.patch(computed_on), notes)
    })
}

/// `matrix`, `layer`, `n_comps`, `zero_center`, `mask_var` (TRUE or FALSE for each gene, optional), `mask_name`,
/// `key_added`.
#[extendr]
fn rs_pca(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.matrix("matrix")?;
        let options = ops::PcaOptions { n_comps: a.opt_usize("n_comps")?, zero_center: a.bool("zero_center")? };
        let positions =
            a.opt_mask("mask_var")?.map(|m| (0..m.len() as u32).filter(|&j| m[j as usize]).collect::<Vec<u32>>());
        let (name, key) = (a.opt_str("mask_name")?, a.opt_str("key_added")?);
        let (n, n_vars) = x.shape();
        let used = x.select(None, positions.as_deref())?;
        let k = ops::n_components(used.shape(), options.n_comps)?;
        // The coordinates are written into R's memory: a copy of a million cells is 200 MB.
        let mut scores: Robj = uninitialised("X_pca", n.saturating_mul(k))?;
        let bits: Option<&mut [i32]> = scores.as_typed_slice_mut();
        let x_pca: &mut [f32] = bytemuck::cast_slice_mut(bits.unwrap_or_default());
        let found = run(a, |ctx| ops::pca_into(&used, &options, x_pca, ctx))?;
        if let Some(note) = found.note() {
            let class = if found.residual.is_some() { "convergence" } else { "values" };
            notes.warn(class, note);
        }
        let mask = positions.as_deref().map(|positions| ops::MaskVar { name, positions, n_vars });
        let patch = found.patch(mask, a.opt_str("layer")?, key)?;
        let scores = float32(scores, n, k)?;
        let key = key.unwrap_or("X_pca").into();
        list_of(["patch", "scores", "key"].into_iter(), vec![patch_to_r(patch, notes)?, scores, key])
    })
}

/// `x`: an `anndataoom_float32` as a matrix of doubles.
#[extendr]
fn rs_float32(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.get("x").ok_or_else(|| Error::parameter("x", "a float32 matrix", "NULL"))?;
        to_r(&Value::Array(from_r::float32(x, "x")?), "x", notes)
    })
}

extendr_module! {
    mod verbs;
    fn rs_row_sums;
    fn rs_col_sums;
    fn rs_mean_var;
    fn rs_product;
    fn rs_totals;
    fn rs_cross_product;
    fn rs_qc_metrics;
    fn rs_filter_cells;
    fn rs_filter_genes;
    fn rs_normalize_total;
    fn rs_scale;
    fn rs_regress_out;
    fn rs_highly_variable_genes;
    fn rs_pca;
    fn rs_float32;
}
