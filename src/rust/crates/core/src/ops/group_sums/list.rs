//! The genes of a band that a group of cells has values of: a list while they are few, all of them from then on.

use super::cell::Cell;
use crate::error::Result;
use crate::memory;
use crate::ops::view::RowOf;
use serde::{Deserialize, Serialize};

/// The name of the sums in errors.
pub(super) const SUMS: &str = "sums of every gene in every group";

/// A list is at most this part of its band.
const FEW: usize = 4;

/// Sums by gene, genes counted from the first of their band.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub(in crate::ops) enum List<C: Cell> {
    /// Of some genes, ascending.
    Some(Vec<u32>, Vec<C>),
    /// Of each gene.
    All(Vec<C>),
}

/// Where lists are put together.
pub(super) struct Room<C>(Vec<u32>, Vec<C>);

impl<C> Default for Room<C> {
    fn default() -> Self {
        Room(Vec::new(), Vec::new())
    }
}

impl<C: Cell> List<C> {
    pub(super) const NOTHING: List<C> = List::Some(Vec::new(), Vec::new());

    /// Adds the values of a row of a band of `width` genes, the first of which is `first`.
    pub(super) fn add(
        &mut self,
        first: usize,
        width: usize,
        row: RowOf<'_, C::Value>,
        room: &mut Room<C>,
    ) -> Result<()> {
        let zero = C::Value::default();
        let (columns, values) = row;
        if let List::Some(genes, _) = self {
            if columns.is_none() || (genes.len() + values.len()) * FEW > width {
                self.fill(width)?;
            }
        }
        match (self, columns) {
            (List::All(cells), Some(columns)) => {
                let of = columns.iter().zip(values).filter(|(_, x)| **x != zero);
                of.for_each(|(&c, &x)| cells[c as usize - first].add(x));
            }
            (List::All(cells), None) => {
                cells.iter_mut().zip(values).filter(|(_, x)| **x != zero).for_each(|(cell, &x)| cell.add(x));
            }
            (List::Some(genes, cells), columns) => {
                let columns = columns.unwrap_or_default().iter().map(|&c| c - first as u32);
                let new = columns.zip(values).filter(|(_, x)| **x != zero).map(|(c, &x)| {
                    let mut cell = C::default();
                    cell.add(x);
                    (c, cell, x)
                });
                join(genes, cells, new, values.len(), |cell, _, x| cell.add(x), room)?;
            }
        }
        Ok(())
    }

    /// Makes it one of all genes.
    fn fill(&mut self, width: usize) -> Result<()> {
        let mut all = memory::filled(width, C::default(), SUMS)?;
        if let List::Some(genes, cells) = self {
            genes.iter().zip(cells.iter()).for_each(|(&c, cell)| all[c as usize] = *cell);
            *self = List::All(all);
        }
        Ok(())
    }

    /// Adds the sums of the rows that follow.
    pub(super) fn merge(&mut self, next: Self, width: usize, room: &mut Room<C>) -> Result<()> {
        match (&mut *self, next) {
            (List::All(own), List::All(next)) => own.iter_mut().zip(&next).for_each(|(to, cell)| to.merge(cell)),
            (List::All(own), List::Some(genes, cells)) => {
                genes.iter().zip(&cells).for_each(|(&c, cell)| own[c as usize].merge(cell));
            }
            (List::Some(own, _), next @ List::Some(..)) if own.len().saturating_mul(FEW) > width => {
                self.fill(width)?;
                self.merge(next, width, room)?;
            }
            (List::Some(own, sums), List::Some(genes, cells)) => {
                let new = genes.iter().zip(&cells).map(|(&c, cell)| (c, *cell, ()));
                join(own, sums, new, genes.len(), |to, cell, ()| to.merge(&cell), room)?;
            }
            (List::Some(..), next @ List::All(_)) => {
                self.fill(width)?;
                self.merge(next, width, room)?;
            }
        }
        Ok(())
    }

    /// The sums that are there, with their genes.
    pub(in crate::ops) fn entries(&self) -> impl Iterator<Item = (usize, &C)> {
        let (genes, cells) = match self {
            List::Some(genes, cells) => (Some(genes), cells),
            List::All(cells) => (None, cells),
        };
        let place = move |k: usize| genes.map_or(k, |genes| genes[k] as usize);
        cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()).map(move |(k, cell)| (place(k), cell))
    }

    /// The sums of one gene.
    pub(in crate::ops) fn get(&self, gene: usize) -> C {
        match self {
            List::All(cells) => cells[gene],
            List::Some(genes, cells) => genes.binary_search(&(gene as u32)).map_or_else(|_| C::default(), |k| cells[k]),
        }
    }
}

/// Puts at most `most` new entries, whose genes ascend, among those of a list.
fn join<C: Cell, X>(
    genes: &mut Vec<u32>,
    cells: &mut Vec<C>,
    new: impl Iterator<Item = (u32, C, X)>,
    most: usize,
    add: impl Fn(&mut C, C, X),
    Room(to, sums): &mut Room<C>,
) -> Result<()> {
    to.clear();
    sums.clear();
    memory::reserve(to, genes.len() + most, SUMS)?;
    memory::reserve(sums, genes.len() + most, SUMS)?;
    let mut k = 0;
    for (c, cell, x) in new {
        let before = k + genes[k..].iter().take_while(|&&own| own < c).count();
        to.extend_from_slice(&genes[k..before]);
        sums.extend_from_slice(&cells[k..before]);
        k = before;
        to.push(c);
        if genes.get(k) == Some(&c) {
            let mut own = cells[k];
            add(&mut own, cell, x);
            sums.push(own);
            k += 1;
        } else {
            sums.push(cell);
        }
    }
    to.extend_from_slice(&genes[k..]);
    sums.extend_from_slice(&cells[k..]);
    if to.len() > genes.capacity() {
        (*genes, *cells) = (memory::room(to.len(), SUMS)?, memory::room(to.len(), SUMS)?);
    }
    genes.clear();
    cells.clear();
    genes.extend_from_slice(to);
    cells.extend_from_slice(sums);
    Ok(())
}
