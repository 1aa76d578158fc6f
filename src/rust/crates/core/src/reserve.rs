//! A reserve of memory for small requests.
//!
//! Large requests go through [`crate::memory`], where running out of memory is an error. The small
//! ones between them (a name, a message, the start of a thread, the vectors of a library) cannot
//! fail in Rust without ending the process. So the faces use the allocator [`Reserved`]: when the
//! system refuses a small request, it releases the reserve and asks again. From then on memory is
//! short: large requests are refused and running work stops, both with [`Error::OutOfMemory`],
//! until [`provide`] has allocated a new reserve.

use crate::error::{Error, Result};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Bytes of the reserve. Nothing is written to them, so they take address space and no memory.
const RESERVE: usize = 64 << 20;
/// Largest request in bytes that the reserve is for. Vectors with one value per gene (statistics of
/// columns, all that chooses variable genes) are far smaller and are allocated without a check.
pub const SMALL: usize = 16 << 20;

static KEPT: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static SHORT: AtomicBool = AtomicBool::new(false);

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a request whose refusal becomes an error; the reserve is not released for it.
#[inline]
pub(crate) fn ask<T>(request: impl FnOnce() -> T) -> T {
    ASKING.set(true);
    let given = request();
    ASKING.set(false);
    given
}

/// Returns whether this thread runs such a request, so that the reserve is not released.
#[inline]
pub fn asking() -> bool {
    ASKING.get()
}

fn layout() -> Layout {
    Layout::from_size_align(RESERVE, 4096).unwrap_or(Layout::new::<u8>())
}

/// The system's allocator, with a reserve for small requests.
#[derive(Debug)]
pub struct Reserved;

impl Reserved {
    /// Asks the system. If it refuses a small request, the reserve is released and the system asked
    /// again.
    fn ask(size: usize, ask: impl Fn() -> *mut u8) -> *mut u8 {
        let at = ask();
        if !at.is_null() || size > SMALL || asking() {
            return at;
        }
        SHORT.store(true, Ordering::Relaxed);
        let kept = KEPT.swap(null_mut(), Ordering::AcqRel);
        if !kept.is_null() {
            // SAFETY: allocated in `provide` with this layout, and taken out of `KEPT` by this
            // thread alone.
            unsafe { System.dealloc(kept, layout()) };
        }
        // Another thread may have released the reserve, so ask in any case.
        ask()
    }
}

// SAFETY: every call goes to the system's allocator, some of them twice.
unsafe impl GlobalAlloc for Reserved {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of the system's allocator.
        Self::ask(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of the system's allocator.
        Self::ask(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises are those of the system's allocator; a refused request
        // leaves `at` as it was.
        Self::ask(size, || unsafe { System.realloc(at, layout, size) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Returns whether the reserve was released and not renewed.
pub(crate) fn short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// Makes the error of work that would go on while memory is short.
pub(crate) fn shortage() -> Error {
    Error::OutOfMemory { what: "this step".to_owned(), needed: RESERVE as u64 }
}

/// Allocates the reserve if there is none. Every call of a face begins with it.
///
/// # Errors
/// [`Error::OutOfMemory`] when the system does not have as much left.
pub fn provide() -> Result<()> {
    if !KEPT.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: the layout is not empty.
    let new = unsafe { System.alloc(layout()) };
    if new.is_null() {
        return Err(shortage());
    }
    SHORT.store(false, Ordering::Relaxed);
    if KEPT.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // SAFETY: allocated above; another thread was faster.
        unsafe { System.dealloc(new, layout()) };
    }
    Ok(())
}
