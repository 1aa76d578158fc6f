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

/// Asks for what a look at the vertices after `vertices[i]` of a graph in rows will need, what leads to it first: where
/// the rows of those farthest ahead begin, the edges of those nearer (`weights` as well, where there are any), and the
/// `labels` of their other ends.
#[inline(always)]
pub(super) fn ahead_around<W, T>(
    (indptr, indices, weights): (&[usize], &[u32], &[W]),
    vertices: &[u32],
    i: usize,
    labels: &[T],
) {
    let row = |vertex: u32| indptr[vertex as usize]..indptr[vertex as usize + 1];
    if let Some(&vertex) = vertices.get(i + 24) {
        ahead(indptr, vertex as usize);
    }
    if let Some(&vertex) = vertices.get(i + 16) {
        ahead_all(&indices[row(vertex)]);
        ahead_all(weights.get(row(vertex)).unwrap_or_default());
    }
    if let Some(&vertex) = vertices.get(i + 8) {
        indices[row(vertex)].iter().for_each(|&other| ahead(labels, other as usize));
    }
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
