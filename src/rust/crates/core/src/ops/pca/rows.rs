//! Rows of a chain as what PCA adds up: stored deltas, or dense values.

use crate::chain::{LazyMatrix, Op};
use crate::element::Data;
use crate::error::Result;
use crate::matrix::{Block, Positions, Storage};
use crate::ops::view::{with_view, Check};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::sync::Arc;

/// A chain split into a part that is read and a centring scale applied here, so that the matrix stays sparse.
pub(super) struct Deltas {
    chain: LazyMatrix,
    scale: Option<Scale>,
    check: Check,
}

struct Scale {
    mean: Arc<[f64]>,
    std: Arc<[f64]>,
    max: f64,
    /// The scaled value of a zero.
    base: Vec<f64>,
}

impl Scale {
    fn of(&self, column: usize, x: f64) -> f64 {
        ((x - self.mean[column]) / self.std[column]).min(self.max).max(-self.max)
    }
}

impl Deltas {
    pub(super) fn new(x: &LazyMatrix) -> Self {
        let check = Check::finite(x, "pca");
        if let Some(Op::Scale { mean, std, max_value, zero_center: true }) = x.ops().last() {
            let inner = x.without_ops_from(x.ops().len() - 1);
            if inner.is_sparse() {
                let max = max_value.unwrap_or(f64::INFINITY);
                let mut scale = Scale { mean: mean.clone(), std: std.clone(), max, base: Vec::new() };
                scale.base = (0..mean.len()).map(|j| scale.of(j, 0.0)).collect();
                return Deltas { chain: inner, scale: Some(scale), check };
            }
        }
        Deltas { chain: x.clone(), scale: None, check }
    }

    /// What is read.
    pub(super) fn chain(&self) -> &LazyMatrix {
        &self.chain
    }

    /// What has to be added to the deltas of each column to get its values; dense rows are shifted by `shift` instead.
    pub(super) fn base(&self, p: usize, shift: Option<&[f64]>) -> Vec<f64> {
        match (&self.scale, shift) {
            (Some(s), _) => s.base.clone(),
            (None, Some(shift)) => shift.to_vec(),
            (None, None) => vec![0.0; p],
        }
    }

    /// The deltas of a block's rows.
    pub(super) fn rows(&self, block: Block) -> Result<Rows> {
        with_view!(block.clone(), view => (0..view.n_rows()).try_for_each(|i| self.check.row(&view, i)))?;
        let Block { positions, n_cols, storage } = block;
        fn widen(data: Data) -> Vec<f64> {
            match data {
                Data::F64(v) => v,
                other => other.to_f64(),
            }
        }
        let (csr, values) = match storage {
            Storage::Csr { indptr, indices, data } => {
                let mut values = widen(data);
                if let Some(s) = &self.scale {
                    for (v, &c) in values.iter_mut().zip(&indices) {
                        *v = s.of(c as usize, *v) - s.base[c as usize];
                    }
                }
                (Some((indptr, indices)), values)
            }
            Storage::Dense(data) => (None, widen(data)),
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

    /// `offset + (row - shift) * loadings`, row-major.
    pub(super) fn project(&self, loadings: &[f64], k: usize, offset: &[f64], shift: Option<&[f64]>) -> Vec<f32> {
        let (n, p) = (self.n_rows(), self.n_cols);
        let mut out = vec![0f32; n * k];
        match &self.csr {
            Some((indptr, indices)) => {
                let mut row = vec![0.0; k];
                for (i, to) in out.chunks_mut(k).enumerate() {
                    row.copy_from_slice(offset);
                    for e in indptr[i]..indptr[i + 1] {
                        let v = self.values[e];
                        let l = &loadings[indices[e] as usize * k..][..k];
                        row.iter_mut().zip(l).for_each(|(r, l)| *r += v * l);
                    }
                    to.iter_mut().zip(&row).for_each(|(t, r)| *t = *r as f32);
                }
            }
            None => {
                let mut values = self.values.clone();
                if let Some(shift) = shift {
                    values.chunks_mut(p).for_each(|r| r.iter_mut().zip(shift).for_each(|(v, s)| *v -= s));
                }
                // Column-major k x n and p x n are row-major n x k and n x p.
                let mut product = vec![0.0; n * k];
                let dst = MatMut::from_column_major_slice_mut(&mut product, k, n);
                let l = MatRef::from_column_major_slice(loadings, k, p);
                let v = MatRef::from_column_major_slice(&values, p, n);
                matmul(dst, Accum::Replace, l, v, 1.0, Par::Seq);
                for (to, from) in out.chunks_mut(k).zip(product.chunks(k)) {
                    to.iter_mut().zip(from).zip(offset).for_each(|((t, f), o)| *t = (f + o) as f32);
                }
            }
        }
        out
    }
}
