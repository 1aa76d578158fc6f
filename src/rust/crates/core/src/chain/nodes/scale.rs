//! `(x - mean[column]) / std[column]`, clipped (`scanpy.pp.scale`).

use super::{clip, fits, Transform};
use crate::chain::describe::Parameter;
use crate::chain::row::Row;
use crate::chain::Vector;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Scales each column to unit variance and, with `zero_center`, shifts it to zero mean.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scale {
    /// Column means.
    pub mean: Vector<f64>,
    /// Column standard deviations (with n - 1); 1 where a column is constant.
    pub std: Vector<f64>,
    /// Bound of the result: `[-max_value, max_value]` with `zero_center`, else only from above.
    pub max_value: Option<f64>,
    /// Whether the mean is subtracted; without it zeros stay zero.
    pub zero_center: bool,
}

impl Transform for Scale {
    const NAME: &'static str = "scale";

    fn check(&self, _: usize, n_vars: usize) -> Result<()> {
        fits("means, one per gene", self.mean.len(), n_vars)?;
        fits("standard deviations, one per gene", self.std.len(), n_vars)
    }

    fn select(&self, _: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Self> {
        Ok(Scale { mean: self.mean.select(columns)?, std: self.std.select(columns)?, ..self.clone() })
    }

    fn fills_zeros(&self) -> bool {
        self.zero_center
    }

    fn apply(&self, row: &mut Row, _: usize) {
        let max = self.max_value.unwrap_or(f64::INFINITY);
        if self.zero_center {
            for ((x, m), s) in row.dense().iter_mut().zip(self.mean.iter()).zip(self.std.iter()) {
                *x = clip((*x - m) / s, -max, max);
            }
        } else {
            row.map_by_column(&self.std, |x, s| clip(x / s, f64::NEG_INFINITY, max));
        }
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("zero_center", self.zero_center.into()), ("max_value", self.max_value.into())]
    }
}
