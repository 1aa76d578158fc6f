//! Normalises a matrix to analytic Pearson residuals (Lause, Berens & Kobak 2021).

use super::hvg::count_sums;
use super::view::Check;
use crate::chain::{nodes, LazyMatrix};
use crate::element::Value;
use crate::error::{Error, Result};
use crate::session::Session;

/// The parameters of [`normalize_pearson_residuals`], by scanpy's names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PearsonOptions {
    /// The overdispersion of the negative binomial; infinity is a Poisson model.
    pub theta: f64,
    /// The bound of residuals, which are clipped to `[-clip, clip]`; `None` is the square root of
    /// the number of cells.
    pub clip: Option<f64>,
    /// Whether counts that are not whole numbers are noted.
    pub check_values: bool,
}

impl Default for PearsonOptions {
    fn default() -> Self {
        PearsonOptions { theta: 100.0, clip: None, check_values: true }
    }
}

/// The settings that [`normalize_pearson_residuals`] used.
#[derive(Debug, Clone, PartialEq)]
pub struct PearsonSettings {
    /// The overdispersion.
    pub theta: f64,
    /// The bound, with the default resolved.
    pub clip: f64,
    /// A note for the user about values that are not whole numbers.
    pub note: Option<String>,
}

impl PearsonSettings {
    /// Returns `theta` and `clip` as scanpy notes them in `uns["pearson_residuals_normalization"]`.
    pub fn settings(&self) -> Vec<(String, Value)> {
        [("theta", self.theta), ("clip", self.clip)].map(|(k, v)| (k.to_owned(), Value::number(v))).into()
    }
}

/// Computes Pearson residuals of counts under a negative binomial model
/// (`scanpy.experimental.pp.normalize_pearson_residuals`). The operation is recorded after one pass
/// for the sums of cells and genes, or after none where they are known. The matrix is dense when it
/// is read.
///
/// # Errors
/// [`Error::Values`] for a negative, NaN or infinite value; [`Error::Parameter`] for a `theta` that
/// is not positive or a negative `clip`.
pub fn normalize_pearson_residuals(
    x: &LazyMatrix,
    options: &PearsonOptions,
    session: &Session,
) -> Result<(LazyMatrix, PearsonSettings)> {
    let PearsonOptions { theta, clip, check_values } = *options;
    if theta.is_nan() || theta <= 0.0 {
        return Err(Error::parameter("theta", "a number above 0", theta));
    }
    let clip = clip.unwrap_or_else(|| (x.shape().0 as f64).sqrt());
    if clip.is_nan() || clip < 0.0 {
        return Err(Error::parameter("clip", "a number, 0 or more", clip));
    }
    let (cells, genes) = count_sums(x, &Check::counts(x, "normalize_pearson_residuals"), session)?;
    let whole = !check_values || cells.iter().chain(&genes).all(|s| s.fract() == 0.0);
    let note = (!whole)
        .then(|| "`normalize_pearson_residuals()` expects raw count data, but non-integers were found.".to_owned());
    let total = genes.iter().sum();
    let node = nodes::PearsonResiduals { cell_sums: cells.into(), gene_sums: genes.into(), total, theta, clip };
    Ok((x.with(node)?, PearsonSettings { theta, clip, note }))
}
