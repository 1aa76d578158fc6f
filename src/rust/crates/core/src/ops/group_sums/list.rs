//! The sums of a group of cells by gene: a list while few genes have values, an array of all genes
//! from then on.

use super::accumulator::Accumulator;
use crate::error::Result;
use crate::memory;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The name, in errors, of the sums.
pub(super) const SUMS: &str = "sums of every gene in every group";

/// The inverse of the largest share of the genes that a list may have.
const FEW: usize = 4;

/// Sums by gene.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub(in crate::ops) enum List<C: Accumulator> {
    /// The genes that have sums, ascending, and their sums.
    Some(Vec<u32>, Vec<C>),
    /// The sum of each gene.
    All(Vec<C>),
}

/// Buffers in which a merged list is built.
pub(super) struct Room<C>(Vec<u32>, Vec<C>);

impl<C> Default for Room<C> {
    fn default() -> Self {
        Room(Vec::new(), Vec::new())
    }
}

impl<C: Accumulator> List<C> {
    /// A list without sums.
    pub(super) const NOTHING: List<C> = List::Some(Vec::new(), Vec::new());

    /// Makes an array of all genes.
    pub(super) fn dense(n_vars: usize) -> Result<Self> {
        Ok(List::All(memory::filled(n_vars, C::default(), SUMS)?))
    }

    /// Adds the values of rows. Their genes are counted from `first` and ascend within a row;
    /// `n_vars` is the number of all genes.
    pub(super) fn add(
        &mut self,
        n_vars: usize,
        first: usize,
        (genes, values): (&[u16], &[C::Value]),
        room: &mut Room<C>,
    ) -> Result<()> {
        if let List::Some(own, _) = self {
            if !few(own.len() + values.len(), n_vars) {
                self.fill(n_vars)?;
            }
        }
        match self {
            List::All(cells) => add_all(&mut cells[first..], genes, values),
            List::Some(own, cells) => {
                let mut from = 0;
                for row in genes.chunk_by(|a, b| a < b) {
                    let new = row.iter().zip(&values[from..]).map(|(&gene, &x)| {
                        let mut cell = C::default();
                        cell.add(x);
                        (first as u32 + u32::from(gene), cell, x)
                    });
                    join(own, cells, new, row.len(), |cell, _, x| cell.add(x), room)?;
                    from += row.len();
                }
            }
        }
        Ok(())
    }

    /// Turns a list into an array of all genes.
    fn fill(&mut self, n_vars: usize) -> Result<()> {
        if let (List::Some(genes, cells), List::All(mut all)) = (&*self, List::dense(n_vars)?) {
            genes.iter().zip(cells).for_each(|(&c, cell)| all[c as usize] = *cell);
            *self = List::All(all);
        }
        Ok(())
    }

    /// Adds the sums of the rows that follow.
    pub(super) fn merge(&mut self, next: Self, n_vars: usize, room: &mut Room<C>) -> Result<()> {
        match (&mut *self, next) {
            (List::All(own), List::All(next)) => own.iter_mut().zip(&next).for_each(|(to, cell)| to.merge(cell)),
            (List::All(own), List::Some(genes, cells)) => {
                genes.iter().zip(&cells).for_each(|(&c, cell)| own[c as usize].merge(cell));
            }
            (List::Some(own, _), next @ List::Some(..)) if !few(own.len(), n_vars) => {
                self.fill(n_vars)?;
                self.merge(next, n_vars, room)?;
            }
            (List::Some(own, sums), List::Some(genes, cells)) => {
                let new = genes.iter().zip(&cells).map(|(&c, cell)| (c, *cell, ()));
                join(own, sums, new, genes.len(), |to, cell, ()| to.merge(&cell), room)?;
            }
            (List::Some(..), next @ List::All(_)) => {
                self.fill(n_vars)?;
                self.merge(next, n_vars, room)?;
            }
        }
        Ok(())
    }

    /// Returns the non-empty sums of the genes in `of`, with their genes counted from the first of
    /// these.
    pub(super) fn entries(&self, of: Range<usize>) -> impl Iterator<Item = (usize, &C)> {
        let (first, genes, cells) = match self {
            List::All(cells) => (0, None, &cells[of]),
            List::Some(genes, cells) => {
                let at = |end: usize| genes.partition_point(|&c| (c as usize) < end);
                let there = at(of.start)..at(of.end);
                (of.start, Some(&genes[there.clone()]), &cells[there])
            }
        };
        let place = move |k: usize| genes.map_or(k, |genes| genes[k] as usize - first);
        cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()).map(move |(k, cell)| (place(k), cell))
    }

    /// Returns the sum of one gene, empty where it has none.
    pub(in crate::ops) fn get(&self, gene: usize) -> C {
        match self {
            List::All(cells) => cells[gene],
            List::Some(genes, cells) => genes.binary_search(&(gene as u32)).map_or_else(|_| C::default(), |k| cells[k]),
        }
    }
}

/// Adds values to the sums of their genes.
pub(super) fn add_all<C: Accumulator>(cells: &mut [C], genes: &[u16], values: &[C::Value]) {
    genes.iter().zip(values).for_each(|(&gene, &x)| cells[gene as usize].add(x));
}

/// Returns whether sums of `n` of `n_vars` genes are kept in a list.
pub(super) fn few(n: usize, n_vars: usize) -> bool {
    n.saturating_mul(FEW) <= n_vars
}

/// Merges at most `most` new entries, whose genes ascend, into a list. `add` adds to a sum that is
/// there.
fn join<C: Accumulator, X>(
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
