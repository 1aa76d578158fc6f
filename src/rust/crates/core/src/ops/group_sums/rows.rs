//! Rows of a block in the form in which they wait to be added: sorted by group, so that a group's
//! sums are visited once for many rows, and cut into bands of genes where that helps.

use super::list::SUMS;
use crate::dtype::Number;
use crate::error::{Error, Result};
use crate::matrix::{Block, Storage};
use crate::memory;
use crate::ops::view::{RowOf, View};
use crate::stream::NO_LABEL;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The number of groups up to which their sums are arrays of all genes from the start.
pub(super) const FEW_GROUPS: usize = 64;

/// Genes cut into bands, within which two bytes hold the number of a gene.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::ops) struct Bands {
    pub(super) n_vars: usize,
    width: usize,
}

impl Bands {
    /// Cuts `n_vars` genes into bands. For few groups there are enough bands for all threads. For
    /// many groups there are two, so that half of the rows are freed before the second half of the
    /// results is made.
    pub(in crate::ops) fn new(n_groups: usize, n_vars: usize, threads: usize) -> Self {
        let n = if n_groups <= FEW_GROUPS { (8 * threads).div_ceil(n_groups.max(1)) } else { 2 };
        Bands { n_vars, width: n_vars.div_ceil(n).clamp(1, 1 << 16) }
    }

    pub(in crate::ops) fn len(&self) -> usize {
        self.n_vars.div_ceil(self.width)
    }

    /// Returns the genes of a band.
    pub(in crate::ops) fn genes(&self, band: usize) -> Range<usize> {
        let start = band * self.width;
        start..(start + self.width).min(self.n_vars)
    }
}

/// The rows of a block that belong to a group, sorted by group.
#[derive(Default, Serialize, Deserialize)]
pub(in crate::ops) struct Rows<T> {
    /// The groups that occur in the block, ascending.
    pub(super) labels: Vec<u32>,
    /// The values of their rows in each band.
    pub(super) bands: Vec<Part<T>>,
}

/// The values of rows in a band, group after group and row after row.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Part<T> {
    /// The end of each group in `genes` and `values`.
    ends: Vec<usize>,
    /// The gene of each value, counted from the first of the band. Genes ascend within a row.
    genes: Vec<u16>,
    values: Vec<T>,
}

impl<T: Number> Rows<T> {
    /// Sorts the rows of a block of values of type `T` by group. `labels` are the groups of the
    /// rows of the matrix. Zeros are left out. The memory of `done`, rows that were added, is used
    /// again.
    pub(in crate::ops) fn new(block: &Block, labels: &[u32], bands: Bands, done: Option<Self>) -> Result<Self> {
        let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
        let values =
            T::slice(data).ok_or_else(|| Error::Internal("the blocks of a chain differ in dtype".to_owned()))?;
        let (view, n) = (View::new(block, values), bands.len());
        let mut order: Vec<(u32, u32)> = memory::room(view.n_rows(), SUMS)?;
        order.extend((0..view.n_rows()).map(|i| (labels[view.positions.row(i)], i as u32)));
        order.retain(|(label, _)| *label != NO_LABEL);
        order.sort_unstable();

        let mut cuts: Vec<usize> = memory::room(memory::count(&[order.len(), n], SUMS)?, SUMS)?;
        let mut sizes = memory::zeros::<usize>(n, SUMS)?;
        let full = values.iter().all(|x| *x != T::default());
        for &(_, i) in &order {
            let (row, mut from) = (view.row(i as usize), 0);
            for (b, size) in sizes.iter_mut().enumerate() {
                let to = if b + 1 == n { row.1.len() } else { cut(row, from, bands.genes(b).end) };
                *size += if full { to - from } else { stored(&row.1[from..to]) };
                cuts.push(to);
                from = to;
            }
        }
        let groups = order.chunk_by(|a, b| a.0 == b.0).count();
        let mut out = done.unwrap_or_default();
        out.labels.clear();
        memory::reserve(&mut out.labels, groups, SUMS)?;
        memory::reserve(&mut out.bands, n, SUMS)?;
        out.bands.resize_with(n, || Part { ends: Vec::new(), genes: Vec::new(), values: Vec::new() });
        for (part, size) in out.bands.iter_mut().zip(sizes) {
            part.make_room(groups, size)?;
        }
        let mut cuts = cuts.chunks_exact(n.max(1));
        for rows in order.chunk_by(|a, b| a.0 == b.0) {
            out.labels.push(rows[0].0);
            for (&(_, i), cuts) in rows.iter().zip(&mut cuts) {
                let (row, mut from) = (view.row(i as usize), 0);
                for (b, (part, &to)) in out.bands.iter_mut().zip(cuts).enumerate() {
                    part.append((row.0.map(|c| &c[from..to]), &row.1[from..to]), b * bands.width, full);
                    from = to;
                }
            }
            out.bands.iter_mut().for_each(|part| part.ends.push(part.genes.len()));
        }
        Ok(out)
    }

    /// Returns the bytes of these rows.
    pub(super) fn bytes(&self) -> usize {
        let part = |p: &Part<T>| p.ends.len() * 8 + p.genes.len() * 2 + p.values.len() * size_of::<T>();
        self.labels.len() * 4 + self.bands.iter().map(part).sum::<usize>()
    }
}

/// Returns the position in a row where the columns below `end` end; `from` is at or before it.
fn cut<T>((columns, values): RowOf<'_, T>, from: usize, end: usize) -> usize {
    match columns {
        Some(columns) => from + columns[from..].partition_point(|&c| (c as usize) < end),
        None => end.min(values.len()),
    }
}

/// Returns the number of values that are not 0.
fn stored<T: Number>(values: &[T]) -> usize {
    values.iter().filter(|x| **x != T::default()).count()
}

/// Makes room for `n` values in an empty vector. If it was used before, it gets an eighth more, as
/// blocks are about as large.
fn room<T>(to: &mut Vec<T>, n: usize) -> Result<()> {
    if to.capacity() < n {
        *to = memory::room(if to.capacity() > 0 { n + n / 8 } else { n }, SUMS)?;
    }
    Ok(())
}

impl<T: Number> Part<T> {
    fn make_room(&mut self, groups: usize, size: usize) -> Result<()> {
        self.ends.clear();
        self.genes.clear();
        self.values.clear();
        memory::reserve(&mut self.ends, groups, SUMS)?;
        room(&mut self.genes, size)?;
        room(&mut self.values, size)
    }

    /// Appends values of a row whose columns are counted from `first`; a dense part starts there.
    /// With `full` the block has no zeros.
    fn append(&mut self, (columns, values): RowOf<'_, T>, first: usize, full: bool) {
        // `make_room` has reserved for all of them.
        match columns {
            Some(columns) if full => {
                self.genes.extend(columns.iter().map(|&c| (c as usize - first) as u16));
                self.values.extend_from_slice(values);
            }
            _ => {
                for (k, &x) in values.iter().enumerate().filter(|(_, x)| **x != T::default()) {
                    self.genes.push(columns.map_or(k, |c| c[k] as usize - first) as u16);
                    self.values.push(x);
                }
            }
        }
    }

    /// Returns the values of the `k`th group that occurs, with their genes.
    pub(super) fn of_group(&self, k: usize) -> (&[u16], &[T]) {
        let start = if k == 0 { 0 } else { self.ends[k - 1] };
        let range = start..self.ends[k];
        (&self.genes[range.clone()], &self.values[range])
    }
}
