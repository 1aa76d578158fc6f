//! Memory put by for small requests.
//!
//! Large requests are made through [`crate::memory`], where running out is an error. The small ones between them (a name,
//! a message, the start of a thread, the vectors of a library) cannot fail in Rust without ending the process. So the faces use the allocator
//! [`Reserved`]: when the system refuses a small request it lets go of what was put by and asks again. From then on memory
//! is short: large requests are refused and running work stops, both with [`Error::OutOfMemory`](crate::Error::OutOfMemory), until a new reserve
//! was found.

use crate::error::{Error, Result};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Bytes put by. Nobody writes to them: they take address space and no memory.
const RESERVE: usize = 64 << 20;
/// The largest request the reserve is for. Vectors as long as the genes (a statistic of each, in the moments of columns and
/// all that chooses variable genes) are far below it and are asked for plainly.
pub const SMALL: usize = 16 << 20;

static KEPT: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static SHORT: AtomicBool = AtomicBool::new(false);

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a request that may be refused.
#[inline]
pub(crate) fn ask<T>(request: impl FnOnce() -> T) -> T {
    ASKING.set(true);
    let given = request();
    ASKING.set(false);
    given
}

/// Whether this thread makes a request that may be refused: the reserve is not for it.
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
    /// Asks, and once more, after letting go of the reserve, when a small request was refused.
    fn ask(size: usize, ask: impl Fn() -> *mut u8) -> *mut u8 {
        let at = ask();
        if !at.is_null() || size > SMALL || asking() {
            return at;
        }
        SHORT.store(true, Ordering::Relaxed);
        let kept = KEPT.swap(null_mut(), Ordering::AcqRel);
        if !kept.is_null() {
            // SAFETY: allocated in `provide` with this layout, and taken out of `KEPT` by this thread alone.
            unsafe { System.dealloc(kept, layout()) };
        }
        // Another thread may have let go of it meanwhile.
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
        // SAFETY: as above; a refused request leaves `at` as it was.
        Self::ask(size, || unsafe { System.realloc(at, layout, size) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Whether small requests live on the reserve.
pub(crate) fn short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// The error of work that goes on while memory is short.
pub(crate) fn shortage() -> Error {
    Error::OutOfMemory { what: "this step".to_owned(), needed: RESERVE as u64 }
}

/// Puts memory by, where that was not done or it was used up. Called before every verb.
///
/// # Errors
/// [`Error::OutOfMemory`] when the system has not as much left.
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
