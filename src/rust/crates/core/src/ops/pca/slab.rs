//! Gathers rows until there are enough of them to share out between threads.

use super::rows::Rows;
use crate::error::Result;

/// The number of values of a dense slab (16 MB).
const DENSE: usize = 1 << 21;
/// The number of rows of one dense product. A dense slab with more rows has a multiple of it.
pub(super) const STEP: usize = 384;
/// The numbers of stored values (12 MB) and of rows after which a sparse slab ends.
const SPARSE: (usize, usize) = (1 << 20, 4096);

/// Consecutive rows of a pass. The size of a slab depends on the rows alone, never on threads or
/// memory.
#[derive(Debug, Default)]
pub(super) struct Slab {
    p: usize,
    /// The ends of sparse rows in `indices` and `values`, after a 0.
    pub(super) indptr: Vec<usize>,
    /// The column of each value; empty for dense rows.
    pub(super) indices: Vec<u32>,
    /// The stored values, or the values of dense rows, row-major.
    pub(super) values: Vec<f64>,
    pub(super) dense: bool,
}

impl Slab {
    /// Makes an empty slab for rows of `p` columns.
    pub(super) fn new(p: usize) -> Self {
        Slab { p, indptr: vec![0], ..Slab::default() }
    }

    /// Adds rows (dense ones less `shift`) and calls `full` on every completed slab.
    ///
    /// # Errors
    /// Errors of `full`.
    pub(super) fn push(
        &mut self,
        rows: &Rows,
        shift: Option<&[f64]>,
        mut full: impl FnMut(&mut Slab) -> Result<()>,
    ) -> Result<()> {
        let p = self.p.max(1);
        match &rows.csr {
            Some((indptr, indices)) => {
                for w in indptr.windows(2) {
                    self.indices.extend_from_slice(&indices[w[0]..w[1]]);
                    self.values.extend_from_slice(&rows.values[w[0]..w[1]]);
                    self.indptr.push(self.values.len());
                    if self.values.len() >= SPARSE.0 || self.indptr.len() > SPARSE.1 {
                        self.flush(&mut full)?;
                    }
                }
            }
            None => {
                self.dense = true;
                let most = (DENSE / p).clamp(64, 4096);
                let slab_rows = if most > STEP { most - most % STEP } else { most };
                for row in rows.values.chunks(p) {
                    match shift {
                        Some(shift) => self.values.extend(row.iter().zip(shift).map(|(v, s)| v - s)),
                        None => self.values.extend_from_slice(row),
                    }
                    if self.values.len() >= slab_rows * p {
                        self.flush(&mut full)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `full` on the rows that are left, and empties the slab.
    ///
    /// # Errors
    /// Errors of `full`.
    pub(super) fn flush(&mut self, full: &mut impl FnMut(&mut Slab) -> Result<()>) -> Result<()> {
        if self.indptr.len() > 1 || !self.values.is_empty() {
            full(self)?;
        }
        self.indptr.truncate(1);
        self.indices.clear();
        self.values.clear();
        Ok(())
    }

    /// Returns dense rows as a `p x n` matrix.
    pub(super) fn transposed(&self) -> faer::MatRef<'_, f64> {
        let p = self.p.max(1);
        faer::MatRef::from_column_major_slice(&self.values, p, self.values.len() / p)
    }
}
