//! Verbs survive memory that runs out: whichever large request fails, a verb gives an error that says so, or its result,
//! and the next call gives the right one. Alone in its process: requests of all threads are counted.

use anndataoom_core::graph::{knn, KnnParams, Method};
use anndataoom_core::{Context, Error, Result};
use ndarray::ArrayView2;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

/// Requests of this many bytes or more are large.
const LARGE: usize = 1 << 18;

/// The system's allocator, which refuses the large request that is counted down to.
struct Failing(AtomicI64);

// SAFETY: every call goes to the system's allocator as it is, or is refused with null.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE && self.0.fetch_sub(1, Ordering::Relaxed) == 0 {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static FAILING: Failing = Failing(AtomicI64::new(-1));

/// Runs `verb` with each of its large requests refused in turn.
fn survives<T>(name: &str, verb: impl Fn() -> Result<T>, right: impl Fn(&T) -> bool) {
    assert!(right(&verb().unwrap()), "{name}: as it is");
    for nth in 0..10_000 {
        FAILING.0.store(nth, Ordering::Relaxed);
        let found = verb();
        let left = FAILING.0.swap(-1, Ordering::Relaxed);
        match found {
            Ok(found) => assert!(right(&found), "{name}, request {nth}: another result"),
            Err(Error::OutOfMemory { needed, .. }) => assert!(needed >= LARGE as u64 / 2, "{name}: {needed} bytes"),
            Err(e) => panic!("{name}, request {nth}: {e}"),
        }
        if left >= 0 {
            eprintln!("{name}: {nth} large requests");
            return;
        }
    }
    panic!("{name} does not end");
}

fn values(n: usize, m: usize, every: usize) -> Vec<f64> {
    let value =
        |i: usize| if (i * 2_654_435_761) % 4096 < 4096 / every { ((i * 40_503) % 23) as f64 + 1.0 } else { 0.0 };
    (0..n * m).map(value).collect()
}

#[test]
fn exact_neighbours() {
    let ctx = Context::with_threads(2);
    let (n, d) = (4000, 20);
    let points: Vec<f32> =
        values(n, d, 1).iter().enumerate().map(|(i, &v)| v as f32 + (i % 977) as f32 / 97.0).collect();
    let points = ArrayView2::from_shape((n, d), &points).unwrap();
    let params = KnnParams { k: 30, method: Method::Exact, ..KnnParams::default() };
    let expected = knn(points, &params, &ctx).unwrap();
    survives("knn, exact", || knn(points, &params, &ctx), |r| r.knn == expected.knn);
}
