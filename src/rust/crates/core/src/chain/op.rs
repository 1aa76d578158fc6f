//! The element-wise operations a chain can hold. Vectors are aligned with the chain's present rows or columns.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One lazy transform. Row vectors have one entry per obs, column vectors one per var.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Op {
    /// `x / divisors[row]` (`scanpy.pp.normalize_total`).
    Normalize {
        /// Row total over target sum; 1 for rows left as they are.
        divisors: Arc<[f64]>,
        /// The target sum, for display.
        target_sum: f64,
    },
    /// `ln(1 + x)`, divided by `ln(base)` where given (`scanpy.pp.log1p`).
    Log1p {
        /// Base of the logarithm; natural when `None`.
        base: Option<f64>,
    },
    /// `(x - mean[col]) / std[col]`, clipped (`scanpy.pp.scale`).
    Scale {
        /// Column means.
        mean: Arc<[f64]>,
        /// Column standard deviations (n - 1); 1 where a column is constant.
        std: Arc<[f64]>,
        /// Clip to `[-max_value, max_value]`, or only above when not centred.
        max_value: Option<f64>,
        /// Whether the mean is subtracted; without it zeros stay zero.
        zero_center: bool,
    },
    /// Analytic Pearson residuals (`scanpy.experimental.pp.normalize_pearson_residuals`).
    PearsonResiduals {
        /// Row sums of the counts.
        cell_sums: Arc<[f64]>,
        /// Column sums of the counts over all cells.
        gene_sums: Arc<[f64]>,
        /// Sum of all counts.
        total: f64,
        /// Overdispersion of the negative binomial.
        theta: f64,
        /// Residuals are clipped to `[-clip, clip]`.
        clip: f64,
    },
    /// `x` less its least-squares fit on covariates of the cells (`scanpy.pp.regress_out`).
    RegressOut {
        /// What the fit is made of.
        covariates: Covariates,
        /// Coefficients of each column, `n_vars x width`, row-major.
        coefficients: Arc<[f64]>,
        /// Covariates, or groups.
        width: usize,
        /// Names of the covariates, for display.
        keys: Arc<[String]>,
    },
}

/// What the fit of [`Op::RegressOut`] is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Covariates {
    /// `width` numbers a row, row-major: the fit is their product with the coefficients of the column.
    Numbers(Arc<[f64]>),
    /// The group of each row: the fit is the coefficient of its group.
    Groups(Arc<[u32]>),
}

fn take<T: Copy>(v: &Arc<[T]>, positions: Option<&[u32]>) -> Arc<[T]> {
    match positions {
        None => v.clone(),
        Some(p) => p.iter().map(|&i| v[i as usize]).collect(),
    }
}

/// [`take`] of rows of `width` values.
fn take_rows(v: &Arc<[f64]>, width: usize, positions: Option<&[u32]>) -> Arc<[f64]> {
    match positions {
        None => v.clone(),
        Some(p) => p.iter().flat_map(|&i| &v[i as usize * width..][..width]).copied().collect(),
    }
}

impl Op {
    /// The same operation for a selection of the rows and columns it was made for.
    pub(super) fn select(&self, rows: Option<&[u32]>, cols: Option<&[u32]>) -> Op {
        match self {
            Op::Normalize { divisors, target_sum } => {
                Op::Normalize { divisors: take(divisors, rows), target_sum: *target_sum }
            }
            Op::Log1p { base } => Op::Log1p { base: *base },
            Op::Scale { mean, std, max_value, zero_center } => Op::Scale {
                mean: take(mean, cols),
                std: take(std, cols),
                max_value: *max_value,
                zero_center: *zero_center,
            },
            Op::PearsonResiduals { cell_sums, gene_sums, total, theta, clip } => Op::PearsonResiduals {
                cell_sums: take(cell_sums, rows),
                gene_sums: take(gene_sums, cols),
                total: *total,
                theta: *theta,
                clip: *clip,
            },
            Op::RegressOut { covariates, coefficients, width, keys } => Op::RegressOut {
                covariates: match covariates {
                    Covariates::Numbers(v) => Covariates::Numbers(take_rows(v, *width, rows)),
                    Covariates::Groups(v) => Covariates::Groups(take(v, rows)),
                },
                coefficients: take_rows(coefficients, *width, cols),
                width: *width,
                keys: keys.clone(),
            },
        }
    }

    /// The verb that records it, by scanpy's name.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Normalize { .. } => "normalize_total",
            Op::Log1p { .. } => "log1p",
            Op::Scale { .. } => "scale",
            Op::PearsonResiduals { .. } => "normalize_pearson_residuals",
            Op::RegressOut { .. } => "regress_out",
        }
    }

    /// Whether zeros become something else, so that the result is dense.
    pub fn densifies(&self) -> bool {
        matches!(self, Op::Scale { zero_center: true, .. } | Op::PearsonResiduals { .. } | Op::RegressOut { .. })
    }

    /// One line for `show()`.
    pub fn describe(&self) -> String {
        match self {
            Op::Normalize { target_sum, .. } => format!("normalize_total(target_sum = {target_sum})"),
            Op::Log1p { base: None } => "log1p()".to_owned(),
            Op::Log1p { base: Some(b) } => format!("log1p(base = {b})"),
            Op::Scale { max_value, zero_center, .. } => {
                let max = max_value.map_or_else(|| "NULL".to_owned(), |m| m.to_string());
                format!("scale(zero_center = {}, max_value = {max})", if *zero_center { "TRUE" } else { "FALSE" })
            }
            Op::PearsonResiduals { theta, clip, .. } => {
                format!("normalize_pearson_residuals(theta = {theta}, clip = {clip})")
            }
            Op::RegressOut { keys, .. } => format!("regress_out({})", keys.join(", ")),
        }
    }
}
