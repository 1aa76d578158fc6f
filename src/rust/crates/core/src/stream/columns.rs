//! A pass by columns: a gene's values of all cells, a band of genes at a time.
//!
//! A band is as many columns as the memory of the pass holds. It is read like any selection: from the column index or
//! compressed columns where there are such, which read their chunks alone, else from rows, all of them for every band. How
//! many columns a band has decides nothing but the time.

use super::execute::map_fold;
use super::Order;
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element::{Data, Number};
use crate::error::{Error, Result};
use crate::matrix::{Block, Positions, Storage};
use crate::memory;
use crate::with_data;
use rayon::prelude::*;
use std::ops::Range;

/// The name of a band in errors.
const BAND: &str = "the values of some columns of all rows";

/// The values of one column.
#[derive(Debug)]
pub struct Column<'a> {
    /// Its position.
    pub index: usize,
    /// Rows of the matrix.
    pub n_rows: usize,
    /// The row of each value, ascending; those not among them are 0. `None` when there is a value for every row.
    pub rows: Option<&'a [u32]>,
    /// The values.
    pub values: &'a [f64],
}

/// Calls `of` for every column of `x`, on the threads of `ctx` and in no order, and returns the results in order.
///
/// # Errors
/// Errors of the passes and of `of`; [`Error::OutOfMemory`] when there is no room for one column.
pub fn map_columns<S: Send>(
    x: &LazyMatrix,
    ctx: &Context,
    of: impl Fn(&Column<'_>) -> Result<S> + Sync,
) -> Result<Vec<S>> {
    let (n, m) = x.shape();
    let mut out = memory::room(m, BAND)?;
    let limit = ctx.memory / 5;
    let mut next = 0;
    while next < m {
        let band = Band::read(x, next..(next + width(x, limit)).min(m), limit, ctx)?;
        let columns = band.columns.clone();
        let made: Vec<S> = ctx.install(|| {
            (0..columns.len())
                .into_par_iter()
                .map(|c| {
                    ctx.monitor.check()?;
                    band.column(c, n, &of)
                })
                .collect::<Result<_>>()
        })?;
        out.extend(made);
        next = columns.end;
    }
    Ok(out)
}

/// Columns that take about `limit` bytes, if all hold the same.
fn width(x: &LazyMatrix, limit: usize) -> usize {
    let ((n, m), stored) = (x.shape(), x.source().shape());
    let column = match x.source().nnz().filter(|_| x.is_sparse()) {
        Some(nnz) => {
            nnz as f64 / (stored.0 as f64 * stored.1 as f64).max(1.0) * n as f64 * (4 + x.dtype().size()) as f64
        }
        None => n as f64 * x.dtype().size() as f64,
    };
    ((limit as f64 / column.max(1.0)) as usize).clamp(1, m.max(1))
}

/// Some columns, values column by column.
struct Band {
    columns: Range<usize>,
    /// Where each column ends, and the row of each value; `None` where every row has one.
    rows: Option<(Vec<usize>, Vec<u32>)>,
    values: Data,
    ascend: bool,
}

impl Band {
    /// Fewer columns where they take more than `limit` bytes.
    fn read(x: &LazyMatrix, mut columns: Range<usize>, limit: usize, ctx: &Context) -> Result<Band> {
        let list = memory::collected(columns.clone().map(|c| c as u32), BAND)?;
        let selected = x.select(None, Some(&list))?;
        let (mut blocks, mut held) = (Vec::<Block>::new(), 0);
        map_fold(&selected, Order::File, ctx, Ok, |mut block| {
            if block.n_cols > columns.len() {
                keep(&mut block, columns.len())?;
            }
            held += block.bytes();
            blocks.push(block);
            while held > limit && columns.len() > 1 {
                columns.end = columns.start + columns.len() / 2;
                blocks.iter_mut().try_for_each(|b| keep(b, columns.len()))?;
                held = blocks.iter().map(Block::bytes).sum();
            }
            Ok(())
        })?;
        let dtype = Data::empty(x.dtype());
        with_data!(&dtype, v => Band::of(v, blocks, columns, x.shape().0, x.is_sparse()))
    }

    fn of<T: Number>(_: &[T], blocks: Vec<Block>, columns: Range<usize>, n: usize, sparse: bool) -> Result<Band> {
        let ascend = blocks.iter().all(|b| matches!(b.positions, Positions::Range(_)));
        let broken = || Error::Internal("the blocks of a chain differ in layout or dtype".to_owned());
        if !sparse {
            let width = columns.len();
            let mut values = memory::filled(memory::count(&[n, width], BAND)?, T::default(), BAND)?;
            for block in blocks {
                let Storage::Dense(data) = &block.storage else { return Err(broken()) };
                let data = T::slice(data).ok_or_else(broken)?;
                for (i, row) in data.chunks_exact(width.max(1)).enumerate() {
                    let at = block.positions.at(i);
                    row.iter().enumerate().for_each(|(c, &x)| values[c * n + at] = x);
                }
            }
            return Ok(Band { columns, rows: None, values: T::wrap(values), ascend: true });
        }
        let mut ends = memory::zeros::<usize>(columns.len() + 1, BAND)?;
        for block in &blocks {
            let Storage::Csr { indices, .. } = &block.storage else { return Err(broken()) };
            indices.iter().for_each(|&c| ends[c as usize + 1] += 1);
        }
        (0..columns.len()).for_each(|c| ends[c + 1] += ends[c]);
        let nnz = ends.last().copied().unwrap_or(0);
        let mut rows = memory::zeros::<u32>(nnz, BAND)?;
        let mut values = memory::filled(nnz, T::default(), BAND)?;
        for block in blocks {
            let Storage::Csr { indptr, indices, data } = &block.storage else { return Err(broken()) };
            let data = T::slice(data).ok_or_else(broken)?;
            for (i, w) in indptr.windows(2).enumerate() {
                let at = block.positions.at(i) as u32;
                for (&c, &x) in indices[w[0]..w[1]].iter().zip(&data[w[0]..w[1]]) {
                    let to = &mut ends[c as usize];
                    (rows[*to], values[*to]) = (at, x);
                    *to += 1;
                }
            }
        }
        // Every column's start has moved to its end.
        ends.truncate(columns.len());
        Ok(Band { columns, rows: Some((ends, rows)), values: T::wrap(values), ascend })
    }

    fn column<S>(&self, c: usize, n_rows: usize, of: impl Fn(&Column<'_>) -> Result<S>) -> Result<S> {
        let index = self.columns.start + c;
        let some = |range: Range<usize>| -> Result<Vec<f64>> {
            with_data!(&self.values, v => memory::collected(v[range].iter().map(|x| x.to_f64()), BAND))
        };
        let Some((ends, rows)) = &self.rows else {
            let values = some(c * n_rows..(c + 1) * n_rows)?;
            return of(&Column { index, n_rows, rows: None, values: &values });
        };
        let range = c.checked_sub(1).map_or(0, |c| ends[c])..ends[c];
        let (mut values, rows) = (some(range.clone())?, &rows[range]);
        if self.ascend {
            return of(&Column { index, n_rows, rows: Some(rows), values: &values });
        }
        let mut order = memory::collected(0..rows.len(), BAND)?;
        order.sort_unstable_by_key(|&i| rows[i]);
        let rows = memory::collected(order.iter().map(|&i| rows[i]), BAND)?;
        values = memory::collected(order.iter().map(|&i| values[i]), BAND)?;
        of(&Column { index, n_rows, rows: Some(&rows), values: &values })
    }
}

/// Keeps the first `width` columns of a block.
fn keep(block: &mut Block, width: usize) -> Result<()> {
    fn some<T: Number>(v: &[T], keeps: impl Fn(usize) -> bool, n: usize) -> Result<Data> {
        let mut out = memory::room(n, BAND)?;
        out.extend((0..v.len()).filter(|&i| keeps(i)).map(|i| v[i]));
        Ok(T::wrap(out))
    }
    match &mut block.storage {
        Storage::Csr { indptr, indices, data } => {
            let n = indices.iter().filter(|&&c| (c as usize) < width).count();
            let keeps = |i: usize| (indices[i] as usize) < width;
            let kept = with_data!(&*data, v => some(v, keeps, n))?;
            let mut end = 0;
            let mut from = 0;
            for e in indptr.iter_mut().skip(1) {
                end += indices[from..*e].iter().filter(|&&c| (c as usize) < width).count();
                from = std::mem::replace(e, end);
            }
            *data = kept;
            indices.retain(|&c| (c as usize) < width);
            indices.shrink_to_fit();
        }
        Storage::Dense(data) => {
            let old = block.n_cols.max(1);
            let n = data.len() / old * width;
            *data = with_data!(&*data, v => some(v, |i| i % old < width, n))?;
        }
    }
    block.n_cols = width;
    Ok(())
}
