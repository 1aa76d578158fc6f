//! Second moments of columns, `X' X`, in f64, and the leading eigenvectors of a symmetric matrix.
//!
//! Rows are gathered into slabs whose size depends on the rows alone. A slab of sparse rows is added by [`Tiles`], one of
//! dense rows as one dense product. Threads own columns, so the order of every sum is that of the rows.

use super::rows::Rows;
use super::tiles::Tiles;
use crate::context::Context;
use crate::error::{Error, Result};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{self_adjoint_evd, self_adjoint_evd_scratch, ComputeEigenvectors};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Columns a thread owns at a time.
const PANEL: usize = 128;
/// Values of a dense slab (16 MB).
const SLAB: usize = 1 << 21;
/// Stored values (12 MB) and rows after which a sparse slab ends.
const SPARSE_SLAB: (usize, usize) = (1 << 20, 4096);

/// Sparse rows: sums within a slab have the width of the matrix's values.
enum Sparse {
    Single(Tiles<f32>),
    Double(Tiles<f64>),
}

/// The accumulator.
pub(super) struct Gram {
    p: usize,
    slab_rows: usize,
    sparse: Sparse,
    /// Of dense rows: column-major `p x p`, only the lower triangle of which is filled.
    products: Vec<f64>,
    sums: Vec<f64>,
    /// Dense columns are shifted by the mean of their first block, which keeps large offsets exact.
    shift: Option<Vec<f64>>,
    /// The slab being gathered: rows as compressed entries, or dense ones.
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f64>,
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
            slab_rows: (SLAB / p.max(1)).clamp(64, 4096),
            sparse: if single { Sparse::Single(Tiles::new(p)) } else { Sparse::Double(Tiles::new(p)) },
            products: Vec::new(),
            sums: vec![0.0; p],
            shift: None,
            indptr: vec![0],
            indices: Vec::new(),
            values: Vec::new(),
            pool,
        })
    }

    pub(super) fn push(&mut self, rows: &Rows, ctx: &Context) -> Result<()> {
        match &rows.csr {
            Some((indptr, indices)) => {
                for w in indptr.windows(2) {
                    self.indices.extend_from_slice(&indices[w[0]..w[1]]);
                    self.values.extend_from_slice(&rows.values[w[0]..w[1]]);
                    self.indptr.push(self.values.len());
                    if self.values.len() >= SPARSE_SLAB.0 || self.indptr.len() > SPARSE_SLAB.1 {
                        self.flush_sparse(ctx)?;
                    }
                }
            }
            None => {
                let p = self.p;
                if self.shift.is_none() {
                    self.products = vec![0.0; p * p];
                    let mut mean = vec![0.0; p];
                    rows.values.chunks(p).for_each(|r| mean.iter_mut().zip(r).for_each(|(m, v)| *m += v));
                    mean.iter_mut().for_each(|m| *m /= rows.n_rows().max(1) as f64);
                    self.shift = Some(mean);
                }
                for row in rows.values.chunks(p) {
                    let shift = self.shift.iter().flatten();
                    self.values.extend(row.iter().zip(shift).map(|(v, s)| v - s));
                    if self.values.len() >= self.slab_rows * p {
                        self.flush_dense(ctx)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, ctx: &Context) -> Result<SecondMoments> {
        if self.shift.is_some() {
            self.flush_dense(ctx)?;
            return Ok(SecondMoments { products: self.products, sums: self.sums, shift: self.shift });
        }
        self.flush_sparse(ctx)?;
        let (products, sums) = match self.sparse {
            Sparse::Single(tiles) => tiles.finish(),
            Sparse::Double(tiles) => tiles.finish(),
        };
        Ok(SecondMoments { products, sums, shift: None })
    }

    fn flush_sparse(&mut self, ctx: &Context) -> Result<()> {
        ctx.monitor.check()?;
        let (indptr, indices, values) = (&self.indptr, &self.indices, &self.values);
        match &mut self.sparse {
            Sparse::Single(tiles) => self.pool.install(|| tiles.add(indptr, indices, values)),
            Sparse::Double(tiles) => self.pool.install(|| tiles.add(indptr, indices, values)),
        }
        self.indptr.truncate(1);
        self.indices.clear();
        self.values.clear();
        Ok(())
    }

    fn flush_dense(&mut self, ctx: &Context) -> Result<()> {
        ctx.monitor.check()?;
        let dense = std::mem::take(&mut self.values);
        for row in dense.chunks(self.p.max(1)) {
            self.sums.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        }
        self.add_dense(&dense);
        self.values = dense;
        self.values.clear();
        Ok(())
    }

    fn add_dense(&mut self, dense: &[f64]) {
        let p = self.p;
        if dense.is_empty() {
            return;
        }
        // Row-major n x p is column-major p x n.
        let t = MatRef::from_column_major_slice(dense, p, dense.len() / p);
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
/// triangle of `a` is read. One thread: parallel reductions would make the bits depend on their number.
pub(super) fn leading_eigenpairs(a: Mat<f64>, k: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let p = a.nrows();
    let failed = |e: String| Error::Numerical(format!("pca: the eigenvalue decomposition failed: {e}"));
    let mut values = faer::diag::Diag::<f64>::zeros(p);
    let mut vectors = Mat::<f64>::zeros(p, p);
    let scratch = self_adjoint_evd_scratch::<f64>(p, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut memory = MemBuffer::try_new(scratch).map_err(|e| failed(format!("{e:?}")))?;
    self_adjoint_evd(
        a.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|e| failed(format!("{e:?}")))?;
    let values = values.column_vector();
    let leading = (0..k).map(|c| values[p - 1 - c]).collect();
    let mut loadings = Vec::with_capacity(p * k);
    for j in 0..p {
        loadings.extend((0..k).map(|c| vectors[(j, p - 1 - c)]));
    }
    Ok((leading, loadings))
}
