//! Computes `X' X` of sparse rows as sparse times dense products, by tiles of columns.
//!
//! Columns are ranked by how many values they hold, rarest first. The product of two columns is
//! taken over the stored values of the rarer one. A tile of [`Lanes::WIDTH`] columns is laid out
//! densely. Each stored value of every column of lower rank adds a multiple of one row of that tile
//! to a sum held in registers. The work is the number of stored values times the width: a fraction
//! of a dense product, at the same speed per operation.
//!
//! Sums of a slab are formed in the width of the values: f32 for f32 matrices, a few thousand
//! products, added up in groups of [`PANEL_ROWS`] rows. Slabs add up in f64. Each value is taken
//! less the mean of its column in the first slab, so that what is summed has no large common part.
//! The dense side is laid out with this shift. The shift of the sparse side depends on the column
//! alone and is corrected once for a whole slab. A column with a value in every row of a slab is
//! shifted itself, as nearly constant columns would cancel. A tile belongs to one thread, which
//! adds panel after panel, so that the bits do not depend on the number of threads.

use super::second_moments::{Moved, SecondMoments, PRODUCTS};
use crate::error::Result;
use crate::memory;
use crate::simd::{self, Level};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The number of rows laid out densely at a time: a tile of them stays in the first-level cache.
const PANEL_ROWS: usize = 96;

/// A width of floats that the inner loop is compiled for.
pub(super) trait Lanes: Copy + Send + Sync + 'static {
    /// The number of columns of a tile: eight vector registers.
    const WIDTH: usize;
    fn narrow(x: f64) -> Self;
    fn widen(self) -> f64;
    /// Adds to row `j` of `sums`, `WIDTH` wide, the stored values of column `j` times their rows of
    /// `dense`.
    fn multiply(ends: &[u32], rows: &[u8], values: &[Self], dense: &[Self], sums: &mut [Self]);
}

macro_rules! lanes {
    ($type:ty, $width:literal, $fused:ident) => {
        impl Lanes for $type {
            const WIDTH: usize = $width;

            #[inline(always)]
            fn narrow(x: f64) -> Self {
                x as $type
            }

            #[inline(always)]
            fn widen(self) -> f64 {
                self as f64
            }

            fn multiply(ends: &[u32], rows: &[u8], values: &[Self], dense: &[Self], sums: &mut [Self]) {
                /// Adds `v` times a row of the tile to a sum.
                #[inline(always)]
                fn step(level: impl Level, row: u8, v: $type, dense: &[$type], sum: &mut [$type; $width]) {
                    let row = &dense[row as usize * $width..][..$width];
                    for k in 0..$width {
                        sum[k] = level.$fused(v, row[k], sum[k]);
                    }
                }
                #[inline(always)]
                fn put(to: &mut [$type], sum: [$type; $width]) {
                    for k in 0..$width {
                        to[k] += sum[k];
                    }
                }
                simd::vectorized! {
                    fn add [](ends: &[u32], rows: &[u8], values: &[$type], dense: &[$type], sums: &mut [$type])
                    where level in [Avx512, Avx2]: Level {
                    // With registers for two sums, no addition waits for the one before. A sum is
                    // the same either way.
                    let together = if level.is_wide() { ends.len() / 2 * 2 } else { 0 };
                    let ((pairs, single), mut start) = (ends.split_at(together), 0);
                    let (of_pairs, of_single) = sums.split_at_mut(together * $width);
                    for (ends, to) in pairs.chunks_exact(2).zip(of_pairs.chunks_exact_mut(2 * $width)) {
                        let (middle, end) = (ends[0] as usize, ends[1] as usize);
                        let (first, second) = ((&rows[start..middle], &values[start..middle]), (&rows[middle..end], &values[middle..end]));
                        let both = first.0.len().min(second.0.len());
                        let (mut sum, mut other) = ([0.0; $width], [0.0; $width]);
                        let (left, right) = (first.0[..both].iter().zip(first.1), second.0[..both].iter().zip(second.1));
                        for ((&r, &v), (&s, &w)) in left.zip(right) {
                            step(level, r, v, dense, &mut sum);
                            step(level, s, w, dense, &mut other);
                        }
                        for (&r, &v) in first.0[both..].iter().zip(&first.1[both..]) {
                            step(level, r, v, dense, &mut sum);
                        }
                        for (&r, &v) in second.0[both..].iter().zip(&second.1[both..]) {
                            step(level, r, v, dense, &mut other);
                        }
                        put(&mut to[..$width], sum);
                        put(&mut to[$width..], other);
                        start = end;
                    }
                    for (&end, to) in single.iter().zip(of_single.chunks_exact_mut($width)) {
                        let end = end as usize;
                        let mut sum = [0.0; $width];
                        for (&r, &v) in rows[start..end].iter().zip(&values[start..end]) {
                            step(level, r, v, dense, &mut sum);
                        }
                        put(to, sum);
                        start = end;
                    }
                    }
                }
                add(ends, rows, values, dense, sums);
            }
        }
    };
}
lanes!(f32, 64, fused_f32);
lanes!(f64, 32, fused);

