//! Second moments of columns, `X' X`, in f64.
//!
//! Rows are gathered into slabs. A slab of sparse rows is added by [`Tiles`], a slab of dense rows
//! as one dense product. Threads own columns, so that every sum within a run is in row order. A run
//! is long ([`LONG_RUN`] blocks), as the moments of 5,000 genes take 100 MB. The moments of the
//! first run become the result; only a matrix of more runs needs memory for a second set.
//!
//! [`LONG_RUN`]: crate::stream::LONG_RUN

use super::rows::{Deltas, Rows};
use super::second_moments::{Moved, SecondMoments, PRODUCTS};
use super::slab::{Slab, STEP};
use super::tiles::Tiles;
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::session::Session;
use crate::stream::{no_rows, Needs, Reducer};
use faer::linalg::matmul::matmul;
use faer::reborrow::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The number of columns that a thread owns at a time.
const PANEL: usize = 128;
/// The number of columns below a panel that go into one product with it and with [`STEP`] rows.
/// faer, which does not know the caches of the processor here, cuts products of more columns into
/// strips of 32. Its kernels take 48 columns with AVX-512 and 12 with AVX2, neither of which
/// divides 32.
const HEIGHT: usize = 672;

/// The pass that adds up the second moments of `p` columns.
#[derive(Serialize)]
pub(super) struct GramPass<'a> {
    deltas: &'a Deltas,
    p: usize,
    single: bool,
    #[serde(skip)]
    session: &'a Session,
    #[serde(skip)]
    pool: Arc<rayon::ThreadPool>,
}

impl<'a> GramPass<'a> {
    /// Makes the pass for `p` columns. Values of at most 32 bits (`single`) are multiplied in f32
    /// within a slab.
    pub(super) fn new(deltas: &'a Deltas, p: usize, single: bool, session: &'a Session) -> Result<Self> {
        Ok(GramPass { deltas, p, single, session, pool: session.pool()? })
    }
}

impl Reducer for GramPass<'_> {
    const NAME: &'static str = PRODUCTS;
    const NEEDS: Needs = Needs::KEEPS.long();
    type Part = Rows;
    no_rows!();
    type State = Gram;
    type Output = SecondMoments;

    fn map(&self, block: Block) -> Result<(Rows, ())> {
        Ok((self.deltas.rows(block)?, ()))
    }

    fn state(&self) -> Result<Gram> {
        Ok(Gram::new(self.p, self.single))
    }

    fn fold(&self, gram: &mut Gram, rows: Rows) -> Result<()> {
        gram.push(&rows, self)
    }

    fn close(&self, gram: &mut Gram) -> Result<()> {
        gram.close(self)
    }

    fn merge(&self, gram: &mut Gram, next: Gram) -> Result<()> {
        gram.merge(next);
        Ok(())
    }

    fn finish(&self, gram: Gram, (): ()) -> Result<SecondMoments> {
        gram.finish()
    }
}

/// The moments of sparse rows: sums within a slab have the width of the values of the matrix.
#[derive(Serialize, Deserialize)]
enum Sparse {
    Single(Tiles<f32>),
    Double(Tiles<f64>),
}

/// The state of the pass: second moments of the rows so far.
#[derive(Serialize, Deserialize)]
pub(super) struct Gram {
    p: usize,
    sparse: Sparse,
    /// The number of dense rows, and their products: column-major `p x p`, of which only the lower
    /// triangle is filled.
    n: usize,
    products: Vec<f64>,
    sums: Vec<f64>,
    /// The shift of dense columns: the mean of the first block of their run. It keeps large offsets
    /// exact.
    shift: Option<Vec<f64>>,
    /// The rows that wait for a full slab; empty once a run is closed.
    #[serde(skip)]
    slab: Slab,
}

impl Gram {
    fn new(p: usize, single: bool) -> Self {
        Gram {
            p,
            sparse: if single { Sparse::Single(Tiles::new(p)) } else { Sparse::Double(Tiles::new(p)) },
            n: 0,
            products: Vec::new(),
            sums: vec![0.0; p],
            shift: None,
            slab: Slab::new(p),
        }
    }

