//! Verbs: each decodes its parameters, runs the core and gives what to merge.

use crate::buffer::{bools, f64s, i32s, u32s};
use crate::errors::{to_py_err, unknown};
use crate::matrix::Matrix;
use crate::run::run;
use crate::to_py::{buffer, patch};

use anndataoom_core::ops::{self, CellCriterion, GeneCriterion};
use pyo3::prelude::*;
use pyo3::types::PyDict;

type Patch<'py> = PyResult<Bound<'py, PyDict>>;
type Arr<'py> = Bound<'py, PyAny>;

#[pyfunction]
fn qc_metrics<'py>(
    py: Python<'py>,
    x: &Matrix,
    qc_vars: Vec<(String, Arr<'py>)>,
    percent_top: Vec<usize>,
    log1p: bool,
) -> Patch<'py> {
    let qc_vars = qc_vars
        .into_iter()
        .map(|(name, mask)| Ok(ops::QcSubset { name, mask: bools(&mask)? }))
        .collect::<PyResult<Vec<_>>>()?;
    let options = ops::QcOptions { qc_vars, percent_top, log1p };
    patch(py, run(py, |ctx| ops::calculate_qc_metrics(&x.0, &options, ctx))?.patch())
}

#[pyfunction]
fn filter_cells<'py>(py: Python<'py>, x: &Matrix, criterion: &str, bound: f64) -> PyResult<(Arr<'py>, Arr<'py>)> {
    let criterion = match criterion {
        "min_genes" => CellCriterion::MinGenes(bound),
        "min_counts" => CellCriterion::MinCounts(bound),
        "max_genes" => CellCriterion::MaxGenes(bound),
        "max_counts" => CellCriterion::MaxCounts(bound),
        other => return Err(unknown("criterion", "'min_genes', 'min_counts', 'max_genes' or 'max_counts'", other)),
    };
    let f = run(py, |ctx| ops::filter_cells(&x.0, criterion, ctx))?;
    let added = f.patch();
    Ok((buffer(py, f.keep)?, patch(py, added)?.into_any()))
}

#[pyfunction]
fn filter_genes<'py>(py: Python<'py>, x: &Matrix, criterion: &str, bound: f64) -> PyResult<(Arr<'py>, Arr<'py>)> {
    let criterion = match criterion {
        "min_cells" => GeneCriterion::MinCells(bound),
        "min_counts" => GeneCriterion::MinCounts(bound),
        "max_cells" => GeneCriterion::MaxCells(bound),
        "max_counts" => GeneCriterion::MaxCounts(bound),
        other => return Err(unknown("criterion", "'min_cells', 'min_counts', 'max_cells' or 'max_counts'", other)),
    };
    let f = run(py, |ctx| ops::filter_genes(&x.0, criterion, ctx))?;
    let added = f.patch();
    Ok((buffer(py, f.keep)?, patch(py, added)?.into_any()))
}

/// The normalised matrix, counts per cell, target sum, highly expressed genes.
#[pyfunction]
fn normalize_total<'py>(
    py: Python<'py>,
    x: &Matrix,
    target_sum: Option<f64>,
    exclude_highly_expressed: bool,
    max_fraction: f64,
) -> PyResult<(Matrix, Arr<'py>, f64, Option<Arr<'py>>)> {
    let options = ops::NormalizeOptions { target_sum, exclude_highly_expressed, max_fraction };
    let (y, n) = run(py, |ctx| ops::normalize_total(&x.0, &options, ctx))?;
    let high = n.highly_expressed.map(|h| buffer(py, h)).transpose()?;
    Ok((Matrix(y), buffer(py, n.counts_per_cell)?, n.target_sum, high))
}

#[pyfunction]
fn scale<'py>(
    py: Python<'py>,
    x: &Matrix,
    zero_center: bool,
    max_value: Option<f64>,
) -> PyResult<(Matrix, Arr<'py>, Arr<'py>)> {
    let (y, s) = run(py, |ctx| ops::scale(&x.0, &ops::ScaleOptions { zero_center, max_value }, ctx))?;
    Ok((Matrix(y), buffer(py, s.mean)?, buffer(py, s.std)?))
}

