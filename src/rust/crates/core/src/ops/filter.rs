//! Which cells and genes to keep, by counts or by number detected.

use super::moments::Axis;
use super::sums::past_doubles;
use super::view::{add, each, scatter, sums_column, with_view, Check};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element::{DType, Data, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::patch::Patch;
use crate::stream::{map_fold, Order};

/// What [`filter_cells`] looks at; exactly one criterion a call, as in scanpy. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum CellCriterion {
    MinGenes(f64),
    MinCounts(f64),
    MaxGenes(f64),
    MaxCounts(f64),
}

/// What [`filter_genes`] looks at; exactly one criterion a call, as in scanpy. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum GeneCriterion {
    MinCells(f64),
    MinCounts(f64),
    MaxCells(f64),
    MaxCounts(f64),
}

const NUMBERS: &str = "numbers of cells or genes";

/// Result of a filter: which rows (columns) stay, and the number they were judged by, for all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtered {
    /// Whether each stays.
    pub keep: Vec<bool>,
    /// Counts, or numbers detected, of each before filtering.
    pub number: Vec<f64>,
    /// Name of the column scanpy keeps the number in: "n_genes", "n_cells" or "n_counts".
    pub column: &'static str,
    /// Counts of integers that doubles do not hold.
    exact: Option<Data>,
    dtype: DType,
    cells: bool,
}

impl Filtered {
    /// Positions of what stays, for [`LazyMatrix::select`].
    pub fn positions(&self) -> Vec<u32> {
        (0..self.keep.len() as u32).filter(|&i| self.keep[i as usize]).collect()
    }

    /// The column of numbers before filtering: merge it, then select.
    pub fn patch(&self) -> Patch {
        let dtype = if self.column == "n_counts" { self.dtype } else { DType::I64 };
        let values = self.exact.clone().map_or_else(|| sums_column(&self.number, dtype), Value::vector);
        let column = vec![(self.column.to_owned(), values)];
        if self.cells {
            Patch { obs: column, ..Patch::default() }
        } else {
            Patch { var: column, ..Patch::default() }
        }
    }
}

/// Cells with enough, or not too many, counts or detected genes (`scanpy.pp.filter_cells`).
///
/// # Errors
/// [`Error::Values`] for a negative, NaN or infinite value; [`Error::Parameter`] for a bound that is not a number.
pub fn filter_cells(x: &LazyMatrix, criterion: CellCriterion, ctx: &Context) -> Result<Filtered> {
    use CellCriterion::*;
    let (parameter, bound, counts, minimum) = match criterion {
        MinGenes(b) => ("min_genes", b, false, true),
        MinCounts(b) => ("min_counts", b, true, true),
        MaxGenes(b) => ("max_genes", b, false, false),
        MaxCounts(b) => ("max_counts", b, true, false),
    };
    check_bound(parameter, bound)?;
    let check = Check::counts(x, "filter_cells");
    let mut number = memory::zeros::<f64>(x.shape().0, NUMBERS)?;
    map_fold(
        x,
        Order::File,
        ctx,
        |block| {
            let positions = block.positions.clone();
            let part: Vec<f64> = with_view!(block, view => (0..view.n_rows()).map(|i| {
                check.row(&view, i)?;
                let (mut sum, mut n) = (0.0, 0u32);
                each(view.row(i), |_, x| {
                    sum += x;
                    n += u32::from(x != 0.0);
                });
                Ok(if counts { sum } else { f64::from(n) })
            }).collect::<Result<_>>())?;
            Ok((positions, part))
        },
        |(positions, part)| {
            scatter(&mut number, &positions, &part);
            Ok(())
        },
    )?;
    let column = if counts { "n_counts" } else { "n_genes" };
    let exact = if counts { past_doubles(x, Axis::Var, &mut number, ctx)? } else { None };
    Ok(Filtered { keep: within(&number, bound, minimum)?, number, column, exact, dtype: x.dtype(), cells: true })
}

/// Genes with enough, or not too many, counts or cells they are detected in (`scanpy.pp.filter_genes`).
///
/// # Errors
/// [`Error::Values`] for a negative, NaN or infinite value; [`Error::Parameter`] for a bound that is not a number.
pub fn filter_genes(x: &LazyMatrix, criterion: GeneCriterion, ctx: &Context) -> Result<Filtered> {
    use GeneCriterion::*;
    let (parameter, bound, counts, minimum) = match criterion {
        MinCells(b) => ("min_cells", b, false, true),
        MinCounts(b) => ("min_counts", b, true, true),
        MaxCells(b) => ("max_cells", b, false, false),
        MaxCounts(b) => ("max_counts", b, true, false),
    };
    check_bound(parameter, bound)?;
    let check = Check::counts(x, "filter_genes");
    let n_vars = x.shape().1;
    let mut number = memory::zeros::<f64>(n_vars, NUMBERS)?;
    map_fold(
        x,
        Order::File,
        ctx,
        |block| {
            let mut part = memory::zeros::<f64>(n_vars, NUMBERS)?;
            with_view!(block, view => {
                for i in 0..view.n_rows() {
                    check.row(&view, i)?;
                    each(view.row(i), |c, x| part[c] += if counts { x } else { f64::from(u8::from(x != 0.0)) });
                }
                Ok(())
            })?;
            Ok(part)
        },
        |part| {
            add(&mut number, &part);
            Ok(())
        },
    )?;
    let column = if counts { "n_counts" } else { "n_cells" };
    let exact = if counts { past_doubles(x, Axis::Obs, &mut number, ctx)? } else { None };
    Ok(Filtered { keep: within(&number, bound, minimum)?, number, column, exact, dtype: x.dtype(), cells: false })
}

fn check_bound(parameter: &'static str, bound: f64) -> Result<()> {
    if bound.is_nan() {
        return Err(Error::parameter(parameter, "a number", bound));
    }
    Ok(())
}

fn within(number: &[f64], bound: f64, minimum: bool) -> Result<Vec<bool>> {
    memory::collected(number.iter().map(|&n| if minimum { n >= bound } else { n <= bound }), NUMBERS)
}