    fn push(&mut self, rows: &Rows, pass: &GramPass<'_>) -> Result<()> {
        let p = self.p;
        if rows.csr.is_none() && self.shift.is_none() {
            self.products = memory::zeros(p * p, PRODUCTS)?;
            self.shift = Some(rows.moments()?.0.vectors().0);
        }
        let (mut slab, shift) = (std::mem::take(&mut self.slab), self.shift.take());
        slab.push(rows, shift.as_deref(), |slab| self.add(slab, pass))?;
        (self.slab, self.shift) = (slab, shift);
        Ok(())
    }

    fn close(&mut self, pass: &GramPass<'_>) -> Result<()> {
        std::mem::take(&mut self.slab).flush(&mut |slab| self.add(slab, pass))
    }

    /// Adds the moments of other rows, which have a shift of their own.
    fn merge(&mut self, next: Gram) {
        if let Some(shift) = next.shift {
            let Some(own) = &self.shift else {
                (self.n, self.products, self.sums, self.shift) = (next.n, next.products, next.sums, Some(shift));
                return;
            };
            let moved = Moved::new(next.n, own.iter().copied(), shift.iter().copied(), &next.sums);
            let p = self.p;
            for (j, (to, from)) in self.products.chunks_mut(p).zip(next.products.chunks(p)).enumerate() {
                to.iter_mut().zip(from).enumerate().skip(j).for_each(|(i, (t, f))| *t += moved.product(i, j, *f));
            }
            self.sums.iter_mut().enumerate().for_each(|(j, s)| *s += moved.sum(j));
            self.n += next.n;
            return;
        }
        match (&mut self.sparse, next.sparse) {
            (Sparse::Single(own), Sparse::Single(next)) => own.merge(next),
            (Sparse::Double(own), Sparse::Double(next)) => own.merge(next),
            // All runs of a matrix have the same width.
            _ => {}
        }
    }

    fn finish(self) -> Result<SecondMoments> {
        if let Some(shift) = self.shift {
            return Ok(SecondMoments { products: self.products, sums: self.sums, shift, dense: true });
        }
        match self.sparse {
            Sparse::Single(tiles) => tiles.finish(),
            Sparse::Double(tiles) => tiles.finish(),
        }
    }

    fn add(&mut self, slab: &mut Slab, pass: &GramPass<'_>) -> Result<()> {
        pass.session.monitor.check()?;
        let Slab { indptr, indices, values, dense, .. } = slab;
        if *dense {
            for row in values.chunks(self.p.max(1)) {
                self.sums.iter_mut().zip(row).for_each(|(s, v)| *s += v);
                self.n += 1;
            }
            self.add_dense(slab.transposed(), &pass.pool);
            return Ok(());
        }
        match &mut self.sparse {
            Sparse::Single(tiles) => pass.pool.install(|| tiles.add(indptr, indices, values))?,
            Sparse::Double(tiles) => pass.pool.install(|| tiles.add(indptr, indices, values))?,
        }
        Ok(())
    }

    /// Adds dense rows, which are the columns of `t`.
    fn add_dense(&mut self, t: MatRef<'_, f64>, pool: &rayon::ThreadPool) {
        let p = self.p;
        pool.install(|| {
            self.products.par_chunks_mut(PANEL * p).enumerate().for_each(|(panel, to)| {
                let from = panel * PANEL;
                let width = to.len() / p;
                let mut to = MatMut::from_column_major_slice_mut(to, p, width);
                for first in (0..t.ncols()).step_by(STEP) {
                    let rows = t.subcols(first, STEP.min(t.ncols() - first));
                    let own = rows.subrows(from, width).transpose();
                    for below in (from..p).step_by(HEIGHT) {
                        let height = HEIGHT.min(p - below);
                        let (to, other) = (to.rb_mut().subrows_mut(below, height), rows.subrows(below, height));
                        matmul(to, Accum::Add, other, own, 1.0, Par::Seq);
                    }
                }
            });
        });
    }
}
