//! Samples counts without replacement (`scanpy.pp.downsample_counts`), recorded after a pass for
//! thresholds.
//!
//! Every molecule has a random key, and the molecules with the lowest keys stay, as many as asked
//! for. So each has the same chance. The lowest keys of a cell are found row by row. For the lowest
//! of a matrix, keys are counted by their leading bits first.

use super::view::{for_each_value, with_view, Check};
use crate::chain::nodes::{key_of, stream_of, Downsample};
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::session::Session;
use crate::stream::{gives_rows, gives_sum, reduce, Needs, Reducer};
use serde::Serialize;

/// The number of counts that stay.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// At most this many in every cell.
    Each(u64),
    /// At most this many in each cell, a number for each.
    OfCells(Vec<u64>),
    /// This many in all cells together.
    Total(u64),
}

const COUNTS: &str = "downsample_counts: keys of the counts of a cell";
/// The largest number of counts of a cell. It is bounded because each count is visited.
const MOST: f64 = 1e9;
/// The number of leading bits by which keys are counted.
const BITS: u32 = 16;

/// Records a sampling of counts. Results are whole numbers as float32 (float64 for float64 input).
/// A cell with no more counts than asked for keeps them all.
///
/// # Errors
/// [`Error::Shape`] unless `Counts::OfCells` has one number a cell; [`Error::Values`] for values
/// that are no counts.
pub fn downsample_counts(x: &LazyMatrix, to: &Counts, seed: u64, session: &Session) -> Result<LazyMatrix> {
    let (n, m) = x.shape();
    if let Counts::OfCells(each) = to {
        if each.len() != n {
            return Err(Error::shape("counts_per_cell, one a cell", n, each.len()));
        }
    }
    let molecules = Molecules { check: Check::counts(x, "downsample_counts"), name: x.name(), seed };
    let thresholds = match to {
        Counts::Total(total) => memory::filled(n, of_all(x, &molecules, *total, session)?, COUNTS)?,
        Counts::Each(_) | Counts::OfCells(_) => {
            reduce(x, &Thresholds { n, molecules: &molecules, to: to.into() }, session)?
        }
    };
    x.with(Downsample {
        thresholds: thresholds.into(),
        cells: memory::collected(0..n as u32, COUNTS)?.into(),
        genes: memory::collected((0..m as u32).map(f64::from), COUNTS)?.into(),
        seed,
    })
}

/// Returns the [`Needs`] of each pass of [`downsample_counts`] to counts of cells, for the plan of
/// `ops::explain`.
pub(super) fn passes() -> Vec<Needs> {
    vec![Thresholds::NEEDS]
}

/// Returns the threshold below which exactly `total` keys of all molecules lie; `u64::MAX` if there
/// are no more molecules than that.
fn of_all(x: &LazyMatrix, molecules: &Molecules, total: u64, session: &Session) -> Result<u64> {
    let counts = reduce(x, &Histogram { molecules }, session)?;
    let mut before = 0;
    let Some(bin) = counts.iter().position(|&count| {
        before += count;
        before > total
    }) else {
        return Ok(u64::MAX);
    };
    let left = (total - (before - counts[bin])) as usize;
    let mut keys = reduce(x, &OfBin { molecules, bin: bin as u64 }, session)?;
    keys.sort_unstable();
    keys.get(left).copied().ok_or_else(|| Error::Internal("keys of counts that are not there".to_owned()))
}

/// The molecules of a matrix, whose keys follow from the seed.
struct Molecules {
    check: Check,
    name: String,
    seed: u64,
}

