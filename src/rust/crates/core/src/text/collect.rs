//! Values that come one by one, collected into runs of compressed rows.

use crate::dtype::{Data, Number};
use crate::error::{Error, Result};
use crate::memory;
use crate::write::RowRun;

const RUN: &str = "values of a text";
/// A run is passed on after this number of values or of rows.
const RUN_VALUES: usize = 1 << 18;
const RUN_ROWS: usize = 1 << 16;

/// The reason why reading a text stops: an error, or an assumption about the text that turned out
/// wrong, so that it is read again.
#[derive(Debug)]
pub(super) enum Stop {
    /// The values are not in the order of the rows.
    Unsorted,
    /// An integer is not exact in float32, so float64 is needed.
    Wide,
    /// The text cannot be read.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(e: Error) -> Stop {
        Stop::Error(e)
    }
}

/// A float type in which values are kept.
pub(super) trait Float: Number + Send + std::ops::AddAssign {
    /// Converts a value; `None` when it is an integer (`whole`) that the type does not hold
    /// exactly.
    fn exact(value: f64, whole: bool) -> Option<Self>;
}

impl Float for f32 {
    #[inline(always)]
    fn exact(value: f64, whole: bool) -> Option<f32> {
        let single = value as f32;
        (!whole || f64::from(single) == value).then_some(single)
    }
}

impl Float for f64 {
    #[inline(always)]
    fn exact(value: f64, _: bool) -> Option<f64> {
        Some(value)
    }
}

/// Collects values that come in the order of the rows, and passes runs of rows to `send`.
pub(super) struct Collector<T, F> {
    n_rows: usize,
    n_columns: usize,
    /// The row that takes values now.
    row: usize,
    run: Run<T>,
    /// Start of this row in the run, and whether its columns ascend so far.
    start: usize,
    ascending: bool,
    /// Number of values of a row from which its repeats are added up before more memory is taken.
    limit: usize,
    send: F,
}

struct Run<T> {
    indptr: Vec<usize>,
    indices: Vec<u32>,
    data: Vec<T>,
}

impl<T: Float> Run<T> {
    fn new() -> Result<Run<T>> {
        let mut indptr = memory::room(1024, RUN)?;
        indptr.push(0);
        Ok(Run {
            indptr,
            indices: memory::room(RUN_VALUES + 65536, RUN)?,
            data: memory::room(RUN_VALUES + 65536, RUN)?,
        })
    }
}

impl<T: Float, F: FnMut(RowRun) -> Result<(), Stop>> Collector<T, F> {
    /// Makes a collector of `n_rows x n_columns` values.
    pub(super) fn new(n_rows: usize, n_columns: usize, send: F) -> Result<Self> {
        let limit = (2 * n_columns).max(1 << 16);
        Ok(Collector { n_rows, n_columns, row: 0, run: Run::new()?, start: 0, ascending: true, limit, send })
    }

    /// Adds the next value. Columns may come in any order within a row, and values of the same row
    /// and column are summed.
    ///
    /// # Errors
    /// [`Stop::Unsorted`] for a row before the last one; the errors of `send`.
    #[inline(always)]
    pub(super) fn push(&mut self, row: usize, column: u32, value: T) -> Result<(), Stop> {
        if row != self.row {
            self.go_to(row)?;
        }
        let Run { indices, data, .. } = &mut self.run;
        if let Some(&last) = indices.get(self.start..).and_then(<[u32]>::last) {
            self.ascending &= last < column;
        }
        if indices.len() == indices.capacity() || data.len() == data.capacity() {
            self.grow()?;
        }
        self.run.indices.push(column);
        self.run.data.push(value);
        Ok(())
    }

    #[cold]
    fn grow(&mut self) -> Result<(), Stop> {
        if self.run.indices.len() - self.start >= self.limit {
            self.tidy()?;
        }
        memory::reserve(&mut self.run.indices, RUN_VALUES, RUN)?;
        memory::reserve(&mut self.run.data, RUN_VALUES, RUN)?;
        Ok(())
    }

    /// Sorts the values of the current row by column and sums repeats.
    fn tidy(&mut self) -> Result<()> {
        if self.ascending {
            return Ok(());
        }
        let Run { indices, data, .. } = &mut self.run;
        let pairs = indices[self.start..].iter().copied().zip(data[self.start..].iter().copied());
        let mut pairs: Vec<(u32, T)> = memory::exactly(indices.len() - self.start, pairs, RUN)?;
        // The sort is stable: repeats are summed in the order of the file.
        pairs.sort_by_key(|p| p.0);
        indices.truncate(self.start);
        data.truncate(self.start);
        for (column, value) in pairs {
            match data.last_mut() {
                Some(sum) if indices.len() > self.start && indices.last() == Some(&column) => *sum += value,
                _ => {
                    indices.push(column);
                    data.push(value);
                }
            }
        }
        self.ascending = true;
        Ok(())
    }

    #[inline(never)]
    fn go_to(&mut self, row: usize) -> Result<(), Stop> {
        if row < self.row {
            return Err(Stop::Unsorted);
        }
        while self.row < row {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        self.tidy()?;
        memory::reserve(&mut self.run.indptr, 1, RUN)?;
        self.run.indptr.push(self.run.indices.len());
        self.start = self.run.indices.len();
        self.row += 1;
        if self.run.indices.len() >= RUN_VALUES || self.run.indptr.len() > RUN_ROWS {
            self.hand_on()?;
        }
        Ok(())
    }

    fn hand_on(&mut self) -> Result<(), Stop> {
        let Run { indptr, indices, data } = std::mem::replace(&mut self.run, Run::new()?);
        self.start = 0;
        let data: Data = T::wrap(data);
        debug_assert!(indices.iter().all(|&c| (c as usize) < self.n_columns));
        (self.send)(RowRun { indptr, indices, data })
    }

    /// Closes the last rows and passes on the rest.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        self.go_to(self.n_rows)?;
        if self.run.indptr.len() > 1 {
            self.hand_on()?;
        }
        Ok(())
    }
}
