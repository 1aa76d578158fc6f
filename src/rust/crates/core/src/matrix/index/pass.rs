//! A pass over a few columns that is read from the index instead of the matrix.

use super::file::ColumnIndex;
use super::pack::Bits;
use crate::element::Data;
use crate::error::Result;
use crate::matrix::{Block, ColumnMap, Pass, Positions, Rows, Source, Storage};
use crate::memory;
use crate::session::Allowance;
use crate::with_data;
use std::ops::Range;
use std::sync::Arc;

const COLUMNS: &str = "columns of an index";

/// The selected columns, sorted by row, and the blocks that the matrix itself has.
struct IndexPass<'a> {
    blocks: Box<dyn Pass + 'a>,
    rows: Rows,
    n_cols: usize,
    /// Offsets of each row of the matrix.
    indptr: Vec<u32>,
    indices: Vec<u32>,
    data: Data,
}

impl ColumnIndex {
    /// Makes a pass over `rows` and `columns` of `source` that reads the index, with the very same
    /// blocks as a pass over the source. Returns `None` where the values do not fit into the memory
    /// that is allowed.
    ///
    /// # Errors
    /// [`crate::Error::State`] where the file has changed; errors of reading the index.
    pub(crate) fn pass<'a>(
        &self,
        source: &'a dyn Source,
        rows: &Rows,
        columns: &Arc<ColumnMap>,
        allowed: &Allowance,
    ) -> Result<Option<Box<dyn Pass + 'a>>> {
        self.check(source)?;
        let n = source.shape().0;
        let values: u64 = columns.selected().iter().map(|&c| self.count(c)).sum();
        let bytes = values.saturating_mul(4 + self.dtype().size() as u64).saturating_add(4 * n as u64);
        if bytes > allowed.memory as u64 || values >= u64::from(u32::MAX) {
            return Ok(None);
        }
        let (indptr, indices, data) = with_data!(&Data::empty(self.dtype()), v => self.by_row(v, n, columns))?;
        let blocks = source.pass(rows.clone(), Some(columns.clone()), allowed)?;
        Ok(Some(Box::new(IndexPass { blocks, rows: rows.clone(), n_cols: columns.n_out(), indptr, indices, data })))
    }

    /// Reads the columns and sorts their values by row: returns offsets, columns and values.
    fn by_row<T: Bits>(&self, _: &[T], n: usize, columns: &ColumnMap) -> Result<(Vec<u32>, Vec<u32>, Data)> {
        let mut read: Vec<(Vec<u32>, Vec<T>)> = memory::room(columns.n_out(), COLUMNS)?;
        let mut indptr = memory::zeros::<u32>(n + 1, COLUMNS)?;
        for &c in columns.selected() {
            let column = self.read(c)?;
            column.0.iter().for_each(|&r| indptr[r as usize + 1] += 1);
            read.push(column);
        }
        for i in 0..n {
            indptr[i + 1] += indptr[i];
        }
        let total = indptr[n] as usize;
        let (mut indices, mut data) =
            (memory::zeros::<u32>(total, COLUMNS)?, memory::filled(total, T::default(), COLUMNS)?);
        let mut next = memory::copied(&indptr, COLUMNS)?;
        // Output columns are visited in ascending order, so the columns of each row ascend.
        for (j, (rows, values)) in read.iter().enumerate() {
            for (&r, &x) in rows.iter().zip(values) {
                let at = &mut next[r as usize];
                (indices[*at as usize], data[*at as usize]) = (j as u32, x);
                *at += 1;
            }
        }
        Ok((indptr, indices, T::wrap(data)))
    }
}

impl Pass for IndexPass<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        self.blocks.blocks()
    }

    fn cost(&self, block: usize) -> usize {
        let range = self.blocks()[block].clone();
        let values: usize = range.map(|i| self.of_row(i).len()).sum();
        values * (4 + self.data.dtype().size())
    }

    fn read(&self, block: usize) -> Result<Block> {
        let range = self.blocks()[block].clone();
        let total = range.clone().map(|i| self.of_row(i).len()).sum();
        let mut indptr = memory::room(range.len() + 1, COLUMNS)?;
        indptr.push(0);
        let mut indices = memory::room(total, COLUMNS)?;
        for i in range.clone() {
            indices.extend_from_slice(&self.indices[self.of_row(i)]);
            indptr.push(indices.len());
        }
        fn gather<T: Bits>(v: &[T], rows: impl Iterator<Item = Range<usize>>, n: usize) -> Result<Data> {
            let mut out = memory::room(n, COLUMNS)?;
            rows.for_each(|r| out.extend_from_slice(&v[r]));
            Ok(T::wrap(out))
        }
        let rows = range.clone().map(|i| self.of_row(i));
        let data = with_data!(&self.data, v => gather(v, rows, indices.len())?);
        let storage = Storage::Csr { indptr, indices, data };
        Ok(Block { positions: Positions::Range(range), n_cols: self.n_cols, storage })
    }
}

impl IndexPass<'_> {
    /// Returns the range of the values of delivered row `i`.
    fn of_row(&self, i: usize) -> Range<usize> {
        let row = self.rows.row(i);
        self.indptr[row] as usize..self.indptr[row + 1] as usize
    }
}
