//! Blocks of vectors, one vector a column.

use crate::error::Result;
use crate::memory;
use faer::Mat;

/// The number of vectors multiplied together: as many as the registers hold.
pub(super) const TOGETHER: usize = 32;

/// Makes a matrix of `value(row, column)`. An allocation that fails is an error.
pub(super) fn matrix(rows: usize, columns: usize, value: impl FnMut(usize, usize) -> f64) -> Result<Mat<f64>> {
    let what = "pca: vectors of all genes";
    let mut out = Mat::new();
    let size = memory::count(&[rows, columns, 8], what)?;
    out.try_reserve(rows, columns).map_err(|_| memory::refused::<u8>(size, what))?;
    out.resize_with(rows, columns, value);
    Ok(out)
}
