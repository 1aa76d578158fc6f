//! Second moments of columns, `X' X`, in f64.
//!
//! Rows are gathered into slabs. A slab of sparse rows is added by [`Tiles`], one of dense rows as one dense product.
//! Threads own columns, so the order of every sum is that of the rows.

use super::rows::Rows;
use super::slab::Slab;
use super::tiles::Tiles;
use crate::context::Context;
use crate::error::Result;
use crate::memory;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// The name of second moments in errors.
pub(super) const PRODUCTS: &str = "pca: products of all pairs of genes";
/// Columns a thread owns at a time.
const PANEL: usize = 128;

/// Sparse rows: sums within a slab have the width of the matrix's values.
enum Sparse {
    Single(Tiles<f32>),
    Double(Tiles<f64>),
}

/// The accumulator.
pub(super) struct Gram {
    p: usize,
    sparse: Sparse,
    /// Of dense rows: column-major `p x p`, only the lower triangle of which is filled.
    products: Vec<f64>,
    sums: Vec<f64>,
    /// Dense columns are shifted by the mean of their first block, which keeps large offsets exact.
    shift: Option<Vec<f64>>,
    slab: Slab,
    pool: rayon::ThreadPool,
}

/// What [`Gram`] gives.
pub(super) struct SecondMoments {
    /// Sums of products, column-major `p x p`, lower triangle.
    pub(super) products: Vec<f64>,
    /// Column sums.
    pub(super) sums: Vec<f64>,
    /// What was taken from every value of a column first, for both.
    pub(super) shift: Vec<f64>,
    /// Whether the rows were dense.
    pub(super) dense: bool,
}

impl Gram {
    /// For `p` columns whose values have 32 bits (`single`) or more.
    pub(super) fn new(p: usize, single: bool, ctx: &Context) -> Result<Self> {
        let pool = ctx.pool()?;
        Ok(Gram {
            p,
            sparse: if single { Sparse::Single(Tiles::new(p)) } else { Sparse::Double(Tiles::new(p)) },
            products: Vec::new(),
            sums: vec![0.0; p],
            shift: None,
            slab: Slab::new(p),
            pool,
        })
    }

    pub(super) fn push(&mut self, rows: &Rows, ctx: &Context) -> Result<()> {
        let p = self.p;
        if rows.csr.is_none() && self.shift.is_none() {
            self.products = memory::zeros(p * p, PRODUCTS)?;
            self.shift = Some(rows.moments()?.0.vectors().0);
        }
        let (mut slab, shift) = (std::mem::take(&mut self.slab), self.shift.take());
        slab.push(rows, shift.as_deref(), |slab| self.add(slab, ctx))?;
        (self.slab, self.shift) = (slab, shift);
        Ok(())
    }

    pub(super) fn finish(mut self, ctx: &Context) -> Result<SecondMoments> {
        std::mem::take(&mut self.slab).flush(&mut |slab| self.add(slab, ctx))?;
        if let Some(shift) = self.shift {
            return Ok(SecondMoments { products: self.products, sums: self.sums, shift, dense: true });
        }
        match self.sparse {
            Sparse::Single(tiles) => tiles.finish(),
            Sparse::Double(tiles) => tiles.finish(),
        }
    }

    fn add(&mut self, slab: &mut Slab, ctx: &Context) -> Result<()> {
        ctx.monitor.check()?;
        let Slab { indptr, indices, values, dense, .. } = slab;
        if *dense {
            for row in values.chunks(self.p.max(1)) {
                self.sums.iter_mut().zip(row).for_each(|(s, v)| *s += v);
            }
            self.add_dense(slab.transposed());
            return Ok(());
        }
        match &mut self.sparse {
            Sparse::Single(tiles) => self.pool.install(|| tiles.add(indptr, indices, values))?,
            Sparse::Double(tiles) => self.pool.install(|| tiles.add(indptr, indices, values))?,
        }
        Ok(())
    }

    /// Adds dense rows, the columns of `t`.
    fn add_dense(&mut self, t: MatRef<'_, f64>) {
        let p = self.p;
        self.pool.install(|| {
            self.products.par_chunks_mut(PANEL * p).enumerate().for_each(|(panel, to)| {
                let from = panel * PANEL;
                let width = to.len() / p;
                let to = MatMut::from_column_major_slice_mut(to, p, width).subrows_mut(from, p - from);
                let below = t.subrows(from, p - from);
                matmul(to, Accum::Add, below, t.subrows(from, width).transpose(), 1.0, Par::Seq);
            });
        });
    }
}
