//! Filters of cells and genes, by counts or by the number detected.

use super::moments::Axis;
use super::sums::past_doubles;
use super::view::{add, for_each_value, sums_column, with_view, Check};
use crate::chain::{ColumnCounts, LazyMatrix};
use crate::element::{DType, Data};
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::patch::Patch;
use crate::session::Session;
use crate::stream::{gives_rows, gives_sum, reduce, Needs, Reducer};
use serde::Serialize;

/// The criterion of [`filter_cells`]; exactly one criterion a call, as in scanpy. Bounds are
/// inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum CellCriterion {
    MinGenes(f64),
    MinCounts(f64),
    MaxGenes(f64),
    MaxCounts(f64),
}

/// The criterion of [`filter_genes`]; exactly one criterion a call, as in scanpy. Bounds are
/// inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum GeneCriterion {
    MinCells(f64),
    MinCounts(f64),
    MaxCells(f64),
    MaxCounts(f64),
}

const NUMBERS: &str = "numbers of cells or genes";

/// The result of a filter: for every row (or column) whether it stays, and the number that decides
/// it.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtered {
    /// Whether each row (or column) stays.
    pub keep: Vec<bool>,
    /// The counts of each, or the number detected, before filtering.
    pub number: Vec<f64>,
    /// The name of scanpy's column of these numbers: "n_genes", "n_cells" or "n_counts".
    pub column: &'static str,
    /// Exact counts of integers that doubles cannot hold.
    exact: Option<Data>,
    dtype: DType,
    cells: bool,
}

impl Filtered {
    /// Returns the positions of the rows (or columns) that stay, for [`LazyMatrix::select`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn positions(&self) -> Result<Vec<u32>> {
        let kept = self.keep.iter().filter(|&&kept| kept).count();
        memory::exactly(kept, (0..self.keep.len() as u32).filter(|&i| self.keep[i as usize]), NUMBERS)
    }

    /// Returns the column of numbers before filtering. Merge it first, then select.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn patch(&self) -> Result<Patch> {
        let dtype = if self.column == "n_counts" { self.dtype } else { DType::I64 };
        let values = sums_column(&self.number, self.exact.as_ref(), dtype)?;
        let column = vec![(self.column.to_owned(), values)];
        Ok(if self.cells {
            Patch { obs: column, ..Patch::default() }
        } else {
            Patch { var: column, ..Patch::default() }
        })
    }
}

/// Finds the cells with enough, or not too many, counts or detected genes
/// (`scanpy.pp.filter_cells`).
///
/// # Errors
/// [`Error::Values`] for a negative, NaN or infinite value; [`Error::Parameter`] for a bound that
/// is not a number.
pub fn filter_cells(x: &LazyMatrix, criterion: CellCriterion, session: &Session) -> Result<Filtered> {
    use CellCriterion::*;
    let (parameter, bound, counts, minimum) = match criterion {
        MinGenes(b) => ("min_genes", b, false, true),
        MinCounts(b) => ("min_counts", b, true, true),
        MaxGenes(b) => ("max_genes", b, false, false),
        MaxCounts(b) => ("max_counts", b, true, false),
    };
    check_bound(parameter, bound)?;
    let check = Check::counts(x, "filter_cells");
    let known = match x.known_rows(session) {
        Some(rows) if counts => Some(rows.sums()?),
        Some(rows) => rows.detected()?,
        None => None,
    };
    let is_known = known.is_some();
    let (mut number, other) = match known {
        Some(number) => (number, Vec::new()),
        None => {
            let (sums, detected) = reduce(x, &CellNumbers { n_obs: x.shape().0, check }, session)?;
            if counts {
                (sums, detected)
            } else {
                (detected, sums)
            }
        }
    };
    let column = if counts { "n_counts" } else { "n_genes" };
    let exact = if counts { past_doubles(x, Axis::Var, &mut number, session)? } else { None };
    if !is_known {
        let (sums, detected) = if counts { (&number, &other) } else { (&other, &number) };
        x.learn_rows(sums, Some(detected), session);
    }
    Ok(Filtered { keep: inside_bound(&number, bound, minimum)?, number, column, exact, dtype: x.dtype(), cells: true })
}

