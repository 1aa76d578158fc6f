//! Runs all operations of a chain over one block, a row at a time, in f64.

use super::{Covariates, Op};
use crate::element::{DType, Data, Number};
use crate::matrix::{Block, Storage};
use crate::with_data;

/// Applies `ops` to a block in the stored dtype; `out` (float32 or float64) is the dtype of the result.
pub(super) fn apply(ops: &[Op], block: Block, out: DType) -> Block {
    if ops.is_empty() {
        return block;
    }
    if out == DType::F64 {
        run::<f64>(ops, block)
    } else {
        run::<f32>(ops, block)
    }
}

fn run<O: Number>(ops: &[Op], block: Block) -> Block {
    let Block { positions, n_cols, storage } = block;
    let n_rows = positions.len();
    let densifies = ops.iter().any(Op::densifies);
    let mut row = Row { columns: Vec::new(), values: Vec::new(), dense: false };
    let blind = ops.iter().take_while(|op| matches!(op, Op::Normalize { .. } | Op::Log1p { .. })).count();
    let storage = match storage {
        Storage::Csr { indptr, indices, data } if blind == ops.len() => {
            let mut values: Vec<O> = vec![O::default(); indices.len()];
            with_data!(&data, v => {
                for i in 0..n_rows {
                    let range = indptr[i]..indptr[i + 1];
                    blind_row(ops, positions.at(i), &v[range.clone()], &mut values[range]);
                }
            });
            Storage::Csr { indptr, indices, data: O::wrap(values) }
        }
        Storage::Csr { indptr, indices, data } => {
            let mut values: Vec<O> = Vec::with_capacity(if densifies { n_rows * n_cols } else { indices.len() });
            for i in 0..n_rows {
                let range = indptr[i]..indptr[i + 1];
                row.dense = false;
                row.columns.clear();
                row.columns.extend_from_slice(&indices[range.clone()]);
                row.values.clear();
                row.values.resize(range.len(), 0.0);
                with_data!(&data, v => blind_row(&ops[..blind], positions.at(i), &v[range], &mut row.values));
                for op in &ops[blind..] {
                    row.apply(op, positions.at(i), n_cols);
                }
                values.extend(row.values.iter().map(|&x| O::from_f64(x)));
            }
            if densifies {
                Storage::Dense(O::wrap(values))
            } else {
                Storage::Csr { indptr, indices, data: O::wrap(values) }
            }
        }
        Storage::Dense(data) => {
            let mut values: Vec<O> = Vec::with_capacity(data.len());
            row.dense = true;
            for i in 0..n_rows {
                row.load(&data, i * n_cols..(i + 1) * n_cols);
                for op in ops {
                    row.apply(op, positions.at(i), n_cols);
                }
                values.extend(row.values.iter().map(|&x| O::from_f64(x)));
            }
            Storage::Dense(O::wrap(values))
        }
    };
    Block { positions, n_cols, storage }
}

/// Results remembered within a row.
const SLOTS: usize = 64;

/// Operations that depend on the row and the value alone, for one row. Counts are mostly small whole numbers, so the
/// logarithm of each is taken once a row and looked up after that: the same bits for a fraction of the time.
#[inline(always)]
fn blind_row<T: Number, O: Number>(ops: &[Op], position: usize, values: &[T], out: &mut [O]) {
    let one = |x: f64| {
        ops.iter().fold(x, |x, op| match op {
            Op::Normalize { divisors, .. } => x / divisors[position],
            Op::Log1p { base: None } => x.ln_1p(),
            Op::Log1p { base: Some(b) } => x.ln_1p() / b.ln(),
            Op::Scale { .. } | Op::PearsonResiduals { .. } | Op::RegressOut { .. } => x,
        })
    };
    // A cache addressed by the whole part of the value and compared by all its bits: right for any value.
    const NONE: u64 = u64::MAX;
    let (mut known, mut results) = ([NONE; SLOTS], [O::default(); SLOTS]);
    for (to, x) in out.iter_mut().zip(values) {
        let x = x.to_f64();
        // Adding 2^52 leaves the whole part in the lowest bits.
        let slot = (x + 4_503_599_627_370_496.0).to_bits() as usize % SLOTS;
        if known[slot] != x.to_bits() || known[slot] == NONE {
            known[slot] = x.to_bits();
            results[slot] = O::from_f64(one(x));
        }
        *to = results[slot];
    }
}

