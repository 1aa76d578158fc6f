//! Products with a dense matrix in memory: what `%*%` and randomised decompositions ask for.

use super::view::{add, each, scatter_rows, with_view};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::memory;
use crate::stream::{map_fold, Order};

/// The name of a product in errors.
const PRODUCT: &str = "the product with a dense matrix";

/// `x y`: `x` is n x m, `y` has m rows of `width` values, row-major; so has the result, with n rows. A zero that is
/// not stored adds nothing, whatever it meets in `y`.
///
/// # Errors
/// [`Error::Shape`] when `y` does not fit; those of the pass.
pub fn times(x: &LazyMatrix, y: &[f64], width: usize, ctx: &Context) -> Result<Vec<f64>> {
    let (n, m) = x.shape();
    fits(y, m, width)?;
    let mut product = memory::zeros(memory::count(&[n, width], PRODUCT)?, PRODUCT)?;
    map_fold(
        x,
        Order::File,
        ctx,
        |block| {
            let positions = block.positions.clone();
            let mut part = memory::zeros(positions.len() * width, PRODUCT)?;
            with_view!(block, view => {
                for (i, to) in part.chunks_exact_mut(width.max(1)).enumerate() {
                    each(view.row(i), |c, x| axpy(to, x, &y[c * width..][..width]));
                }
                Ok(())
            })?;
            Ok((positions, part))
        },
        |(positions, part)| {
            scatter_rows(&mut product, &positions, &part, width);
            Ok(())
        },
    )?;
    Ok(product)
}

/// `x' y`: `x` is n x m, `y` has n rows of `width` values, row-major; so has the result, with m rows.
///
/// # Errors
/// As [`times`].
pub fn transposed_times(x: &LazyMatrix, y: &[f64], width: usize, ctx: &Context) -> Result<Vec<f64>> {
    let (n, m) = x.shape();
    fits(y, n, width)?;
    let mut product = memory::zeros(memory::count(&[m, width], PRODUCT)?, PRODUCT)?;
    map_fold(
        x,
        Order::File,
        ctx,
        |block| {
            let mut part = memory::zeros(m * width, PRODUCT)?;
            with_view!(block, view => {
                for i in 0..view.n_rows() {
                    let from = &y[view.positions.at(i) * width..][..width];
                    each(view.row(i), |c, x| axpy(&mut part[c * width..][..width], x, from));
                }
                Ok(())
            })?;
            Ok(part)
        },
        |part| {
            add(&mut product, &part);
            Ok(())
        },
    )?;
    Ok(product)
}

fn fits(y: &[f64], rows: usize, width: usize) -> Result<()> {
    if rows.checked_mul(width) == Some(y.len()) {
        return Ok(());
    }
    Err(Error::shape("the second factor of a product", format!("{rows} rows"), y.len() / width.max(1)))
}

fn axpy(to: &mut [f64], a: f64, x: &[f64]) {
    to.iter_mut().zip(x).for_each(|(t, x)| *t += a * x);
}
