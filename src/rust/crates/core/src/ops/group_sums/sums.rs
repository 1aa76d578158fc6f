//! Sums of all genes in all groups, in bands of genes that threads add to side by side.
//!
//! The values of a gene in a group are added in the order of the rows whatever the bands and threads are: a thread goes
//! through all rows of a block, for the bands it has.

use super::cell::Cell;
use super::list::{List, Room, SUMS};
use crate::element::{DType, Data, Number};
use crate::error::{Error, Result};
use crate::matrix::{Block, Storage};
use crate::memory;
use crate::ops::view::View;
use crate::session::Session;
use crate::stream::NO_LABEL;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Bands of the genes: many where the sums of a band then fit a processor's cache, few where there is a list for each of many
/// groups.
fn bands(n_groups: usize) -> usize {
    if n_groups <= 1000 {
        64
    } else {
        16
    }
}

/// Sums by band, group and gene.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(in crate::ops) struct GroupSums<C: Cell> {
    n_vars: usize,
    width: usize,
    /// A list a group in each band.
    lists: Vec<Vec<List<C>>>,
}

impl<C: Cell> GroupSums<C> {
    pub(in crate::ops) fn new(n_groups: usize, n_vars: usize) -> Result<Self> {
        let width = n_vars.div_ceil(bands(n_groups)).max(1);
        let none = |_| memory::filled(n_groups, List::NOTHING, SUMS);
        let lists = memory::tried((0..n_vars.div_ceil(width)).map(none), SUMS)?;
        Ok(GroupSums { n_vars, width, lists })
    }

    /// Adds the rows of a block of values of this type, each to the group its label says.
    pub(in crate::ops) fn add(&mut self, block: &Block, labels: &[u32], session: &Session) -> Result<()> {
        let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
        let values =
            C::Value::slice(data).ok_or_else(|| Error::Internal("the blocks of a chain differ in dtype".to_owned()))?;
        let (view, width) = (View::new(block, values), self.width);
        if session.threads <= 1 {
            return through(&view, labels, 0, width, &mut self.lists);
        }
        let share = self.lists.len().div_ceil(4 * session.threads).max(1);
        let lists = &mut self.lists;
        session.install(|| {
            lists
                .par_chunks_mut(share)
                .enumerate()
                .try_for_each(|(k, bands)| through(&view, labels, k * share * width, width, bands))
        })
    }

    /// Adds the sums of the rows that follow.
    pub(in crate::ops) fn merge(&mut self, next: Self) -> Result<()> {
        let mut room = Room::default();
        for (b, (own, next)) in self.lists.iter_mut().zip(next.lists).enumerate() {
            let width = self.width.min(self.n_vars - b * self.width);
            own.iter_mut().zip(next).try_for_each(|(to, list)| to.merge(list, width, &mut room))?;
        }
        Ok(())
    }

    /// Groups, genes.
    pub(in crate::ops) fn shape(&self) -> (usize, usize) {
        (self.lists.first().map_or(0, Vec::len), self.n_vars)
    }

    /// The sums of one gene in one group.
    pub(in crate::ops) fn get(&self, group: usize, gene: usize) -> C {
        self.lists[gene / self.width][group].get(gene % self.width)
    }

    /// The sums of a group that are there, in the order of the genes.
    pub(in crate::ops) fn entries(&self, group: usize) -> impl Iterator<Item = (usize, &C)> {
        self.lists
            .iter()
            .enumerate()
            .flat_map(move |(b, band)| band[group].entries().map(move |(gene, cell)| (b * self.width + gene, cell)))
    }

    /// Forgets the sums of a group.
    pub(in crate::ops) fn forget(&mut self, group: usize) {
        self.lists.iter_mut().for_each(|band| band[group] = List::NOTHING);
    }
}

/// Adds the values of all rows of a block to the bands from gene `first` on.
fn through<C: Cell>(
    view: &View<'_, C::Value>,
    labels: &[u32],
    first: usize,
    width: usize,
    bands: &mut [Vec<List<C>>],
) -> Result<()> {
    let mut room = Room::default();
    let place = |i: usize| match view.row(i).0 {
        Some(columns) => columns.partition_point(|&c| (c as usize) < first),
        None => first,
    };
    let mut at = memory::collected((0..view.n_rows()).map(place), SUMS)?;
    for (b, band) in bands.iter_mut().enumerate() {
        let start = first + b * width;
        let end = (start + width).min(view.n_cols);
        for (i, from) in at.iter_mut().enumerate() {
            let label = labels[view.positions.at(i)];
            if label == NO_LABEL {
                continue;
            }
            let (columns, values) = view.row(i);
            let to = match columns {
                Some(columns) => *from + columns[*from..].iter().take_while(|&&c| (c as usize) < end).count(),
                None => end,
            };
            let row = (columns.map(|c| &c[*from..to]), &values[*from..to]);
            *from = to;
            if !row.1.is_empty() {
                band[label as usize].add(start, end - start, row, &mut room)?;
            }
        }
    }
    Ok(())
}

/// A block with values of `T`: integers as i64, other floats as f32.
pub(in crate::ops) fn typed<T: Number>(block: Block) -> Result<Block> {
    if T::DTYPE != DType::I64 {
        return block.into_float();
    }
    let mut block = block;
    let (Storage::Csr { data, .. } | Storage::Dense(data)) = &mut block.storage;
    macro_rules! of {
        ($($variant:ident),*) => {
            match &*data {
                Data::I64(_) => return Ok(block),
                $(Data::$variant(v) => memory::collected(v.iter().map(|&x| x as i64), SUMS)?,)*
                other => return Err(Error::Internal(format!("a block of integers holds {}", other.dtype()))),
            }
        };
    }
    *data = Data::I64(of!(Bool, I8, I16, I32, U8, U16, U32, U64));
    Ok(block)
}
