//! Products with a dense matrix in memory, for `%*%` and randomised decompositions.

use super::view::{add, for_each_value, with_view};
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::session::Session;
use crate::stream::{gives_rows, gives_sum, reduce, Needs, Reducer};
use serde::Serialize;

/// The name, in errors, of a product.
const PRODUCT: &str = "the product with a dense matrix";

/// Returns `x y`, n x `width`, for `x` of n x m and `y` of m x `width`, both row-major. A zero that
/// is not stored adds nothing, even where `y` has NaN or infinity.
///
/// # Errors
/// [`Error::Shape`] when `y` has another number of values; the errors of the pass.
pub fn times(x: &LazyMatrix, y: &[f64], width: usize, session: &Session) -> Result<Vec<f64>> {
    let (n_rows, m) = x.shape();
    fits(y, m, width)?;
    reduce(x, &Times { n_rows, y, width }, session)
}

/// Returns `x' y`, m x `width`, for `x` of n x m and `y` of n x `width`, both row-major.
///
/// # Errors
/// The errors of [`times`].
pub fn transposed_times(x: &LazyMatrix, y: &[f64], width: usize, session: &Session) -> Result<Vec<f64>> {
    let (n, n_cols) = x.shape();
    fits(y, n, width)?;
    reduce(x, &TransposedTimes { n_cols, y, width }, session)
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

#[derive(Serialize)]
struct Times<'a> {
    n_rows: usize,
    y: &'a [f64],
    width: usize,
}

impl Reducer for Times<'_> {
    const NAME: &'static str = "products of the rows with a matrix";
    const NEEDS: Needs = Needs::FILE;
    gives_rows!(Vec<f64>);

    fn map(&self, block: Block) -> Result<((), Vec<f64>)> {
        let width = self.width;
        let mut part = memory::zeros(memory::count(&[block.n_rows(), width], PRODUCT)?, PRODUCT)?;
        with_view!(block, view => {
            for (i, to) in part.chunks_exact_mut(width.max(1)).enumerate() {
                for_each_value(view.row(i), |c, x| axpy(to, x, &self.y[c * width..][..width]));
            }
            Ok(((), part))
        })
    }

    fn whole(&self) -> Result<Vec<f64>> {
        memory::zeros(memory::count(&[self.n_rows, self.width], PRODUCT)?, PRODUCT)
    }
}

#[derive(Serialize)]
struct TransposedTimes<'a> {
    n_cols: usize,
    y: &'a [f64],
    width: usize,
}

impl TransposedTimes<'_> {
    fn zeros(&self) -> Result<Vec<f64>> {
        memory::zeros(memory::count(&[self.n_cols, self.width], PRODUCT)?, PRODUCT)
    }
}

impl Reducer for TransposedTimes<'_> {
    const NAME: &'static str = "products of the columns with a matrix";
    const NEEDS: Needs = Needs::FILE.long();
    gives_sum!(Vec<f64>, |product, next| add(product, &next));

    fn map(&self, block: Block) -> Result<(Vec<f64>, ())> {
        let width = self.width;
        let mut part = self.zeros()?;
        with_view!(block, view => {
            for i in 0..view.n_rows() {
                let from = &self.y[view.positions.row(i) * width..][..width];
                for_each_value(view.row(i), |c, x| axpy(&mut part[c * width..][..width], x, from));
            }
            Ok((part, ()))
        })
    }

    fn state(&self) -> Result<Vec<f64>> {
        self.zeros()
    }
}
