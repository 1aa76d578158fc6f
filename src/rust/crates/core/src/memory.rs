//! Allocation of memory that grows with data or arguments. Running out of memory is an error here,
//! whereas a plain `vec!` aborts the process. In all functions `what` describes the values in the
//! error.

use crate::error::{Error, Result};
use crate::reserve;
use rayon::iter::IndexedParallelIterator;
use std::alloc::{alloc_zeroed, Layout};

/// Makes the error of a refused request for `n` values.
pub fn refused<T>(n: usize, what: &str) -> Error {
    Error::OutOfMemory { what: what.to_owned(), needed: (n as u64).saturating_mul(size_of::<T>() as u64) }
}

/// Size in bytes from which on requests are refused while memory is short. Smaller ones live on the
/// reserve.
const LARGE: usize = 1 << 16;

/// Returns whether a request for `n` values is refused without asking the system, because memory is
/// short.
fn hopeless<T>(n: usize) -> bool {
    reserve::short() && n.saturating_mul(size_of::<T>()) >= LARGE
}

/// Returns the number of values of an array of these extents.
///
/// # Errors
/// [`Error::OutOfMemory`] for a number above `isize::MAX`.
pub fn count(extents: &[usize], what: &str) -> Result<usize> {
    let product = extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e));
    product.filter(|&n| n <= isize::MAX as usize).ok_or_else(|| refused::<u8>(usize::MAX, what))
}

/// Reserves memory for `more` further values, like `Vec::reserve`.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn reserve<T>(to: &mut Vec<T>, more: usize, what: &str) -> Result<()> {
    if to.capacity() - to.len() >= more {
        return Ok(());
    }
    let n = to.len().saturating_add(more);
    if hopeless::<T>(n) {
        return Err(refused::<T>(n, what));
    }
    reserve::ask(|| to.try_reserve(more)).map_err(|_| refused::<T>(n, what))
}

/// Checks that the system would give `bytes` now.
///
/// # Errors
/// [`Error::OutOfMemory`] when it would not.
pub fn probe(bytes: usize) -> Result<()> {
    room::<u8>(bytes, "a value").map(drop)
}

/// Allocates an empty vector with the capacity for `n` values.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn room<T>(n: usize, what: &str) -> Result<Vec<T>> {
    let mut out = Vec::new();
    if hopeless::<T>(n) {
        return Err(refused::<T>(n, what));
    }
    reserve::ask(|| out.try_reserve_exact(n)).map_err(|_| refused::<T>(n, what))?;
    Ok(out)
}

/// Allocates a vector of `n` times `value`.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn filled<T: Clone>(n: usize, value: T, what: &str) -> Result<Vec<T>> {
    let mut out = room(n, what)?;
    out.resize(n, value);
    Ok(out)
}

/// Collects the values of `from`.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn collected<T>(from: impl ExactSizeIterator<Item = T>, what: &str) -> Result<Vec<T>> {
    let mut out = room(from.len(), what)?;
    out.extend(from);
    Ok(out)
}

/// Collects the values of `from`, up to the first error among them.
///
/// # Errors
/// [`Error::OutOfMemory`]; the first error of `from`.
pub fn tried<T>(from: impl ExactSizeIterator<Item = Result<T>>, what: &str) -> Result<Vec<T>> {
    let mut out = room(from.len(), what)?;
    for value in from {
        out.push(value?);
    }
    Ok(out)
}

/// Collects the values of `from`; at most `n` of them are expected.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn exactly<T>(n: usize, from: impl Iterator<Item = T>, what: &str) -> Result<Vec<T>> {
    let mut out = room(n, what)?;
    out.extend(from);
    Ok(out)
}

/// Collects the values of `from` in parallel, in order.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn parallel<T: Send>(from: impl IndexedParallelIterator<Item = T>, what: &str) -> Result<Vec<T>> {
    let mut out = room(from.len(), what)?;
    // The capacity suffices, so this allocates nothing.
    from.collect_into_vec(&mut out);
    Ok(out)
}

/// Returns a copy of `values`.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn copied<T: Copy>(values: &[T], what: &str) -> Result<Vec<T>> {
    let mut out = room(values.len(), what)?;
    out.extend_from_slice(values);
    Ok(out)
}

/// Lengthens `to` to at least `n` values, with `value` for the new ones.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn lengthen<T: Clone>(to: &mut Vec<T>, n: usize, value: T, what: &str) -> Result<()> {
    if to.len() < n {
        reserve(to, n - to.len(), what)?;
        to.resize(n, value);
    }
    Ok(())
}

/// Asks the system for large pages behind memory that is going to be written: with small ones,
/// getting them takes longer than filling them.
pub fn large_pages<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 2 << 20;
        let (start, bytes) = (memory.as_mut_ptr() as usize, size_of_val(memory));
        if bytes >= 16 * PAGE {
            let first = start.next_multiple_of(PAGE);
            let length = (start + bytes - first) / PAGE * PAGE;
            // SAFETY: pages of memory that the caller has alone, whose content the hint does not
            // change.
            unsafe { libc::madvise(first as *mut _, length, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// A type whose zero bytes are a value, its zero.
///
/// # Safety
/// All bytes zero must be a valid value.
pub unsafe trait Zero: Copy {}

macro_rules! zero {
    ($($type:ty),*) => {$(
        // SAFETY: zero bytes are the number 0 (or false).
        unsafe impl Zero for $type {}
    )*};
}
zero!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, f32, f64, bool, (f64, f64), (u32, f32));
// SAFETY: an array of zeros is one.
unsafe impl<T: Zero, const N: usize> Zero for [T; N] {}

/// Allocates `n` zeros. Large ones come zeroed from the system, which provides pages on first use.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn zeros<T: Zero>(n: usize, what: &str) -> Result<Vec<T>> {
    let layout = Layout::array::<T>(n).map_err(|_| refused::<T>(n, what))?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    if hopeless::<T>(n) {
        return Err(refused::<T>(n, what));
    }
    // SAFETY: the layout is not empty.
    let at = reserve::ask(|| unsafe { alloc_zeroed(layout) });
    if at.is_null() {
        return Err(refused::<T>(n, what));
    }
    // SAFETY: the global allocator gave `at` for this very layout, and zero bytes are values of T.
    Ok(unsafe { Vec::from_raw_parts(at.cast(), n, n) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_nobody_can_fulfil_are_errors() {
        let told = |e: Error| e.to_string();
        let found = told(zeros::<f64>(1 << 59, "counts").unwrap_err());
        assert!(found.starts_with("counts needs 4611686018427387904 bytes"), "{found}");
        for e in [
            filled(1 << 60, 1.0f32, "weights").map(drop),
            room::<u64>(usize::MAX, "weights").map(drop),
            reserve(&mut vec![1u8], isize::MAX as usize, "weights"),
            collected((0..1usize << 59).map(|i| [i; 4]), "weights").map(drop),
            count(&[1 << 40, 1 << 40], "weights").map(drop),
        ] {
            assert!(told(e.unwrap_err()).starts_with("weights needs "));
        }
    }

    #[test]
    fn vectors_are_those_asked_for() {
        for n in [0, 1, 1 << 13, 1 << 16] {
            assert_eq!(zeros::<f64>(n, "").unwrap(), vec![0.0; n]);
            assert_eq!(filled(n, 3u16, "").unwrap(), vec![3; n]);
            assert_eq!(collected(0..n, "").unwrap(), (0..n).collect::<Vec<_>>());
        }
        assert_eq!(count(&[3, 4, 5], "").unwrap(), 60);
    }
}
