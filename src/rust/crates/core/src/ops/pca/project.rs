//! Products of rows with the loadings: the coordinates of the cells.

use super::aligned::Aligned;
use super::rows::Rows;
use crate::error::Result;
use crate::memory;
use crate::ops::moments::Moments;
use crate::simd::{self, Level};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use serde::Serialize;

/// The name, in errors, of the coordinates.
const COORDINATES: &str = "pca: coordinates of a block of cells";
/// The components of a line of the cache.
const LANES: usize = 8;

/// The loadings (columns x components), for products with dense and with sparse rows.
#[derive(Serialize)]
pub(super) struct Loadings<'a> {
    /// The number of components.
    k: usize,
    /// Row-major, `k` wide.
    rows: &'a [f64],
    /// The same rows, filled up with zeros to whole lines of the cache.
    #[serde(skip)]
    lines: Aligned<f64>,
    /// The width of these.
    width: usize,
}

impl<'a> Loadings<'a> {
    /// Lays out row-major loadings of `k` components.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn new(rows: &'a [f64], k: usize) -> Result<Self> {
        let width = k.next_multiple_of(LANES);
        let mut lines = Aligned::filled(rows.len() / k.max(1) * width, 0.0, COORDINATES)?;
        for (to, from) in lines.chunks_exact_mut(width.max(1)).zip(rows.chunks_exact(k.max(1))) {
            to[..k].copy_from_slice(from);
        }
        Ok(Loadings { k, rows, lines, width })
    }

    /// Returns `offset + (row - shift) * loadings` of each row as f32, row-major n x k. Sets
    /// `moments`, if given, to the moments of these k columns. For dense rows `offset` is left out
    /// of the moments, though not of the result.
    pub(super) fn project(
        &self,
        rows: &Rows,
        offset: &[f64],
        shift: Option<&[f64]>,
        moments: Option<&mut Moments>,
    ) -> Result<Vec<f32>> {
        let (n, p, k) = (rows.n_rows(), rows.n_cols, self.k);
        let mut out = memory::zeros(n * k, COORDINATES)?;
        // Row-major, in f64. Sparse rows need it for the moments only.
        let mut product = memory::zeros(if rows.csr.is_none() || moments.is_some() { n * k } else { 0 }, COORDINATES)?;
        match &rows.csr {
            Some((indptr, indices)) => {
                let mut row = Aligned::filled(self.width, 0.0, COORDINATES)?;
                for (i, to) in out.chunks_mut(k).enumerate() {
                    row[..k].copy_from_slice(offset);
                    let entries = indptr[i]..indptr[i + 1];
                    add_rows(&indices[entries.clone()], &rows.values[entries], &self.lines, &mut row);
                    to.iter_mut().zip(&*row).for_each(|(t, r)| *t = *r as f32);
                    if let Some(to) = product.get_mut(i * k..(i + 1) * k) {
                        to.copy_from_slice(&row[..k]);
                    }
                }
            }
            None => {
                let mut values = memory::collected(rows.values.iter().copied(), COORDINATES)?;
                if let Some(shift) = shift {
                    values.chunks_mut(p).for_each(|r| r.iter_mut().zip(shift).for_each(|(v, s)| *v -= s));
                }
                // A column-major `k x n` matrix is a row-major `n x k` one.
                let dst = MatMut::from_column_major_slice_mut(&mut product, k, n);
                let l = MatRef::from_column_major_slice(self.rows, k, p);
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
    /// wide as `sum`: whole lines of the cache. No multiplication is fused, so that every processor
    /// gives the same bits.
    fn add_rows [](columns: &[u32], values: &[f64], rows: &[f64], sum: &mut [f64]) where _level in [Avx512, Avx2]: Level {
        let k = sum.len();
        let mut from = 0;
        // Pieces of the sum fit in registers: seven lines take 14 of the 16 that AVX2 has.
        while from < k {
            from = match (k - from) / LANES {
                0 => break,
                1 => piece::<{ LANES }>(columns, values, rows, from, sum),
                2 => piece::<{ 2 * LANES }>(columns, values, rows, from, sum),
                3 => piece::<{ 3 * LANES }>(columns, values, rows, from, sum),
                4 => piece::<{ 4 * LANES }>(columns, values, rows, from, sum),
                5 => piece::<{ 5 * LANES }>(columns, values, rows, from, sum),
                6 => piece::<{ 6 * LANES }>(columns, values, rows, from, sum),
                _ => piece::<{ 7 * LANES }>(columns, values, rows, from, sum),
            };
        }
    }
}

/// Adds the columns `from..from + N` of the sum of [`add_rows`]. Returns the column after them.
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
    from + N
}
