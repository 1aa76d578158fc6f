//! A matrix in memory as a source: for matrices that the user sets, and as the reference in tests
//! of the on-disk readers.

use super::{cut_blocks, Block, ColumnMap, Layout, Location, Pass, Positions, Rows, Source, Storage};
use crate::element::{Array, DType, Number, Sparse, SparseFormat};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Allowance;
use crate::with_data;
use std::ops::Range;
use std::sync::Arc;

const MATRIX: &str = "a matrix in memory";
const BLOCK: &str = "rows of a matrix in memory";

/// An in-memory matrix, with compressed or dense rows.
#[derive(Debug)]
pub struct MemorySource {
    shape: (usize, usize),
    storage: Storage,
}

impl MemorySource {
    /// Makes a source of a sparse matrix. CSC is converted to CSR, unsorted indices are sorted, and
    /// duplicates are summed.
    ///
    /// # Errors
    /// [`Error::Shape`] where `indptr`, `indices` and `data` contradict each other or the shape.
    pub fn from_sparse(m: &Sparse) -> Result<Self> {
        Self::check(m)?;
        Self::built(m)
    }

    /// Makes a source as [`from_sparse`](Self::from_sparse) does, of a matrix that is not needed
    /// afterwards: its buffers are reused if it is CSR with ascending rows.
    ///
    /// # Errors
    /// The errors of [`from_sparse`](Self::from_sparse).
    pub fn taking(m: Sparse) -> Result<Self> {
        Self::check(&m)?;
        let ascends = |w: &[u64]| m.indices[w[0] as usize..w[1] as usize].windows(2).all(|pair| pair[0] < pair[1]);
        if m.format != SparseFormat::Csr || !m.indptr.windows(2).all(ascends) {
            return Self::built(&m);
        }
        let indptr = memory::collected(m.indptr.iter().map(|&p| p as usize), MATRIX)?;
        Ok(MemorySource { shape: m.shape, storage: Storage::Csr { indptr, indices: m.indices, data: m.data } })
    }

    /// Checks that `indptr`, `indices` and `data` agree with each other and the shape.
    fn check(m: &Sparse) -> Result<()> {
        let (n_major, n_minor) = match m.format {
            SparseFormat::Csr => m.shape,
            SparseFormat::Csc => (m.shape.1, m.shape.0),
        };
        let bad = |what: &str, expected: String, found: String| {
            Error::shape(format!("sparse matrix, {what}"), expected, found)
        };
        if m.indptr.len() != n_major + 1 {
            return Err(bad("indptr", format!("{} entries", n_major + 1), m.indptr.len().to_string()));
        }
        let nnz = m.data.len();
        if m.indices.len() != nnz || m.indptr.first() != Some(&0) || m.indptr.last() != Some(&(nnz as u64)) {
            return Err(bad("indices", format!("{nnz} entries, indptr from 0 to {nnz}"), m.indices.len().to_string()));
        }
        if m.indptr.windows(2).any(|w| w[0] > w[1]) {
            return Err(bad("indptr", "ascending offsets".into(), "a descending one".into()));
        }
        if let Some(&i) = m.indices.iter().find(|&&i| i as usize >= n_minor) {
            return Err(bad("indices", format!("values below {n_minor}"), i.to_string()));
        }
        Ok(())
    }

    /// Builds compressed rows: sorted, with duplicates summed.
    fn built(m: &Sparse) -> Result<Self> {
        fn build<T: Number>(m: &Sparse, v: &[T]) -> Result<Storage> {
            let (mut indptr, mut indices, mut data) = (
                memory::room(m.shape.0 + 1, MATRIX)?,
                memory::room(v.len(), MATRIX)?,
                memory::room::<T>(v.len(), MATRIX)?,
            );
            indptr.push(0);
            let mut row = Vec::new();
            for w in m.indptr.windows(2) {
                let range = w[0] as usize..w[1] as usize;
                row.clear();
                memory::reserve(&mut row, range.len(), MATRIX)?;
                row.extend(m.indices[range.clone()].iter().copied().zip(v[range].iter().copied()));
                // The sort is stable, so that repeats are summed in the order in which they are
                // stored.
                row.sort_by_key(|&(c, _)| c);
                let start = indices.len();
                for &(c, x) in &row {
                    if indices.len() > start && indices.last() == Some(&c) {
                        let last = data.len() - 1;
                        data[last] = T::from_f64(data[last].to_f64() + x.to_f64());
                    } else {
                        indices.push(c);
                        data.push(x);
                    }
                }
                indptr.push(indices.len());
            }
            Ok(Storage::Csr { indptr, indices, data: T::wrap(data) })
        }
        let turned;
        let m = match m.format {
            SparseFormat::Csr => m,
            SparseFormat::Csc => {
                turned = m.to_format(SparseFormat::Csr)?;
                &turned
            }
        };
        Ok(MemorySource { shape: m.shape, storage: with_data!(&m.data, v => build(m, v)?) })
    }

    /// Makes a source of a dense 2-D array.
    ///
    /// # Errors
    /// [`Error::Shape`] where the array is not 2-D or its buffer has another length.
    pub fn from_array(a: Array) -> Result<Self> {
        let &[rows, cols] = a.shape.as_slice() else {
            return Err(Error::shape("dense matrix", "2 dimensions", a.shape.len()));
        };
        if rows.checked_mul(cols) != Some(a.data.len()) {
            return Err(Error::shape("dense matrix", format!("{rows} x {cols} values"), a.data.len()));
        }
        Ok(MemorySource { shape: (rows, cols), storage: Storage::Dense(a.data) })
    }

