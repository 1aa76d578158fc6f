//! Multiplies `X' X` with a block of vectors, in one pass over rows, in f64.
//!
//! A slab of rows is multiplied with the block, then its transpose with the result. Sparse rows are
//! turned into columns, a panel of rows at a time. A row of the block is then read once for all
//! entries of its column, and the panel's results stay in the second-level cache. Threads own rows
//! in the first half and columns in the second, so that every sum runs in the order of columns or
//! rows.

use super::rows::{Deltas, Rows};
use super::slab::Slab;
use super::tiles::{stored, Panel};
use super::vectors::{matrix, TOGETHER};
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::ops::view::add;
use crate::session::Session;
use crate::simd::{self, Level};
use crate::stream::{no_rows, Needs, Reducer};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The name, in errors, of a product.
const PRODUCT: &str = "pca: products with a block of vectors";
/// The number of rows of a panel.
const PANEL_ROWS: usize = 256;
/// The number of columns that a thread owns at a time.
const COLUMNS: usize = 512;

/// The pass that multiplies `X' X` with a block of vectors.
#[derive(Serialize)]
pub(super) struct Multiply<'a> {
    deltas: &'a Deltas,
    p: usize,
    width: usize,
    /// The shift is subtracted from dense values, the centre from stored ones, before the product.
    shift: Option<&'a [f64]>,
    centre: Option<&'a [f64]>,
    /// The block in pieces of [`TOGETHER`] vectors, each `p` rows, row-major.
    block: Vec<Vec<f64>>,
    #[serde(skip)]
    ranks: Vec<u32>,
    #[serde(skip)]
    session: &'a Session,
    #[serde(skip)]
    pool: Arc<rayon::ThreadPool>,
}

/// The product so far, laid out like the block.
#[derive(Serialize, Deserialize)]
pub(super) struct Product {
    product: Vec<Vec<f64>>,
    /// The rows that wait for a full slab; empty once a run is closed.
    #[serde(skip)]
    slab: Slab,
}

impl<'a> Multiply<'a> {
    /// Makes the pass that multiplies with `block`, `p` rows by one column per vector. Before the
    /// product, `shift` (one value a column of the matrix) is subtracted from the values of dense
    /// rows, and `centre` from the stored values of sparse rows.
    pub(super) fn new(
        deltas: &'a Deltas,
        block: &Mat<f64>,
        shift: Option<&'a [f64]>,
        centre: Option<&'a [f64]>,
        session: &'a Session,
    ) -> Result<Self> {
        let (p, width) = (block.nrows(), block.ncols());
        let pool = session.pool()?;
        let piece = |from: usize| {
            let value = |i: usize, c: usize| if c < width { block[(i, c)] } else { 0.0 };
            (0..p).flat_map(|i| (from..from + TOGETHER).map(move |c| (i, c))).map(|(i, c)| value(i, c)).collect()
        };
        let block: Vec<Vec<f64>> = (0..width).step_by(TOGETHER).map(piece).collect();
        Ok(Multiply { deltas, p, width, shift, centre, block, ranks: (0..p as u32).collect(), session, pool })
    }

    fn add(&self, product: &mut [Vec<f64>], slab: &Slab) -> Result<()> {
        self.session.monitor.check()?;
        let Multiply { p, block, ranks, .. } = self;
        self.pool.install(|| {
            if slab.dense {
                return add_dense(slab, block, product);
            }
            let starts: Vec<usize> = (0..slab.indptr.len() - 1).step_by(PANEL_ROWS).collect();
            let panels: Vec<(Panel<f64>, Vec<Vec<f64>>)> = starts
                .par_iter()
                .map(|&s| {
                    let rows = &slab.indptr[s..(s + PANEL_ROWS + 1).min(slab.indptr.len())];
                    let found = stored(rows, &slab.indices, ranks);
                    let panel = Panel::new(found, rows, &slab.indices, ranks, |_, e| slab.values[e])?;
                    let results = block.iter().map(|b| {
                        let mut result = memory::zeros((rows.len() - 1) * TOGETHER, PRODUCT)?;
                        times_block(&panel, b, &mut result);
                        Ok(result)
                    });
                    let results = results.collect::<Result<_>>()?;
                    Ok((panel, results))
                })
                .collect::<Result<_>>()?;
            for (q, product) in product.iter_mut().enumerate() {
                product.par_chunks_mut(COLUMNS * TOGETHER).enumerate().for_each(|(t, to)| {
                    let from = t * COLUMNS;
                    let end = (from + COLUMNS).min(*p);
                    for (panel, results) in &panels {
                        add_transposed(panel, from..end, &results[q], to);
                    }
                });
            }
            Ok(())
        })
    }
}

