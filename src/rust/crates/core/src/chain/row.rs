//! One row of a block while the nodes of a chain transform it, in f64.

use crate::element::{Data, Number};
use crate::error::Result;
use crate::memory;
use crate::with_data;

/// A row being transformed: its stored entries (columns and values) or, once dense, one value per
/// column.
#[derive(Debug)]
pub struct Row {
    columns: Vec<u32>,
    values: Vec<f64>,
    is_dense: bool,
    n_cols: usize,
    /// Scratch for all values of a row, where an operation fills zeros.
    full: Vec<f64>,
}

impl Row {
    /// Makes a row of `n_cols` columns with room for `most` stored values; `fills` says whether an
    /// operation fills zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn new(n_cols: usize, most: usize, fills: bool) -> Result<Self> {
        const ROW: &str = "a row of a matrix";
        Ok(Row {
            columns: memory::room(most, ROW)?,
            values: memory::room(most, ROW)?,
            is_dense: false,
            n_cols,
            full: memory::room(if fills { n_cols } else { 0 }, ROW)?,
        })
    }

    /// Starts a row with stored entries at `columns` and returns their values, all zero, to be
    /// written.
    pub(super) fn start(&mut self, columns: &[u32]) -> &mut [f64] {
        self.is_dense = false;
        self.columns.clear();
        self.columns.extend_from_slice(columns);
        self.values.clear();
        self.values.resize(columns.len(), 0.0);
        &mut self.values
    }

    /// Starts a dense row with the values `range` of `data`.
    pub(super) fn load(&mut self, data: &Data, range: std::ops::Range<usize>) {
        self.is_dense = true;
        self.values.clear();
        with_data!(data, v => self.values.extend(v[range].iter().map(|x| x.to_f64())));
    }

    /// Returns the values of the row: those stored or, once dense, one per column.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Replaces each stored value `x` by `f(x)`; the values of a dense row are all stored.
    #[inline(always)]
    pub fn map(&mut self, f: impl Fn(f64) -> f64) {
        self.values.iter_mut().for_each(|x| *x = f(*x));
    }

    /// Replaces each stored value `x` by `f(x, numbers[column])`; the values of a dense row are all
    /// stored.
    #[inline(always)]
    pub fn map_by_column(&mut self, numbers: &[f64], f: impl Fn(f64, f64) -> f64) {
        if self.is_dense {
            self.values.iter_mut().zip(numbers).for_each(|(x, &n)| *x = f(*x, n));
        } else {
            self.values.iter_mut().zip(&self.columns).for_each(|(x, &c)| *x = f(*x, numbers[c as usize]));
        }
    }

    /// Makes the row dense and returns its values, one per column.
    pub fn dense(&mut self) -> &mut [f64] {
        if !self.is_dense {
            self.full.clear();
            self.full.resize(self.n_cols, 0.0);
            for (&c, &v) in self.columns.iter().zip(&self.values) {
                self.full[c as usize] = v;
            }
            std::mem::swap(&mut self.values, &mut self.full);
            self.is_dense = true;
        }
        &mut self.values
    }
}