    /// Returns the number of values of a row.
    fn row_values(&self, row: usize) -> u64 {
        match &self.storage {
            Storage::Csr { indptr, .. } => (indptr[row + 1] - indptr[row]) as u64,
            Storage::Dense(_) => self.shape.1 as u64,
        }
    }
}

impl Source for MemorySource {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn dtype(&self) -> DType {
        let (Storage::Csr { data, .. } | Storage::Dense(data)) = &self.storage;
        data.dtype()
    }

    fn layout(&self) -> Layout {
        match self.storage {
            Storage::Csr { .. } => Layout::Csr,
            Storage::Dense(_) => Layout::Dense,
        }
    }

    fn nnz(&self) -> Option<u64> {
        match &self.storage {
            Storage::Csr { indices, .. } => Some(indices.len() as u64),
            Storage::Dense(_) => None,
        }
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn location(&self) -> Option<Location> {
        None
    }

    fn pass<'a>(&'a self, rows: Rows, columns: Option<Arc<ColumnMap>>, _: &Allowance) -> Result<Box<dyn Pass + 'a>> {
        let n = rows.len(self.shape.0);
        let blocks = cut_blocks(n, |i| self.row_values(rows.row(i)));
        Ok(Box::new(MemoryPass { source: self, rows, columns, blocks }))
    }
}

struct MemoryPass<'a> {
    source: &'a MemorySource,
    rows: Rows,
    columns: Option<Arc<ColumnMap>>,
    blocks: Vec<Range<usize>>,
}

impl Pass for MemoryPass<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn cost(&self, block: usize) -> usize {
        let values: u64 = self.blocks[block].clone().map(|i| self.source.row_values(self.rows.row(i))).sum();
        values as usize * (4 + self.source.dtype().size())
    }

    fn read(&self, block: usize) -> Result<Block> {
        fn sparse<T: Number>(
            pass: &MemoryPass<'_>,
            range: &Range<usize>,
            ptr: &[usize],
            idx: &[u32],
            v: &[T],
        ) -> Result<Storage> {
            let most = match pass.columns {
                None => range.clone().map(|i| pass.source.row_values(pass.rows.row(i)) as usize).sum(),
                Some(_) => 0,
            };
            let (mut indptr, mut indices, mut data) =
                (memory::room(range.len() + 1, BLOCK)?, memory::room(most, BLOCK)?, memory::room::<T>(most, BLOCK)?);
            indptr.push(0);
            let mut row = Vec::new();
            for i in range.clone() {
                let r = pass.rows.row(i);
                row.clear();
                for k in ptr[r]..ptr[r + 1] {
                    match &pass.columns {
                        None => row.push((idx[k], v[k])),
                        Some(map) => row.extend(map.outputs(idx[k]).map(|c| (c, v[k]))),
                    }
                }
                row.sort_by_key(|&(c, _)| c);
                memory::reserve(&mut indices, row.len(), BLOCK)?;
                memory::reserve(&mut data, row.len(), BLOCK)?;
                indices.extend(row.iter().map(|e| e.0));
                data.extend(row.iter().map(|e| e.1));
                indptr.push(indices.len());
            }
            Ok(Storage::Csr { indptr, indices, data: T::wrap(data) })
        }
        fn dense<T: Number>(pass: &MemoryPass<'_>, range: &Range<usize>, v: &[T]) -> Result<Storage> {
            let n = pass.source.shape.1;
            let width = pass.columns.as_ref().map_or(n, |m| m.n_out());
            let mut out: Vec<T> = memory::room(memory::count(&[range.len(), width], BLOCK)?, BLOCK)?;
            for i in range.clone() {
                let row = &v[pass.rows.row(i) * n..][..n];
                match &pass.columns {
                    None => out.extend_from_slice(row),
                    Some(map) => out.extend(map.selected().iter().map(|&c| row[c as usize])),
                }
            }
            Ok(Storage::Dense(T::wrap(out)))
        }
        let range = self.blocks[block].clone();
        let storage = match &self.source.storage {
            Storage::Csr { indptr, indices, data } => {
                with_data!(data, v => sparse(self, &range, indptr, indices, v)?)
            }
            Storage::Dense(data) => with_data!(data, v => dense(self, &range, v)?),
        };
        let n_cols = self.columns.as_ref().map_or(self.source.shape.1, |m| m.n_out());
        Ok(Block { positions: Positions::Range(range), n_cols, storage })
    }
}

impl From<MemorySource> for Arc<dyn Source> {
    fn from(s: MemorySource) -> Self {
        Arc::new(s)
    }
}

impl MemorySource {
    /// Returns all values as a dense row-major f64 matrix, for tests.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn to_dense(&self) -> Result<Vec<f64>> {
        match &self.storage {
            Storage::Dense(d) => d.to_f64(),
            Storage::Csr { indptr, indices, data } => {
                let (v, n) = (data.to_f64()?, self.shape.1);
                let mut out = memory::zeros(memory::count(&[self.shape.0, n], "a matrix")?, "a matrix")?;
                for r in 0..self.shape.0 {
                    for k in indptr[r]..indptr[r + 1] {
                        out[r * n + indices[k] as usize] += v[k];
                    }
                }
                Ok(out)
            }
        }
    }
}
