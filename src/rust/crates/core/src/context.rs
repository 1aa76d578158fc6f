//! The context of every long-running verb: how many threads, how much memory, and how to report and stop.

use crate::error::{Error, Result};
use crate::reserve;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Stack of a thread that works, and of the one that runs a verb.
pub(crate) const STACK: usize = 2 << 20;
const VERB_STACK: usize = 16 << 20;

/// Most threads there can be.
const MAX_THREADS: usize = 1 << 12;

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
    /// [`Error::Cancelled`] once [`Monitor::cancel`] was called; [`Error::OutOfMemory`] while memory is short.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Error::Cancelled)
        } else if reserve::short() {
            Err(reserve::shortage())
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
    pub monitor: Arc<Monitor>,
    /// The processes that share every pass; `None` where this one works alone.
    pub team: Option<Arc<dyn crate::team::Team>>,
    /// The threads of a pool, shared by all work in this context.
    pub pool: Pool,
}

/// The one thread pool of a context and its copies: started when it is first needed, gone with the last of them.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Mutex<Option<Running>>>);

#[derive(Debug)]
struct Running {
    threads: usize,
    /// A forked process has none of the threads: it starts its own.
    process: u32,
    pool: Arc<rayon::ThreadPool>,
}

impl Default for Context {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Context { threads, memory: DEFAULT_MEMORY, monitor: Arc::default(), team: None, pool: Pool::default() }
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
    /// As [`Context::pool`] has them; [`Error::Internal`] when `work` panics.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let pool = self.pool()?;
        guard(|| pool.install(work))
    }

    /// The pool of this context, of exactly `self.threads` threads.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 4096 threads; [`Error::OutOfMemory`] for more than the system starts.
    pub(crate) fn pool(&self) -> Result<Arc<rayon::ThreadPool>> {
        if self.threads > MAX_THREADS {
            return Err(Error::parameter("threads", format!("at most {MAX_THREADS}"), self.threads));
        }
        let (threads, process) = (self.threads, std::process::id());
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        let mut running = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(r) = running.take_if(|r| r.process != process) {
            // Its threads cannot be waited for.
            std::mem::forget(r);
        }
        if let Some(r) = running.as_ref().filter(|r| r.threads == threads) {
            return Ok(r.pool.clone());
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build();
        let pool = Arc::new(pool.map_err(|e| Error::OutOfMemory {
            what: format!("starting {threads} threads ({e})"),
            needed: (threads * STACK) as u64,
        })?);
        *running = Some(Running { threads, process, pool: pool.clone() });
        Ok(pool)
    }
}

/// How often a face looks for Ctrl-C, and how often it draws progress.
const POLL: Duration = Duration::from_millis(50);
const DRAW: Duration = Duration::from_millis(200);

