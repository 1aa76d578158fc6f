//! Removing what covariates explain (`scanpy.pp.regress_out`): one pass for the least-squares coefficients, then lazy.
//!
//! The covariates are made orthonormal first, so that the coefficients of every gene are plain products with its
//! values: no system is solved, covariates that depend on others drop out, and a sparse row costs its stored values.

use super::view::{add, each, with_view, Check};
use crate::chain::nodes::{Covariates, RegressOut};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::memory;
use crate::stream::map_fold_keeping;

/// What to regress on, one value a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Regressors {
    /// Named columns of numbers; an intercept is added.
    Numbers(Vec<(String, Vec<f64>)>),
    /// The group of each cell: every gene loses its mean in the group.
    Groups {
        /// Name of the column.
        name: String,
        /// Group of each cell.
        codes: Vec<u32>,
        /// Number of groups.
        n_groups: usize,
    },
}

/// A column whose length falls by more than this when the columns before it are taken out depends on them.
const DEPENDENT: f64 = 1e-10;

/// The matrix less the least-squares fit of each gene on `by` and an intercept, recorded after one pass. The result is
/// dense when read. Where covariates depend on each other, residuals are those of any least-squares solution.
///
/// # Errors
/// [`Error::Shape`] for another number of values than cells; [`Error::Parameter`] for covariates that are not finite;
/// [`Error::Values`] for NaN or infinite values of the matrix.
pub fn regress_out(x: &LazyMatrix, by: &Regressors, ctx: &Context) -> Result<LazyMatrix> {
    let n = x.shape().0;
    let fits = |found: usize| {
        let what = "keys, one value per cell";
        (found == n).then_some(()).ok_or_else(|| Error::shape(what, n, found))
    };
    let (covariates, width, keys): (_, _, Vec<String>) = match by {
        Regressors::Numbers(columns) => {
            for (name, values) in columns {
                fits(values.len())?;
                if let Some(v) = values.iter().find(|v| !v.is_finite()) {
                    return Err(Error::parameter("keys", "finite numbers", format!("{v} in '{name}'")));
                }
            }
            let (rows, width) = orthonormal_rows(n, columns)?;
            (Covariates::Numbers(rows.into()), width, columns.iter().map(|(name, _)| name.clone()).collect())
        }
        Regressors::Groups { name, codes, n_groups } => {
            fits(codes.len())?;
            if let Some(&g) = codes.iter().find(|&&g| g as usize >= *n_groups) {
                return Err(Error::Index { axis: "groups", index: i64::from(g), len: *n_groups });
            }
            (Covariates::Groups(codes.as_slice().into()), *n_groups, vec![name.clone()])
        }
    };
    let mut coefficients = products(x, &covariates, width, ctx)?;
    if let Covariates::Groups(codes) = &covariates {
        let mut sizes = vec![0.0_f64; width];
        codes.iter().for_each(|&g| sizes[g as usize] += 1.0);
        for row in coefficients.chunks_exact_mut(width.max(1)) {
            row.iter_mut().zip(&sizes).for_each(|(sum, size)| *sum /= size.max(1.0));
        }
    }
    x.with(RegressOut { covariates, coefficients: coefficients.into(), width, keys: keys.into() })
}

/// Products of every gene with every covariate, `n_vars x width`; sums by group where the covariates are groups.
fn products(x: &LazyMatrix, covariates: &Covariates, width: usize, ctx: &Context) -> Result<Vec<f64>> {
    let n_cols = x.shape().1;
    let check = Check::finite(x, "regress_out");
    let what = "regress_out: products of every gene with every covariate";
    let size = memory::count(&[n_cols, width], what)?;
    let mut all = memory::zeros(size, what)?;
    map_fold_keeping(
        x,
        ctx,
        |block| {
            let mut part = memory::zeros(size, what)?;
            with_view!(block, view => (0..view.n_rows()).try_for_each(|i| {
                check.row(&view, i)?;
                let position = view.positions.at(i);
                match covariates {
                    Covariates::Numbers(v) => {
                        let row = &v[position * width..][..width];
                        each(view.row(i), |c, x| {
                            part[c * width..][..width].iter_mut().zip(row).for_each(|(p, q)| *p += q * x);
                        });
                    }
                    Covariates::Groups(v) => {
                        let group = v[position] as usize;
                        each(view.row(i), |c, x| part[c * width + group] += x);
                    }
                }
                Ok(())
            }))?;
            Ok(part)
        },
        |part| {
            add(&mut all, &part);
            Ok(())
        },
    )?;
    Ok(all)
}

/// An orthonormal basis of the constant and the columns, row-major, and its width (modified Gram-Schmidt, twice over:
/// Giraud, Langou & Rozloznik 2005).
fn orthonormal_rows(n: usize, columns: &[(String, Vec<f64>)]) -> Result<(Vec<f64>, usize)> {
    let what = "regress_out: covariates of the cells";
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let constant = std::iter::once(memory::filled(n, 1.0, what));
    for column in constant.chain(columns.iter().map(|(_, v)| memory::collected(v.iter().copied(), what))) {
        let mut column = column?;
        // Scaled first, so that no square overflows.
        let largest = column.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            continue;
        }
        column.iter_mut().for_each(|v| *v /= largest);
        let before = dot(&column, &column).sqrt();
        for _ in 0..2 {
            for b in &basis {
                let along = dot(&column, b);
                column.iter_mut().zip(b).for_each(|(v, b)| *v -= along * b);
            }
        }
        let after = dot(&column, &column).sqrt();
        if after > DEPENDENT * before {
            column.iter_mut().for_each(|v| *v /= after);
            basis.push(column);
        }
    }
    let width = basis.len();
    let mut rows = memory::room(memory::count(&[n, width], what)?, what)?;
    (0..n).for_each(|i| rows.extend(basis.iter().map(|b| b[i])));
    Ok((rows, width))
}
