//! Rows decoded from a file, put into the order that a block promises.

use super::disk::Plain;
use super::spare;
use super::{ColumnMap, Rows, Storage};
use crate::error::{Error, Result};
use crate::memory;
use std::borrow::Cow;
use std::ops::Range;

const ROWS: &str = "numbers of the rows to read";
const DECODED: &str = "rows of a sparse matrix";

/// The source rows of one block, ascending without repeats, and the order in which the block has
/// them.
pub(super) struct Wanted<'a> {
    rows: List<'a>,
    /// The place in `rows` of each row of the block; `None` where both are in the same order.
    order: Option<Vec<u32>>,
}

enum List<'a> {
    Run(Range<usize>),
    List(Cow<'a, [u32]>),
}

impl<'a> Wanted<'a> {
    /// Makes the list of rows `range` of a pass over `rows`.
    pub(super) fn new(rows: &'a Rows, range: &Range<usize>) -> Result<Self> {
        let list = match rows {
            Rows::All => return Ok(Wanted { rows: List::Run(range.clone()), order: None }),
            Rows::List(list) => &list[range.clone()],
        };
        if list.windows(2).all(|w| w[0] < w[1]) {
            return Ok(Wanted { rows: List::List(Cow::Borrowed(list)), order: None });
        }
        let mut unique = memory::copied(list, ROWS)?;
        unique.sort_unstable();
        unique.dedup();
        let place = |r: &u32| unique.partition_point(|u| u < r) as u32;
        let order = memory::collected(list.iter().map(place), ROWS)?;
        Ok(Wanted { rows: List::List(Cow::Owned(unique)), order: Some(order) })
    }

    /// Returns the number of different rows.
    pub(super) fn len(&self) -> usize {
        match &self.rows {
            List::Run(r) => r.len(),
            List::List(l) => l.len(),
        }
    }

    /// Returns the `i`-th row.
    #[inline]
    pub(super) fn row(&self, i: usize) -> usize {
        match &self.rows {
            List::Run(r) => r.start + i,
            List::List(l) => l[i] as usize,
        }
    }

    /// Returns the place of each row of the block among the rows read; `None` where both are in the
    /// same order.
    pub(super) fn order(&self) -> Option<&[u32]> {
        self.order.as_deref()
    }

    /// Returns the runs of consecutive rows.
    pub(super) fn runs(&self) -> Vec<Range<usize>> {
        let list = match &self.rows {
            List::Run(r) => return vec![r.clone()],
            List::List(l) => l,
        };
        let mut runs: Vec<Range<usize>> = Vec::new();
        for &r in list.iter() {
            let r = r as usize;
            match runs.last_mut() {
                Some(run) if run.end == r => run.end += 1,
                _ => runs.push(r..r + 1),
            }
        }
        runs
    }
}

/// Compressed rows, decoded from a file and possibly not yet in order.
pub(super) struct Decoded<T> {
    /// Offset of each row, then the number of values.
    pub(super) indptr: Vec<usize>,
    /// Column of each value.
    pub(super) indices: Vec<u32>,
    /// The values.
    pub(super) data: Vec<T>,
}

/// The reason why a row (a column, in CSC) cannot be used. `row` is its place among the rows read,
/// not its number in the file.
pub(super) enum Fault {
    /// A column index past the end.
    Column { row: usize, column: u32 },
    /// Repeated values whose sum overflows their type.
    Overflow { row: usize, column: u32 },
    /// Memory ran out.
    Other(Error),
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        Fault::Other(e)
    }
}

impl<T: Plain> Decoded<T> {
    /// Sorts rows that are not sorted, sums repeated values, and selects columns.
    pub(super) fn tidy(self, n_cols: u32, map: Option<&ColumnMap>) -> Result<Self, Fault> {
        match map {
            Some(map) if !map.ascending() => self.remap(n_cols, map),
            _ => self.compact(n_cols, map),
        }
    }

