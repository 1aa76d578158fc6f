//! Counts sampled without replacement (`scanpy.pp.downsample_counts`).

use super::{fits, Transform};
use crate::chain::describe::Parameter;
use crate::chain::row::Row;
use crate::chain::Vector;
use crate::error::Result;
use crate::random::mix;
use serde::{Deserialize, Serialize};

/// Reduces each count to the number of its molecules whose key is below the threshold of their
/// cell. A key depends on seed, cell, gene and number of the molecule alone, so that a selection
/// keeps the same molecules.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Downsample {
    /// Threshold of each row; `u64::MAX` keeps all molecules.
    pub thresholds: Vector<u64>,
    /// Position of each row when the node was recorded.
    pub cells: Vector<u32>,
    /// Position of each column when the node was recorded, as f64 for [`Row::map_by_column`].
    pub genes: Vector<f64>,
    /// Seed of the keys.
    pub seed: u64,
}

/// Returns the state from which the keys of the molecules of one count are drawn.
#[inline(always)]
pub(crate) fn stream_of(seed: u64, cell: u32, gene: u32) -> u64 {
    mix(mix(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)) ^ (u64::from(cell) << 32 | u64::from(gene)))
}

/// Returns the key of a molecule, below 2^63 and so below a threshold of `u64::MAX`.
#[inline(always)]
pub(crate) fn key_of(stream: u64, molecule: u64) -> u64 {
    mix(stream.wrapping_add((molecule + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))) >> 1
}

impl Transform for Downsample {
    const NAME: &'static str = "downsample_counts";

    fn check(&self, n_obs: usize, n_vars: usize) -> Result<()> {
        fits("thresholds, one per cell", self.thresholds.len(), n_obs)?;
        fits("numbers, one per cell", self.cells.len(), n_obs)?;
        fits("numbers, one per gene", self.genes.len(), n_vars)
    }

    fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Self> {
        Ok(Downsample {
            thresholds: self.thresholds.select(rows)?,
            cells: self.cells.select(rows)?,
            genes: self.genes.select(columns)?,
            seed: self.seed,
        })
    }

    fn fills_zeros(&self) -> bool {
        false
    }

    fn apply(&self, row: &mut Row, position: usize) {
        let (threshold, cell) = (self.thresholds[position], self.cells[position]);
        if threshold == u64::MAX {
            return;
        }
        row.map_by_column(&self.genes, |count, gene| {
            let stream = stream_of(self.seed, cell, gene as u32);
            (0..count as u64).filter(|&molecule| key_of(stream, molecule) < threshold).count() as f64
        });
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("random_state", (self.seed as f64).into())]
    }
}
