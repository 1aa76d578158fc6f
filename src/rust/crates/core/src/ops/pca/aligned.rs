//! Numbers that start where a line of the cache starts.

use crate::error::Result;
use crate::memory;
use std::ops::{Deref, DerefMut};

/// The bytes of a line of the cache.
const LINE: usize = 64;

/// Numbers whose first one starts at a multiple of [`LINE`] bytes. A register of values loaded from
/// rows of whole lines then never lies across two lines, which would take two loads.
pub(super) struct Aligned<T> {
    all: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy> Aligned<T> {
    /// Makes `len` times `value`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), which names `what`.
    pub(super) fn filled(len: usize, value: T, what: &str) -> Result<Self> {
        let spare = LINE / size_of::<T>();
        let all = memory::filled(len.saturating_add(spare), value, what)?;
        let start = all.as_ptr().align_offset(LINE).min(spare);
        Ok(Aligned { all, start, len })
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all[self.start..][..self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.all[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_starts_a_line() {
        for len in [0, 1, 7, 1000, 100_000] {
            let singles = Aligned::filled(len, 1.5f32, "test").unwrap();
            let doubles = Aligned::filled(len, 2.5f64, "test").unwrap();
            assert_eq!((singles.as_ptr() as usize % LINE, doubles.as_ptr() as usize % LINE), (0, 0));
            assert_eq!((singles.to_vec(), doubles.to_vec()), (vec![1.5; len], vec![2.5; len]));
        }
    }
}
