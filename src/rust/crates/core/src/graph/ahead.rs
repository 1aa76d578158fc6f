//! Prefetches memory, on processors that have an instruction for it. Passes over a graph or over
//! scattered rows otherwise wait for one cache line after the other.

/// Prefetches the cache line of `values[at]`; does nothing where there is no such element.
#[inline(always)]
pub(super) fn prefetch<T>(values: &[T], at: usize) {
    if let Some(value) = values.get(at) {
        line(value);
    }
}

/// Prefetches all cache lines of `values`.
#[inline(always)]
pub(super) fn ahead_all<T>(values: &[T]) {
    const LINE: usize = 64;
    let step = (LINE / size_of::<T>().max(1)).max(1);
    values.iter().step_by(step).chain(values.last()).for_each(line);
}

/// Prefetches for the vertices after `vertices[i]`: row starts for the farthest, edges (and
/// `weights`, unless empty) and the `labels` of their other ends for the nearer ones. The distances
/// are staggered because each access needs the one before it.
#[inline(always)]
pub(super) fn ahead_around<W, T>(
    (indptr, indices, weights): (&[usize], &[u32], &[W]),
    vertices: &[u32],
    i: usize,
    labels: &[T],
) {
    let row = |vertex: u32| indptr[vertex as usize]..indptr[vertex as usize + 1];
    if let Some(&vertex) = vertices.get(i + 24) {
        prefetch(indptr, vertex as usize);
    }
    if let Some(&vertex) = vertices.get(i + 16) {
        ahead_all(&indices[row(vertex)]);
        ahead_all(weights.get(row(vertex)).unwrap_or_default());
    }
    if let Some(&vertex) = vertices.get(i + 8) {
        indices[row(vertex)].iter().for_each(|&other| prefetch(labels, other as usize));
    }
}

/// Prefetches the cache line of `value`.
#[inline(always)]
fn line<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: a prefetch is a hint and reads and writes nothing; the address is that of a
        // borrowed value.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
