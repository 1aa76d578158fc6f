//! Rows of a block as they wait to be added: group after group, so that a group's sums are met once for many rows, one after the
//! other in memory; where it helps in bands of genes.

use super::list::SUMS;
use crate::dtype::Number;
use crate::error::{Error, Result};
use crate::matrix::{Block, Storage};
use crate::memory;
use crate::ops::view::{RowOf, View};
use crate::stream::NO_LABEL;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Groups whose sums are arrays of all genes from the beginning.
pub(super) const FEW_GROUPS: usize = 64;

/// Genes cut into bands, within which two bytes number them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::ops) struct Bands {
    pub(super) n_vars: usize,
    width: usize,
}

impl Bands {
    /// Few groups are cut into enough parts for all threads; the rows of many in two, so that half of them are gone when
    /// the second half of their results is made.
    pub(in crate::ops) fn new(n_groups: usize, n_vars: usize, threads: usize) -> Self {
        let n = if n_groups <= FEW_GROUPS { (8 * threads).div_ceil(n_groups.max(1)) } else { 2 };
        Bands { n_vars, width: n_vars.div_ceil(n).clamp(1, 1 << 16) }
    }

    pub(in crate::ops) fn len(&self) -> usize {
        self.n_vars.div_ceil(self.width)
    }

    /// The genes of a band.
    pub(in crate::ops) fn genes(&self, band: usize) -> Range<usize> {
        let start = band * self.width;
        start..(start + self.width).min(self.n_vars)
    }
}

/// The rows of a block that belong to a group.
#[derive(Default, Serialize, Deserialize)]
pub(in crate::ops) struct Rows<T> {
    /// The groups there are, ascending.
    pub(super) labels: Vec<u32>,
    /// Their values in each band.
    pub(super) bands: Vec<Part<T>>,
}

/// The values of rows in a band: of each group, row after row.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Part<T> {
    /// Where the values of each group end.
    ends: Vec<usize>,
    /// The gene of each value, counted from the first of the band; it ascends within a row.
    genes: Vec<u16>,
    values: Vec<T>,
}

impl<T: Number> Rows<T> {
    /// The rows of a block of values of this type, in the memory of others that are done with; `labels` are the groups of the
    /// rows of the matrix. Zeros are left out.
    pub(in crate::ops) fn new(block: &Block, labels: &[u32], bands: Bands, done: Option<Self>) -> Result<Self> {
        let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
        let values =
            T::slice(data).ok_or_else(|| Error::Internal("the blocks of a chain differ in dtype".to_owned()))?;
        let (view, n) = (View::new(block, values), bands.len());
        let mut order: Vec<(u32, u32)> = memory::room(view.n_rows(), SUMS)?;
        order.extend((0..view.n_rows()).map(|i| (labels[view.positions.at(i)], i as u32)));
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
                    part.take((row.0.map(|c| &c[from..to]), &row.1[from..to]), b * bands.width, full);
                    from = to;
                }
            }
            out.bands.iter_mut().for_each(|part| part.ends.push(part.genes.len()));
        }
        Ok(out)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let part = |p: &Part<T>| p.ends.len() * 8 + p.genes.len() * 2 + p.values.len() * size_of::<T>();
        self.labels.len() * 4 + self.bands.iter().map(part).sum::<usize>()
    }
}

/// Where the columns of a row that are less than `end` end.
fn cut<T>((columns, values): RowOf<'_, T>, from: usize, end: usize) -> usize {
    match columns {
        Some(columns) => from + columns[from..].partition_point(|&c| (c as usize) < end),
        None => end.min(values.len()),
    }
}

/// Values that are not 0.
fn stored<T: Number>(values: &[T]) -> usize {
    values.iter().filter(|x| **x != T::default()).count()
}

/// Room for `n` values in an empty vector: where it had some, for some more, as blocks are about as large.
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

    /// Takes values of a row, of columns (or of a dense row) from `first` on; none of them is 0 where the block is `full`.
    fn take(&mut self, (columns, values): RowOf<'_, T>, first: usize, full: bool) {
        // There is room for all of them.
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

    /// The values of the `k`th group that is there, with their genes.
    pub(super) fn of_group(&self, k: usize) -> (&[u16], &[T]) {
        let start = if k == 0 { 0 } else { self.ends[k - 1] };
        let range = start..self.ends[k];
        (&self.genes[range.clone()], &self.values[range])
    }
}