/// Runs `work` on a thread of its own while this thread keeps watch. Until the work ends, `watch` is called every 50 ms,
/// with the share that is done when it is time to draw it; an error of its (Ctrl-C, a bar that cannot be drawn) stops the
/// work and is what the call gives, once the work has ended. `wait` runs the pause it is handed: a face with a lock on its
/// interpreter lets go of it around that.
///
/// # Errors
/// Outside, the first error of `watch`; inside, those of `work`, which go first when `work` failed of itself, and
/// [`Error::Internal`] for a panic.
pub fn watched<T: Send, E>(
    ctx: &Context,
    work: impl FnOnce(&Context) -> Result<T> + Send,
    wait: impl Fn(&mut (dyn FnMut() + Send)),
    mut watch: impl FnMut(Option<f64>) -> std::result::Result<(), E>,
) -> std::result::Result<Result<T>, E> {
    if let Err(e) = reserve::provide() {
        return Ok(Err(e));
    }
    std::thread::scope(|scope| {
        let (sender, mut receiver) = sync_channel(1);
        let spawned = std::thread::Builder::new().name("anndataoom".to_owned()).stack_size(VERB_STACK).spawn_scoped(
            scope,
            // The receiver outlives the worker: sending cannot fail.
            move || drop(sender.send(guard(|| work(ctx)))),
        );
        if let Err(e) = spawned {
            let what = format!("a thread to work on ({e})");
            return Ok(Err(Error::OutOfMemory { what, needed: VERB_STACK as u64 }));
        }
        let (mut stopped, mut drawn) = (None, Instant::now());
        loop {
            let mut outcome = Err(RecvTimeoutError::Timeout);
            wait(&mut || {
                // Borrowed alone, a receiver may go to the thread that waits.
                let receiver = &mut receiver;
                outcome = receiver.recv_timeout(POLL);
            });
            match outcome {
                Ok(result) => {
                    release_memory();
                    return match (stopped, result) {
                        // Work that ended before it noticed is stopped all the same: the signal was taken from the face.
                        (Some(e), Ok(_) | Err(Error::Cancelled)) => Err(e),
                        (_, result) => Ok(result),
                    };
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Err(Error::Internal("a worker vanished".to_owned()))),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let due = stopped.is_none() && drawn.elapsed() >= DRAW;
            if due {
                drawn = Instant::now();
            }
            if let Err(e) = watch(due.then(|| ctx.monitor.fraction())) {
                ctx.monitor.cancel();
                stopped.get_or_insert(e);
            }
        }
    })
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
/// The errors of `work`, and [`Error::Internal`] for a panic.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_pool_of_the_size_asked_for() {
        let ctx = Context::with_threads(2);
        let pool = ctx.pool().unwrap();
        assert!(Arc::ptr_eq(&pool, &ctx.clone().pool().unwrap()));
        assert_eq!(pool.current_num_threads(), 2);
        let three = Context { threads: 3, ..ctx.clone() };
        assert_eq!(three.install(|| Ok(rayon::current_num_threads())).unwrap(), 3);
        assert_eq!(ctx.install(|| Ok(rayon::current_num_threads())).unwrap(), 2);
    }

    fn until_cancelled(ctx: &Context) -> Result<()> {
        loop {
            ctx.monitor.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn the_watch_stops_the_work_with_its_own_error() {
        let fails = |drawing: Option<f64>| drawing.map_or(Ok(()), |_| Err("no terminal"));
        let ctx = Context::default();
        assert_eq!(watched(&ctx, until_cancelled, |pause| pause(), fails).unwrap_err(), "no terminal");

        // Only the first error counts, and nothing is drawn after it.
        let ctx = Context::default();
        let mut calls = 0;
        let found = watched(
            &ctx,
            |ctx| {
                let ended = until_cancelled(ctx);
                std::thread::sleep(4 * DRAW);
                ended
            },
            |pause| pause(),
            |drawing| {
                calls += 1;
                assert!(calls == 1 || drawing.is_none());
                Err(calls)
            },
        );
        assert_eq!(found.unwrap_err(), 1);
        assert!(calls > 4);
    }

    #[test]
    fn the_work_keeps_its_result_and_its_error() {
        let ctx = Context::default();
        let quiet = |_: Option<f64>| Ok::<(), ()>(());
        assert_eq!(watched(&ctx, |_| Ok(7), |pause| pause(), quiet).unwrap().unwrap(), 7);
        let failed = watched(&ctx, |_| Err::<(), _>(Error::Numerical("no".to_owned())), |pause| pause(), quiet);
        assert_eq!(failed.unwrap().unwrap_err().to_string(), "no");
        let fails = |_: Option<f64>| Err::<(), _>("stop");
        let disk = |ctx: &Context| until_cancelled(ctx).map_err(|_| Error::State("disk full".to_owned()));
        assert_eq!(watched(&ctx, disk, |pause| pause(), fails).unwrap().unwrap_err().to_string(), "disk full");
        let ended = watched(&Context::default(), until_cancelled, |pause| pause(), fails);
        assert_eq!(ended.unwrap_err(), "stop");
    }
}
