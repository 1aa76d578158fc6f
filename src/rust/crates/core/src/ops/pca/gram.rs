//! Second moments of columns, `X' X`, in f64, and the leading eigenvectors of a symmetric matrix.
//!
//! Rows are gathered into slabs. A slab of sparse rows is added by [`Tiles`], one of dense rows as one dense product.
//! Threads own columns, so the order of every sum is that of the rows.

use super::rows::Rows;
use super::slab::Slab;
use super::tiles::Tiles;
use crate::context::Context;
use crate::error::{Error, Result};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::tridiag::tridiag_in_place;
use faer::linalg::evd::{self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd, ComputeEigenvectors};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::matmul::matmul;
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::prelude::*;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

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
    /// What was taken from every dense value first.
    pub(super) shift: Option<Vec<f64>>,
}

impl Gram {
    /// For `p` columns whose values have 32 bits (`single`) or more.
    pub(super) fn new(p: usize, single: bool, ctx: &Context) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(ctx.threads)
            .build()
            .map_err(|e| Error::Internal(format!("cannot start {} threads: {e}", ctx.threads)))?;
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
            self.products = vec![0.0; p * p];
            self.shift = Some(rows.column_means());
        }
        let (mut slab, shift) = (std::mem::take(&mut self.slab), self.shift.take());
        slab.push(rows, shift.as_deref(), |slab| self.add(slab, ctx))?;
        (self.slab, self.shift) = (slab, shift);
        Ok(())
    }

    pub(super) fn finish(mut self, ctx: &Context) -> Result<SecondMoments> {
        std::mem::take(&mut self.slab).flush(&mut |slab| self.add(slab, ctx))?;
        if self.shift.is_some() {
            return Ok(SecondMoments { products: self.products, sums: self.sums, shift: self.shift });
        }
        let (products, sums) = match self.sparse {
            Sparse::Single(tiles) => tiles.finish(),
            Sparse::Double(tiles) => tiles.finish(),
        };
        Ok(SecondMoments { products, sums, shift: None })
    }

    fn add(&mut self, slab: &Slab, ctx: &Context) -> Result<()> {
        ctx.monitor.check()?;
        let Slab { indptr, indices, values, .. } = slab;
        if slab.dense {
            for row in values.chunks(self.p.max(1)) {
                self.sums.iter_mut().zip(row).for_each(|(s, v)| *s += v);
            }
            self.add_dense(slab.transposed());
            return Ok(());
        }
        match &mut self.sparse {
            Sparse::Single(tiles) => self.pool.install(|| tiles.add(indptr, indices, values)),
            Sparse::Double(tiles) => self.pool.install(|| tiles.add(indptr, indices, values)),
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

/// The `k` largest eigenvalues, descending, and their eigenvectors as a row-major `p x k` matrix. Only the lower
/// triangle of `a` is read. Work is cut into `parts` tasks for the pool this is called in: a fixed number, because faer's
/// sums, and with them the bits, depend on it (and not on the threads that run them).
///
/// faer's `self_adjoint_evd` in its three steps, so that only `k` vectors are turned back from the tridiagonal basis.
pub(super) fn leading_eigenpairs(mut a: Mat<f64>, k: usize, parts: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let p = a.nrows();
    let par = if parts > 1 { Par::rayon(parts) } else { Par::Seq };
    let failed = |e: String| Error::Numerical(format!("pca: the eigenvalue decomposition failed: {e}"));
    let width = recommended_block_size::<f64>(p, p);
    let scratch = StackReq::any_of(&[
        self_adjoint_evd_scratch::<f64>(p, ComputeEigenvectors::Yes, par, Default::default()),
        apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(p.saturating_sub(1), width, k),
    ]);
    let mut memory = MemBuffer::try_new(scratch).map_err(|e| failed(format!("{e:?}")))?;
    let mut reflectors = Mat::<f64>::zeros(width, p.saturating_sub(1));
    if p > 1 {
        tridiag_in_place(a.as_mut(), reflectors.as_mut(), par, MemStack::new(&mut memory), Default::default());
    }
    let mut diagonal = Diag::<f64>::zeros(p);
    let mut below = Diag::<f64>::zeros(p);
    for i in 0..p {
        diagonal[i] = a[(i, i)];
        below[i] = if i + 1 < p { a[(i + 1, i)] } else { 0.0 };
    }
    let mut values = Diag::<f64>::zeros(p);
    let mut vectors = Mat::<f64>::zeros(p, p);
    tridiagonal_self_adjoint_evd(
        diagonal.as_ref(),
        below.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        par,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|e| failed(format!("{e:?}")))?;
    let mut leading = vectors.as_mut().subcols_mut(p - k, k);
    if p > 1 {
        apply_block_householder_sequence_on_the_left_in_place_with_conj(
            a.as_ref().submatrix(1, 0, p - 1, p - 1),
            reflectors.as_ref(),
            Conj::No,
            leading.rb_mut().subrows_mut(1, p - 1),
            Par::Seq,
            MemStack::new(&mut memory),
        );
    }
    let mut loadings = Vec::with_capacity(p * k);
    for j in 0..p {
        loadings.extend((0..k).map(|c| leading[(j, k - 1 - c)]));
    }
    Ok(((0..k).map(|c| values[p - 1 - c]).collect(), loadings))
}
