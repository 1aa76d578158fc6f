//! Blocks whose stored bytes are far away: threads of their own fetch those of the next blocks
//! while the workers are at others.

use crate::error::{Error, Result};
use crate::matrix::Pass;
use crate::session::{guard, Lease, Session, STACK};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope};

/// Blocks that are fetched at the same time, at most.
const AT_ONCE: usize = 8;

/// The blocks of a pass ahead of its workers.
pub(super) struct Ahead<'a> {
    pass: &'a dyn Pass,
    session: &'a Session,
    end: usize,
    /// Blocks that may have come, or be on their way, without being read.
    window: usize,
    state: Mutex<State>,
    changed: Condvar,
    _memory: Lease,
}

struct State {
    next: usize,
    /// Blocks that were read, however many those are.
    read: usize,
    came: HashMap<usize, Result<()>>,
    stopped: bool,
    /// Whether there are threads that fetch.
    started: bool,
}

impl<'a> Ahead<'a> {
    /// Makes the read-ahead for some blocks of a pass; returns `None` where their bytes are not
    /// remote.
    pub(super) fn of(pass: &'a dyn Pass, blocks: &Range<usize>, session: &'a Session) -> Option<Ahead<'a>> {
        let widest = blocks.clone().map(|block| pass.stored(block)).max().filter(|&bytes| bytes > 0)?;
        let memory = session.part(8);
        let window = (memory.bytes() / widest).clamp(1, 4 * AT_ONCE);
        let (next, came) = (blocks.start, HashMap::new());
        let state = Mutex::new(State { next, read: next, came, stopped: false, started: false });
        Some(Ahead { pass, session, end: blocks.end, window, state, changed: Condvar::new(), _memory: memory })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to fetch. Without a thread for it, who waits for a block fetches it.
    pub(super) fn start<'s>(&'s self, scope: &'s Scope<'s, '_>) {
        let fetch = || self.session.monitor.during(|| self.fetch());
        for _ in 0..AT_ONCE.min(self.window) {
            if Builder::new().stack_size(STACK).spawn_scoped(scope, fetch).is_err() {
                break;
            }
            self.lock().started = true;
        }
    }

    fn fetch(&self) {
        let mut state = self.lock();
        loop {
            if state.stopped || state.next >= self.end {
                return;
            }
            if state.next >= state.read + self.window {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let block = state.next;
            state.next += 1;
            drop(state);
            let came = guard(|| self.pass.ahead(block));
            state = self.lock();
            state.came.insert(block, came);
            self.changed.notify_all();
        }
    }

    /// Waits for a block.
    ///
    /// # Errors
    /// Errors of fetching it; [`Error::Cancelled`] once it was stopped.
    pub(super) fn wait(&self, block: usize) -> Result<()> {
        let mut state = self.lock();
        if !state.started {
            drop(state);
            return self.pass.ahead(block);
        }
        loop {
            if let Some(came) = state.came.remove(&block) {
                return came;
            }
            if state.stopped {
                return Err(Error::Cancelled);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes room for another block: one was read.
    pub(super) fn read(&self) {
        self.lock().read += 1;
        self.changed.notify_all();
    }

    /// Ends the threads once they have what they are at.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}
