//! `x` after removal of the location and scale of its batch, gene by gene (`scanpy.pp.combat`).

use super::{fits, Transform};
use crate::chain::describe::Parameter;
use crate::chain::row::Row;
use crate::chain::Vector;
use crate::error::{Error, Result};
use crate::memory;
use serde::{Deserialize, Serialize};

/// Replaces each value `x` by `(x - m) factor + m + offset`. `factor` and `offset` belong to the
/// column and to the batch of the cell. `m` is the mean of the column plus the part that the
/// covariates of the cell explain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Combat {
    /// The batch of each row.
    pub batches: Vector<u32>,
    /// Number of batches.
    pub n_batches: usize,
    /// Covariates of each row, `n_obs x width`, row-major.
    pub covariates: Vector<f64>,
    /// Number of covariates.
    pub width: usize,
    /// Column means.
    pub mean: Vector<f64>,
    /// Coefficients of the covariates for each column, `n_vars x width`, row-major.
    pub coefficients: Vector<f64>,
    /// Factor of each column and batch, `n_vars x n_batches`, row-major.
    pub factor: Vector<f64>,
    /// Offset of each column and batch, `n_vars x n_batches`, row-major.
    pub offset: Vector<f64>,
    /// Names of the column of batches and of the covariates, in this order, for display.
    pub keys: Vector<String>,
}

fn take_rows(v: &Vector<f64>, width: usize, positions: Option<&[u32]>) -> Result<Vector<f64>> {
    let Some(p) = positions else { return Ok(v.clone()) };
    let values = p.iter().flat_map(|&i| &v[i as usize * width..][..width]).copied();
    Ok(memory::exactly(p.len().saturating_mul(width), values, "a selection of the vectors of a chain")?.into())
}

impl Transform for Combat {
    const NAME: &'static str = "combat";

    fn check(&self, n_obs: usize, n_vars: usize) -> Result<()> {
        fits("batches, one per cell", self.batches.len(), n_obs)?;
        fits("covariates, a row per cell", self.covariates.len(), n_obs.saturating_mul(self.width))?;
        fits("means, one per gene", self.mean.len(), n_vars)?;
        fits("coefficients, a row per gene", self.coefficients.len(), n_vars.saturating_mul(self.width))?;
        let each = n_vars.saturating_mul(self.n_batches);
        fits("factors, a row per gene", self.factor.len(), each)?;
        fits("offsets, a row per gene", self.offset.len(), each)?;
        match self.batches.iter().find(|&&batch| batch as usize >= self.n_batches) {
            Some(&batch) => Err(Error::Index { axis: "batches", index: i64::from(batch), len: self.n_batches }),
            None => Ok(()),
        }
    }

    fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Self> {
        Ok(Combat {
            batches: self.batches.select(rows)?,
            covariates: take_rows(&self.covariates, self.width, rows)?,
            mean: self.mean.select(columns)?,
            coefficients: take_rows(&self.coefficients, self.width, columns)?,
            factor: take_rows(&self.factor, self.n_batches, columns)?,
            offset: take_rows(&self.offset, self.n_batches, columns)?,
            ..self.clone()
        })
    }

    fn fills_zeros(&self) -> bool {
        true
    }

    fn apply(&self, row: &mut Row, position: usize) {
        let batch = self.batches[position] as usize;
        let covariates = &self.covariates[position * self.width..][..self.width];
        for (j, x) in row.dense().iter_mut().enumerate() {
            let coefficients = &self.coefficients[j * self.width..][..self.width];
            let m = self.mean[j] + covariates.iter().zip(coefficients).map(|(q, b)| q * b).sum::<f64>();
            let at = j * self.n_batches + batch;
            *x = (*x - m) * self.factor[at] + m + self.offset[at];
        }
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        let (key, covariates) = self.keys.split_at(self.keys.len().min(1));
        vec![("key", key.to_vec().into()), ("covariates", covariates.to_vec().into())]
    }
}