/// At most 256 rows, sorted by column. Columns are in the order of their rank.
pub(super) struct Panel<T> {
    /// The end of each column's entries.
    pub(super) ends: Vec<u32>,
    pub(super) rows: Vec<u8>,
    pub(super) values: Vec<T>,
}

impl<T: Lanes> Panel<T> {
    pub(super) fn new(indptr: &[usize], indices: &[u32], values: &[f64], rank: &[u32]) -> Result<Self> {
        let (first, last) = (indptr[0], indptr[indptr.len() - 1]);
        let mut next = vec![0u32; rank.len() + 1];
        indices[first..last].iter().for_each(|&c| next[rank[c as usize] as usize + 1] += 1);
        for j in 0..rank.len() {
            next[j + 1] += next[j];
        }
        let mut rows = memory::zeros(last - first, PRODUCTS)?;
        let mut by_column = memory::filled(last - first, T::narrow(0.0), PRODUCTS)?;
        for (r, w) in indptr.windows(2).enumerate() {
            for (&c, &v) in indices[w[0]..w[1]].iter().zip(&values[w[0]..w[1]]) {
                let at = &mut next[rank[c as usize] as usize];
                rows[*at as usize] = r as u8;
                by_column[*at as usize] = T::narrow(v);
                *at += 1;
            }
        }
        // Each entry has moved from the start of its column to the end.
        next.truncate(rank.len());
        Ok(Panel { ends: next, rows, values: by_column })
    }
}

/// The state of the pass: for each tile of columns (by rank), the products with all columns up to
/// its last.
#[derive(Serialize, Deserialize)]
pub(super) struct Tiles<T> {
    p: usize,
    /// The number of rows.
    n: usize,
    /// The rank of each column and the shift of its dense side, both set by the first slab.
    rank: Vec<u32>,
    shift: Vec<T>,
    tiles: Vec<Vec<f64>>,
    sums: Vec<f64>,
}

impl<T: Lanes> Tiles<T> {
    pub(super) fn new(p: usize) -> Self {
        Tiles { p, n: 0, rank: Vec::new(), shift: Vec::new(), tiles: Vec::new(), sums: vec![0.0; p] }
    }

    fn start(&mut self, n: usize, indices: &[u32], values: &[f64]) -> Result<()> {
        // The number of stored values, the first of them, and the sum of the differences of all to
        // the first.
        let mut stored = vec![(0usize, 0.0, 0.0); self.p];
        for (&c, &v) in indices.iter().zip(values) {
            let (count, first, above) = &mut stored[c as usize];
            if *count == 0 {
                *first = v;
            }
            *count += 1;
            *above += v - *first;
        }
        let mean = |(count, first, above): (usize, f64, f64)| first * (count as f64 / n as f64) + above / n as f64;
        let mut order: Vec<u32> = (0..self.p as u32).collect();
        order.sort_by_key(|&c| stored[c as usize].0);
        self.rank = vec![0; self.p];
        order.iter().enumerate().for_each(|(r, &c)| self.rank[c as usize] = r as u32);
        self.shift = order.iter().map(|&c| T::narrow(mean(stored[c as usize]))).collect();
        let ends = (0..self.p).step_by(T::WIDTH).map(|from| (from + T::WIDTH).min(self.p));
        self.tiles = ends.map(|end| memory::zeros(end * T::WIDTH, PRODUCTS)).collect::<Result<_>>()?;
        Ok(())
    }

