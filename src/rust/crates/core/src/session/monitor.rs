//! Progress and cancellation of a call.
//!
//! A face is the code by which a language calls the core: the package for R, or the one for Python.

use crate::error::{Error, Result};
use crate::reserve;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

thread_local! {
    /// The monitor of the call that this thread works for.
    static WORKING: RefCell<Option<Arc<Monitor>>> = const { RefCell::new(None) };
}

/// Progress and cancellation, shared between the working threads and the face that started the
/// work.
///
/// Workers call [`Monitor::check`] at least every few milliseconds of work and [`Monitor::advance`]
/// as they go; the face polls [`Monitor::fraction`] and calls [`Monitor::cancel`] on Ctrl-C.
#[derive(Debug, Default)]
pub struct Monitor {
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Monitor {
    /// Cancels the work, which then ends with [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Runs `work` on this thread for the call of this monitor. Waiting for a remote store, which
    /// knows no session, then ends when the call is cancelled.
    pub(crate) fn during<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        struct Back(Option<Arc<Monitor>>);
        impl Drop for Back {
            fn drop(&mut self) {
                WORKING.set(self.0.take());
            }
        }
        let _back = Back(WORKING.replace(Some(self.clone())));
        work()
    }

    /// Returns the monitor of the call that this thread works for; `None` where it works for none.
    pub(crate) fn of_thread() -> Option<Arc<Monitor>> {
        WORKING.with_borrow(Clone::clone)
    }

    /// Returns whether [`Monitor::cancel`] was called.
    #[cfg(any(feature = "remote", test))]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Checks that work may go on.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once [`Monitor::cancel`] was called; [`Error::OutOfMemory`] while
    /// memory is short.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Error::Cancelled)
        } else if reserve::short() {
            Err(reserve::shortage())
        } else {
            Ok(())
        }
    }

    /// Begins a new phase of `total` units of work.
    pub fn begin(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Adds `units` of work that are done.
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }

    /// Returns the share of the present phase that is done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        let total = self.total.load(Ordering::Relaxed);
        if total == 0 {
            0.0
        } else {
            (self.done.load(Ordering::Relaxed) as f64 / total as f64).min(1.0)
        }
    }
}