/// One row in flight: stored entries (columns and values), or, when dense, values alone.
struct Row {
    columns: Vec<u32>,
    values: Vec<f64>,
    dense: bool,
}

impl Row {
    fn load(&mut self, data: &Data, range: std::ops::Range<usize>) {
        self.values.clear();
        with_data!(data, v => self.values.extend(v[range].iter().map(|x| x.to_f64())));
    }

    fn densify(&mut self, n_cols: usize) {
        if !self.dense {
            let mut full = vec![0.0; n_cols];
            for (&c, &v) in self.columns.iter().zip(&self.values) {
                full[c as usize] = v;
            }
            self.values = full;
            self.dense = true;
        }
    }

    fn apply(&mut self, op: &Op, position: usize, n_cols: usize) {
        match op {
            Op::Normalize { divisors, .. } => {
                let d = divisors[position];
                self.values.iter_mut().for_each(|x| *x /= d);
            }
            Op::Log1p { base: None } => self.values.iter_mut().for_each(|x| *x = x.ln_1p()),
            Op::Log1p { base: Some(b) } => {
                let ln = b.ln();
                self.values.iter_mut().for_each(|x| *x = x.ln_1p() / ln);
            }
            Op::Scale { mean, std, max_value, zero_center: true } => {
                self.densify(n_cols);
                let max = max_value.unwrap_or(f64::INFINITY);
                for ((x, m), s) in self.values.iter_mut().zip(mean.iter()).zip(std.iter()) {
                    *x = clip((*x - m) / s, -max, max);
                }
            }
            Op::Scale { std, max_value, zero_center: false, .. } => {
                let max = max_value.unwrap_or(f64::INFINITY);
                if self.dense {
                    self.values.iter_mut().zip(std.iter()).for_each(|(x, s)| *x = clip(*x / s, f64::NEG_INFINITY, max));
                } else {
                    for (x, &c) in self.values.iter_mut().zip(&self.columns) {
                        *x = clip(*x / std[c as usize], f64::NEG_INFINITY, max);
                    }
                }
            }
            Op::PearsonResiduals { cell_sums, gene_sums, total, theta, clip: c } => {
                self.densify(n_cols);
                let share = if *total > 0.0 { cell_sums[position] / total } else { 0.0 };
                for (x, g) in self.values.iter_mut().zip(gene_sums.iter()) {
                    let mu = g * share;
                    let residual = clip((*x - mu) / (mu + mu * mu / theta).sqrt(), -c, *c);
                    // Nothing found where nothing is expected.
                    *x = if mu == 0.0 && *x == 0.0 { 0.0 } else { residual };
                }
            }
            Op::RegressOut { covariates, coefficients, width, .. } => {
                self.densify(n_cols);
                let fits = self.values.iter_mut().zip(coefficients.chunks_exact((*width).max(1)));
                match covariates {
                    Covariates::Numbers(v) => {
                        let row = &v[position * width..][..*width];
                        fits.for_each(|(x, b)| *x -= row.iter().zip(b).map(|(q, b)| q * b).sum::<f64>());
                    }
                    Covariates::Groups(v) => {
                        let group = v[position] as usize;
                        fits.for_each(|(x, b)| *x -= b[group]);
                    }
                }
            }
        }
    }
}

/// `x` within `[low, high]`; NaN stays NaN (`f64::clamp` would too, but panics on a NaN bound).
#[inline(always)]
fn clip(x: f64, low: f64, high: f64) -> f64 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}