impl Molecules {
    /// Goes through a block row by row: calls `start` with the number of counts of a row, `f` with
    /// the key of each, and `end` with the position of the row.
    fn of_block(
        &self,
        block: Block,
        mut start: impl FnMut(usize) -> Result<()>,
        mut f: impl FnMut(u64),
        mut end: impl FnMut(usize),
    ) -> Result<()> {
        with_view!(block, view => (0..view.n_rows()).try_for_each(|i| {
            self.check.row(&view, i)?;
            let cell = view.positions.row(i);
            let (mut total, mut odd) = (0.0, None);
            for_each_value(view.row(i), |column, count| {
                total += count;
                if odd.is_none() && (count.fract() != 0.0 || total > MOST) {
                    odd = Some((column, count));
                }
            });
            if let Some((column, value)) = odd {
                return Err(Error::Values {
                    element: self.name.clone(),
                    operation: "downsample_counts",
                    expected: "whole counts, up to 1e9 a cell",
                    found: value.to_string(),
                    row: cell,
                    column,
                });
            }
            start(total as usize)?;
            for_each_value(view.row(i), |column, count| {
                let stream = stream_of(self.seed, cell as u32, column as u32);
                (0..count as u64).for_each(|molecule| f(key_of(stream, molecule)));
            });
            end(cell);
            Ok(())
        }))
    }
}

#[derive(Serialize)]
struct Thresholds<'a> {
    n: usize,
    #[serde(skip)]
    molecules: &'a Molecules,
    to: Targets<'a>,
}

#[derive(Serialize)]
enum Targets<'a> {
    All(u64),
    Each(&'a [u64]),
}

impl<'a> From<&'a Counts> for Targets<'a> {
    fn from(counts: &'a Counts) -> Self {
        match counts {
            Counts::Each(n) | Counts::Total(n) => Targets::All(*n),
            Counts::OfCells(each) => Targets::Each(each),
        }
    }
}

impl Reducer for Thresholds<'_> {
    const NAME: &'static str = COUNTS;
    const NEEDS: Needs = Needs::FILE;
    gives_rows!(Vec<u64>);

    fn map(&self, block: Block) -> Result<((), Vec<u64>)> {
        let mut found = memory::room(block.n_rows(), COUNTS)?;
        let keys = std::cell::RefCell::new(Vec::new());
        self.molecules.of_block(
            block,
            |n| memory::reserve(&mut *keys.borrow_mut(), n, COUNTS),
            |key| keys.borrow_mut().push(key),
            |cell| {
                let mut keys = keys.borrow_mut();
                let target = match self.to {
                    Targets::All(n) => n,
                    Targets::Each(each) => each[cell],
                } as usize;
                found.push(if target < keys.len() { *keys.select_nth_unstable(target).1 } else { u64::MAX });
                keys.clear();
            },
        )?;
        Ok(((), found))
    }

    fn whole(&self) -> Result<Vec<u64>> {
        memory::zeros(self.n, COUNTS)
    }
}

/// The pass that counts keys by their leading bits.
#[derive(Serialize)]
struct Histogram<'a> {
    #[serde(skip)]
    molecules: &'a Molecules,
}

fn bin_of(key: u64) -> u64 {
    // Keys have 63 bits.
    key >> (63 - BITS)
}

impl Reducer for Histogram<'_> {
    const NAME: &'static str = COUNTS;
    const NEEDS: Needs = Needs::KEEPS;
    gives_sum!(Vec<u64>, |all, next| all.iter_mut().zip(&next).for_each(|(a, n)| *a += n));

    fn map(&self, block: Block) -> Result<(Vec<u64>, ())> {
        let mut counts = self.state()?;
        self.molecules.of_block(block, |_| Ok(()), |key| counts[bin_of(key) as usize] += 1, |_| {})?;
        Ok((counts, ()))
    }

    fn state(&self) -> Result<Vec<u64>> {
        memory::zeros(1 << BITS, COUNTS)
    }
}

/// The pass that collects the keys of one bin.
#[derive(Serialize)]
struct OfBin<'a> {
    #[serde(skip)]
    molecules: &'a Molecules,
    bin: u64,
}

impl Reducer for OfBin<'_> {
    const NAME: &'static str = COUNTS;
    const NEEDS: Needs = Needs::KEEPS;
    gives_sum!(Vec<u64>, |all, mut next| all.append(&mut next));

    fn map(&self, block: Block) -> Result<(Vec<u64>, ())> {
        let mut keys = Vec::new();
        self.molecules.of_block(
            block,
            |_| Ok(()),
            |key| {
                if bin_of(key) == self.bin {
                    keys.push(key);
                }
            },
            |_| {},
        )?;
        Ok((keys, ()))
    }

    fn state(&self) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }
}
