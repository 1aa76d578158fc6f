//! Analytic Pearson residuals of counts (`scanpy.experimental.pp.normalize_pearson_residuals`).

use super::{clip, fits, Transform};
use crate::chain::describe::Parameter;
use crate::chain::row::Row;
use crate::chain::Vector;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Replaces counts by their residuals under a negative binomial whose mean is the product of the
/// margins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PearsonResiduals {
    /// Sum of the counts of each row.
    pub cell_sums: Vector<f64>,
    /// Sum of the counts of each column over all cells.
    pub gene_sums: Vector<f64>,
    /// Sum of all counts.
    pub total: f64,
    /// Overdispersion of the negative binomial.
    pub theta: f64,
    /// Bound of the residuals, which are clipped to `[-clip, clip]`.
    pub clip: f64,
}

impl Transform for PearsonResiduals {
    const NAME: &'static str = "normalize_pearson_residuals";

    fn check(&self, n_obs: usize, n_vars: usize) -> Result<()> {
        fits("cell sums, one per cell", self.cell_sums.len(), n_obs)?;
        fits("gene sums, one per gene", self.gene_sums.len(), n_vars)
    }

    fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Self> {
        Ok(PearsonResiduals {
            cell_sums: self.cell_sums.select(rows)?,
            gene_sums: self.gene_sums.select(columns)?,
            ..self.clone()
        })
    }

    fn fills_zeros(&self) -> bool {
        true
    }

    fn apply(&self, row: &mut Row, position: usize) {
        let share = if self.total > 0.0 { self.cell_sums[position] / self.total } else { 0.0 };
        for (x, g) in row.dense().iter_mut().zip(self.gene_sums.iter()) {
            let mu = g * share;
            let residual = clip((*x - mu) / (mu + mu * mu / self.theta).sqrt(), -self.clip, self.clip);
            // 0 / 0: no count is expected and none is found.
            *x = if mu == 0.0 && *x == 0.0 { 0.0 } else { residual };
        }
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("theta", self.theta.into()), ("clip", self.clip.into())]
    }
}
