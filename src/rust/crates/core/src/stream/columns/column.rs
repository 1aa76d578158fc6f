//! The values of a column, and the function that is called for each column.

use crate::dtype::{as_bytes, as_bytes_mut};
use crate::element::Number;
use crate::error::Result;
use crate::matrix::Block;
use crate::memory::Zero;

/// The name, in errors, of the values of columns.
pub(super) const COLUMNS: &str = "the values of some columns of all rows";

/// The label of a row that is left out.
pub const NO_LABEL: u32 = u32::MAX;

/// The values of one column that are not 0, in the order of the file.
#[derive(Debug)]
pub struct Column<'a, T, L> {
    /// The position of the column in the matrix.
    pub index: usize,
    /// The label of the row of each value.
    pub labels: &'a [L],
    /// The values.
    pub values: &'a [T],
}

/// A number that is written to a scratch file in the byte order of memory.
pub trait Bytes: Copy + Default + Zero + Send + Sync + 'static {
    /// Returns the bytes of `v`.
    fn bytes(v: &[Self]) -> &[u8];
    /// Returns the bytes of `v`, to be overwritten.
    fn bytes_mut(v: &mut [Self]) -> &mut [u8];
}

/// A value of a column, float32 or float64.
pub trait Value: Number + Bytes {}
impl Value for f32 {}
impl Value for f64 {}

/// The label of a row, in as few bytes as the largest label needs.
pub trait Label: Bytes {
    /// Makes a label of a number that fits.
    fn from_code(label: u32) -> Self;
    /// Returns the label as a number.
    fn index(self) -> usize;
}

macro_rules! bytes {
    ($($type:ty),*) => {$(
        impl Bytes for $type {
            fn bytes(v: &[Self]) -> &[u8] {
                as_bytes(v)
            }

            fn bytes_mut(v: &mut [Self]) -> &mut [u8] {
                as_bytes_mut(v)
            }
        }
    )*};
}
bytes!(u16, u32, f32, f64);

macro_rules! label {
    ($($type:ty),*) => {$(
        impl Label for $type {
            #[inline(always)]
            fn from_code(label: u32) -> Self {
                label as $type
            }

            #[inline(always)]
            fn index(self) -> usize {
                self as usize
            }
        }
    )*};
}
label!(u16, u32);

/// A function of a column.
pub trait PerColumn: Sync {
    /// The result for a column.
    type Output: Send;

    /// Computes the result of a column, on any thread.
    ///
    /// # Errors
    /// The errors of the implementation.
    fn column<T: Value, L: Label>(&self, column: &Column<'_, T, L>) -> Result<Self::Output>;

    /// Looks at the float values of a block as they are read, with their positions in the matrix,
    /// on any thread.
    ///
    /// # Errors
    /// The errors of the implementation.
    fn look(&self, _block: &Block) -> Result<()> {
        Ok(())
    }
}
