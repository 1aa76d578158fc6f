//! The threads of a call.

use crate::error::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Stack of a thread that works.
pub(crate) const STACK: usize = 2 << 20;

/// Most threads there can be.
const MAX_THREADS: usize = 1 << 12;

/// The one thread pool of a call and its copies: started when it is first needed, gone with the last of them.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Mutex<Option<Running>>>);

#[derive(Debug)]
struct Running {
    threads: usize,
    /// A forked process has none of the threads: it starts its own.
    process: u32,
    pool: Arc<rayon::ThreadPool>,
    handles: Vec<JoinHandle<()>>,
}

impl Pool {
    /// The pool, of exactly `threads` threads.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 4096 threads; [`Error::OutOfMemory`] for more than the system starts.
    pub(super) fn of(&self, threads: usize) -> Result<Arc<rayon::ThreadPool>> {
        if threads > MAX_THREADS {
            return Err(Error::parameter("threads", format!("at most {MAX_THREADS}"), threads));
        }
        let process = std::process::id();
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(r) = running.take_if(|r| r.process != process) {
            // Its threads cannot be waited for.
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

    /// Ends the threads and waits until they are gone, with the buffers each of them kept; more work starts others. A pool that
    /// somebody still uses stays.
    pub(super) fn end(&self) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = |r: &mut Running| r.process == std::process::id() && Arc::strong_count(&r.pool) == 1;
        if let Some(Running { pool, handles, .. }) = running.take_if(ours) {
            drop(pool);
            for handle in handles {
                // A panic of its was told where it happened.
                drop(handle.join());
            }
        }
    }
}