    /// Adds a slab of rows, on the threads of the pool of the caller.
    ///
    /// Changes `values`.
    pub(super) fn add(&mut self, indptr: &[usize], indices: &[u32], values: &mut [f64]) -> Result<()> {
        let n = indptr.len() - 1;
        if self.rank.is_empty() {
            self.start(n, indices, values)?;
        }
        self.n += n;
        // The number of values of each column, and their sum.
        let mut found = vec![(0usize, 0.0); self.p];
        for (&c, &v) in indices.iter().zip(&*values) {
            let (stored, sum) = &mut found[c as usize];
            *stored += 1;
            *sum += v;
        }
        let shifts: Vec<f64> = self.rank.iter().map(|&r| self.shift[r as usize].widen()).collect();
        // The number subtracted from stored values: the shift for columns with a value in every
        // row, else 0.
        let centre: Vec<f64> = found.iter().zip(&shifts).map(|(&(s, _), &k)| if s == n { k } else { 0.0 }).collect();
        if found.iter().any(|&(s, _)| s == n) {
            found.iter_mut().for_each(|(_, sum)| *sum = 0.0);
            for (v, &c) in values.iter_mut().zip(indices) {
                *v -= centre[c as usize];
                found[c as usize].1 += *v;
            }
        }
        let values = &*values;
        // In the order of ranks: the part of the shift that stored values lack, and sums of values
        // less the shift.
        let (mut lacks, mut above) = (vec![0.0; self.p], vec![0.0; self.p]);
        for (c, &r) in self.rank.iter().enumerate() {
            let lack = shifts[c] - centre[c];
            let sum = found[c].1 - n as f64 * lack;
            (lacks[r as usize], above[r as usize]) = (lack, sum);
            self.sums[c] += sum;
        }
        let starts: Vec<usize> = (0..indptr.len() - 1).step_by(PANEL_ROWS).collect();
        let panels: Vec<Panel<T>> = starts
            .par_iter()
            .map(|&s| Panel::new(&indptr[s..(s + PANEL_ROWS + 1).min(indptr.len())], indices, values, &self.rank))
            .collect::<Result<_>>()?;
        // The last tile has the most columns and starts first.
        self.tiles.par_iter_mut().enumerate().rev().with_max_len(1).try_for_each(|(t, total)| {
            let (from, end) = (t * T::WIDTH, total.len() / T::WIDTH);
            let mut background = vec![T::narrow(0.0); T::WIDTH];
            background.iter_mut().zip(&lacks[from..end]).for_each(|(b, s)| *b = T::narrow(-s));
            let mut dense = background.repeat(PANEL_ROWS);
            let mut sums = memory::filled(total.len(), T::narrow(0.0), PRODUCTS)?;
            for panel in &panels {
                dense.chunks_exact_mut(T::WIDTH).for_each(|row| row.copy_from_slice(&background));
                for j in from..end {
                    let start = if j == 0 { 0 } else { panel.ends[j - 1] as usize };
                    let entries = start..panel.ends[j] as usize;
                    for (&r, v) in panel.rows[entries.clone()].iter().zip(&panel.values[entries]) {
                        let to = &mut dense[r as usize * T::WIDTH + j - from];
                        *to = T::narrow(v.widen() + to.widen());
                    }
                }
                T::multiply(&panel.ends[..end], &panel.rows, &panel.values, &dense, &mut sums);
            }
            let rows = total.chunks_exact_mut(T::WIDTH).zip(sums.chunks_exact(T::WIDTH));
            for ((total, sums), lack) in rows.zip(&lacks) {
                let sides = sums.iter().zip(&above[from..end]);
                total.iter_mut().zip(sides).for_each(|(t, (s, a))| *t += s.widen() - lack * a);
            }
            Ok(())
        })
    }

    /// Returns the shift that is subtracted from every value of each column.
    fn shifts(&self) -> impl Iterator<Item = f64> + '_ {
        self.rank.iter().map(|&r| self.shift[r as usize].widen())
    }

    /// Returns the column of each rank.
    fn order(&self) -> Vec<usize> {
        let mut order = vec![0usize; self.p];
        self.rank.iter().enumerate().for_each(|(c, &r)| order[r as usize] = c);
        order
    }

    /// Adds the moments of other rows, whose columns have other ranks and shifts.
    pub(super) fn merge(&mut self, next: Tiles<T>) {
        if self.rank.is_empty() || next.rank.is_empty() {
            if self.rank.is_empty() {
                *self = next;
            }
            return;
        }
        let moved = Moved::new(next.n, self.shifts(), next.shifts(), &next.sums);
        let order = next.order();
        for (t, tile) in next.tiles.iter().enumerate() {
            let from = t * T::WIDTH;
            for (j, row) in tile.chunks_exact(T::WIDTH).enumerate() {
                let column = order[j];
                let own = self.rank[column] as usize;
                for i in from.max(j)..(from + T::WIDTH).min(self.p) {
                    let other = self.rank[order[i]] as usize;
                    let (low, high) = (own.min(other), own.max(other));
                    let to = &mut self.tiles[high / T::WIDTH][low * T::WIDTH + high % T::WIDTH];
                    *to += moved.product(column, order[i], row[i - from]);
                }
            }
        }
        self.sums.iter_mut().enumerate().for_each(|(c, s)| *s += moved.sum(c));
        self.n += next.n;
    }

    /// Returns the second moments, the lower triangle filled.
    pub(super) fn finish(self) -> Result<SecondMoments> {
        let p = self.p;
        let mut products = memory::zeros(p * p, PRODUCTS)?;
        let (order, shift) = (self.order(), self.shifts().collect());
        for (t, tile) in self.tiles.into_iter().enumerate() {
            let from = t * T::WIDTH;
            for (j, row) in tile.chunks_exact(T::WIDTH).enumerate() {
                let column = order[j];
                for i in from.max(j)..(from + T::WIDTH).min(p) {
                    let other = order[i];
                    let (low, high) = (column.min(other), column.max(other));
                    products[low * p + high] = row[i - from];
                }
            }
        }
        Ok(SecondMoments { products, sums: self.sums, shift, dense: false })
    }
}