    /// Selects columns in place. This is possible without a reordering of columns, because a row
    /// then only shrinks.
    fn compact(mut self, n_cols: u32, map: Option<&ColumnMap>) -> Result<Self, Fault> {
        let (mut start, mut to) = (0, 0);
        let mut spare = Vec::new();
        for row in 0..self.indptr.len() - 1 {
            let end = self.indptr[row + 1];
            let mut n = end - start;
            if !in_order(&self.indices[start..end], n_cols) {
                n = sort_row(&mut self.indices[start..end], &mut self.data[start..end], row, n_cols, &mut spare)?;
            }
            match map {
                Some(map) => {
                    // Every value is written, but counted only if its column is kept: there is no
                    // branch to mispredict.
                    let (indices, data) = (&mut self.indices[..start + n], &mut self.data[..start + n]);
                    for k in start..start + n {
                        let column = map.single(indices[k]);
                        (indices[to], data[to]) = (column, data[k]);
                        to += usize::from(column != u32::MAX);
                    }
                }
                None => {
                    if to != start {
                        self.indices.copy_within(start..start + n, to);
                        self.data.copy_within(start..start + n, to);
                    }
                    to += n;
                }
            }
            self.indptr[row + 1] = to;
            start = end;
        }
        self.indices.truncate(to);
        self.data.truncate(to);
        if to < self.indices.capacity() / 2 {
            // The remaining rows move to memory of their own, and the buffer is reused for the next
            // block.
            let (indices, data) = (memory::copied(&self.indices, DECODED)?, memory::copied(&self.data, DECODED)?);
            spare::keep(std::mem::replace(&mut self.indices, indices));
            spare::keep(std::mem::replace(&mut self.data, data));
        }
        Ok(self)
    }

    /// Selects columns that are reordered or repeated.
    fn remap(mut self, n_cols: u32, map: &ColumnMap) -> Result<Self, Fault> {
        let indptr = memory::room(self.indptr.len(), DECODED)?;
        let mut out = Decoded { indptr, indices: Vec::new(), data: Vec::new() };
        out.indptr.push(0);
        let (mut entries, mut spare) = (Vec::new(), Vec::new());
        for row in 0..self.indptr.len() - 1 {
            let (start, end) = (self.indptr[row], self.indptr[row + 1]);
            let mut n = end - start;
            if !in_order(&self.indices[start..end], n_cols) {
                n = sort_row(&mut self.indices[start..end], &mut self.data[start..end], row, n_cols, &mut spare)?;
            }
            entries.clear();
            for k in start..start + n {
                entries.extend(map.outputs(self.indices[k]).map(|c| (c, self.data[k])));
            }
            entries.sort_unstable_by_key(|e| e.0);
            memory::reserve(&mut out.indices, entries.len(), DECODED)?;
            memory::reserve(&mut out.data, entries.len(), DECODED)?;
            out.indices.extend(entries.iter().map(|e| e.0));
            out.data.extend(entries.iter().map(|e| e.1));
            out.indptr.push(out.indices.len());
        }
        Ok(out)
    }

    /// Returns the rows in the order of the block.
    pub(super) fn gather(self, order: Option<&[u32]>) -> Result<Self> {
        let Some(order) = order else { return Ok(self) };
        let total = order.iter().map(|&i| self.indptr[i as usize + 1] - self.indptr[i as usize]).sum();
        let mut out = Decoded {
            indptr: memory::room(order.len() + 1, DECODED)?,
            indices: memory::room(total, DECODED)?,
            data: memory::room(total, DECODED)?,
        };
        out.indptr.push(0);
        for &i in order {
            let range = self.indptr[i as usize]..self.indptr[i as usize + 1];
            out.indices.extend_from_slice(&self.indices[range.clone()]);
            out.data.extend_from_slice(&self.data[range]);
            out.indptr.push(out.indices.len());
        }
        Ok(out)
    }

    /// Returns the rows as a block's storage.
    pub(super) fn into_storage(self) -> Storage {
        Storage::Csr { indptr: self.indptr, indices: self.indices, data: T::wrap(self.data) }
    }
}

/// Returns whether a row's columns ascend strictly and are below `n_cols`.
fn in_order(columns: &[u32], n_cols: u32) -> bool {
    let Some((&last, before)) = columns.split_last() else { return true };
    // Without an early exit the comparison is vectorized.
    let wrong = before.iter().zip(&columns[1..]).fold(0u32, |wrong, (a, b)| wrong | u32::from(a >= b));
    wrong == 0 && last < n_cols
}

/// Sorts one row and sums repeated columns, in place; returns the number of values left.
fn sort_row<T: Plain>(
    indices: &mut [u32],
    data: &mut [T],
    row: usize,
    n_cols: u32,
    spare: &mut Vec<(u32, T)>,
) -> Result<usize, Fault> {
    if let Some(&column) = indices.iter().find(|&&c| c >= n_cols) {
        return Err(Fault::Column { row, column });
    }
    spare.clear();
    spare.extend(indices.iter().copied().zip(data.iter().copied()));
    // The sort is stable, so that repeats are summed in the order in which they are stored.
    spare.sort_by_key(|e| e.0);
    let mut n = 0;
    for &(column, value) in spare.iter() {
        if n > 0 && indices[n - 1] == column {
            data[n - 1] = data[n - 1].plus(value).ok_or(Fault::Overflow { row, column })?;
        } else {
            (indices[n], data[n]) = (column, value);
            n += 1;
        }
    }
    Ok(n)
}
