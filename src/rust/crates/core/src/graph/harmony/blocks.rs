//! Batches of the cells, and the blocks that a pass visits: within each, the cells of one
//! combination of batches are adjacent.

use super::{Factor, HarmonyParams, HARMONY};
use crate::error::{Error, Result};
use crate::memory;
use crate::random::mix;
use std::collections::HashMap;
use std::ops::Range;

/// Cells of a piece at most.
const CELLS: usize = 256;

/// The levels of all factors, and the combination of levels of each cell.
pub(super) struct Batches {
    /// The number of each factor's first level, levels being numbered across all factors; then the
    /// number of levels.
    pub(super) starts: Vec<usize>,
    /// The share of the cells in each level.
    pub(super) shares: Vec<f64>,
    /// The weight of the diversity penalty of each level.
    pub(super) theta: Vec<f64>,
    /// The ridge penalty of each level; `None` where it is not given.
    pub(super) lamb: Option<Vec<f64>>,
    /// The levels, one per factor, of each combination that occurs.
    pub(super) combinations: Vec<Vec<u32>>,
    /// The combination of each cell.
    pub(super) of: Vec<u32>,
}

impl Batches {
    /// Assigns numbers to the levels and combinations of `n` cells, and computes the weights of the
    /// levels' penalties.
    pub(super) fn new(n: usize, factors: &[Factor], params: &HarmonyParams) -> Result<Self> {
        let given = |name, values: &[f64]| match values {
            [one] => Ok(vec![*one; factors.len()]),
            all if all.len() == factors.len() => Ok(all.to_vec()),
            all => {
                let expected = format!("one number, or one for each of {} keys", factors.len());
                Err(Error::parameter(name, expected, format!("{} numbers", all.len())))
            }
        };
        let theta = given("theta", &params.theta)?;
        let lamb = if params.lamb.is_empty() { None } else { Some(given("lamb", &params.lamb)?) };
        let n_clusters = params.nclust.unwrap_or(((n as f64 / 30.0).round() as usize).clamp(1, 100)) as f64;
        let mut starts = vec![0];
        let (mut shares, mut weights, mut ridge) = (Vec::new(), Vec::new(), Vec::new());
        for (f, factor) in factors.iter().enumerate() {
            let mut sizes = memory::zeros::<u32>(factor.n_levels, HARMONY)?;
            factor.codes.iter().for_each(|&code| sizes[code as usize] += 1);
            if sizes.iter().filter(|&&size| size > 0).count() < 2 {
                return Err(Error::parameter("key", "columns of at least two batches", "one with a single batch"));
            }
            for size in sizes.into_iter().map(f64::from) {
                shares.push(size / n as f64);
                let small = if params.tau > 0.0 { (-(size / (n_clusters * params.tau)).powi(2)).exp() } else { 0.0 };
                weights.push(theta[f] * (1.0 - small));
                ridge.extend(lamb.as_ref().map(|lamb| lamb[f]));
            }
            starts.push(shares.len());
        }
        let mut numbers = HashMap::new();
        let mut combinations = Vec::new();
        let mut of = memory::room(n, HARMONY)?;
        let mut levels = vec![0; factors.len()];
        for cell in 0..n {
            for ((level, factor), start) in levels.iter_mut().zip(factors).zip(&starts) {
                *level = factor.codes[cell] + *start as u32;
            }
            let number = match numbers.get(&levels) {
                Some(&number) => number,
                None => {
                    let number = combinations.len() as u32;
                    combinations.push(levels.clone());
                    numbers.insert(levels.clone(), number);
                    number
                }
            };
            of.push(number);
        }
        let lamb = lamb.map(|_| ridge);
        Ok(Batches { starts, shares, theta: weights, lamb, combinations, of })
    }

    /// Returns the number of levels of all factors.
    pub(super) fn n_levels(&self) -> usize {
        self.shares.len()
    }

    /// Returns the range of level numbers of each factor in turn.
    pub(super) fn factors(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.starts.windows(2).map(|pair| pair[0]..pair[1])
    }
}

/// A run of cells of one combination.
pub(super) struct Piece {
    /// The number of the combination.
    pub(super) combination: usize,
    /// The positions of the cells in [`Blocks::cells`].
    pub(super) cells: Range<usize>,
}

/// The cells by block, and within a block by combination.
#[derive(Default)]
pub(super) struct Blocks {
    /// The numbers of all cells, sorted by block and combination.
    pub(super) cells: Vec<u32>,
    /// The pieces of all blocks, in order.
    pub(super) pieces: Vec<Piece>,
    /// The pieces of each block.
    pub(super) blocks: Vec<Range<usize>>,
}

impl Blocks {
    /// Sorts all cells into `n_blocks` blocks, each into the one that `block` returns.
    pub(super) fn fill(&mut self, batches: &Batches, n_blocks: usize, block: impl Fn(usize) -> usize) -> Result<()> {
        let n_combinations = batches.combinations.len();
        let mut at = memory::zeros::<usize>(n_blocks * n_combinations + 1, HARMONY)?;
        let place = |cell: usize, combination: u32| block(cell) * n_combinations + combination as usize;
        for (cell, &combination) in batches.of.iter().enumerate() {
            at[place(cell, combination) + 1] += 1;
        }
        for i in 1..at.len() {
            at[i] += at[i - 1];
        }
        self.pieces.clear();
        self.blocks.clear();
        for b in 0..n_blocks {
            let first = self.pieces.len();
            for combination in 0..n_combinations {
                let i = b * n_combinations + combination;
                let (mut from, end) = (at[i], at[i + 1]);
                while from < end {
                    let to = end.min(from + CELLS);
                    self.pieces.push(Piece { combination, cells: from..to });
                    from = to;
                }
            }
            self.blocks.push(first..self.pieces.len());
        }
        memory::lengthen(&mut self.cells, batches.of.len(), 0, HARMONY)?;
        for (cell, &combination) in batches.of.iter().enumerate() {
            let next = &mut at[place(cell, combination)];
            self.cells[*next] = cell as u32;
            *next += 1;
        }
        Ok(())
    }
}

/// Returns the block, below `n_blocks`, of a cell. It is drawn at random from `key`, which is
/// different for every pass, and from the number of the cell.
pub(super) fn block_of(key: u64, cell: usize, n_blocks: usize) -> usize {
    ((u128::from(mix(key ^ mix(cell as u64))) * n_blocks as u128) >> 64) as usize
}
