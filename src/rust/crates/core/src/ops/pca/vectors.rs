//! Blocks of vectors, one a column.

use crate::error::Result;
use crate::memory;
use faer::Mat;

/// Vectors multiplied together: what the registers hold.
pub(super) const TOGETHER: usize = 32;

/// A matrix in memory that was asked for.
pub(super) fn matrix(rows: usize, columns: usize, value: impl FnMut(usize, usize) -> f64) -> Result<Mat<f64>> {
    let what = "pca: vectors of all genes";
    let mut out = Mat::new();
    let size = memory::count(&[rows, columns, 8], what)?;
    out.try_reserve(rows, columns).map_err(|_| memory::refused::<u8>(size, what))?;
    out.resize_with(rows, columns, value);
    Ok(out)
}
