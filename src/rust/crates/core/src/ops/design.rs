//! The design matrix of covariates of the cells.

use crate::error::{Error, Result};
use crate::memory;

/// The share of its length up to which the rest of a column counts as nothing once the columns
/// before it are projected out.
const DEPENDENT: f64 = 1e-10;

/// Returns an orthonormal basis of the constant and the columns, row-major, and its width. The
/// first vector is constant. Columns that depend on others add none (modified Gram-Schmidt, twice
/// over: Giraud, Langou & Rozloznik 2005). `parameter` is the name of the parameter in errors.
///
/// # Errors
/// [`Error::Shape`] unless there is one value a cell; [`Error::Parameter`] for values that are not
/// finite.
pub(super) fn orthonormal_rows(
    parameter: &'static str,
    n: usize,
    columns: &[(String, Vec<f64>)],
) -> Result<(Vec<f64>, usize)> {
    for (name, values) in columns {
        if values.len() != n {
            return Err(Error::shape(format!("{parameter}, one value per cell"), n, values.len()));
        }
        if let Some(v) = values.iter().find(|v| !v.is_finite()) {
            return Err(Error::parameter(parameter, "finite numbers", format!("{v} in '{name}'")));
        }
    }

    let what = "covariates of the cells";
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for (_, column) in columns {
        let mut column = memory::collected(column.iter().copied(), what)?;
        // Columns are scaled first, so that no square overflows.
        let largest = column.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            continue;
        }
        column.iter_mut().for_each(|v| *v /= largest);
        let before = dot(&column, &column).sqrt();
        for _ in 0..2 {
            let first = column[0];
            let mean = first + column.iter().map(|v| v - first).sum::<f64>() / n as f64;
            column.iter_mut().for_each(|v| *v -= mean);
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
    let width = basis.len() + 1;
    let mut rows = memory::room(memory::count(&[n, width], what)?, what)?;
    (0..n).for_each(|i| rows.extend(std::iter::once(1.0).chain(basis.iter().map(|b| b[i]))));
    Ok((rows, width))
}
