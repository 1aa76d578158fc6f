//! Mean and variance over cells or genes.

use super::moments::{finite_or_zero, with_zeros, Axis, MeanVar, Moments};
use super::view::{for_each_value, with_view, RowOf};
use crate::chain::LazyMatrix;
use crate::element::Number;
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::session::Session;
use crate::stream::{gives_sum, no_state, reduce, Needs, Reducer};
use serde::Serialize;

/// Returns means and variances along `axis` with divisor `n - ddof` (scanpy uses `ddof = 1`). NaN
/// and infinities propagate.
///
/// # Errors
/// The errors of the pass.
pub fn mean_var(x: &LazyMatrix, axis: Axis, ddof: usize, session: &Session) -> Result<MeanVar> {
    match axis {
        Axis::Obs => {
            let moments = match x.known_columns(session) {
                Some(known) => Moments::of_vectors(x.shape().0, known.mean, known.m2),
                None => column_moments(x, session)?,
            };
            Ok(moments.finish(ddof))
        }
        Axis::Var => row_mean_var(x, ddof, session),
    }
}

/// Returns the [`Needs`] of each pass of [`mean_var`] over genes, for the plan of `ops::explain`.
pub(super) fn passes() -> Vec<Needs> {
    vec![ColumnMoments::NEEDS]
}

fn column_moments(x: &LazyMatrix, session: &Session) -> Result<Moments> {
    reduce(x, &ColumnMoments { n_vars: x.shape().1 }, session)
}

#[derive(Serialize)]
struct ColumnMoments {
    n_vars: usize,
}

impl Reducer for ColumnMoments {
    const NAME: &'static str = "moments of the columns";
    const NEEDS: Needs = Needs::KEEPS;
    gives_sum!(Moments, |moments, next| moments.merge(&next));

    fn map(&self, block: Block) -> Result<(Moments, ())> {
        Ok((with_view!(block, view => Moments::of_block(&view))?, ()))
    }

    fn state(&self) -> Result<Moments> {
        Ok(Moments::new(self.n_vars))
    }
}

fn row_mean_var(x: &LazyMatrix, ddof: usize, session: &Session) -> Result<MeanVar> {
    let (n_rows, n_cols) = x.shape();
    reduce(x, &RowMoments { n_rows, n_cols, ddof }, session)
}

#[derive(Serialize)]
struct RowMoments {
    n_rows: usize,
    n_cols: usize,
    ddof: usize,
}

impl Reducer for RowMoments {
    const NAME: &'static str = "moments of the rows";
    const NEEDS: Needs = Needs::FILE;
    no_state!();
    type Rows = (Vec<f64>, Vec<f64>);
    type Whole = (Vec<f64>, Vec<f64>);
    type Output = MeanVar;

    fn map(&self, block: Block) -> Result<((), Self::Rows)> {
        let n = self.n_cols;
        let divisor = if n > self.ddof { n as f64 - self.ddof as f64 } else { f64::NAN };
        let rows = with_view!(block, view => Ok((0..view.n_rows()).map(|i| {
            let (mean, m2) = row_moments(view.row(i), n);
            (mean, m2 / divisor)
        }).unzip()))?;
        Ok(((), rows))
    }

    fn whole(&self) -> Result<Self::Whole> {
        let empty = || memory::filled(self.n_rows, f64::NAN, "mean_var: means and variances of the cells");
        Ok((empty()?, empty()?))
    }

    fn finish(&self, (): (), (mean, var): Self::Whole) -> Result<MeanVar> {
        Ok(MeanVar { mean, var })
    }
}

/// Returns the mean and the sum of squared deviations of a row of `n` values.
fn row_moments<T: Number>(row: RowOf<'_, T>, n: usize) -> (f64, f64) {
    let Some(first) = row.1.first() else {
        return if n == 0 { (f64::NAN, 0.0) } else { (0.0, 0.0) };
    };
    let first = finite_or_zero(first.to_f64());
    let stored = row.1.len() as f64;
    let mut sum = 0.0;
    for_each_value(row, |_, x| sum += x - first);
    // A second sweep costs little, as the row is in the cache, and makes the result precise for any
    // offset.
    let shift = if sum.is_finite() { first + sum / stored } else { first };
    let (mut sum, mut sq) = (0.0, 0.0);
    for_each_value(row, |_, x| {
        let d = x - shift;
        sum += d;
        sq += d * d;
    });
    let (shift, offset, m2) = with_zeros(stored, n as f64, shift, sum, sq);
    (shift + offset, m2)
}