/// On named columns of numbers, an intercept added; or on one column of groups.
#[pyfunction]
fn regress_out(
    py: Python<'_>,
    x: &Matrix,
    columns: Vec<(String, Arr<'_>)>,
    groups: Option<(String, Arr<'_>, usize)>,
) -> PyResult<Matrix> {
    let by = match groups {
        Some((name, codes, n_groups)) => ops::Regressors::Groups { name, codes: u32s(&codes)?, n_groups },
        None => ops::Regressors::Numbers(
            columns.into_iter().map(|(name, v)| Ok((name, f64s(&v)?))).collect::<PyResult<Vec<_>>>()?,
        ),
    };
    run(py, |ctx| ops::regress_out(&x.0, &by, ctx)).map(Matrix)
}

/// Fitted values of a local quadratic regression.
#[pyfunction]
fn loess<'py>(py: Python<'py>, x: &Arr<'py>, y: &Arr<'py>, span: f64) -> PyResult<Arr<'py>> {
    let (x, y) = (f64s(x)?, f64s(y)?);
    buffer(py, run(py, |_| ops::loess(&x, &y, span))?)
}

/// The patch to merge, and notes for the user.
#[pyfunction]
#[pyo3(signature = (x, *, flavor, n_top_genes, min_mean, max_mean, min_disp, max_disp, n_bins, span, theta, clip,
                    log_base, batch, batch_names, check_values, computed_on))]
#[allow(clippy::too_many_arguments)]
fn highly_variable_genes<'py>(
    py: Python<'py>,
    x: &Matrix,
    flavor: &str,
    n_top_genes: Option<usize>,
    min_mean: f64,
    max_mean: f64,
    min_disp: f64,
    max_disp: f64,
    n_bins: usize,
    span: f64,
    theta: f64,
    clip: Option<f64>,
    log_base: Option<f64>,
    batch: Option<Arr<'py>>,
    batch_names: Vec<String>,
    check_values: bool,
    computed_on: &str,
) -> PyResult<(Bound<'py, PyDict>, Vec<String>)> {
    let options = ops::HvgOptions {
        flavor: ops::Flavor::parse(flavor).map_err(to_py_err)?,
        n_top_genes,
        min_mean,
        max_mean,
        min_disp,
        max_disp,
        n_bins,
        span,
        theta,
        clip,
        log_base,
        batch: batch.as_ref().map(i32s).transpose()?,
        batch_names,
        check_values,
    };
    let found = run(py, |ctx| ops::highly_variable_genes(&x.0, &options, ctx))?;
    Ok((patch(py, found.patch(computed_on))?, found.notes))
}

/// The patch to merge, and notes for the user.
#[pyfunction]
fn pca<'py>(
    py: Python<'py>,
    x: &Matrix,
    n_comps: Option<usize>,
    zero_center: bool,
    mask: Option<Arr<'py>>,
    mask_name: Option<String>,
    layer: Option<String>,
    key_added: Option<String>,
) -> PyResult<(Bound<'py, PyDict>, Vec<String>)> {
    let mask = mask.as_ref().map(bools).transpose()?;
    let positions: Option<Vec<u32>> =
        mask.map(|m| m.iter().enumerate().filter(|(_, &k)| k).map(|(j, _)| j as u32).collect());
    let n_vars = x.0.shape().1;
    let options = ops::PcaOptions { n_comps, zero_center };
    let found = run(py, |ctx| ops::pca(&x.0.select(None, positions.as_deref())?, &options, ctx))?;
    let note = found.note();
    let mask = positions.as_deref().map(|p| ops::MaskVar { name: mask_name.as_deref(), positions: p, n_vars });
    let found = found.patch(mask, layer.as_deref(), key_added.as_deref()).map_err(to_py_err)?;
    Ok((patch(py, found)?, note.into_iter().collect()))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(qc_metrics, m)?)?;
    m.add_function(wrap_pyfunction!(filter_cells, m)?)?;
    m.add_function(wrap_pyfunction!(filter_genes, m)?)?;
    m.add_function(wrap_pyfunction!(normalize_total, m)?)?;
    m.add_function(wrap_pyfunction!(scale, m)?)?;
    m.add_function(wrap_pyfunction!(regress_out, m)?)?;
    m.add_function(wrap_pyfunction!(loess, m)?)?;
    m.add_function(wrap_pyfunction!(highly_variable_genes, m)?)?;
    m.add_function(wrap_pyfunction!(pca, m)?)
}
