//! Residuals of `x` after a least-squares fit on covariates of the cells (`scanpy.pp.regress_out`).

use super::{fits, Transform};
use crate::chain::describe::Parameter;
use crate::chain::row::Row;
use crate::chain::Vector;
use crate::error::{Error, Result};
use crate::memory;
use serde::{Deserialize, Serialize};

/// Subtracts from each column its fit on the covariates.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegressOut {
    /// Covariates of the cells.
    pub covariates: Covariates,
    /// Coefficients of the covariates, or of the groups, for each column, `n_vars x width`,
    /// row-major.
    pub coefficients: Vector<f64>,
    /// Number of covariates, or of groups.
    pub width: usize,
    /// Names of the covariates, for display.
    pub keys: Vector<String>,
}

/// The covariates of the fit of [`RegressOut`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Covariates {
    /// Numbers, `n_obs x width`, row-major: the fit is their product with the coefficients of the
    /// column.
    Numbers(Vector<f64>),
    /// The group of each row: the fit is the coefficient of this group.
    Groups(Vector<u32>),
}

/// Selects rows of `width` values; `None` keeps all, without a copy.
fn take_rows(v: &Vector<f64>, width: usize, positions: Option<&[u32]>) -> Result<Vector<f64>> {
    let Some(p) = positions else { return Ok(v.clone()) };
    let values = p.iter().flat_map(|&i| &v[i as usize * width..][..width]).copied();
    Ok(memory::exactly(p.len().saturating_mul(width), values, "a selection of the vectors of a chain")?.into())
}

impl Transform for RegressOut {
    const NAME: &'static str = "regress_out";

    fn check(&self, n_obs: usize, n_vars: usize) -> Result<()> {
        let values = |n: usize| n.saturating_mul(self.width);
        match &self.covariates {
            Covariates::Numbers(v) => fits("covariates, a row per cell", v.len(), values(n_obs))?,
            Covariates::Groups(v) => {
                fits("groups, one per cell", v.len(), n_obs)?;
                if let Some(&g) = v.iter().find(|&&g| g as usize >= self.width) {
                    return Err(Error::Index { axis: "groups", index: i64::from(g), len: self.width });
                }
            }
        }
        fits("coefficients, a row per gene", self.coefficients.len(), values(n_vars))
    }

    fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Self> {
        Ok(RegressOut {
            covariates: match &self.covariates {
                Covariates::Numbers(v) => Covariates::Numbers(take_rows(v, self.width, rows)?),
                Covariates::Groups(v) => Covariates::Groups(v.select(rows)?),
            },
            coefficients: take_rows(&self.coefficients, self.width, columns)?,
            width: self.width,
            keys: self.keys.clone(),
        })
    }

    fn fills_zeros(&self) -> bool {
        true
    }

    fn apply(&self, row: &mut Row, position: usize) {
        let fits = row.dense().iter_mut().zip(self.coefficients.chunks_exact(self.width.max(1)));
        match &self.covariates {
            Covariates::Numbers(v) => {
                let covariates = &v[position * self.width..][..self.width];
                fits.for_each(|(x, b)| *x -= covariates.iter().zip(b).map(|(q, b)| q * b).sum::<f64>());
            }
            Covariates::Groups(v) => {
                let group = v[position] as usize;
                fits.for_each(|(x, b)| *x -= b[group]);
            }
        }
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("keys", self.keys.to_vec().into())]
    }
}
