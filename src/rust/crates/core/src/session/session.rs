//! A session, which is passed down through all calls.

use super::budget::{Budget, Held, Lease};
use super::caches::Caches;
use super::guard::guard;
use super::machine;
use super::monitor::Monitor;
use super::pool::Pool;
use super::scratch::{Keeping, Space};
use crate::error::{Error, Result};
use crate::team::Team;
use std::sync::Arc;

/// Default working memory, in bytes (256 MiB).
pub const DEFAULT_MEMORY: usize = 256 << 20;

/// The resources and control of calls into the core, and the facts that they leave for later calls.
/// Copies belong to the same session. Results never depend on any of it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Working memory in bytes, for all work that runs at the same time.
    pub memory: usize,
    /// Bytes that all work of the graph stage may hold at the same time; `None` for the memory of
    /// the machine.
    pub graph_memory: Option<usize>,
    /// Progress and cancellation of a call.
    pub monitor: Arc<Monitor>,
    /// The processes that share every pass; `None` where this one works alone.
    pub team: Option<Arc<dyn Team>>,
    /// The threads, shared by all work of a call.
    pub pool: Pool,
    /// The working memory that is leased.
    pub budget: Budget,
    /// The memory that the graph stage holds.
    pub held: Budget,
    /// Scratch space on disk.
    pub scratch: Space,
    /// Bytes of scratch space that the packed rows of a matrix may take; `None` for as many as the
    /// matrix takes in its file, within a part of the free scratch space; 0 for none.
    pub packed: Option<u64>,
    /// Facts about matrices that passes have found.
    pub caches: Caches,
}

impl Default for Session {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (memory, graph_memory, packed) = (DEFAULT_MEMORY, None, None);
        let (monitor, pool, budget, held, scratch, caches) = Default::default();
        Session { threads, memory, graph_memory, monitor, team: None, pool, budget, held, scratch, packed, caches }
    }
}

impl Session {
    /// Makes a new session with `threads` threads (at least 1) and defaults for the rest.
    pub fn with_threads(threads: usize) -> Self {
        Session { threads: threads.max(1), ..Session::default() }
    }

    /// Returns the same session for one more call, with a monitor and a pool of its own.
    #[must_use]
    pub fn call(&self) -> Self {
        let (monitor, pool) = Default::default();
        Session { monitor, pool, ..self.clone() }
    }

    /// Leases as much of `want` bytes as is free; `what` names the work in errors.
    ///
    /// # Errors
    /// [`Error::Memory`] where less than `least` bytes are free.
    pub fn lease(&self, what: &str, least: usize, want: usize) -> Result<Lease> {
        self.budget.lease(least, want.max(least), self.memory).ok_or_else(|| Error::Memory {
            what: what.to_owned(),
            needed: least as u64,
            limit: self.memory as u64,
            hint: match self.budget.leased() {
                0 => "; raise the setting memory".to_owned(),
                n => format!(", of which other work has {n}; wait for it, or raise the setting memory"),
            },
        })
    }

    /// Leases `1 / of` of the memory, or as much of that as is free, but at least a quarter of that
    /// part even where less is free, so that all work makes progress.
    pub(crate) fn part(&self, of: usize) -> Lease {
        let want = self.memory / of.max(1);
        self.budget.lease_anyway(want / 4, want, self.memory)
    }

    /// Leases up to `1 / of` of the memory for data that stays between passes. It leases only bytes
    /// that are free of the first quarter of the memory, as a pass takes the other three quarters;
    /// that may be none.
    pub(crate) fn spare(&self, of: usize) -> Lease {
        self.budget.lease_anyway(0, self.memory / of.max(1), self.memory / 4)
    }

    /// Returns the use that a pass makes of packed rows: it reads those that there are and, with
    /// `fills`, packs the rows that it decodes.
    pub fn keeping(&self, fills: bool) -> Keeping {
        Keeping::new(self.caches.clone(), self.packed, self.memory, fills)
    }

    /// Leases `bytes` of `graph_memory` for work of the graph stage, all or none. The same number
    /// of bytes, or as many as are free, is also leased of `memory`, the bound of streaming. So
    /// passes that run at the same time get less memory. `what` names the work in errors.
    ///
    /// # Errors
    /// [`Error::Memory`] where fewer bytes are free of `graph_memory` or, if that is not set, of
    /// the memory of the machine.
    pub(crate) fn hold(&self, what: impl Into<String>, bytes: usize) -> Result<Held> {
        let own = self.hold_apart(what, bytes)?;
        Ok(Held { _own: own, _of_passes: self.budget.lease_anyway(0, bytes, self.memory) })
    }