/// Finds the genes with enough, or not too many, counts or cells that they are detected in
/// (`scanpy.pp.filter_genes`).
///
/// # Errors
/// [`Error::Values`] for a negative, NaN or infinite value; [`Error::Parameter`] for a bound that
/// is not a number.
pub fn filter_genes(x: &LazyMatrix, criterion: GeneCriterion, session: &Session) -> Result<Filtered> {
    use GeneCriterion::*;
    let (parameter, bound, counts, minimum) = match criterion {
        MinCells(b) => ("min_cells", b, false, true),
        MinCounts(b) => ("min_counts", b, true, true),
        MaxCells(b) => ("max_cells", b, false, false),
        MaxCounts(b) => ("max_counts", b, true, false),
    };
    check_bound(parameter, bound)?;
    let check = Check::counts(x, "filter_genes");
    let known = match x.known_columns(session) {
        Some(columns) if counts => Some(columns.sums),
        Some(ColumnCounts { detected: Some(detected), .. }) => {
            Some(memory::collected(detected.iter().map(|&n| n as f64), NUMBERS)?)
        }
        _ => None,
    };
    let read = || reduce(x, &GeneNumbers { n_vars: x.shape().1, counts, check }, session);
    let mut number = known.map_or_else(read, Ok)?;
    let column = if counts { "n_counts" } else { "n_cells" };
    let exact = if counts { past_doubles(x, Axis::Obs, &mut number, session)? } else { None };
    Ok(Filtered { keep: inside_bound(&number, bound, minimum)?, number, column, exact, dtype: x.dtype(), cells: false })
}

/// The pass that gives the counts of each cell, and the number of genes detected in it.
#[derive(Serialize)]
struct CellNumbers {
    n_obs: usize,
    #[serde(skip)]
    check: Check,
}

impl Reducer for CellNumbers {
    const NAME: &'static str = "filter_cells: numbers of the cells";
    const NEEDS: Needs = Needs::FILE;
    gives_rows!((Vec<f64>, Vec<f64>));

    fn map(&self, block: Block) -> Result<((), (Vec<f64>, Vec<f64>))> {
        let rows = with_view!(block, view => (0..view.n_rows()).map(|i| {
            self.check.row(&view, i)?;
            let (mut sum, mut n) = (0.0, 0u32);
            for_each_value(view.row(i), |_, x| {
                sum += x;
                n += u32::from(x != 0.0);
            });
            Ok((sum, f64::from(n)))
        }).collect::<Result<_>>())?;
        Ok(((), rows))
    }

    fn whole(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok((memory::zeros(self.n_obs, NUMBERS)?, memory::zeros(self.n_obs, NUMBERS)?))
    }
}

/// The [`Needs`] of the pass of a filter, for the plan of `ops::explain`.
pub(super) const NEEDS: Needs = CellNumbers::NEEDS;

/// The pass that gives the counts of each gene, or the number of cells that it is detected in.
#[derive(Serialize)]
struct GeneNumbers {
    n_vars: usize,
    counts: bool,
    #[serde(skip)]
    check: Check,
}

impl Reducer for GeneNumbers {
    const NAME: &'static str = "filter_genes: numbers of the genes";
    const NEEDS: Needs = Needs::FILE;
    gives_sum!(Vec<f64>, |number, next| add(number, &next));

    fn map(&self, block: Block) -> Result<(Vec<f64>, ())> {
        let mut part = self.state()?;
        with_view!(block, view => {
            for i in 0..view.n_rows() {
                self.check.row(&view, i)?;
                for_each_value(view.row(i), |c, x| part[c] += if self.counts { x } else { f64::from(u8::from(x != 0.0)) });
            }
            Ok(())
        })?;
        Ok((part, ()))
    }

    fn state(&self) -> Result<Vec<f64>> {
        memory::zeros(self.n_vars, NUMBERS)
    }
}

fn check_bound(parameter: &'static str, bound: f64) -> Result<()> {
    if bound.is_nan() {
        return Err(Error::parameter(parameter, "a number", bound));
    }
    Ok(())
}

fn inside_bound(number: &[f64], bound: f64, minimum: bool) -> Result<Vec<bool>> {
    memory::collected(number.iter().map(|&n| if minimum { n >= bound } else { n <= bound }), NUMBERS)
}
