//! The rows of a chain in the form that PCA adds up: stored deltas, or dense values.

use crate::chain::{nodes, LazyMatrix};
use crate::element::Data;
use crate::error::Result;
use crate::matrix::{Block, Positions, Storage};
use crate::memory;
use crate::ops::columns::Columns;
use crate::ops::moments::Moments;
use crate::ops::view::Check;
use serde::Serialize;

/// A chain, split into a part that is read and a centring scale that is applied here, so that the
/// matrix stays sparse. A delta is the difference of a value to the value that a zero becomes.
#[derive(Serialize)]
pub(super) struct Deltas {
    #[serde(skip)]
    chain: LazyMatrix,
    scale: Option<Scale>,
    #[serde(skip)]
    check: Check,
}

#[derive(Serialize)]
struct Scale {
    columns: Vec<Column>,
    max: f64,
}

/// The scaling of one column, with its parameters side by side.
#[derive(Serialize)]
struct Column {
    mean: f64,
    std: f64,
    /// The scaled value of a zero.
    base: f64,
}

impl Scale {
    fn new(mean: &[f64], std: &[f64], max: f64) -> Self {
        let column = |(&mean, &std)| {
            let base = scaled(mean, std, max, 0.0);
            Column { mean, std, base }
        };
        Scale { columns: mean.iter().zip(std).map(column).collect(), max }
    }
}

#[inline(always)]
fn scaled(mean: f64, std: f64, max: f64, x: f64) -> f64 {
    ((x - mean) / std).min(max).max(-max)
}

impl Deltas {
    /// Splits a chain: a centring [`nodes::Scale`] at the end of a sparse chain is applied here,
    /// all before it is read.
    pub(super) fn new(x: &LazyMatrix) -> Self {
        let check = Check::finite(x, "pca");
        let last = x.nodes().last().and_then(|node| node.downcast::<nodes::Scale>());
        if let Some(scale) = last.filter(|scale| scale.zero_center) {
            let inner = x.without_nodes_from(x.nodes().len() - 1);
            if inner.is_sparse() {
                let max = scale.max_value.unwrap_or(f64::INFINITY);
                return Deltas { chain: inner, scale: Some(Scale::new(&scale.mean, &scale.std, max)), check };
            }
        }
        Deltas { chain: x.clone(), scale: None, check }
    }

    /// Returns the matrix that is read.
    pub(super) fn chain(&self) -> &LazyMatrix {
        &self.chain
    }

    /// Returns, for each of `p` columns, the value to which a delta is added to get the value of
    /// the matrix. It is the value that a zero becomes under the scale; without a scale it is
    /// `shift`, or 0 where that is `None`.
    pub(super) fn base(&self, p: usize, shift: Option<&[f64]>) -> Vec<f64> {
        match (&self.scale, shift) {
            (Some(s), _) => s.columns.iter().map(|c| c.base).collect(),
            (None, Some(shift)) => shift.to_vec(),
            (None, None) => vec![0.0; p],
        }
    }

    /// Returns the deltas of a block's rows.
    pub(super) fn rows(&self, block: Block) -> Result<Rows> {
        let block = block.into_float()?;
        self.check.block(&block)?;
        let Block { positions, n_cols, storage } = block;
        fn widen(data: Data) -> Result<Vec<f64>> {
            match data {
                Data::F64(v) => Ok(v),
                other => other.to_f64(),
            }
        }
        let (csr, values) = match storage {
            Storage::Csr { indptr, indices, data } => {
                let mut values = widen(data)?;
                if let Some(s) = &self.scale {
                    for (v, &c) in values.iter_mut().zip(&indices) {
                        let column = &s.columns[c as usize];
                        *v = scaled(column.mean, column.std, s.max, *v) - column.base;
                    }
                }
                (Some((indptr, indices)), values)
            }
            Storage::Dense(data) => (None, widen(data)?),
        };
        Ok(Rows { positions, n_cols, csr, values })
    }
}

/// Deltas in f64: compressed rows, or dense row-major ones.
pub(super) struct Rows {
    pub(super) positions: Positions,
    pub(super) n_cols: usize,
    pub(super) csr: Option<(Vec<usize>, Vec<u32>)>,
    pub(super) values: Vec<f64>,
}

impl Rows {
    pub(super) fn n_rows(&self) -> usize {
        self.positions.len()
    }

    /// Returns count, means and squared deviations of each column, and how many values it stores.
    pub(super) fn moments(&self) -> Result<(Moments, Vec<u32>)> {
        let Some((indptr, indices)) = &self.csr else {
            let all = Moments::of_dense(self.values.chunks(self.n_cols.max(1)), |x| x);
            return Ok((all, vec![self.n_rows() as u32; self.n_cols]));
        };
        let mut columns = Columns::new(self.n_rows(), self.n_cols, "pca: moments of a block of cells");
        let rows = || indptr.windows(2).map(|w| (Some(&indices[w[0]..w[1]]), &self.values[w[0]..w[1]]));
        rows().try_for_each(|row| columns.add(row))?;
        let mut stored = memory::zeros(self.n_cols, "pca: moments of a block of cells")?;
        indices.iter().for_each(|&c| stored[c as usize] += 1);
        Ok((columns.moments(rows())?, stored))
    }

    /// Subtracts `centre` of its column from each stored value of sparse rows. Dense rows stay as
    /// they are.
    pub(super) fn less(&mut self, centre: &[f64]) {
        if let Some((_, indices)) = &self.csr {
            self.values.iter_mut().zip(indices).for_each(|(v, &c)| *v -= centre[c as usize]);
        }
    }
}
