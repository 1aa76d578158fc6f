//! Sums over cells or genes.

use super::view::{add, each, scatter, with_view};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::error::Result;
use crate::memory;
use crate::stream::{map_fold, Order};

const GENES: &str = "sums of the genes";

/// The sum of every row, `n_obs` values. NaN and infinities propagate.
///
/// # Errors
/// Those of the pass.
pub fn row_sums(x: &LazyMatrix, ctx: &Context) -> Result<Vec<f64>> {
    let mut sums = memory::zeros(x.shape().0, "sums of the cells")?;
    map_fold(
        x,
        Order::File,
        ctx,
        |block| {
            let positions = block.positions.clone();
            let part: Vec<f64> = with_view!(block, view => Ok((0..view.n_rows())
                .map(|i| {
                    let mut sum = 0.0;
                    each(view.row(i), |_, x| sum += x);
                    sum
                })
                .collect()))?;
            Ok((positions, part))
        },
        |(positions, part)| {
            scatter(&mut sums, &positions, &part);
            Ok(())
        },
    )?;
    Ok(sums)
}

/// The sum of every column, `n_vars` values. NaN and infinities propagate.
///
/// # Errors
/// Those of the pass.
pub fn col_sums(x: &LazyMatrix, ctx: &Context) -> Result<Vec<f64>> {
    let n_cols = x.shape().1;
    let mut sums = memory::zeros::<f64>(n_cols, GENES)?;
    map_fold(
        x,
        Order::File,
        ctx,
        |block| {
            let mut part = memory::zeros::<f64>(n_cols, GENES)?;
            with_view!(block, view => {
                for i in 0..view.n_rows() {
                    each(view.row(i), |c, x| part[c] += x);
                }
                Ok(())
            })?;
            Ok(part)
        },
        |part| {
            add(&mut sums, &part);
            Ok(())
        },
    )?;
    Ok(sums)
}
