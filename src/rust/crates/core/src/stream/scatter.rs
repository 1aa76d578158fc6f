//! Puts results of rows at the positions of the rows.

use crate::error::{Error, Result};
use crate::matrix::Positions;

/// A place for results of rows. It takes them block after block, on the calling thread.
pub trait Scatter<R> {
    /// Puts `rows`, the results of the rows at `at`, in their place.
    ///
    /// # Errors
    /// Errors of the implementation.
    fn scatter(&mut self, at: &Positions, rows: R) -> Result<()>;
}

impl Scatter<()> for () {
    fn scatter(&mut self, _: &Positions, (): ()) -> Result<()> {
        Ok(())
    }
}

/// Each row has the same number of values, row-major.
impl<T: Copy> Scatter<Vec<T>> for [T] {
    fn scatter(&mut self, at: &Positions, rows: Vec<T>) -> Result<()> {
        let width = rows.len() / at.len().max(1);
        let lost = || Error::Internal("values of rows that there are none of".to_owned());
        match at {
            Positions::Range(r) => {
                let to = self.get_mut(r.start * width..r.end * width).ok_or_else(lost)?;
                to.copy_from_slice(rows.get(..to.len()).ok_or_else(lost)?);
            }
            Positions::List(list) => {
                for (&i, row) in list.iter().zip(rows.chunks_exact(width.max(1))) {
                    self.get_mut(i as usize * width..(i as usize + 1) * width).ok_or_else(lost)?.copy_from_slice(row);
                }
            }
        }
        Ok(())
    }
}

impl<T: Copy> Scatter<Vec<T>> for Vec<T> {
    fn scatter(&mut self, at: &Positions, rows: Vec<T>) -> Result<()> {
        self.as_mut_slice().scatter(at, rows)
    }
}

impl<A, B, C: Scatter<A>, D: Scatter<B>> Scatter<(A, B)> for (C, D) {
    fn scatter(&mut self, at: &Positions, (a, b): (A, B)) -> Result<()> {
        self.0.scatter(at, a)?;
        self.1.scatter(at, b)
    }
}