impl Reducer for Multiply<'_> {
    const NAME: &'static str = PRODUCT;
    const NEEDS: Needs = Needs::FILE.long();
    type Part = Rows;
    no_rows!();
    type State = Product;
    /// The product, `p x width`.
    type Output = Mat<f64>;

    fn map(&self, block: Block) -> Result<(Rows, ())> {
        let mut rows = self.deltas.rows(block)?;
        if let Some(centre) = self.centre {
            rows.less(centre);
        }
        Ok((rows, ()))
    }

    fn state(&self) -> Result<Product> {
        let product = self.block.iter().map(|b| memory::zeros(b.len(), PRODUCT)).collect::<Result<_>>()?;
        Ok(Product { product, slab: Slab::new(self.p) })
    }

    fn fold(&self, state: &mut Product, rows: Rows) -> Result<()> {
        let Product { product, slab } = state;
        slab.push(&rows, self.shift, |slab| self.add(product, slab))
    }

    fn close(&self, state: &mut Product) -> Result<()> {
        let Product { product, slab } = state;
        std::mem::take(slab).flush(&mut |slab| self.add(product, slab))
    }

    fn merge(&self, state: &mut Product, next: Product) -> Result<()> {
        state.product.iter_mut().zip(&next.product).for_each(|(to, from)| add(to, from));
        Ok(())
    }

    fn finish(&self, state: Product, (): ()) -> Result<Mat<f64>> {
        matrix(self.p, self.width, |i, c| state.product[c / TOGETHER][i * TOGETHER + c % TOGETHER])
    }
}

/// Adds the products of a slab of dense rows, as two dense products.
fn add_dense(slab: &Slab, block: &[Vec<f64>], product: &mut [Vec<f64>]) -> Result<()> {
    const ROWS: usize = 32;
    let t = slab.transposed();
    let (p, n) = (t.nrows(), t.ncols());
    for (block, product) in block.iter().zip(product) {
        let b = MatRef::from_column_major_slice(block, TOGETHER, p);
        let mut result = memory::zeros(n * TOGETHER, PRODUCT)?;
        result.par_chunks_mut(ROWS * TOGETHER).enumerate().for_each(|(i, to)| {
            let rows = to.len() / TOGETHER;
            let to = MatMut::from_column_major_slice_mut(to, TOGETHER, rows);
            matmul(to, Accum::Replace, b, t.subcols(i * ROWS, rows), 1.0, Par::Seq);
        });
        let result = MatRef::from_column_major_slice(&result, TOGETHER, n);
        product.par_chunks_mut(COLUMNS * TOGETHER).enumerate().for_each(|(i, to)| {
            let columns = to.len() / TOGETHER;
            let to = MatMut::from_column_major_slice_mut(to, TOGETHER, columns);
            matmul(to, Accum::Add, result, t.subrows(i * COLUMNS, columns).transpose(), 1.0, Par::Seq);
        });
    }
    Ok(())
}

simd::vectorized! {
    /// Adds the panel's rows times `block` to the rows of `result`.
    fn times_block [](panel: &Panel<f64>, block: &[f64], result: &mut [f64]) where level in [Avx2]: Level {
        let mut start = 0;
        for (&end, row) in panel.ends.iter().zip(block.as_chunks::<TOGETHER>().0) {
            let end = end as usize;
            for (&r, &v) in panel.rows[start..end].iter().zip(&panel.values[start..end]) {
                let to = &mut result[r as usize * TOGETHER..][..TOGETHER];
                for k in 0..TOGETHER {
                    to[k] = level.fused(v, row[k], to[k]);
                }
            }
            start = end;
        }
    }
}

simd::vectorized! {
    /// Adds the transposed columns of the panel times `result` to `to`, which has one row for each
    /// of `columns`.
    fn add_transposed [](panel: &Panel<f64>, columns: std::ops::Range<usize>, result: &[f64], to: &mut [f64]) where level in [Avx2]: Level {
        let mut start = if columns.start == 0 { 0 } else { panel.ends[columns.start - 1] as usize };
        for (&end, to) in panel.ends[columns].iter().zip(to.as_chunks_mut::<TOGETHER>().0) {
            let end = end as usize;
            let mut sum = *to;
            for (&r, &v) in panel.rows[start..end].iter().zip(&panel.values[start..end]) {
                let row = &result[r as usize * TOGETHER..][..TOGETHER];
                for k in 0..TOGETHER {
                    sum[k] = level.fused(v, row[k], sum[k]);
                }
            }
            *to = sum;
            start = end;
        }
    }
}