    /// Leases `bytes` of `graph_memory` as [`hold`](Self::hold) does, but none of `memory`, so that
    /// the pass that fills the bytes can have all of `memory`.
    ///
    /// # Errors
    /// The error of [`hold`](Self::hold).
    pub(crate) fn hold_apart(&self, what: impl Into<String>, bytes: usize) -> Result<Lease> {
        let limit = self.graph_memory.or_else(machine::memory).unwrap_or(usize::MAX);
        self.held.lease(bytes, bytes, limit).ok_or_else(|| {
            let machine = if self.graph_memory.is_none() { ", the memory of this machine" } else { "" };
            let others = match self.held.leased() {
                0 => String::new(),
                n => format!(", of which other work has {n}"),
            };
            let hint = format!(
                "{machine}{others}; take fewer cells, neighbours or components, or raise the setting graph_memory"
            );
            Error::Memory { what: what.into(), needed: bytes as u64, limit: limit as u64, hint }
        })
    }

    /// Runs `work` on a rayon pool of exactly `self.threads` threads. The global pool is never
    /// used, because a forked process would inherit a dead one.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 4096 threads; [`Error::OutOfMemory`] for more than the
    /// system starts; [`Error::Internal`] when `work` panics.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let pool = self.pool()?;
        guard(|| pool.install(work))
    }

    /// Returns the pool of a call, of exactly `self.threads` threads.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 4096 threads; [`Error::OutOfMemory`] for more than the
    /// system starts.
    pub(crate) fn pool(&self) -> Result<Arc<rayon::ThreadPool>> {
        self.pool.get(self.threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_pool_of_the_size_asked_for() {
        let session = Session::with_threads(2);
        let pool = session.pool().unwrap();
        assert!(Arc::ptr_eq(&pool, &session.clone().pool().unwrap()));
        assert_eq!(pool.current_num_threads(), 2);
        let three = Session { threads: 3, ..session.clone() };
        assert_eq!(three.install(|| Ok(rayon::current_num_threads())).unwrap(), 3);
        assert_eq!(session.install(|| Ok(rayon::current_num_threads())).unwrap(), 2);
    }

    #[test]
    fn the_graph_stage_holds_all_or_none_of_a_memory_of_its_own() {
        let session = Session { memory: 1000, ..Session::with_threads(1) };
        // It may hold more than `memory`, of which passes then have none left.
        let all = session.hold("a graph", 5000).unwrap();
        assert_eq!((session.held.leased(), session.budget.leased()), (5000, 1000));
        drop(all);
        let bound = Session { graph_memory: Some(6000), ..session.call() };
        let first = bound.hold("a graph", 5000).unwrap();
        let error = bound.call().hold("umap", 2000).unwrap_err().to_string();
        let expected =
            "umap needs 2000 bytes, the limit is 6000, of which other work has 5000; take fewer cells, neighbours \
                        or components, or raise the setting graph_memory";
        assert_eq!(error, expected);
        drop(first);
        assert!(bound.hold("umap", 6000).is_ok());
        assert_eq!((bound.held.leased(), bound.budget.leased()), (0, 0));
        #[cfg(target_os = "linux")]
        {
            let error = session.hold("umap", usize::MAX / 2).unwrap_err().to_string();
            assert!(error.contains(", the memory of this machine; take fewer cells"), "{error}");
        }
    }

    #[test]
    fn a_lease_that_cannot_be_had_names_bytes_and_setting() {
        let session = Session { memory: 1000, ..Session::with_threads(1) };
        let none = session.lease("the graph", 2000, 2000).unwrap_err().to_string();
        assert_eq!(none, "the graph needs 2000 bytes, the limit is 1000; raise the setting memory");
        let half = session.lease("a pass", 0, 500).unwrap();
        // Another call of the session.
        let error = session.call().lease("the graph", 600, 900).unwrap_err().to_string();
        let other = "the graph needs 600 bytes, the limit is 1000, of which other work has 500; wait for it, or raise the setting memory";
        assert_eq!(error, other);
        assert_eq!(session.lease("the graph", 400, 900).unwrap().bytes(), 500);
        let rest = session.part(2);
        assert_eq!((rest.bytes(), session.part(4).bytes()), (500, 62));
        // A spare lease takes nothing of the three quarters of a pass.
        assert_eq!(session.spare(8).bytes(), 0);
        drop((half, rest));
        assert_eq!((session.spare(8).bytes(), session.spare(2).bytes()), (125, 125));
        assert_eq!(session.budget.leased(), 0);
    }
}
