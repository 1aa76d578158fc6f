//! What every long-running verb is given: how many threads, how much memory, and how to report and stop.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Default working memory of a streaming pass, in bytes (256 MiB).
pub const DEFAULT_MEMORY: usize = 256 << 20;

/// Progress and cancellation, shared between the working threads and the face that started the work.
///
/// Workers call [`Monitor::check`] at least every few milliseconds of work and [`Monitor::advance`] as they go;
/// the face polls [`Monitor::fraction`] and calls [`Monitor::cancel`] on Ctrl-C.
#[derive(Debug, Default)]
pub struct Monitor {
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Monitor {
    /// Asks the work to stop; it ends with [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// [`Error::Cancelled`] once [`Monitor::cancel`] was called.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Starts a new phase of `total` units of work.
    pub fn begin(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Counts `units` of work as done.
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }

    /// Share of the present phase that is done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        let total = self.total.load(Ordering::Relaxed);
        if total == 0 {
            0.0
        } else {
            (self.done.load(Ordering::Relaxed) as f64 / total as f64).min(1.0)
        }
    }
}

/// Resources and control of one call into the core. Results never depend on `threads` or `memory`.
#[derive(Debug, Clone)]
pub struct Context {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Working memory of a streaming pass in bytes.
    pub memory: usize,
    /// Progress and cancellation.
    pub monitor: std::sync::Arc<Monitor>,
}

impl Default for Context {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Context { threads, memory: DEFAULT_MEMORY, monitor: std::sync::Arc::default() }
    }
}

impl Context {
    /// The default context with a given number of threads.
    pub fn with_threads(threads: usize) -> Self {
        Context { threads: threads.max(1), ..Context::default() }
    }

    /// Runs `work` on a rayon pool of exactly `self.threads` threads, so that no global pool is touched (a forked
    /// process would inherit a dead one).
    ///
    /// # Errors
    /// [`Error::Internal`] when threads cannot be started or `work` panics.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build()
            .map_err(|e| Error::Internal(format!("cannot start {} threads: {e}", self.threads)))?;
        guard(|| pool.install(work))
    }
}

/// Gives freed memory back to the operating system. glibc keeps what worker threads have freed, tens of megabytes for each,
/// until a thread like them comes again; called when a verb has ended, and where a large step inside one has. Elsewhere it does nothing.
pub fn release_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: glibc's own function, callable at any time from any thread; it touches free memory only.
        unsafe { malloc_trim(0) };
    }
}

/// Runs `work` and turns a panic into [`Error::Internal`]: the last line of defence, not a way to report errors.
///
/// # Errors
/// Those of `work`, and [`Error::Internal`] for a panic.
pub fn guard<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("panic");
        Err(Error::Internal(text.to_owned()))
    })
}
