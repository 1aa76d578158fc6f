//! The rows of a chain in the form that PCA adds up: stored deltas, or dense values.

use crate::chain::{nodes, LazyMatrix};
use crate::element::Data;
use crate::error::Result;
use crate::matrix::{Block, Positions, Storage};
use crate::memory;
use crate::ops::columns::Columns;
use crate::ops::moments::Moments;
use crate::ops::view::Check;
use crate::simd;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
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

    /// Returns the values to add to the deltas of each column to get its values. For dense rows
    /// without a scale this is `shift`.
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

    /// Returns `offset + (row - shift) * loadings` of each row, row-major. Sets `moments`, if
    /// given, to the moments of these columns; for dense rows `offset` is left out of the moments.
    pub(super) fn project(
        &self,
        loadings: &[f64],
        k: usize,
        offset: &[f64],
        shift: Option<&[f64]>,
        moments: Option<&mut Moments>,
    ) -> Result<Vec<f32>> {
        let (n, p) = (self.n_rows(), self.n_cols);
        let what = "pca: coordinates of a block of cells";
        let mut out = memory::zeros(n * k, what)?;
        // Row-major, in f64. Sparse rows need it for the moments only.
        let mut product = memory::zeros(if self.csr.is_none() || moments.is_some() { n * k } else { 0 }, what)?;
        match &self.csr {
            Some((indptr, indices)) => {
                let mut row = vec![0.0; k];
                for (i, to) in out.chunks_mut(k).enumerate() {
                    row.copy_from_slice(offset);
                    let entries = indptr[i]..indptr[i + 1];
                    add_rows(&indices[entries.clone()], &self.values[entries], loadings, &mut row);
                    to.iter_mut().zip(&row).for_each(|(t, r)| *t = *r as f32);
                    if let Some(to) = product.get_mut(i * k..(i + 1) * k) {
                        to.copy_from_slice(&row);
                    }
                }
            }
            None => {
                let mut values = memory::collected(self.values.iter().copied(), what)?;
                if let Some(shift) = shift {
                    values.chunks_mut(p).for_each(|r| r.iter_mut().zip(shift).for_each(|(v, s)| *v -= s));
                }
                // A column-major `k x n` matrix is a row-major `n x k` one.
                let dst = MatMut::from_column_major_slice_mut(&mut product, k, n);
                let l = MatRef::from_column_major_slice(loadings, k, p);
                let v = MatRef::from_column_major_slice(&values, p, n);
                matmul(dst, Accum::Replace, l, v, 1.0, Par::Seq);
                for (to, from) in out.chunks_mut(k).zip(product.chunks(k)) {
                    to.iter_mut().zip(from).zip(offset).for_each(|((t, f), o)| *t = (f + o) as f32);
                }
            }
        }
        if let Some(moments) = moments {
            *moments = Moments::of_dense(product.chunks(k), |x| x);
        }
        Ok(out)
    }
}

simd::vectorized! {
    /// Adds to `sum` the sum of `values[e]` times row `columns[e]` of `rows`, whose rows are as
    /// wide as `sum`. No multiplication is fused, so that every processor gives the same bits.
    fn add_rows [](columns: &[u32], values: &[f64], rows: &[f64], sum: &mut [f64])
    where _level in [Avx512, Avx2]: simd::Level {
        let (k, mut from) = (sum.len(), 0);
        // Pieces of the sum fit in registers. A narrow piece waits for its own additions, so the
        // usual 50 components are one piece.
        while from < k {
            from += match k - from {
                50 => piece::<50>(columns, values, rows, from, sum),
                48.. => piece::<48>(columns, values, rows, from, sum),
                32.. => piece::<32>(columns, values, rows, from, sum),
                16.. => piece::<16>(columns, values, rows, from, sum),
                8.. => piece::<8>(columns, values, rows, from, sum),
                4.. => piece::<4>(columns, values, rows, from, sum),
                _ => piece::<1>(columns, values, rows, from, sum),
            };
        }
    }
}

/// Adds the columns `from..from + N` of the sum of [`add_rows`], and returns `N`.
#[inline(always)]
fn piece<const N: usize>(columns: &[u32], values: &[f64], rows: &[f64], from: usize, sum: &mut [f64]) -> usize {
    let k = sum.len();
    let mut part = [0.0; N];
    part.copy_from_slice(&sum[from..from + N]);
    for (&c, v) in columns.iter().zip(values) {
        let row = &rows[c as usize * k + from..][..N];
        for i in 0..N {
            part[i] += v * row[i];
        }
    }
    sum[from..from + N].copy_from_slice(&part);
    N
}
