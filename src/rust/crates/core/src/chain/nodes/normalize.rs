//! `x / divisors[row]`: equal totals for all cells (`scanpy.pp.normalize_total`).

use super::{fits, Elementwise};
use crate::chain::describe::Parameter;
use crate::chain::Vector;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Divides each row by its own divisor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Normalize {
    /// Row total divided by the target sum; 1 for rows that stay unchanged.
    pub divisors: Vector<f64>,
    /// The target sum, for display.
    pub target_sum: f64,
}

impl Elementwise for Normalize {
    const NAME: &'static str = "normalize_total";

    fn function_at(&self, position: usize) -> impl Fn(f64) -> f64 {
        let divisor = self.divisors[position];
        move |x| x / divisor
    }

    fn check(&self, n_obs: usize, _: usize) -> Result<()> {
        fits("normalisation factors, one per cell", self.divisors.len(), n_obs)
    }

    fn select(&self, rows: Option<&[u32]>, _: Option<&[u32]>) -> Result<Self> {
        Ok(Normalize { divisors: self.divisors.select(rows)?, target_sum: self.target_sum })
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("target_sum", self.target_sum.into())]
    }
}
