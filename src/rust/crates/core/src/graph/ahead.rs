//! Asking for memory before it is needed, where the processor can be asked: passes over a graph or over scattered rows
//! otherwise wait for one cache line after the other.

/// Asks for the cache line of `values[at]`; nothing where there is no such element.
#[inline(always)]
pub(super) fn ahead<T>(values: &[T], at: usize) {
    if let Some(value) = values.get(at) {
        line(value);
    }
}

/// Asks for all of `values`.
#[inline(always)]
pub(super) fn ahead_all<T>(values: &[T]) {
    const LINE: usize = 64;
    let step = (LINE / size_of::<T>().max(1)).max(1);
    values.iter().step_by(step).chain(values.last()).for_each(line);
}

#[inline(always)]
fn line<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: a hint, which reads and writes nothing; the address is one of a value borrowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
