//! The thread pool of a call.

use crate::error::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Stack of a worker thread, in bytes.
pub(crate) const STACK: usize = 2 << 20;

/// Most threads of a pool.
const MAX_THREADS: usize = 1 << 12;

/// The one thread pool of a call and its copies. It is started when it is first needed, and ended
/// when the last copy is dropped.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Mutex<Option<Running>>>);

/// A pool with its threads.
#[derive(Debug)]
struct Running {
    threads: usize,
    /// The process that started the threads. A forked process has none of them and starts its own.
    process: u32,
    pool: Arc<rayon::ThreadPool>,
    handles: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Returns the pool, of exactly `threads` threads; starts it where there is none of that size.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 4096 threads; [`Error::OutOfMemory`] for more than the
    /// system starts.
    pub(super) fn get(&self, threads: usize) -> Result<Arc<rayon::ThreadPool>> {
        if threads > MAX_THREADS {
            return Err(Error::parameter("threads", format!("at most {MAX_THREADS}"), threads));
        }
        let process = std::process::id();
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(r) = running.take_if(|r| r.process != process) {
            // The threads belong to another process and cannot be joined.
            std::mem::forget(r);
        }
        if let Some(r) = running.as_ref().filter(|r| r.threads == threads) {
            return Ok(r.pool.clone());
        }
        let mut handles = Vec::new();
        let start = |worker: rayon::ThreadBuilder| {
            handles.push(Builder::new().stack_size(STACK).spawn(move || worker.run())?);
            Ok(())
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).spawn_handler(start).build();
        let pool = Arc::new(pool.map_err(|e| Error::OutOfMemory {
            what: format!("starting {threads} threads ({e})"),
            needed: (threads * STACK) as u64,
        })?);
        *running = Some(Running { threads, process, pool: pool.clone(), handles });
        Ok(pool)
    }

    /// Ends the threads and joins them; the buffers of each thread go with it. Later work starts
    /// new ones. A pool that is still in use stays.
    pub(super) fn end(&self) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = |r: &mut Running| r.process == std::process::id() && Arc::strong_count(&r.pool) == 1;
        if let Some(Running { pool, handles, .. }) = running.take_if(ours) {
            drop(pool);
            for handle in handles {
                // A panic of the thread was reported where it happened.
                drop(handle.join());
            }
        }
    }
}
